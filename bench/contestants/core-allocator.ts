// The core's exports by its ABI (assembly/README.md), without AddressPool. Those who import it take a copy each, so
// that WebAssembly and JavaScript are called by the same code and share nothing that V8 has compiled.

import { A, OK, Scratch, wordAt } from '../../src/core/scratch.ts';
import type { CoreExports } from '../../src/core/wasm.ts';
import { type Allocator, bytesOf, type Place, SLOTS } from './contestant.ts';

const RESERVE_FIRST = 1;
const RESERVE_BOTH = 3;
const INDEX_BYTES = 16;

export class CoreAllocator implements Allocator<Uint8Array> {
  readonly core: CoreExports;
  readonly #acquire: () => number;
  readonly #release: CoreExports['release'];
  readonly #scratch: Scratch;
  readonly #place: Place;
  readonly #results = new Uint8Array(SLOTS * INDEX_BYTES);

  constructor(core: CoreExports, place: Place) {
    this.core = core;
    this.#acquire = core.acquire;
    this.#release = core.release;
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

  release(index: Uint8Array): boolean {
    return this.#release(wordAt(index, 12), wordAt(index, 8), wordAt(index, 4), wordAt(index, 0)) === OK;
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.#acquire();
  }

  bytes(): number {
    return this.core.memory.buffer.byteLength;
  }
}
