// Looks at a store's file before LMDB does, and changes nothing.

import { existsSync } from 'node:fs';
import { isBolt } from '../bolt/format.ts';
import { headerProblems } from './header.ts';
import { PageFile } from './page-file.ts';
import { DEFAULT_PAGE_BYTES, decodeMeta, META_BYTES, type Meta } from './pages.ts';
import { walkTrees } from './trees.ts';
import type { Problem } from './walk.ts';

/** How much of a file is looked at. LMDB follows its pages without a doubt: a wrong one ends the process. */
export type Look =
  /** The header, and that no page is missing: for a process of one call, whose end becomes an error of that call. */
  | 'header'
  /** Every page in use, once: for whoever has more to lose. 100,000 leases take a quarter of a second. */
  | 'pages';

/**
 * The size in bytes of a file that LMDB may open; undefined: there is no store yet. For whoever holds the store's lock:
 * pages are looked at one after another, and a commit in between would seem like damage.
 *
 * An empty file counts as missing if LMDB has never opened it (no lock file beside it): somebody made a temporary file.
 *
 * @throws StoreError 'damaged' that names the path and the finding; 'io' if the file cannot be read
 */
export function inspectStore(path: string, look: Look): number | undefined {
  return onFile(path, file => {
    const metas = requireHeader(file);
    requireNone(file, 'damaged', headerProblems(file, metas));
    requirePages(file, newerOf(metas), look);
    return file.size;
  });
}

/** @throws StoreError 'damaged' */
export function newestMeta(file: PageFile): Meta {
  return newerOf(requireHeader(file));
}

const newerOf = ([first, second]: [Meta, Meta]): Meta => (first.transaction > second.transaction ? first : second);

function requireHeader(file: PageFile): [Meta, Meta] {
  const header = readHeader(file);
  if (header === 'bolt') throw file.finding('is a boltdb file of the Go plugin: its leases must be imported first');
  return header;
}

/**
 * The same as far as it can be told without the lock, from what no commit changes. What is no store at all is found
 * here, before anything is made beside it. 'bolt': a file of the Go plugin lies in its place.
 */
export function probeStore(path: string): 'present' | 'missing' | 'bolt' {
  return onFile(path, file => (readHeader(file) === 'bolt' ? 'bolt' : 'present')) ?? 'missing';
}

function onFile<T>(path: string, inspect: (file: PageFile) => T): T | undefined {
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

/** @throws StoreError 'damaged' */
function requirePages(file: PageFile, newest: Meta, look: Look): void {
  const { pageBytes, lastPage } = newest;
  // Pages that a transaction takes at the end and gives back are not written: the file may be shorter than its last
  // page, as long as no page that is in use is missing.
  const isWhole = lastPage < Math.floor(file.size / pageBytes);
  if (isWhole && look === 'header') return;
  const { free, problems, contested } = walkTrees(file, newest, () => {});
  requireNone(file, isWhole ? 'damaged' : `truncated to ${file.size} bytes`, [
    ...free.problems,
    ...problems,
    ...contested,
  ]);
}

function requireNone(file: PageFile, state: string, [first]: readonly Problem[]): void {
  if (first !== undefined) throw file.finding(`is ${state}: ${first.subject}: ${first.problem}`);
}
