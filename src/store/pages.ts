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

export const PAGE_HEADER_BYTES = 24;
export const META_BYTES = 168;
export const DEFAULT_PAGE_BYTES = 4096;

export const P_BRANCH = 0x01;
export const P_LEAF = 0x02;
export const P_OVERFLOW = 0x04;
const P_META = 0x08;
export const F_BIGDATA = 0x01;
/** The root of an empty tree. */
export const NO_PAGE = 0xffff_ffff_ffff_ffffn;

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_PAGES = 2;
const MDB_INTEGERKEY = 0x08;
const MDB_NOSUBDIR = 0x4000;
const FIRST_MAP_BYTES = 1 << 17; // 128 KiB, lmdb-js' own beginning; it grows

const FLAGS = 18;
const MAGIC_AT = 24;
const VERSION_AT = 28;
const MAP_SIZE_AT = 40;
const FREE_DB_AT = 48;
const ROWS_DB_AT = 96;
const DB_FLAGS = 4;
const DB_ROOT = 40;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;

export interface Meta {
  pageBytes: number;
  roots: [freePages: bigint, rows: bigint];
  lastPage: bigint;
  transaction: bigint;
}

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
    roots: [page.getBigUint64(FREE_DB_AT + DB_ROOT, true), page.getBigUint64(ROWS_DB_AT + DB_ROOT, true)],
    lastPage: page.getBigUint64(LAST_PAGE_AT, true),
    transaction: page.getBigUint64(TRANSACTION_AT, true),
  };
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
    page.setUint16(FREE_DB_AT + DB_FLAGS, MDB_NOSUBDIR | MDB_INTEGERKEY, true);
    page.setBigUint64(FREE_DB_AT + DB_ROOT, NO_PAGE, true);
    page.setBigUint64(ROWS_DB_AT + DB_ROOT, NO_PAGE, true);
    page.setBigUint64(LAST_PAGE_AT, BigInt(META_PAGES - 1), true);
  }
  return bytes;
}
