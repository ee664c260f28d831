// This library through its public API.

import { AddressPool, formatAddress } from '../../src/index.ts';
import { type Allocator, bytesOf, type Contestant, type Place, SLOTS } from './contestant.ts';
import { keep } from './own-copy.ts';

/** Acquires bytes. Releases text: the API knows no other way. */
export const addressPool: Contestant = { name: 'AddressPool', open: place => new PoolAllocator(place) };

/** Acquires text. */
export const addressPoolText: Contestant = { name: 'AddressPool, as text', open: place => new TextAllocator(place) };

export class PoolAllocator implements Allocator<string> {
  readonly pool: AddressPool;
  readonly #place: Place;
  readonly #size: number;
  readonly #results: Uint8Array;

  constructor(place: Place) {
    this.pool = keep(new AddressPool(place.subnet));
    this.#place = place;
    this.#size = place.bytes;
    this.#results = new Uint8Array(SLOTS * place.bytes);
  }

  acquireAt(slot: number): boolean {
    return this.pool.acquireInto(this.#results, slot * this.#size);
  }

  handleAt(slot: number): string {
    return formatAddress(this.#results.slice(slot * this.#size, (slot + 1) * this.#size));
  }

  handleOf(offset: bigint): string {
    return formatAddress(bytesOf(this.#place, offset));
  }

  take(text: string): boolean {
    return this.pool.request(text);
  }

  release(text: string): boolean {
    return this.pool.release(text);
  }

  fill(count: number): void {
    this.pool.acquireMany(count);
  }

  bytes(): number {
    return this.pool.memoryBytes;
  }
}

class TextAllocator extends PoolAllocator {
  readonly #texts = new Array<string>(SLOTS).fill('');

  override acquireAt(slot: number): boolean {
    const text = this.pool.acquire();
    if (text === undefined) return false;
    this.#texts[slot] = text;
    return true;
  }

  override handleAt(slot: number): string {
    return this.#texts[slot]!;
  }
}
