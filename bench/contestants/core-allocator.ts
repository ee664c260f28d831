// The core's exports by its ABI (assembly/README.md), without AddressPool. Those who import it take a copy each, so
// that WebAssembly and JavaScript are called by the same code and share nothing that V8 has compiled.

import { A, OK, Scratch } from '../../src/core/scratch.ts';
import type { CoreExports } from '../../src/core/wasm.ts';
import { type Allocator, bytesOf, type Place, SLOTS } from './contestant.ts';

const RESERVE_FIRST = 1;
const RESERVE_BOTH = 3;
const INDEX_BYTES = 16;

export class CoreAllocator implements Allocator<Uint8Array> {
  readonly core: CoreExports;
  readonly #acquire: () => number;
  readonly #clear: () => number;
  readonly #scratch: Scratch;
  readonly #place: Place;
  readonly #results = new Uint8Array(SLOTS * INDEX_BYTES);

  constructor(core: CoreExports, place: Place) {
    this.core = core;
    this.#acquire = core.acquire;
    this.#clear = core.clear;
    this.#place = place;
    core.configure(place.bytes, 0);
    this.#scratch = new Scratch(core);
    this.#scratch.writeIndex(A, this.handleOf(0n));
    const bits = place.bytes * 8 - (place.size.toString(2).length - 1);
    core.setSubnet(bits, place.bytes === 4 ? RESERVE_BOTH : RESERVE_FIRST);
  }

  acquireAt(slot: number): boolean {
    if (this.#acquire() !== OK) return false;
    this.#scratch.copyA(this.#results, slot * INDEX_BYTES);
    return true;
  }

  /** All 16 bytes of an index. */
  handleAt(slot: number): Uint8Array {
    return this.#results.slice(slot * INDEX_BYTES, (slot + 1) * INDEX_BYTES);
  }

  handleOf(offset: bigint): Uint8Array {
    return bytesOf({ ...this.#place, bytes: INDEX_BYTES }, offset);
  }

  take(index: Uint8Array): boolean {
    this.#scratch.writeIndex(A, index);
    return this.core.mark() === OK;
  }

  /** What is timed writes its index in one piece: `writeIndex` is for any length, and takes longer than the core. */
  release(index: Uint8Array): boolean {
    const { bytes } = this.#scratch;
    bytes[0] = index[15]!;
    bytes[1] = index[14]!;
    bytes[2] = index[13]!;
    bytes[3] = index[12]!;
    bytes[4] = index[11]!;
    bytes[5] = index[10]!;
    bytes[6] = index[9]!;
    bytes[7] = index[8]!;
    bytes[8] = index[7]!;
    bytes[9] = index[6]!;
    bytes[10] = index[5]!;
    bytes[11] = index[4]!;
    bytes[12] = index[3]!;
    bytes[13] = index[2]!;
    bytes[14] = index[1]!;
    bytes[15] = index[0]!;
    return this.#clear() === OK;
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.#acquire();
  }

  bytes(): number {
    return this.core.memory.buffer.byteLength;
  }
}
