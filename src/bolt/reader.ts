// Reads a bbolt file, and believes nothing of it: pages must be where they say they are, of the right kind, whole, and
// each is used once; keys ascend, within a page and from page to page. bbolt has checksums in its meta pages only, so a
// flipped bit within a key or a value is for those to find who know what they mean. Whatever the bytes are, reading
// ends: no page is looked at twice.

import {
  BoltError,
  BRANCH,
  BUCKET,
  BUCKET_BYTES,
  compareKeys,
  decodeMeta,
  ELEMENT_BYTES,
  FREELIST,
  LEAF,
  META_END,
  META_PAGES,
  type Meta,
  MOST_ELEMENTS,
  NO_FREELIST,
  PAGE_HEADER_BYTES,
  PAGE_NUMBER_BYTES,
  type Row,
  viewOf,
} from './format.ts';

/** Page sizes that are tried for the second meta page where the first one does not tell. */
const PAGE_SIZES = Array.from({ length: 16 }, (_, i) => 1024 << i);

/**
 * The rows of all buckets on top, by the bucket's name.
 *
 * @throws BoltError that names what is wrong
 */
export function readBuckets(file: Uint8Array): Map<string, Row[]> {
  return new BoltReader(file, newestMeta(file)).buckets();
}

/** The newest meta page that is sound: a commit that was interrupted leaves the one before. */
function newestMeta(file: Uint8Array): Meta {
  const first = decodeMeta(file.subarray(0, META_END), 0);
  const sizes = typeof first === 'string' ? PAGE_SIZES : [first.pageBytes];
  const seconds = sizes.map(size => decodeMeta(file.subarray(size, size + META_END), 1));
  const second = seconds.find((meta, i) => typeof meta !== 'string' && meta.pageBytes === sizes[i]);
  const sound = [first, second].filter((meta): meta is Meta => typeof meta === 'object');
  const newest = sound.sort((a, b) => (a.transaction > b.transaction ? -1 : 1))[0];
  if (newest === undefined) {
    const other = typeof first === 'string' && seconds.every(meta => meta === seconds[0]) ? seconds[0] : 'is not sound';
    throw new BoltError(`meta page 0 ${first}, and meta page 1 ${other}`);
  }
  const size = BigInt(newest.pageBytes);
  if (newest.highWater * size > BigInt(file.length)) {
    const needed = newest.highWater * size;
    throw new BoltError(`is truncated: ${newest.highWater} pages are in use (${needed} bytes), it has ${file.length}`);
  }
  return newest;
}

/** A page with those that belong to it, or an inline bucket's. */
interface Page {
  name: string;
  bytes: Uint8Array;
  flags: number;
  count: number;
}

/** Which keys may lie on a page: from <= key < to. */
interface Bounds {
  from?: Uint8Array | undefined;
  to?: Uint8Array | undefined;
}

type Visit = (row: Row, isBucket: boolean) => void;

class BoltReader {
  readonly #file: Uint8Array;
  readonly #meta: Meta;
  /** Numbers of the pages that are accounted for. */
  readonly #used = new Set<number>([0, 1]);
  readonly #free = new Set<number>();

  constructor(file: Uint8Array, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
  }

  buckets(): Map<string, Row[]> {
    if (this.#meta.freelist !== NO_FREELIST) this.#readFreelist();
    const buckets = new Map<string, Row[]>();
    this.#walk(this.#meta.root, {}, ({ key, value }, isBucket) => {
      const name = new TextDecoder().decode(key);
      if (!isBucket) throw new BoltError(`root bucket: ${JSON.stringify(name)} is not a bucket`);
      const rows: Row[] = [];
      buckets.set(name, rows);
      this.#bucket(value, `bucket ${JSON.stringify(name)}`, (row, isBucket) => {
        if (isBucket) throw new BoltError(`bucket ${JSON.stringify(name)}: has a bucket in it`);
        rows.push(row);
      });
    });
    return buckets;
  }

  #bucket(value: Uint8Array, name: string, visit: Visit): void {
    if (value.length < BUCKET_BYTES) throw new BoltError(`${name}: its header has ${value.length} bytes`);
    const root = viewOf(value).getBigUint64(0, true);
    if (root !== 0n) {
      if (value.length !== BUCKET_BYTES) throw new BoltError(`${name}: its header has ${value.length} bytes`);
      this.#walk(root, {}, visit);
      return;
    }
    const page = this.#parse(value.subarray(BUCKET_BYTES), 0n, `inline page of ${name}`);
    if (page.flags !== LEAF) throw new BoltError(`${page.name}: is not a leaf`);
    this.#leaf(page, {}, visit);
  }

  /** Goes through a tree in the order of its keys. */
  #walk(root: bigint, bounds: Bounds, visit: Visit): void {
    const stack: { number: bigint; bounds: Bounds; isRoot: boolean }[] = [{ number: root, bounds, isRoot: true }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const page = this.#page(next.number);
      if (page.flags === LEAF) {
        if (page.count === 0 && !next.isRoot) throw new BoltError(`${page.name}: is an empty leaf`);
        this.#leaf(page, next.bounds, visit);
      } else if (page.flags === BRANCH) {
        const children = this.#branch(page, next.bounds);
        for (const child of children.reverse()) stack.push({ ...child, isRoot: false });
      } else {
        throw new BoltError(`${page.name}: is neither branch nor leaf (flags ${page.flags})`);
      }
    }
  }

  #leaf(page: Page, bounds: Bounds, visit: Visit): void {
    // bbolt writes zeros behind what it writes: a count of 0 that was another one does not pass for an empty bucket.
    if (page.count === 0 && page.bytes.subarray(PAGE_HEADER_BYTES).some(byte => byte !== 0)) {
      throw new BoltError(`${page.name}: has no elements, and content`);
    }
    const view = viewOf(page.bytes);
    const slices = new Slices(page, bounds);
    for (let i = 0; i < page.count; i++) {
      const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
      const flags = view.getUint32(at, true);
      if (flags !== 0 && flags !== BUCKET) throw new BoltError(`${page.name}: element ${i} has flags ${flags}`);
      const key = slices.key(i, at + view.getUint32(at + 4, true), view.getUint32(at + 8, true));
      const value = slices.take(i, view.getUint32(at + 12, true));
      visit({ key, value }, flags === BUCKET);
    }
  }

  #branch(page: Page, bounds: Bounds): { number: bigint; bounds: Bounds }[] {
    if (page.count === 0) throw new BoltError(`${page.name}: is an empty branch`);
    const view = viewOf(page.bytes);
    const slices = new Slices(page, bounds);
    const children: { number: bigint; bounds: Bounds }[] = [];
    for (let i = 0; i < page.count; i++) {
      const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES;
      const key = slices.key(i, at + view.getUint32(at, true), view.getUint32(at + 4, true));
      if (i > 0) children[i - 1]!.bounds.to = key;
      children.push({ number: view.getBigUint64(at + 8, true), bounds: { from: key, to: bounds.to } });
    }
    return children;
  }

  /** A page of the tree: nobody else uses it, and it is not free. */
  #page(number: bigint): Page {
    if (number < META_PAGES || number >= this.#meta.highWater) {
      throw new BoltError(
        `page ${number}: does not exist (pages in use: ${META_PAGES} to ${this.#meta.highWater - 1n})`,
      );
    }
    const { pageBytes } = this.#meta;
    const start = Number(number) * pageBytes;
    const overflow = viewOf(this.#file).getUint32(start + 12, true);
    const end = start + (overflow + 1) * pageBytes;
    if (end > Number(this.#meta.highWater) * pageBytes) {
      throw new BoltError(`page ${number}: goes on for ${overflow} pages, past the last page in use`);
    }
    for (let used = Number(number); used <= Number(number) + overflow; used++) {
      if (this.#used.has(used)) throw new BoltError(`page ${used}: is used twice`);
      if (this.#free.has(used)) throw new BoltError(`page ${used}: is in use, and in the list of free pages`);
      this.#used.add(used);
    }
    return this.#parse(this.#file.subarray(start, end), number, `page ${number}`);
  }

  #parse(bytes: Uint8Array, number: bigint, name: string): Page {
    if (bytes.length < PAGE_HEADER_BYTES) throw new BoltError(`${name}: is cut off`);
    const view = viewOf(bytes);
    const id = view.getBigUint64(0, true);
    if (id !== number) throw new BoltError(`${name}: says that it is page ${id}`);
    return { name, bytes, flags: view.getUint16(8, true), count: view.getUint16(10, true) };
  }

  #readFreelist(): void {
    const page = this.#page(this.#meta.freelist);
    if (page.flags !== FREELIST) throw new BoltError(`${page.name}: is not a list of free pages (flags ${page.flags})`);
    const view = viewOf(page.bytes);
    const fits = Math.floor((page.bytes.length - PAGE_HEADER_BYTES) / PAGE_NUMBER_BYTES);
    const isLong = page.count === MOST_ELEMENTS;
    const first = isLong ? 1 : 0;
    const count = isLong ? Number(view.getBigUint64(PAGE_HEADER_BYTES, true)) : page.count;
    if (first + count > fits) throw new BoltError(`${page.name}: lists ${count} free pages, and has room for ${fits}`);
    for (let i = first; i < first + count; i++) {
      const number = view.getBigUint64(PAGE_HEADER_BYTES + i * PAGE_NUMBER_BYTES, true);
      if (number < META_PAGES || number >= this.#meta.highWater || this.#free.has(Number(number))) {
        throw new BoltError(`${page.name}: lists page ${number}, which cannot be free`);
      }
      this.#free.add(Number(number));
    }
    const own = [...this.#used].find(number => this.#free.has(number));
    if (own !== undefined) throw new BoltError(`page ${own}: is in use, and in the list of free pages`);
  }
}

/** Keys and values of one page, which lie behind its elements one after another. */
class Slices {
  readonly #page: Page;
  readonly #bounds: Bounds;
  #end: number;
  #lastKey: Uint8Array | undefined;

  constructor(page: Page, bounds: Bounds) {
    this.#page = page;
    this.#bounds = bounds;
    this.#end = PAGE_HEADER_BYTES + page.count * ELEMENT_BYTES;
    if (this.#end > page.bytes.length) {
      throw new BoltError(`${page.name}: has ${page.count} elements, and ${page.bytes.length} bytes`);
    }
  }

  key(element: number, at: number, length: number): Uint8Array {
    const { name } = this.#page;
    if (at !== this.#end) throw new BoltError(`${name}: element ${element} lies at ${at}, not at ${this.#end}`);
    const key = this.take(element, length);
    const { from, to } = this.#bounds;
    const isOrdered =
      this.#lastKey === undefined
        ? from === undefined || compareKeys(from, key) <= 0
        : compareKeys(this.#lastKey, key) < 0;
    if (!isOrdered || (to !== undefined && compareKeys(key, to) >= 0)) {
      throw new BoltError(`${name}: the key of element ${element} is out of order`);
    }
    this.#lastKey = key;
    return key;
  }

  take(element: number, length: number): Uint8Array {
    const start = this.#end;
    this.#end += length;
    if (this.#end > this.#page.bytes.length) throw new BoltError(`${this.#page.name}: element ${element} runs past it`);
    return this.#page.bytes.subarray(start, this.#end);
  }
}
