// Writes a bbolt file with one bucket, as bbolt itself would begin it: two meta pages, a list of no free pages, leaves
// from left to right, the branches above them, and last the root bucket's leaf.

import {
  BRANCH,
  BUCKET,
  BUCKET_BYTES,
  compareKeys,
  ELEMENT_BYTES,
  encodeHeader,
  encodeMeta,
  FREELIST,
  LEAF,
  META_PAGES,
  MOST_ELEMENTS,
  PAGE_HEADER_BYTES,
  type Row,
  viewOf,
} from './format.ts';

const DEFAULT_PAGE_BYTES = 4096;
const FREELIST_PAGE = META_PAGES;
/** A branch of fewer would not make the tree any smaller. */
const LEAST_CHILDREN = 2;

/** A page of the tree with its first key, for the branch above. */
interface Child {
  key: Uint8Array;
  number: number;
}

/** The file's bytes. `rows` may come in any order; no key comes twice. */
export function writeBolt(bucket: string, rows: readonly Row[], pageBytes = DEFAULT_PAGE_BYTES): Uint8Array {
  const pages = new Pages(pageBytes);
  const sorted = [...rows].sort((a, b) => compareKeys(a.key, b.key));
  let level = groups(sorted, leafBytes, 1, pageBytes).map(group => ({
    key: group[0]!.key,
    number: pages.addLeaf(group, 0),
  }));
  if (level.length === 0) level = [{ key: new Uint8Array(0), number: pages.addLeaf([], 0) }];
  while (level.length > 1) {
    level = groups(level, branchBytes, LEAST_CHILDREN, pageBytes).map(group => ({
      key: group[0]!.key,
      number: pages.addBranch(group),
    }));
  }
  const header = new Uint8Array(BUCKET_BYTES);
  viewOf(header).setBigUint64(0, BigInt(level[0]!.number), true);
  return pages.finish(pages.addLeaf([{ key: new TextEncoder().encode(bucket), value: header }], BUCKET));
}

const leafBytes = ({ key, value }: Row): number => ELEMENT_BYTES + key.length + value.length;
const branchBytes = ({ key }: Child): number => ELEMENT_BYTES + key.length;

/** Cuts into groups that fill a page each; one of the fewest that are allowed may take more. */
function groups<T>(items: readonly T[], bytesOf: (item: T) => number, fewest: number, pageBytes: number): T[][] {
  const cut: T[][] = [];
  let bytes = 0;
  for (const item of items) {
    const last = cut.at(-1);
    bytes += bytesOf(item);
    if (last === undefined || last.length >= MOST_ELEMENTS - 1 || (bytes > pageBytes && last.length >= fewest)) {
      cut.push([item]);
      bytes = PAGE_HEADER_BYTES + bytesOf(item);
    } else {
      last.push(item);
    }
  }
  // A last group that is too small takes from the one before, which has more.
  while (cut.length > 1 && cut.at(-1)!.length < fewest) cut.at(-1)!.unshift(cut.at(-2)!.pop()!);
  return cut;
}

class Pages {
  readonly #pageBytes: number;
  /** By number; undefined where a page belongs to the one before. */
  readonly #pages: (Uint8Array | undefined)[] = [];

  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
    for (let number = 0; number < META_PAGES; number++) this.#pages.push(new Uint8Array(pageBytes));
    this.#add(FREELIST, 0, 0);
  }

  addLeaf(rows: readonly Row[], flags: number): number {
    const page = this.#add(LEAF, rows.length, sum(rows, leafBytes));
    const view = viewOf(page.bytes);
    let end = PAGE_HEADER_BYTES + rows.length * ELEMENT_BYTES;
    for (const [i, { key, value }] of rows.entries()) {
      const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
      view.setUint32(at, flags, true);
      view.setUint32(at + 4, end - at, true);
      view.setUint32(at + 8, key.length, true);
      view.setUint32(at + 12, value.length, true);
      page.bytes.set(key, end);
      page.bytes.set(value, end + key.length);
      end += key.length + value.length;
    }
    return page.number;
  }

  addBranch(children: readonly Child[]): number {
    const page = this.#add(BRANCH, children.length, sum(children, branchBytes));
    const view = viewOf(page.bytes);
    let end = PAGE_HEADER_BYTES + children.length * ELEMENT_BYTES;
    for (const [i, { key, number }] of children.entries()) {
      const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
      view.setUint32(at, end - at, true);
      view.setUint32(at + 4, key.length, true);
      view.setBigUint64(at + 8, BigInt(number), true);
      page.bytes.set(key, end);
      end += key.length;
    }
    return page.number;
  }

  finish(root: number): Uint8Array {
    const pageBytes = this.#pageBytes;
    const file = new Uint8Array(this.#pages.length * pageBytes);
    for (const [number, page] of this.#pages.entries()) if (page !== undefined) file.set(page, number * pageBytes);
    for (let number = 0; number < META_PAGES; number++) {
      encodeMeta(file.subarray(number * pageBytes, (number + 1) * pageBytes), number, {
        pageBytes,
        root: BigInt(root),
        freelist: BigInt(FREELIST_PAGE),
        highWater: BigInt(this.#pages.length),
        transaction: BigInt(number),
      });
    }
    return file;
  }

  /** A new page with its header, and as many behind it as its content needs. */
  #add(flags: number, count: number, contentBytes: number): { number: number; bytes: Uint8Array } {
    const length = Math.ceil((PAGE_HEADER_BYTES + contentBytes) / this.#pageBytes);
    const number = this.#pages.length;
    const bytes = new Uint8Array(length * this.#pageBytes);
    encodeHeader(bytes, number, flags, count, length - 1);
    this.#pages.push(bytes);
    for (let i = 1; i < length; i++) this.#pages.push(undefined);
    return { number, bytes };
  }
}

const sum = <T>(items: readonly T[], bytesOf: (item: T) => number): number =>
  items.reduce((total, item) => total + bytesOf(item), 0);
