// LMDB's pages on disk, data format 2 (the LMDB of lmdb-js; little-endian, 64 bits). Offsets within a page:
//
//   page header   0 pgno (u64)   8 txnid (u64)   16 pad (u16)   18 flags (u16)   20 lower, 22 upper (u16)
//   meta page     24 magic (u32)   28 version (u32)   32 address (u64)   40 map size (u64)
//                 48 db 0: free pages   96 db 1: rows   144 last page (u64)   152 txnid (u64)   160 boot id (i64)
//   struct MDB_db 0 pad (u32; of db 0: the page size)   4 flags (u16)   6 depth (u16)
//                 8 branch, leaf, overflow pages, entries (u64 each)   40 root page (u64)
//   node          0 lo (u16)   2 hi (u16)   4 flags (u16)   6 key size (u16)   8 key, then data
//                 of a branch: child page = lo | hi << 16 | flags << 32
//                 of a leaf with F_BIGDATA: data = page (u64), txnid (u64), count (u64)

import type { PageFile } from './page-file.ts';

export const DEFAULT_PAGE_BYTES = 4096;
export const META_BYTES = 168;
/** Pages 0 and 1; transaction n is written to page n mod 2. */
export const META_PAGES = 2;
export const PAGE_HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;

const P_BRANCH = 0x01;
const P_LEAF = 0x02;
const P_OVERFLOW = 0x04;
const P_META = 0x08;
/** The flags that tell what a page is; P_LEAF2 and P_SUBP (duplicate keys) no page of ours has. */
const P_KINDS = P_BRANCH | P_LEAF | P_OVERFLOW | P_META | 0x20 | 0x40;
const F_BIGDATA = 0x01;
/** The root of an empty tree. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const MDB_INTEGERKEY = 0x08;
const MDB_NOSUBDIR = 0x4000;
const FREE_DB_FLAGS = MDB_NOSUBDIR | MDB_INTEGERKEY;
const FIRST_MAP_BYTES = 1 << 17; // 128 KiB, lmdb-js' own beginning; it grows

const TRANSACTION_AT = 8;
const FLAGS = 18;
const LOWER_AT = 20;
const UPPER_AT = 22;
const OVERFLOW_COUNT_AT = 20;
const MAGIC_AT = 24;
const VERSION_AT = 28;
const MAP_SIZE_AT = 40;
const FREE_DB_AT = 48;
const ROWS_DB_AT = 96;
const DB_FLAGS = 4;
const DB_DEPTH = 6;
const DB_BRANCH_PAGES = 8;
const DB_LEAF_PAGES = 16;
const DB_OVERFLOW_PAGES = 24;
const DB_ENTRIES = 32;
const DB_ROOT = 40;
const LAST_PAGE_AT = 144;
const META_TRANSACTION_AT = 152;

/** A B+tree, as a meta page describes it. Numbers past 2^53 lose their last digits: no sound file has such. */
export interface TreeInfo {
  flags: number;
  depth: number;
  branchPages: number;
  leafPages: number;
  overflowPages: number;
  entries: number;
  /** Undefined for an empty tree. */
  root: number | undefined;
}

export interface Meta {
  pageBytes: number;
  mapBytes: number;
  freePages: TreeInfo;
  rows: TreeInfo;
  lastPage: number;
  transaction: number;
}

const readNumber = (page: DataView, at: number): number => Number(page.getBigUint64(at, true));

/** A meta page's content; undefined if it is none that LMDB would take. */
export function decodeMeta(page: DataView): Meta | undefined {
  const pageBytes = page.getUint32(FREE_DB_AT, true);
  const isMeta =
    (page.getUint16(FLAGS, true) & P_META) !== 0 &&
    page.getUint32(MAGIC_AT, true) === MAGIC &&
    page.getUint32(VERSION_AT, true) === DATA_VERSION &&
    pageBytes >= 512 &&
    pageBytes <= 65536 &&
    (pageBytes & (pageBytes - 1)) === 0;
  if (!isMeta) return undefined;
  return {
    pageBytes,
    mapBytes: readNumber(page, MAP_SIZE_AT),
    freePages: decodeTree(page, FREE_DB_AT),
    rows: decodeTree(page, ROWS_DB_AT),
    lastPage: readNumber(page, LAST_PAGE_AT),
    transaction: readNumber(page, META_TRANSACTION_AT),
  };
}

function decodeTree(page: DataView, at: number): TreeInfo {
  const root = page.getBigUint64(at + DB_ROOT, true);
  return {
    flags: page.getUint16(at + DB_FLAGS, true),
    depth: page.getUint16(at + DB_DEPTH, true),
    branchPages: readNumber(page, at + DB_BRANCH_PAGES),
    leafPages: readNumber(page, at + DB_LEAF_PAGES),
    overflowPages: readNumber(page, at + DB_OVERFLOW_PAGES),
    entries: readNumber(page, at + DB_ENTRIES),
    root: root === NO_PAGE ? undefined : Number(root),
  };
}

/** Whether the trees' flags are those of a file without named or sorted-duplicate databases, which ours is. */
export const hasPlainTrees = ({ freePages, rows }: Meta): boolean =>
  freePages.flags === FREE_DB_FLAGS && rows.flags === 0;

/** A value too long for its leaf, on pages of its own. */
export interface Overflow {
  page: number;
  pages: number;
  bytes: number;
}

export interface BranchNode {
  /** The lowest key of the child; the first node's is empty, and stands for whatever is lower. */
  key: Uint8Array;
  child: number;
}

export interface LeafNode {
  key: Uint8Array;
  value: Uint8Array | Overflow;
}

/** What a page says of itself. */
export interface PageHeader {
  number: number;
  transaction: number;
  kind: 'branch' | 'leaf' | 'other';
}

export interface PageContent extends PageHeader {
  /** Of a branch. */
  children: BranchNode[];
  /** Of a leaf. */
  entries: LeafNode[];
  /** What is wrong with the page; the nodes are those that can be read all the same. */
  problem: string | undefined;
}

const kindFlags = (page: DataView): number => page.getUint16(FLAGS, true) & P_KINDS;

export function decodePageHeader(page: DataView): PageHeader {
  const flags = kindFlags(page);
  return {
    number: readNumber(page, 0),
    transaction: readNumber(page, TRANSACTION_AT),
    kind: flags === P_BRANCH ? 'branch' : flags === P_LEAF ? 'leaf' : 'other',
  };
}

/** Takes a page of a B+tree apart. Keys and values are views of the page. */
export function decodePage(page: DataView): PageContent {
  const content: PageContent = { ...decodePageHeader(page), children: [], entries: [], problem: undefined };
  if (content.kind === 'other') {
    content.problem = `is no page of a tree (flags 0x${kindFlags(page).toString(16)})`;
    return content;
  }
  // The offsets count from the end of the header.
  const lower = PAGE_HEADER_BYTES + page.getUint16(LOWER_AT, true);
  const upper = PAGE_HEADER_BYTES + page.getUint16(UPPER_AT, true);
  if (lower % 2 !== 0 || lower > upper || upper > page.byteLength || lower === PAGE_HEADER_BYTES) {
    content.problem = `has its free space from ${lower} to ${upper}`;
  }
  const pointersEnd = Math.min(lower, page.byteLength) & ~1;
  const nodes: [start: number, end: number][] = [];
  for (let pointer = PAGE_HEADER_BYTES; pointer < pointersEnd; pointer += 2) {
    const start = PAGE_HEADER_BYTES + page.getUint16(pointer, true);
    const end = content.kind === 'branch' ? readBranchNode(page, start, content) : readLeafNode(page, start, content);
    if (end === undefined) content.problem ??= `has no node of a tree at ${start}, where it points to one`;
    else nodes.push([start, end]);
  }
  // The nodes fill the page's end, without gaps: another number of pointers, or a wrong one, leaves one.
  let filled = upper;
  for (const [start, end] of nodes.sort(([a], [b]) => a - b)) {
    if (start !== filled) break;
    filled = end + (end & 1);
  }
  if (filled !== page.byteLength) content.problem ??= `has its nodes in disorder at ${filled}`;
  return content;
}

const bytesAt = (page: DataView, start: number, end: number): Uint8Array =>
  new Uint8Array(page.buffer, page.byteOffset + start, end - start);

/** Where the node ends; undefined if that is not within the page, and then it is left out. */
function readBranchNode(page: DataView, start: number, { children }: PageContent): number | undefined {
  const keyStart = start + NODE_HEADER_BYTES;
  if (keyStart > page.byteLength) return undefined;
  const keyEnd = keyStart + page.getUint16(start + 6, true);
  if (keyEnd > page.byteLength) return undefined;
  const child = page.getUint32(start, true) + page.getUint16(start + 4, true) * 2 ** 32;
  children.push({ key: bytesAt(page, keyStart, keyEnd), child });
  return keyEnd;
}

function readLeafNode(page: DataView, start: number, { entries }: PageContent): number | undefined {
  const keyStart = start + NODE_HEADER_BYTES;
  if (keyStart > page.byteLength) return undefined;
  const keyEnd = keyStart + page.getUint16(start + 6, true);
  const flags = page.getUint16(start + 4, true);
  const bytes = page.getUint32(start, true);
  const valueEnd = keyEnd + (flags & F_BIGDATA ? 24 : bytes);
  if (valueEnd > page.byteLength || (flags & ~F_BIGDATA) !== 0) return undefined;
  const key = bytesAt(page, keyStart, keyEnd);
  if (flags & F_BIGDATA) {
    const overflow = { page: readNumber(page, keyEnd), pages: readNumber(page, keyEnd + 16), bytes };
    entries.push({ key, value: overflow });
  } else {
    entries.push({ key, value: bytesAt(page, keyEnd, valueEnd) });
  }
  return valueEnd;
}

/** Pages that a value of so many bytes takes. */
const overflowPages = (bytes: number, pageBytes: number): number => Math.ceil((PAGE_HEADER_BYTES + bytes) / pageBytes);

/** A long value's bytes; undefined if its pages are not there, or not such. */
export function readOverflow(
  file: PageFile,
  pageBytes: number,
  { page, pages, bytes }: Overflow,
): Uint8Array | undefined {
  if ((page + pages) * pageBytes > file.size || pages !== overflowPages(bytes, pageBytes)) return undefined;
  const view = file.read(page * pageBytes, PAGE_HEADER_BYTES + bytes);
  const isSound =
    readNumber(view, 0) === page && kindFlags(view) === P_OVERFLOW && view.getUint32(OVERFLOW_COUNT_AT, true) === pages;
  return isSound ? bytesAt(view, PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + bytes) : undefined;
}

/** The pages of a store without rows, as LMDB itself begins one (mdb_env_init_meta). */
export function emptyStorePages(): Uint8Array {
  const bytes = new Uint8Array(META_PAGES * DEFAULT_PAGE_BYTES);
  for (let number = 0; number < META_PAGES; number++) {
    const page = new DataView(bytes.buffer, number * DEFAULT_PAGE_BYTES, DEFAULT_PAGE_BYTES);
    page.setBigUint64(0, BigInt(number), true);
    page.setUint16(FLAGS, P_META, true);
    page.setUint32(MAGIC_AT, MAGIC, true);
    page.setUint32(VERSION_AT, DATA_VERSION, true);
    page.setBigUint64(MAP_SIZE_AT, BigInt(FIRST_MAP_BYTES), true);
    page.setUint32(FREE_DB_AT, DEFAULT_PAGE_BYTES, true);
    page.setUint16(FREE_DB_AT + DB_FLAGS, FREE_DB_FLAGS, true);
    page.setBigUint64(FREE_DB_AT + DB_ROOT, NO_PAGE, true);
    page.setBigUint64(ROWS_DB_AT + DB_ROOT, NO_PAGE, true);
    page.setBigUint64(LAST_PAGE_AT, BigInt(META_PAGES - 1), true);
  }
  return bytes;
}
