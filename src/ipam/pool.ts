// A pool of addresses or prefixes in memory: the core, without a store.

import { A, B, BITS, INDEX_BYTES, KEY, NODE_BYTES, OK, OUTSIDE, Scratch, wordAt } from '../core/scratch.ts';
import { type CoreExports, instantiateCore } from '../core/wasm.ts';
import { addressBits, formatAddress, IPV4_BYTES, IPV6_BYTES } from '../net/address.ts';
import { contains, firstAddress, lastAddress, parseAddressOrPrefix, parsePrefix } from '../net/prefix.ts';
import { checkShape, named } from './option.ts';
import { askable, type IndexRun, joinEnds, lengthOf, number, successor, widened } from './run.ts';
import { damaged, decodeSnapshot, encodeSnapshot, type SnapshotNode } from './snapshot.ts';
import { Subnet } from './subnet.ts';
import { Unit } from './unit.ts';

export interface AddressPoolOptions {
  /** An address of the subnet that is never handed out. Not with `unit`. */
  gateway?: string;
  /** Addresses and prefixes that are never handed out. Each must meet the subnet. */
  exclude?: string[];
  /** The first and the last address (or prefix, with `unit`) that may be handed out; default: the whole subnet. */
  range?: [first: string, last: string];
  /** Hand out prefixes of this length instead of addresses. None is reserved, unless `exclude` meets it. */
  unit?: number;
}

/** A node of the tree: 256 children, each of 256^level addresses or prefixes. */
export interface PoolNode {
  /** 0 for a leaf, whose children are what the pool hands out. */
  level: number;
  /** The first address or prefix below the node. */
  first: string;
  /** 32 bytes. Bit i is child i, bit 0 the lowest bit of byte 0. 1: the child is wholly in use. */
  bits: Uint8Array;
}

/** A contiguous run, both ends included. */
export interface Run {
  first: string;
  last: string;
}

/**
 * Hands out the addresses of a subnet, or its prefixes of one length, each to one holder at a time.
 *
 * Of an IPv4 subnet the network and broadcast address are never handed out (but for /31, RFC 3021, and /32), of an IPv6
 * subnet the network address, which is the subnet-router anycast address (RFC 4291 section 2.6.1; but for /127,
 * RFC 6164, and /128). The next one handed out is the next free one behind the last one acquired, once around: what was
 * released comes back as late as possible.
 *
 * Memory follows fragmentation, not use: a thousand million addresses acquired in sequence take about ten nodes of 64
 * bytes.
 */
export class AddressPool {
  readonly #core: CoreExports;
  /** The core's, without the way through its exports: they are called most. */
  readonly #acquire: CoreExports['acquire'];
  readonly #release: CoreExports['release'];
  readonly #scratch: Scratch;
  readonly #addressBytes: number;
  /** An address on its way to text. */
  readonly #address: Uint8Array;
  readonly #unit: Unit;
  readonly #subnet: Subnet;
  readonly #options: AddressPoolOptions;
  readonly #capacity: bigint;
  // What is in use, in two parts: counting in BigInt would cost more than acquiring.
  #usedSmall = 0;
  #usedLarge = 0n;

  /**
   * @param subnet `address/length`; bits behind the length are ignored
   * @throws SyntaxError for what is no address or prefix, RangeError for what does not fit; both name the option
   */
  constructor(subnet: string, options: AddressPoolOptions = {}) {
    checkShape(subnet, options);
    const prefix = named('subnet', () => parsePrefix(subnet));
    this.#subnet = new Subnet(prefix);
    this.#options = structuredClone(options);
    const { unit: unitBits } = options;
    const longest = this.#subnet.network.length * 8;
    if (unitBits !== undefined && !(Number.isInteger(unitBits) && unitBits >= prefix.bits && unitBits <= longest)) {
      throw new RangeError(`unit ${unitBits}: must be a length from ${prefix.bits} to ${longest}`);
    }
    this.#unit = new Unit(this.#subnet.family, unitBits ?? longest);
    this.#core = instantiateCore();
    this.#acquire = this.#core.acquire;
    this.#release = this.#core.release;
    this.#addressBytes = this.#unit.addressBytes;
    this.#address = new Uint8Array(this.#addressBytes);
    this.#scratch = new Scratch(this.#core);
    this.#core.configure(this.#unit.indexBytes, 0);
    this.#scratch.writeIndex(A, this.#unit.toIndex(this.#subnet.network));
    const indexPrefixBits = this.#unit.indexBytes * 8 - (this.#unit.bits - this.#subnet.bits);
    this.#core.setSubnet(indexPrefixBits, unitBits === undefined ? this.#subnet.reserve : 0);
    this.#applyRange(options.range);
    this.#applyGateway(options.gateway, unitBits !== undefined);
    for (const text of options.exclude ?? []) this.#applyExclusion(text);
    const carry = BigInt(this.#core.countUsable());
    this.#capacity = (carry << 128n) | this.#readNumber(B);
  }

  #applyRange(range: readonly [string, string] | undefined): void {
    if (range === undefined) return;
    const [first, last] = range.map(text => this.#parseOption('range', text)) as [Uint8Array, Uint8Array];
    if (number(first) > number(last)) throw new RangeError(`range ${range.join(' to ')}: ends before it begins`);
    this.#scratch.writeIndex(A, first);
    this.#scratch.writeIndex(B, last);
    this.#core.setRange();
  }

  #applyGateway(gateway: string | undefined, hasUnit: boolean): void {
    if (gateway === undefined) return;
    if (hasUnit)
      throw new RangeError(`gateway ${gateway}: a pool with a unit has none; exclude names what to leave out`);
    const index = this.#parseOption('gateway', gateway);
    this.#exclude(index, index);
  }

  #applyExclusion(text: string): void {
    const { address, bits = addressBits(address) } = named('exclude', () => parseAddressOrPrefix(text));
    const prefix = { address, bits };
    const [first, last] = [firstAddress(prefix), lastAddress(prefix)];
    const meets = contains(this.#subnet.prefix, first) || contains(prefix, this.#subnet.network);
    if (!meets) throw new RangeError(`exclude ${text}: lies outside ${this.#subnet}`);
    this.#exclude(this.#unit.toIndex(first), this.#unit.toIndex(last));
  }

  #exclude(first: Uint8Array, last: Uint8Array): void {
    this.#scratch.writeIndex(A, first);
    this.#scratch.writeIndex(B, last);
    this.#core.exclude();
  }

  #parseOption(option: string, text: string): Uint8Array {
    return named(option, () => {
      const index = this.#unit.parse(text);
      if (!this.#holds(index)) throw new RangeError(`${text}: lies outside ${this.#subnet}`);
      return index;
    });
  }

  #holds(index: Uint8Array): boolean {
    const address = new Uint8Array(this.#unit.addressBytes);
    this.#unit.writeAddress(index, address, 0);
    return this.#subnet.contains(address);
  }

  /** Takes the next free one; undefined if there is none. */
  acquire(): string | undefined {
    if (this.#acquire() !== OK) return undefined;
    this.#usedSmall++;
    this.#copyAddress(this.#address, 0);
    const text = formatAddress(this.#address);
    return this.#unit.isAddress ? text : `${text}/${this.#unit.bits}`;
  }

  /**
   * Takes the next free one and writes its first address, 4 or 16 bytes big-endian, into `bytes` at `offset`. Neither
   * text nor BigInt is made on the way.
   *
   * @returns false if there is none; nothing is written then
   * @throws RangeError if it does not fit into `bytes`
   */
  acquireInto(bytes: Uint8Array, offset = 0): boolean {
    this.#checkFits(bytes, offset);
    if (this.#acquire() !== OK) return false;
    this.#usedSmall++;
    this.#copyAddress(bytes, offset);
    return true;
  }

  #checkFits(bytes: Uint8Array, offset: number): void {
    const length = this.#addressBytes;
    if (!(Number.isInteger(offset) && offset >= 0 && offset + length <= bytes.length)) {
      throw new RangeError(`offset ${offset}: ${length} bytes do not fit into ${bytes.length} from there`);
    }
  }

  /** The first address of the unit whose index is in A. */
  #copyAddress(target: Uint8Array, offset: number): void {
    if (!this.#unit.isAddress) {
      this.#unit.writeAddress(this.#scratch.readIndex(A, this.#unit.indexBytes), target, offset);
    } else if (this.#addressBytes === IPV6_BYTES) {
      this.#scratch.copyA(target, offset);
    } else {
      const scratch = this.#scratch.bytes;
      for (let i = 0; i < IPV4_BYTES; i++) target[offset + i] = scratch[A + IPV4_BYTES - 1 - i]!;
    }
  }

  /**
   * Takes the next `count` free ones, or as many as there are, in as few runs as they lie in. The work is in runs and
   * nodes, never in addresses.
   *
   * @throws RangeError unless `count` is an integer from 0 on
   */
  acquireMany(count: number | bigint): Run[] {
    if (typeof count !== 'bigint' && !Number.isSafeInteger(count)) {
      throw new RangeError(`count ${count}: neither a bigint nor a safe integer`);
    }
    const wanted = BigInt(count);
    if (wanted < 0n) throw new RangeError(`count ${count}: negative`);
    // Behind the cursor to the end, then from the beginning: what the first round took, the second passes over.
    const cursor = this.#cursor();
    const before = this.#usedLarge;
    const runs = this.#takeRuns(cursor && successor(cursor), wanted);
    runs.push(...this.#takeRuns(undefined, wanted - (this.#usedLarge - before)));
    const last = runs.at(-1)?.last;
    if (last !== undefined) {
      this.#scratch.writeIndex(A, last);
      this.#core.setCursor();
    }
    return joinEnds(runs).map(run => this.#formatRun(run));
  }

  /**
   * Takes the free runs of the pool from an index on (undefined: from its beginning), `most` addresses in all. They are
   * all looked for before the first is taken: the core puts its nodes in order once for the whole search.
   */
  #takeRuns(from: Uint8Array | undefined, most: bigint): IndexRun[] {
    const runs: IndexRun[] = [];
    let left = most;
    let next: Uint8Array | undefined = from ?? new Uint8Array(this.#unit.indexBytes);
    while (left > 0n && next !== undefined) {
      this.#scratch.writeIndex(A, next);
      this.#writeNumber(B, askable(left));
      if (this.#core.freeRun() !== OK) break;
      const run = this.#readRun();
      const before = runs.at(-1);
      // Only a run of more than can be asked for comes in two pieces.
      if (before !== undefined && number(before.last) + 1n === number(run.first)) before.last = run.last;
      else runs.push(run);
      left -= lengthOf(run);
      next = successor(run.last);
    }
    for (const { first, last } of runs) {
      this.#scratch.writeIndex(A, first);
      this.#scratch.writeIndex(B, last);
      this.#core.markRun();
    }
    this.#usedLarge += most - left;
    return runs;
  }

  /**
   * Takes this very one.
   *
   * @returns false if it is in use, or never handed out
   * @throws SyntaxError for what is no address or prefix, RangeError outside the pool's range
   */
  request(address: string): boolean {
    this.#writeInRange(address);
    if (this.#core.isReserved() !== 0 || this.#core.mark() !== OK) return false;
    this.#usedSmall++;
    return true;
  }

  /**
   * Gives one back.
   *
   * @returns false if it was not in use
   * @throws SyntaxError for what is no address or prefix, RangeError outside the pool's range
   */
  release(address: string): boolean {
    const index = this.#unit.parse(address);
    return this.#releaseAt(this.#unit.isAddress ? index : widened(index), 0, address);
  }

  /**
   * Gives one back that `acquireInto` took: its first address, 4 or 16 bytes big-endian, lies in `bytes` at `offset`.
   *
   * @returns false if it was not in use
   * @throws RangeError if it lies outside the pool's range, is no prefix of the pool's unit, or outside `bytes`
   */
  releaseFrom(bytes: Uint8Array, offset = 0): boolean {
    this.#checkFits(bytes, offset);
    if (this.#unit.isAddress) return this.#releaseAt(bytes, offset);
    const address = bytes.slice(offset, offset + this.#addressBytes);
    const text = formatAddress(address);
    this.#unit.checkFirst(address, text);
    return this.#releaseAt(widened(this.#unit.toIndex(address)), 0, text);
  }

  /** Gives back the index at `offset`: the 4 bytes of an IPv4 address, 16 of any other. `text` is for the error. */
  #releaseAt(bytes: Uint8Array, at: number, text?: string): boolean {
    const status =
      this.#unit.isAddress && this.#addressBytes === IPV4_BYTES
        ? this.#release(wordAt(bytes, at), 0, 0, 0)
        : this.#release(wordAt(bytes, at + 12), wordAt(bytes, at + 8), wordAt(bytes, at + 4), wordAt(bytes, at));
    if (status === OUTSIDE) throw outside(text ?? formatAddress(bytes.slice(at, at + this.#addressBytes)));
    if (status !== OK) return false;
    this.#usedSmall--;
    return true;
  }

  /**
   * Whether it is in use.
   *
   * @throws SyntaxError for what is no address or prefix, RangeError outside the pool's range
   */
  has(address: string): boolean {
    this.#writeInRange(address);
    return this.#core.test() !== OK;
  }

  /** How many are in use. */
  get used(): bigint {
    return this.#usedLarge + BigInt(this.#usedSmall);
  }

  /** How many there are to hand out, those in use included: the range less what is reserved. */
  get capacity(): bigint {
    return this.#capacity;
  }

  /** Nodes of the tree: at most 64 bytes each, all included. */
  get nodeCount(): number {
    return this.#core.nodeCount();
  }

  /** The core's memory, in steps of 64 KiB. It grows and does not shrink. */
  get memoryBytes(): number {
    return this.#core.memory.buffer.byteLength;
  }

  /**
   * What is in use, in address order, in runs. The pool may be changed meanwhile: the walk goes on from where it is.
   */
  *[Symbol.iterator](): IterableIterator<Run> {
    let from: Uint8Array | undefined = new Uint8Array(this.#unit.indexBytes);
    while (from !== undefined) {
      this.#scratch.writeIndex(A, from);
      if (this.#core.usedRun() !== OK) return;
      const run = this.#readRun();
      yield this.#formatRun(run);
      from = successor(run.last);
    }
  }

  /** The tree's nodes, for whoever draws or checks it: only what is partly in use has one. Upper levels first. */
  nodes(): PoolNode[] {
    return this.#nodes().map(({ level, firstIndex, bits }) => ({
      level,
      first: this.#unit.format(firstIndex),
      bits,
    }));
  }

  #nodes(): SnapshotNode[] {
    const nodes: SnapshotNode[] = [];
    for (let i = 0, level = this.#core.nodeAt(0); level >= 0; level = this.#core.nodeAt(++i)) {
      const firstIndex = this.#scratch.readIndex(KEY, this.#unit.indexBytes);
      nodes.push({ level, firstIndex, bits: this.#scratch.bytes.slice(BITS, BITS + NODE_BYTES) });
    }
    return nodes.sort((a, b) => b.level - a.level);
  }

  /** The pool as bytes: options, cursor and all that is in use. `AddressPool.from` makes it again. */
  snapshot(): Uint8Array {
    const options = [String(this.#subnet), this.#options];
    return encodeSnapshot({ options, cursor: this.#cursor(), nodes: this.#nodes() });
  }

  /**
   * The pool that a snapshot was taken of.
   *
   * @throws SyntaxError for what is no whole snapshot; what the constructor throws if its options are not right
   */
  static from(snapshot: Uint8Array): AddressPool {
    const { options, cursor, nodes } = decodeSnapshot(snapshot);
    if (!Array.isArray(options) || options.length !== 2) throw damaged('it has no subnet and options');
    const pool = new AddressPool(...(options as [string, AddressPoolOptions]));
    for (const { level, firstIndex, bits } of nodes) {
      pool.#scratch.writeIndex(KEY, firstIndex);
      pool.#scratch.bytes.set(bits, BITS);
      if (!pool.#unit.isIndex(firstIndex) || pool.#core.putNode(level) !== OK) {
        throw damaged(`a node of level ${level} cannot be part of a tree`);
      }
    }
    const carry = BigInt(pool.#core.countUsed());
    pool.#usedLarge = (carry << 128n) | pool.#readNumber(B);
    if (cursor !== undefined) {
      pool.#scratch.writeIndex(A, cursor);
      pool.#core.setCursor();
    }
    return pool;
  }

  #writeInRange(text: string): void {
    const index = this.#unit.parse(text);
    this.#scratch.writeIndex(A, index);
    if (this.#core.isInRange() === 0) throw outside(text);
  }

  #cursor(): Uint8Array | undefined {
    return this.#core.getCursor() === 0 ? undefined : this.#scratch.readIndex(A, this.#unit.indexBytes);
  }

  #readRun(): IndexRun {
    const { indexBytes } = this.#unit;
    return { first: this.#scratch.readIndex(A, indexBytes), last: this.#scratch.readIndex(B, indexBytes) };
  }

  #formatRun({ first, last }: IndexRun): Run {
    return { first: this.#unit.format(first), last: this.#unit.format(last) };
  }

  #readNumber(field: number): bigint {
    return number(this.#scratch.readIndex(field, INDEX_BYTES));
  }

  #writeNumber(field: number, value: bigint): void {
    const view = new DataView(new ArrayBuffer(INDEX_BYTES));
    view.setBigUint64(0, value >> 64n);
    view.setBigUint64(8, value & 0xffff_ffff_ffff_ffffn);
    this.#scratch.writeIndex(field, new Uint8Array(view.buffer));
  }
}

const outside = (text: string): RangeError => new RangeError(`${text}: lies outside the pool's range`);
