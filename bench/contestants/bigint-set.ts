// What one writes first: a Set of what is taken, and a cursor that looks at one address after another.

import { type Allocator, type Contestant, lastUsableOffset, type Place, SLOTS } from './contestant.ts';

export const bigIntSet: Contestant = { name: 'Set of BigInt', open: place => new SetAllocator(place) };

/** V8 throws when a Set is to hold more. */
export const MOST_IN_A_SET = 2 ** 24;

class SetAllocator implements Allocator<bigint> {
  readonly #used = new Set<bigint>();
  readonly #network: bigint;
  readonly #last: bigint;
  readonly #capacity: number;
  #cursor: bigint;
  readonly #results = new Array<bigint>(SLOTS).fill(0n);

  constructor(place: Place) {
    this.#network = place.first;
    this.#last = place.first + lastUsableOffset(place);
    this.#capacity = Number(lastUsableOffset(place));
    this.#cursor = place.first;
  }

  acquireAt(slot: number): boolean {
    if (this.#used.size >= this.#capacity) return false;
    let next = this.#cursor;
    do {
      next = next === this.#last ? this.#network + 1n : next + 1n;
    } while (this.#used.has(next));
    this.#used.add(next);
    this.#cursor = next;
    this.#results[slot] = next;
    return true;
  }

  handleAt(slot: number): bigint {
    return this.#results[slot]!;
  }

  handleOf(offset: bigint): bigint {
    return this.#network + offset;
  }

  take(address: bigint): boolean {
    if (this.#used.has(address)) return false;
    this.#used.add(address);
    return true;
  }

  release(address: bigint): boolean {
    return this.#used.delete(address);
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.acquireAt(0);
  }
}
