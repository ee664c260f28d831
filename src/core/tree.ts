// The typed face of one tree in the core, and the answers to its requests for nodes.

import { type CoreExports, instantiateCore } from './wasm.ts';

/** Bytes of a node: 256 bits, bit 0 the lowest address (assembly/node.ts). */
export const NODE_BYTES = 32;

/** What a subnet never hands out, as `setSubnet` takes it. */
export const RESERVE_NETWORK = 1;
export const RESERVE_BROADCAST = 2;

/**
 * Where a hosted tree's nodes are kept: the 32 bytes of a node, or undefined if there is none.
 * `prefix` is the node's address prefix: a leaf's is one octet shorter than an address, the root's is empty.
 */
export type NodeSource = (prefix: Uint8Array) => Uint8Array | undefined;

/** A node that has changed, with the row it leaves: undefined if the row goes. */
export interface NodeChange {
  prefix: Uint8Array;
  bits: Uint8Array | undefined;
}

// Layout of the scratch memory, and statuses: assembly/index.ts.
const INDEX_BYTES = 16;
const A = 0;
const B = 16;
const KEY = 32;
const BITS = 48;
const SCRATCH_BYTES = 80;
const OK = 0;
const NEED = 2;
const GONE = 0x100;

/**
 * A tree over addresses of `octets` bytes (4 or 16), whose nodes `source` keeps.
 *
 * `find` and `isUsed` change nothing; `mark` and `clear` change the tree only; `takeChanges` says what to write.
 */
export class Tree {
  readonly #core: CoreExports;
  readonly #octets: number;
  readonly #source: NodeSource;
  readonly #scratchPtr: number;
  #scratch: Uint8Array;

  constructor(octets: number, source: NodeSource, core = instantiateCore()) {
    this.#core = core;
    this.#octets = octets;
    this.#source = source;
    core.configure(octets, 1);
    this.#scratchPtr = core.scratch() >>> 0;
    this.#scratch = this.#view();
  }

  /** The pool of the next searches: the subnet of `bits` that `address` lies in. No exclusions, no cursor. */
  setSubnet(address: Uint8Array, bits: number, reserve: number): void {
    this.#write(A, address);
    this.#core.setSubnet(bits, reserve);
  }

  /** first..last, both included, is not handed out. */
  exclude(first: Uint8Array, last: Uint8Array): void {
    this.#write(A, first);
    this.#write(B, last);
    this.#core.exclude();
  }

  /** Whether the pool never hands out the address: it lies outside, or is excluded. */
  isReserved(address: Uint8Array): boolean {
    this.#write(A, address);
    return this.#core.isReserved() !== 0;
  }

  /** The next search begins behind this address. */
  setCursor(address: Uint8Array): void {
    this.#write(A, address);
    this.#core.setCursor();
  }

  /** The next free address of the pool behind its cursor, once around; undefined if there is none. */
  find(): Uint8Array | undefined {
    if (this.#complete(this.#core.find) !== OK) return undefined;
    return this.#read(A + INDEX_BYTES - this.#octets, this.#octets);
  }

  isUsed(address: Uint8Array): boolean {
    this.#write(A, address);
    return this.#complete(this.#core.test) !== OK;
  }

  /** Makes an address used. False if it was already. */
  mark(address: Uint8Array): boolean {
    this.#write(A, address);
    return this.#complete(this.#core.mark) === OK;
  }

  /** Makes an address free. False if it was already. */
  clear(address: Uint8Array): boolean {
    this.#write(A, address);
    return this.#complete(this.#core.clear) === OK;
  }

  /** The nodes that have changed since the last call. */
  takeChanges(): NodeChange[] {
    const changes: NodeChange[] = [];
    for (let found = this.#core.popDirty(); found >= 0; found = this.#core.popDirty()) {
      const prefix = this.#prefix(found & 0xff);
      changes.push({ prefix, bits: found & GONE ? undefined : this.#read(BITS, NODE_BYTES) });
    }
    return changes;
  }

  /** Calls until the core has all the nodes that it needs. */
  #complete(call: () => number): number {
    let status = call();
    while (status === NEED) {
      const prefix = this.#prefix(this.#core.wantedLevel());
      const bits = this.#source(prefix);
      if (bits !== undefined) this.#view().set(bits, BITS);
      this.#core.supply(bits === undefined ? 0 : 1);
      status = call();
    }
    return status;
  }

  /** Address prefix of the node at KEY. */
  #prefix(level: number): Uint8Array {
    return this.#read(KEY + INDEX_BYTES - this.#octets, this.#octets - 1 - level);
  }

  #write(field: number, address: Uint8Array): void {
    const scratch = this.#view();
    scratch.fill(0, field, field + INDEX_BYTES - this.#octets);
    scratch.set(address, field + INDEX_BYTES - this.#octets);
  }

  #read(offset: number, bytes: number): Uint8Array {
    return this.#view().slice(offset, offset + bytes);
  }

  /** The scratch memory. Growing the core's memory detaches views of it: they are renewed here, and only here. */
  #view(): Uint8Array {
    if (this.#scratch?.buffer !== this.#core.memory.buffer) {
      this.#scratch = new Uint8Array(this.#core.memory.buffer, this.#scratchPtr, SCRATCH_BYTES);
    }
    return this.#scratch;
  }
}
