// The free list of a store's file: which pages no tree uses. Its B+tree has transaction numbers as keys, and as values
// lists of pages in lmdb-js' form: a count, then entries: a page; minus n and a page: n pages from there; 0: nothing.

import { META_PAGES } from './pages.ts';
import type { Entry, Problem } from './walk.ts';

const NUMBER_BYTES = 8;

/** Orders little-endian numbers, the keys of the free list. */
export function compareNumbers(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

/** Adds the pages that the entries name to `free`, and says what is wrong with them. */
export function readFreeList(entries: readonly Entry[], lastPage: number, free: Set<number>): Problem[] {
  return entries.flatMap(entry => {
    const problem = readEntry(entry, lastPage, free);
    return problem === undefined ? [] : [{ subject: `free list, page ${entry.page}`, problem }];
  });
}

function readEntry({ key, value }: Entry, lastPage: number, free: Set<number>): string | undefined {
  if (key.length !== NUMBER_BYTES) return `has a key of ${key.length} bytes`;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const length = Math.floor(value.length / NUMBER_BYTES);
  const numberAt = (i: number) => Number(view.getBigInt64(i * NUMBER_BYTES, true));
  const count = length === 0 ? -1 : numberAt(0);
  if (count < 0 || count >= length) return `has a list of ${count} numbers in ${value.length} bytes`;
  for (let i = 1; i <= count; i++) {
    let pages = 1;
    if (numberAt(i) < 0) pages = -numberAt(i++);
    const first = i <= count ? numberAt(i) : 0;
    if (first === 0 && pages === 1) continue;
    if (first < META_PAGES || first + pages - 1 > lastPage) {
      return `names ${pages} free pages from ${first} on, and ${lastPage} is the last page`;
    }
    for (let page = first; page < first + pages; page++) {
      if (free.has(page)) return `names page ${page} twice`;
      free.add(page);
    }
  }
  return undefined;
}
