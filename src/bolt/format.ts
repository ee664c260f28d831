// bbolt's pages on disk (go.etcd.io/bbolt, data version 2; little-endian, 64 bits). Offsets within a page:
//
//   page header  0 id (u64)   8 flags (u16)   10 count (u16)   12 overflow: pages that follow and belong to it (u32)
//   meta page   16 magic (u32)   20 version (u32)   24 page size (u32)   28 flags (u32)
//               32 root page of the root bucket (u64)   40 its sequence (u64)   48 freelist page (u64)
//               56 high water: pages in use end here (u64)   64 txid (u64)   72 checksum of 16..72 (u64)
//   branch      16 count × { 0 pos (u32)   4 key size (u32)   8 child page (u64) }, then the keys
//   leaf        16 count × { 0 flags (u32)   4 pos (u32)   8 key size (u32)   12 value size (u32) },
//               then keys and values
//   freelist    16 count × page (u64); a count of 0xffff: the first of them is the count
//   bucket      the value of a leaf's element with BUCKET: 0 root page (u64)   8 sequence (u64)
//               root 0: the bucket is inline, its only page is a leaf that follows, with id 0
//
// pos counts from the element itself. Keys and values lie one behind another, without a gap.

export const MAGIC = 0xed0cdaed;
export const VERSION = 2;

export const PAGE_HEADER_BYTES = 16;
export const META_BYTES = 64;
export const META_END = PAGE_HEADER_BYTES + META_BYTES; // 80
export const ELEMENT_BYTES = 16;
export const BUCKET_BYTES = 16;
export const PAGE_NUMBER_BYTES = 8;

export const BRANCH = 0x01;
export const LEAF = 0x02;
export const META = 0x04;
export const FREELIST = 0x10;

/** An element of a leaf is a bucket. */
export const BUCKET = 0x01;

/** The freelist's page of a file that keeps none. */
export const NO_FREELIST = 0xffff_ffff_ffff_ffffn;
export const META_PAGES = 2;
/** A page's count can say no more. */
export const MOST_ELEMENTS = 0xffff;

const LEAST_PAGE_BYTES = 512;
const MOST_PAGE_BYTES = 1 << 24;

/** What is wrong with a file. */
export class BoltError extends Error {
  override name = 'BoltError';
}

export interface Row {
  key: Uint8Array;
  value: Uint8Array;
}

export interface Meta {
  pageBytes: number;
  root: bigint;
  freelist: bigint;
  /** Pages in use have lower numbers. */
  highWater: bigint;
  transaction: bigint;
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where a meta page may lie: at the beginning, and at the page size, which the first one tells if it is sound. */
const META_OFFSETS = [0, ...Array.from({ length: 7 }, (_, i) => 1024 << i)];

/** Whether a file, read in pieces, has bbolt's magic where a meta page may lie. */
export const isBolt = (read: (offset: number, bytes: number) => Uint8Array): boolean =>
  META_OFFSETS.some(offset => hasMagic(read(offset, META_END)));

const hasMagic = (page: Uint8Array): boolean =>
  page.length >= META_END && viewOf(page).getUint32(PAGE_HEADER_BYTES, true) === MAGIC;

/** FNV-1a of 64 bits. */
function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash;
}

/** The checksum of a meta page's content, as it stands in the page if that is sound. */
export const checksumOf = (page: Uint8Array): bigint => fnv1a(page.subarray(PAGE_HEADER_BYTES, META_END - 8));

/** Content of the meta page with this number; what is wrong with it otherwise. */
export function decodeMeta(page: Uint8Array, number: number): Meta | string {
  if (page.length < META_END) return 'is cut off';
  const view = viewOf(page);
  if (!hasMagic(page)) return 'has no magic number';
  if (checksumOf(page) !== view.getBigUint64(72, true)) return 'has a wrong checksum';
  const version = view.getUint32(20, true);
  if (version !== VERSION) return `has version ${version}, not ${VERSION}`;
  if (view.getBigUint64(0, true) !== BigInt(number) || view.getUint16(8, true) !== META) return 'has a wrong header';
  const pageBytes = view.getUint32(24, true);
  const isPowerOf2 = (pageBytes & (pageBytes - 1)) === 0;
  if (pageBytes < LEAST_PAGE_BYTES || pageBytes > MOST_PAGE_BYTES || !isPowerOf2) return `has page size ${pageBytes}`;
  return {
    pageBytes,
    root: view.getBigUint64(32, true),
    freelist: view.getBigUint64(48, true),
    highWater: view.getBigUint64(56, true),
    transaction: view.getBigUint64(64, true),
  };
}

/** Writes a meta page into a page of zeros. */
export function encodeMeta(page: Uint8Array, number: number, meta: Meta): void {
  const view = viewOf(page);
  encodeHeader(page, number, META, 0, 0);
  view.setUint32(16, MAGIC, true);
  view.setUint32(20, VERSION, true);
  view.setUint32(24, meta.pageBytes, true);
  view.setBigUint64(32, meta.root, true);
  view.setBigUint64(48, meta.freelist, true);
  view.setBigUint64(56, meta.highWater, true);
  view.setBigUint64(64, meta.transaction, true);
  view.setBigUint64(72, checksumOf(page), true);
}

export function encodeHeader(page: Uint8Array, number: number, flags: number, count: number, overflow: number): void {
  const view = viewOf(page);
  view.setBigUint64(0, BigInt(number), true);
  view.setUint16(8, flags, true);
  view.setUint16(10, count, true);
  view.setUint32(12, overflow, true);
}

/** Byte order, as bbolt sorts keys: negative, 0 or positive. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
