// The class Tree over nodes in a Map, as a store would keep them, with bigints for addresses.

import { type NodeChange, Tree } from '../../../src/core/tree.ts';
import { instantiateCore } from '../../../src/core/wasm.ts';
import type { Build, Core, CoreNode } from './core.ts';

const NODE_BYTES = 32;

export const toBytes = (index: bigint, length: number) =>
  Uint8Array.from(Buffer.from(index.toString(16).padStart(length * 2, '0'), 'hex'));

export const toIndex = (bytes: Uint8Array) => BigInt(`0x0${Buffer.from(bytes).toString('hex')}`);

/** Rows of nodes by the hexadecimal digits of their prefixes. It counts what it is asked for. */
export class Rows {
  readonly #octets: number;
  readonly #rows = new Map<string, Uint8Array>();
  /** Nodes asked for since this was set to 0. */
  askedCount = 0;

  constructor(octets: number) {
    this.#octets = octets;
  }

  /** Takes over the nodes of a tree that is not hosted. */
  addAll(core: Core): void {
    for (const { level, first, bits } of core.nodes()) {
      const prefixBytes = this.#octets - 1 - level;
      this.#rows.set(Buffer.from(toBytes(first, this.#octets).subarray(0, prefixBytes)).toString('hex'), bits);
    }
  }

  source = (prefix: Uint8Array): Uint8Array | undefined => {
    this.askedCount++;
    return this.#rows.get(Buffer.from(prefix).toString('hex'));
  };

  apply(changes: readonly NodeChange[]): void {
    const changed = new Set<string>();
    for (const { prefix, bits } of changes) {
      const key = Buffer.from(prefix).toString('hex');
      if (changed.has(key)) throw new Error(`node ${key}: changed twice in one list`);
      if (bits !== undefined && bits.length !== NODE_BYTES) throw new Error(`node ${key}: ${bits.length} bytes`);
      changed.add(key);
      if (bits === undefined) this.#rows.delete(key);
      else this.#rows.set(key, bits);
    }
  }

  get size(): number {
    return this.#rows.size;
  }

  nodes(): CoreNode[] {
    return [...this.#rows].map(([key, bits]) => ({
      level: this.#octets - 1 - key.length / 2,
      first: BigInt(`0x${key.padEnd(this.#octets * 2, '0')}`),
      bits,
    }));
  }
}

/** A tree that knows nothing yet. */
export class HostedTree {
  readonly tree: Tree;
  readonly memory: WebAssembly.Memory;
  readonly #octets: number;

  constructor(build: Build, octets: number, rows: Rows) {
    this.#octets = octets;
    const core = instantiateCore(build.module);
    this.memory = core.memory;
    this.tree = new Tree(octets, rows.source, core);
  }

  setSubnet(index: bigint, prefixBits: number, reserve: number): void {
    this.tree.setSubnet(toBytes(index, this.#octets), prefixBits, reserve);
  }

  exclude(first: bigint, last: bigint): void {
    this.tree.exclude(toBytes(first, this.#octets), toBytes(last, this.#octets));
  }

  isReserved(index: bigint): boolean {
    return this.tree.isReserved(toBytes(index, this.#octets));
  }

  setCursor(index: bigint): void {
    this.tree.setCursor(toBytes(index, this.#octets));
  }

  find(): bigint | undefined {
    const found = this.tree.find();
    return found === undefined ? undefined : toIndex(found);
  }

  isUsed(index: bigint): boolean {
    return this.tree.isUsed(toBytes(index, this.#octets));
  }

  mark(index: bigint): boolean {
    return this.tree.mark(toBytes(index, this.#octets));
  }

  clear(index: bigint): boolean {
    return this.tree.clear(toBytes(index, this.#octets));
  }
}
