// Libraries that calculate with addresses but keep none: the next address by their API, a Set of strings, a cursor.

import type { Allocator, Place } from './contestant.ts';
import { SLOTS } from './contestant.ts';

/** Texts of the addresses of a place behind its first, in order. */
export type Texts = (place: Place) => () => string;

export class StringSetAllocator implements Allocator<string> {
  readonly #used = new Set<string>();
  readonly #next: () => string;
  readonly #results = new Array<string>(SLOTS).fill('');

  constructor(place: Place, texts: Texts) {
    this.#next = texts(place);
  }

  acquireAt(slot: number): boolean {
    let text: string;
    do {
      text = this.#next();
    } while (this.#used.has(text));
    this.#used.add(text);
    this.#results[slot] = text;
    return true;
  }

  handleAt(slot: number): string {
    return this.#results[slot]!;
  }

  handleOf(): string {
    throw new Error('only ever asked for the next one');
  }

  take(text: string): boolean {
    if (this.#used.has(text)) return false;
    this.#used.add(text);
    return true;
  }

  release(text: string): boolean {
    return this.#used.delete(text);
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) this.acquireAt(0);
  }
}
