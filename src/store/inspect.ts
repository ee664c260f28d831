// Looks at a store's file before LMDB does, and changes nothing.

import { existsSync } from 'node:fs';
import { isBolt } from '../bolt/format.ts';
import { PageFile } from './page-file.ts';
import { DEFAULT_PAGE_BYTES, decodeMeta, decodePage, META_BYTES, type Meta } from './pages.ts';

/**
 * The size in bytes of a file that LMDB may open; undefined: there is no store yet. For whoever holds the store's lock:
 * pages are looked at one after another, and a commit in between would seem like damage.
 *
 * An empty file counts as missing if LMDB has never opened it (no lock file beside it): somebody made a temporary file.
 *
 * @throws StoreError 'damaged' that names the path and the finding; 'io' if the file cannot be read
 */
export function inspectStore(path: string): number | undefined {
  return look(path, file => {
    inspectPages(file, newestMeta(file));
    return file.size;
  });
}

/** @throws StoreError 'damaged' */
export function newestMeta(file: PageFile): Meta {
  const header = readHeader(file);
  if (header === 'bolt') throw file.finding('is a boltdb file of the Go plugin: its leases must be imported first');
  const [first, second] = header;
  return first.transaction > second.transaction ? first : second;
}

/**
 * The same as far as it can be told without the lock, from what no commit changes. What is no store at all is found
 * here, before anything is made beside it. 'bolt': a file of the Go plugin lies in its place.
 */
export function probeStore(path: string): 'present' | 'missing' | 'bolt' {
  return look(path, file => (readHeader(file) === 'bolt' ? 'bolt' : 'present')) ?? 'missing';
}

function look<T>(path: string, inspect: (file: PageFile) => T): T | undefined {
  return PageFile.open(path, file => {
    file.requireRegular();
    if (file.size > 0) return inspect(file);
    if (!existsSync(`${path}-lock`)) return undefined;
    throw file.finding('is empty, though it has been a store: its content was cut off');
  });
}

/** Whether the file is one of bbolt, i.e. of the Go plugin. False where there is none. */
export function isBoltFile(path: string): boolean {
  return PageFile.open(path, file => file.stat.isFile() && hasBoltMagic(file)) ?? false;
}

export function hasBoltMagic(file: PageFile): boolean {
  return isBolt((offset, bytes) => new Uint8Array(file.read(offset, bytes).buffer));
}

/** Both meta pages; 'bolt' if they are bbolt's. */
function readHeader(file: PageFile): [Meta, Meta] | 'bolt' {
  const first = decodeMeta(file.read(0, META_BYTES));
  const second = decodeMeta(file.read(first?.pageBytes ?? DEFAULT_PAGE_BYTES, META_BYTES));
  if (first === undefined || second === undefined || first.pageBytes !== second.pageBytes) {
    if (hasBoltMagic(file)) return 'bolt';
    const which = first === undefined ? (second === undefined ? 'either meta page' : 'meta page 0') : 'meta page 1';
    throw file.finding(`is not an LMDB file that can be used: no sound header in ${which} (${file.size} bytes)`);
  }
  return [first, second];
}

function inspectPages(file: PageFile, newest: Meta): void {
  const { pageBytes, lastPage } = newest;
  if (lastPage < Math.floor(file.size / pageBytes)) return;
  // Pages that a transaction takes at the end and gives back are not written: the file may be shorter than its last
  // page, as long as no page that is in use is missing.
  const missing = missingPage(file, newest);
  if (missing !== undefined) {
    throw file.finding(`is truncated: it has ${file.size} bytes, and page ${missing} of ${pageBytes} bytes is missing`);
  }
}

/** The number of a page that the trees use and the file does not have whole, or not as one of theirs. */
function missingPage(file: PageFile, { pageBytes, lastPage, freePages, rows }: Meta): number | undefined {
  const isMissing = (number: number) => number > lastPage || (number + 1) * pageBytes > file.size;
  const stack = [freePages.root, rows.root].filter(root => root !== undefined);
  const seen = new Set<number>();
  for (let number = stack.pop(); number !== undefined; number = stack.pop()) {
    if (isMissing(number) || seen.has(number)) return number;
    seen.add(number);
    const { children, entries, problem } = decodePage(file.read(number * pageBytes, pageBytes));
    if (problem !== undefined) return number;
    stack.push(...children.map(node => node.child));
    for (const { value } of entries) {
      if (!('page' in value)) continue;
      const last = value.page + value.pages - 1;
      if (isMissing(last)) return last;
    }
  }
  return undefined;
}
