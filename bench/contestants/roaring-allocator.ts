// A cursor over a roaring bitmap. It holds 32-bit values: offsets from the first address. Those who import it take a
// copy each.

import { type Allocator, lastUsableOffset, type Place, SLOTS } from './contestant.ts';

/** What both packages offer. */
export interface Bitmap {
  add(value: number): unknown;
  tryAdd(value: number): boolean;
  delete(value: number): boolean;
  addRange(begin: number, end: number): unknown;
  runOptimize(): unknown;
  readonly size: number;
}

export class RoaringAllocator implements Allocator<number> {
  readonly #bitmap: Bitmap;
  readonly #size: (bitmap: Bitmap) => number;
  readonly #last: number;
  #cursor = 0;
  readonly #results = new Uint32Array(SLOTS);

  /** @param place larger ones than 2^32 are cut */
  constructor(bitmap: Bitmap, place: Place, size: (bitmap: Bitmap) => number) {
    this.#bitmap = bitmap;
    this.#size = size;
    const last = lastUsableOffset(place);
    this.#last = last < 2n ** 32n ? Number(last) : 2 ** 32 - 1;
  }

  acquireAt(slot: number): boolean {
    let next = this.#cursor;
    // Adds and tells whether it was there, in one call. It does not look whether all is taken: no question asks that.
    do {
      next = next === this.#last ? 1 : next + 1;
    } while (!this.#bitmap.tryAdd(next));
    this.#cursor = next;
    this.#results[slot] = next;
    return true;
  }

  handleAt(slot: number): number {
    return this.#results[slot]!;
  }

  handleOf(offset: bigint): number {
    return Number(offset);
  }

  take(offset: number): boolean {
    return this.#bitmap.tryAdd(offset);
  }

  release(offset: number): boolean {
    return this.#bitmap.delete(offset);
  }

  fill(count: number): void {
    this.#bitmap.addRange(this.#cursor + 1, this.#cursor + 1 + count);
    this.#cursor += count;
  }

  bytes(): number {
    return this.#size(this.#bitmap);
  }

  close(): void {
    (this.#bitmap as { dispose?(): void }).dispose?.();
  }
}

/** Not an allocator: adds one value after another and asks nothing. What the bitmap itself costs. */
export class RoaringAdder extends RoaringAllocator {
  readonly #bitmap: Bitmap;
  #next = 1;

  constructor(bitmap: Bitmap, place: Place, size: (bitmap: Bitmap) => number) {
    super(bitmap, place, size);
    this.#bitmap = bitmap;
  }

  override acquireAt(): boolean {
    this.#bitmap.add(this.#next++);
    return true;
  }
}
