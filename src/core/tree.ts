// The typed face of one tree in the core, and the answers to its requests for nodes.

import { A, B, BITS, KEY, NEED, NODE_BYTES, OK, Scratch } from './scratch.ts';
import { type CoreExports, instantiateCore } from './wasm.ts';

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

/** What `popDirty` adds to the level of a node that is gone. */
const GONE = 0x100;

/**
 * A tree over addresses of `octets` bytes (4 or 16), whose nodes `source` keeps.
 *
 * `find` and `isUsed` change nothing; `mark` and `clear` change the tree only; `takeChanges` says what to write.
 */
export class Tree {
  readonly #core: CoreExports;
  readonly #scratch: Scratch;
  readonly #octets: number;
  readonly #source: NodeSource;

  constructor(octets: number, source: NodeSource, core = instantiateCore()) {
    core.configure(octets, 1);
    this.#core = core;
    this.#scratch = new Scratch(core);
    this.#octets = octets;
    this.#source = source;
  }

  /** The pool of the next searches: the subnet of `bits` that `address` lies in. No exclusions, no cursor. */
  setSubnet(address: Uint8Array, bits: number, reserve: number): void {
    this.#scratch.writeIndex(A, address);
    this.#core.setSubnet(bits, reserve);
  }

  /** first..last, both included, is not handed out. */
  exclude(first: Uint8Array, last: Uint8Array): void {
    this.#scratch.writeIndex(A, first);
    this.#scratch.writeIndex(B, last);
    this.#core.exclude();
  }

  /** Whether the pool never hands out the address: it lies outside, or is excluded. */
  isReserved(address: Uint8Array): boolean {
    this.#scratch.writeIndex(A, address);
    return this.#core.isReserved() !== 0;
  }

  /** The next search begins behind this address. */
  setCursor(address: Uint8Array): void {
    this.#scratch.writeIndex(A, address);
    this.#core.setCursor();
  }

  /** The next free address of the pool behind its cursor, once around; undefined if there is none. */
  find(): Uint8Array | undefined {
    if (this.#complete(this.#core.find) !== OK) return undefined;
    return this.#scratch.readIndex(A, this.#octets);
  }

  isUsed(address: Uint8Array): boolean {
    this.#scratch.writeIndex(A, address);
    return this.#complete(this.#core.test) !== OK;
  }

  /** Makes an address used. False if it was already. */
  mark(address: Uint8Array): boolean {
    this.#scratch.writeIndex(A, address);
    return this.#complete(this.#core.mark) === OK;
  }

  /** Makes an address free. False if it was already. */
  clear(address: Uint8Array): boolean {
    this.#scratch.writeIndex(A, address);
    return this.#complete(this.#core.clear) === OK;
  }

  /** The nodes that have changed since the last call. */
  takeChanges(): NodeChange[] {
    const changes: NodeChange[] = [];
    for (let found = this.#core.popDirty(); found >= 0; found = this.#core.popDirty()) {
      const prefix = this.#prefix(found & 0xff);
      changes.push({ prefix, bits: found & GONE ? undefined : this.#scratch.bytes.slice(BITS, BITS + NODE_BYTES) });
    }
    return changes;
  }

  /** Calls until the core has all the nodes that it needs. */
  #complete(call: () => number): number {
    let status = call();
    while (status === NEED) {
      const prefix = this.#prefix(this.#core.wantedLevel());
      const bits = this.#source(prefix);
      if (bits !== undefined) this.#scratch.bytes.set(bits, BITS);
      this.#core.supply(bits === undefined ? 0 : 1);
      status = call();
    }
    return status;
  }

  /** Address prefix of the node at KEY. */
  #prefix(level: number): Uint8Array {
    return this.#scratch.readIndex(KEY, this.#octets - 1 - level, level + 1);
  }
}
