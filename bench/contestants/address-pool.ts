// This library through its public API.

import { AddressPool, formatAddress } from '../../src/index.ts';
import { type Allocator, bytesOf, type Contestant, type Place, SLOTS } from './contestant.ts';
import { keep } from './own-copy.ts';

/** Acquires and releases bytes. */
export const addressPool: Contestant = { name: 'AddressPool', open: place => new BytesAllocator(place) };

/** Acquires and releases text. */
export const addressPoolText: Contestant = { name: 'AddressPool, as text', open: place => new TextAllocator(place) };

abstract class PoolAllocator<Handle> implements Allocator<Handle> {
  readonly pool: AddressPool;
  readonly place: Place;

  constructor(place: Place) {
    this.pool = keep(new AddressPool(place.subnet));
    this.place = place;
  }

  abstract acquireAt(slot: number): boolean;
  abstract handleAt(slot: number): Handle;
  abstract handleOf(offset: bigint): Handle;
  abstract take(handle: Handle): boolean;
  abstract release(handle: Handle): boolean;

  fill(count: number): void {
    this.pool.acquireMany(count);
  }

  bytes(): number {
    return this.pool.memoryBytes;
  }
}

class BytesAllocator extends PoolAllocator<Uint8Array> {
  readonly #size: number;
  readonly #results: Uint8Array;

  constructor(place: Place) {
    super(place);
    this.#size = place.bytes;
    this.#results = new Uint8Array(SLOTS * place.bytes);
  }

  acquireAt(slot: number): boolean {
    return this.pool.acquireInto(this.#results, slot * this.#size);
  }

  handleAt(slot: number): Uint8Array {
    return this.#results.slice(slot * this.#size, (slot + 1) * this.#size);
  }

  handleOf(offset: bigint): Uint8Array {
    return bytesOf(this.place, offset);
  }

  take(address: Uint8Array): boolean {
    return this.pool.request(formatAddress(address));
  }

  release(address: Uint8Array): boolean {
    return this.pool.releaseFrom(address);
  }
}

class TextAllocator extends PoolAllocator<string> {
  readonly #texts = new Array<string>(SLOTS).fill('');

  acquireAt(slot: number): boolean {
    const text = this.pool.acquire();
    if (text === undefined) return false;
    this.#texts[slot] = text;
    return true;
  }

  handleAt(slot: number): string {
    return this.#texts[slot]!;
  }

  handleOf(offset: bigint): string {
    return formatAddress(bytesOf(this.place, offset));
  }

  take(text: string): boolean {
    return this.pool.request(text);
  }

  release(text: string): boolean {
    return this.pool.release(text);
  }
}
