// The core with bigints for indexes, for both of its builds.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type CoreExports, instantiateCore } from '../../../src/core/wasm.ts';

const moduleOf = (file: string) =>
  new WebAssembly.Module(readFileSync(fileURLToPath(new URL(`../../../build/${file}`, import.meta.url))));

export interface Build {
  name: 'release' | 'debug';
  module: WebAssembly.Module;
}

/** Both, unless ECS_IPAM_TEST_BUILD names one of them. */
export const BUILD_NAMES = (['release', 'debug'] as const).filter(
  name => name === (process.env.ECS_IPAM_TEST_BUILD ?? name),
);
export const BUILDS: readonly Build[] = BUILD_NAMES.map(name => ({
  name,
  module: moduleOf(name === 'release' ? 'core.wasm' : 'core.debug.wasm'),
}));

/** first..last, both included. */
export interface Run {
  first: bigint;
  last: bigint;
}

export interface CoreNode {
  level: number;
  /** The node's first index. */
  first: bigint;
  bits: Uint8Array;
}

export const contains = (run: Run, index: bigint) => run.first <= index && index <= run.last;
export const smaller = (a: bigint, b: bigint) => (a < b ? a : b);
export const larger = (a: bigint, b: bigint) => (a > b ? a : b);

const A = 0;
const B = 16;
const KEY = 32;
const BITS = 48;
const NODE_BYTES = 32;
const OUTSIDE = 3;
const LOW_HALF = (1n << 64n) - 1n;

/** An index, or undefined, for messages. */
export const hex = (index: bigint | undefined) => (index === undefined ? 'none' : `0x${index.toString(16)}`);
export const hexRun = (run: Run | undefined) => (run === undefined ? 'none' : `${hex(run.first)}..${hex(run.last)}`);

/** A tree that is not hosted, in an instance of its own. */
export class Core {
  readonly exports: CoreExports;
  readonly octets: number;
  readonly maxIndex: bigint;

  constructor(build: Build, octets: number) {
    this.exports = instantiateCore(build.module);
    this.octets = octets;
    this.maxIndex = (1n << BigInt(octets * 8)) - 1n;
    this.exports.configure(octets, 0);
  }

  setSubnet(index: bigint, prefixBits: number, reserve = 0): void {
    this.#write(A, index);
    this.exports.setSubnet(prefixBits, reserve);
  }

  setRange(range: Run): void {
    this.#writeRun(range);
    this.exports.setRange();
  }

  exclude(range: Run): void {
    this.#writeRun(range);
    this.exports.exclude();
  }

  isInRange(index: bigint): boolean {
    this.#write(A, index);
    return this.exports.isInRange() !== 0;
  }

  isReserved(index: bigint): boolean {
    this.#write(A, index);
    return this.exports.isReserved() !== 0;
  }

  setCursor(index: bigint): void {
    this.#write(A, index);
    this.exports.setCursor();
  }

  cursor(): bigint | undefined {
    return this.exports.getCursor() === 0 ? undefined : this.#read(A);
  }

  find(): bigint | undefined {
    return this.#ok(this.exports.find()) ? this.#read(A) : undefined;
  }

  acquire(): bigint | undefined {
    return this.#ok(this.exports.acquire()) ? this.#read(A) : undefined;
  }

  isUsed(index: bigint): boolean {
    this.#write(A, index);
    return !this.#ok(this.exports.test());
  }

  mark(index: bigint): boolean {
    this.#write(A, index);
    return this.#ok(this.exports.mark());
  }

  clear(index: bigint): boolean {
    this.#write(A, index);
    return this.#ok(this.exports.clear());
  }

  /** undefined: outside the pool's range. */
  release(index: bigint): boolean | undefined {
    const words = [0n, 32n, 64n, 96n].map(shift => Number((index >> shift) & 0xffff_ffffn));
    const status = this.exports.release(...(words as [number, number, number, number]));
    return status === OUTSIDE ? undefined : this.#ok(status);
  }

  freeRun(from: bigint, max: bigint): Run | undefined {
    this.#writeRun({ first: from, last: max });
    return this.#ok(this.exports.freeRun()) ? this.#readRun() : undefined;
  }

  usedRun(from: bigint): Run | undefined {
    this.#write(A, from);
    return this.#ok(this.exports.usedRun()) ? this.#readRun() : undefined;
  }

  markRun(run: Run): void {
    this.#writeRun(run);
    this.exports.markRun();
  }

  clearRun(run: Run): void {
    this.#writeRun(run);
    this.exports.clearRun();
  }

  countUsed(): bigint {
    const bit128 = BigInt(this.exports.countUsed());
    return (bit128 << 128n) | this.#read(B);
  }

  countUsable(): bigint {
    const bit128 = BigInt(this.exports.countUsable());
    return (bit128 << 128n) | this.#read(B);
  }

  get nodeCount(): number {
    return this.exports.nodeCount();
  }

  nodes(): CoreNode[] {
    const nodes: CoreNode[] = [];
    for (let level = this.exports.nodeAt(0); level >= 0; level = this.exports.nodeAt(nodes.length)) {
      const bits = new Uint8Array(this.exports.memory.buffer, this.exports.scratch() + BITS, NODE_BYTES).slice();
      nodes.push({ level, first: this.#read(KEY), bits });
    }
    return nodes;
  }

  putNode({ level, first, bits }: CoreNode): boolean {
    this.#write(KEY, first);
    new Uint8Array(this.exports.memory.buffer, this.exports.scratch() + BITS, NODE_BYTES).set(bits);
    return this.#ok(this.exports.putNode(level));
  }

  #ok(status: number): boolean {
    if (status !== 0 && status !== 1) throw new Error(`status ${status} of a tree that is not hosted`);
    return status === 0;
  }

  #view(offset: number): DataView {
    return new DataView(this.exports.memory.buffer, this.exports.scratch() + offset, 16);
  }

  #write(offset: number, index: bigint): void {
    const view = this.#view(offset);
    view.setBigUint64(0, index & LOW_HALF, true);
    view.setBigUint64(8, index >> 64n, true);
  }

  #read(offset: number): bigint {
    const view = this.#view(offset);
    return (view.getBigUint64(8, true) << 64n) | view.getBigUint64(0, true);
  }

  #writeRun(run: Run): void {
    this.#write(A, run.first);
    this.#write(B, run.last);
  }

  #readRun(): Run {
    return { first: this.#read(A), last: this.#read(B) };
  }
}
