// Looks at a store's file before LMDB does. LMDB maps the file: garbage or a truncated file is a SIGSEGV or SIGBUS
// there, which no `catch` sees. Everything here reads with read(2) and changes nothing.

import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { hasMagic, META_END } from '../bolt/format.ts';
import { StoreError } from './error.ts';
import {
  DEFAULT_PAGE_BYTES,
  decodeMeta,
  F_BIGDATA,
  META_BYTES,
  type Meta,
  NO_PAGE,
  P_BRANCH,
  P_LEAF,
  P_OVERFLOW,
  PAGE_HEADER_BYTES,
} from './pages.ts';

/** Where a second meta page of bbolt's may lie: at its page size. */
const BOLT_META_OFFSETS = [0, ...Array.from({ length: 7 }, (_, i) => 1024 << i)];

/**
 * 'sound': LMDB may open it. 'missing': there is no store yet. For whoever holds the store's lock: pages are looked at
 * one after another, and a commit in between would seem like damage.
 *
 * An empty file counts as missing if LMDB has never opened it (no lock file beside it): somebody made a temporary file.
 *
 * @throws StoreError 'damaged' that names the path and the finding; 'io' if the file cannot be read
 */
export function inspectStore(path: string): 'sound' | 'missing' {
  return withStoreFile(path, file => {
    const header = readHeader(path, file);
    if (header === 'bolt') throw finding(path, 'is a boltdb file of the Go plugin: its leases must be imported first');
    inspectPages(path, file, header);
    return 'sound';
  });
}

/**
 * The same as far as it can be told without the lock, from what no commit changes. What is no store at all is found
 * here, before anything is made beside it. 'bolt': a file of the Go plugin lies in its place.
 */
export function probeStore(path: string): 'present' | 'missing' | 'bolt' {
  return withStoreFile(path, file => (readHeader(path, file) === 'bolt' ? 'bolt' : 'present'));
}

function withStoreFile<T>(path: string, look: (file: PageFile) => T): T | 'missing' {
  const fd = openForReading(path);
  if (fd === undefined) return 'missing';
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw finding(path, stat.isDirectory() ? 'is a directory' : 'is not a regular file');
    if (stat.size === 0) {
      if (!existsSync(`${path}-lock`)) return 'missing';
      throw finding(path, 'is empty, though it has been a store: its content was cut off');
    }
    return look(new PageFile(fd, stat.size));
  } finally {
    closeSync(fd);
  }
}

/** Whether the file is one of bbolt, i.e. of the Go plugin. False where there is none. */
export function isBoltFile(path: string): boolean {
  const fd = openForReading(path);
  if (fd === undefined) return false;
  try {
    const stat = fstatSync(fd);
    return stat.isFile() && hasBoltMagic(new PageFile(fd, stat.size));
  } finally {
    closeSync(fd);
  }
}

/** Undefined if there is no such file. Never waits for whoever opens a pipe's other end. */
function openForReading(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StoreError('io', `store ${path}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function finding(path: string, what: string): StoreError {
  return new StoreError('damaged', `store ${path}: ${what}`);
}

/** A file read in pieces; what lies past its end reads as zeros. */
class PageFile {
  readonly #fd: number;
  readonly size: number;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  read(offset: number, bytes: number): DataView {
    const buffer = new Uint8Array(bytes);
    readSync(this.#fd, buffer, 0, bytes, offset);
    return new DataView(buffer.buffer);
  }
}

function hasBoltMagic(file: PageFile): boolean {
  return BOLT_META_OFFSETS.some(offset => hasMagic(new Uint8Array(file.read(offset, META_END).buffer)));
}

/** Both meta pages; 'bolt' if they are bbolt's. */
function readHeader(path: string, file: PageFile): [Meta, Meta] | 'bolt' {
  const first = decodeMeta(file.read(0, META_BYTES));
  const second = decodeMeta(file.read(first?.pageBytes ?? DEFAULT_PAGE_BYTES, META_BYTES));
  if (first === undefined || second === undefined || first.pageBytes !== second.pageBytes) {
    if (hasBoltMagic(file)) return 'bolt';
    const which = first === undefined ? (second === undefined ? 'either meta page' : 'meta page 0') : 'meta page 1';
    throw finding(path, `is not an LMDB file that can be used: no sound header in ${which} (${file.size} bytes)`);
  }
  return [first, second];
}

function inspectPages(path: string, file: PageFile, [first, second]: [Meta, Meta]): void {
  const newest = first.transaction > second.transaction ? first : second;
  const { pageBytes, lastPage } = newest;
  const pages = BigInt(Math.floor(file.size / pageBytes));
  if (lastPage < pages) return;
  // Pages that a transaction takes at the end and gives back are not written: the file may be shorter than its last
  // page, as long as no page that is in use is missing.
  const missing = newest.roots.map(root => missingPage(file, newest, root)).find(page => page !== undefined);
  if (missing !== undefined) {
    throw finding(
      path,
      `is truncated: it has ${file.size} bytes, and page ${missing} of ${pageBytes} bytes is missing`,
    );
  }
}

/**
 * The number of a page that the B+tree under `page` uses and the file does not have whole, if there is one.
 */
function missingPage(file: PageFile, { pageBytes, lastPage }: Meta, page: bigint): bigint | undefined {
  const isMissing = (number: bigint) => number > lastPage || (number + 1n) * BigInt(pageBytes) > BigInt(file.size);
  if (page === NO_PAGE) return undefined;
  const stack = [page];
  const seen = new Set<bigint>();
  for (let number = stack.pop(); number !== undefined; number = stack.pop()) {
    if (isMissing(number) || seen.has(number)) return number;
    seen.add(number);
    const view = file.read(Number(number) * pageBytes, pageBytes);
    const flags = view.getUint16(18, true);
    if ((flags & (P_BRANCH | P_LEAF)) === 0 || (flags & P_OVERFLOW) !== 0) return number;
    const nodes = view.getUint16(20, true) >> 1;
    if (PAGE_HEADER_BYTES + 2 * nodes > pageBytes) return number;
    for (let i = 0; i < nodes; i++) {
      const node = PAGE_HEADER_BYTES + view.getUint16(PAGE_HEADER_BYTES + 2 * i, true);
      if (node + 8 > pageBytes) return number;
      const low = BigInt(view.getUint32(node, true));
      const nodeFlags = view.getUint16(node + 4, true);
      if (flags & P_BRANCH) {
        stack.push(low | (BigInt(nodeFlags) << 32n));
      } else if (nodeFlags & F_BIGDATA) {
        const data = node + 8 + view.getUint16(node + 6, true);
        if (data + 24 > pageBytes) return number;
        const last = view.getBigUint64(data, true) + view.getBigUint64(data + 16, true) - 1n;
        if (isMissing(last)) return last;
      }
    }
  }
  return undefined;
}
