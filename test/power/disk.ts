// A disk as it may be when the power fails. It promises no more than POSIX does:
//
// - A write is certain when a flush of its file has returned, or when it has returned itself if it is synchronous
//   (O_DSYNC). Before that each of its sectors may be on disk or not, whatever the order of the writes.
// - A name (made, renamed, removed) is certain when its directory has been flushed. Until then names may be as they
//   were after any of the changes since.

import { dirname } from 'node:path';
import type { Event } from './events.ts';

const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;

export interface Write {
  offset: number;
  bytes: Buffer;
}

/** Which sectors of the uncertain write number `index` are on disk. */
export type Survivors = (index: number) => 'all' | 'none' | ((sector: number) => boolean);

export class StoredFile {
  #certain: Buffer = Buffer.alloc(0);
  readonly uncertain: Write[] = [];

  /** As processes see it. */
  get length(): number {
    return this.survive(() => 'all').length;
  }

  /** What a reader finds after a power failure. */
  survive(survivors: Survivors): Buffer {
    let content: Buffer = Buffer.from(this.#certain);
    for (const [index, write] of this.uncertain.entries()) {
      const kept = survivors(index);
      if (kept !== 'none') content = written(content, write, kept);
    }
    return content;
  }

  write(write: Write, isSynchronous: boolean): void {
    if (isSynchronous) this.#certain = written(this.#certain, write, 'all');
    else this.uncertain.push(...pagesOf(write));
  }

  flush(): void {
    this.#certain = this.survive(() => 'all');
    this.uncertain.length = 0;
  }
}

/** Each page goes to the disk by itself. Zeros, which allocate space, stay together. */
function pagesOf({ offset, bytes }: Write): Write[] {
  if (bytes.every(byte => byte === 0)) return [{ offset, bytes }];
  const starts = Array.from({ length: Math.ceil(bytes.length / PAGE_BYTES) }, (_, page) => page * PAGE_BYTES);
  return starts.map(start => ({ offset: offset + start, bytes: bytes.subarray(start, start + PAGE_BYTES) }));
}

function written(content: Buffer, { offset, bytes }: Write, kept: 'all' | ((sector: number) => boolean)): Buffer {
  const end = offset + bytes.length;
  const result = end <= content.length ? content : Buffer.concat([content, Buffer.alloc(end - content.length)]);
  if (kept === 'all') {
    bytes.copy(result, offset);
    return result;
  }
  for (const [sector, [from, to]] of sectorsOf({ offset, bytes }).entries()) {
    if (kept(sector)) bytes.copy(result, from, from - offset, to - offset);
  }
  return result;
}

/** The ranges of the file that a write changes, sector by sector. */
export function sectorsOf({ offset, bytes }: Write): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  for (let from = offset; from < offset + bytes.length; ) {
    const to = Math.min(offset + bytes.length, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
    ranges.push([from, to]);
    from = to;
  }
  return ranges;
}

/** What a path leads to. */
export type Names = Map<string, StoredFile | 'directory'>;

interface NameChange {
  directory: string;
  apply(names: Names): void;
}

export class Disk {
  /** Names that are certain. */
  #certain: Names;
  readonly uncertainNames: NameChange[] = [];
  /** Names as processes see them. */
  readonly names: Names;

  constructor(root: string) {
    this.#certain = new Map([[root, 'directory']]);
    this.names = new Map(this.#certain);
  }

  /** Names after a power failure, so many of the uncertain changes having happened. What has no directory is lost. */
  namesAfter(changes: number): Names {
    const names = new Map(this.#certain);
    for (const change of this.uncertainNames.slice(0, changes)) change.apply(names);
    return withoutLost(names);
  }

  apply(event: Event): void {
    const { kind } = event;
    if (kind === 'open' && !this.names.has(event.path)) this.#name(event.path, new StoredFile());
    else if (kind === 'mkdir') this.#name(event.path, 'directory');
    else if (kind === 'write') this.#file(event.path).write(event, event.isSynchronous);
    else if (kind === 'rename') this.#rename(event.path, event.to);
    else if (kind === 'remove') this.#change(event.path, names => names.delete(event.path));
    else if (kind === 'flush') this.#flush(event.path);
    else if (kind === 'truncate' && event.size !== this.#file(event.path).length)
      throw new Error(`${event.path} is cut`);
  }

  #rename(path: string, to: string): void {
    const file = this.#file(path);
    this.#change(path, names => {
      names.delete(path);
      names.set(to, file);
    });
  }

  #name(path: string, what: StoredFile | 'directory'): void {
    this.#change(path, names => names.set(path, what));
  }

  #change(path: string, apply: (names: Names) => void): void {
    apply(this.names);
    this.uncertainNames.push({ directory: dirname(path), apply });
  }

  #file(path: string): StoredFile {
    const file = this.names.get(path);
    if (file === undefined || file === 'directory') throw new Error(`${path}: no file`);
    return file;
  }

  #flush(path: string): void {
    if (this.names.get(path) !== 'directory') {
      this.#file(path).flush();
      return;
    }
    const ofDirectory = this.uncertainNames.filter(({ directory }) => directory === path);
    for (const { apply } of ofDirectory) apply(this.#certain);
    const others = this.uncertainNames.filter(({ directory }) => directory !== path);
    this.uncertainNames.splice(0, this.uncertainNames.length, ...others);
  }
}

function withoutLost(names: Names): Names {
  const root = names.keys().next().value!;
  const isReachable = (path: string): boolean =>
    path === root || (names.get(dirname(path)) === 'directory' && isReachable(dirname(path)));
  return new Map([...names].filter(([path]) => isReachable(path)));
}
