// What many works of one transaction share: a row that they read or change again and again (a pool, a tree node) goes
// to and from the store once. Each work changes everything or nothing.

import { sameBytes } from '../net/bytes.ts';
import { compareKeys } from './key-range.ts';
import type { Row, Transaction } from './transaction.ts';

/** Something to do within a transaction. It throws only before its first change, or is undone. */
export type Work<T> = (transaction: Transaction) => T;

/** How one of many works ended. */
export type Ending<T> = { value: T } | { error: unknown };

/**
 * Runs the works in one transaction; one that throws fails alone.
 *
 * @param fail what a work's error ends it with; throws where it is the transaction's
 */
export function attemptAll<T>(
  transaction: Transaction,
  works: readonly Work<T>[],
  fail: (error: unknown) => unknown,
): Ending<T>[] {
  const rows = new WriteBack(transaction);
  const endings = works.map(work => {
    try {
      return { value: rows.attempt(work) };
    } catch (error) {
      return { error: fail(error) };
    }
  });
  rows.flush();
  return endings;
}

interface CachedRow {
  key: Uint8Array;
  /** Undefined: there is no such row. */
  value: Uint8Array | undefined;
  /** Whether the store does not know of the value yet. */
  isDirty: boolean;
  /** The next row whose key has the same hash. */
  next: CachedRow | undefined;
}

export class WriteBack implements Transaction {
  readonly #store: Transaction;
  /** By hash of the key. */
  readonly #rows = new Map<number, CachedRow>();
  #dirty: CachedRow[] = [];
  /** What the work under way has changed, as it was before. */
  #before: { row: CachedRow; value: Uint8Array | undefined }[] = [];

  constructor(store: Transaction) {
    this.#store = store;
  }

  /** Runs `work`; if it throws, what it has changed is put back. */
  attempt<T>(work: (transaction: Transaction) => T): T {
    this.#before = [];
    try {
      return work(this);
    } catch (error) {
      for (const { row, value } of this.#before.reverse()) this.#set(row, value);
      throw error;
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#row(key).value;
  }

  range(from: Uint8Array, to: Uint8Array): Iterable<Row> {
    this.flush();
    return this.#store.range(from, to);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#change(key, value);
  }

  delete(key: Uint8Array): void {
    this.#change(key, undefined);
  }

  /** Gives the store what has changed, in the order of the keys: neighbours lie on one page. */
  flush(): void {
    const dirty = this.#dirty.sort((a, b) => compareKeys(a.key, b.key));
    this.#dirty = [];
    for (const row of dirty) {
      if (row.value === undefined) this.#store.delete(row.key);
      else this.#store.put(row.key, row.value);
      row.isDirty = false;
    }
  }

  #change(key: Uint8Array, value: Uint8Array | undefined): void {
    const row = this.#row(key);
    this.#before.push({ row, value: row.value });
    this.#set(row, value);
  }

  #set(row: CachedRow, value: Uint8Array | undefined): void {
    row.value = value;
    if (row.isDirty) return;
    row.isDirty = true;
    this.#dirty.push(row);
  }

  #row(key: Uint8Array): CachedRow {
    const hash = hashOf(key);
    const first = this.#rows.get(hash);
    for (let row = first; row !== undefined; row = row.next) if (sameBytes(row.key, key)) return row;
    const row = { key, value: this.#store.get(key), isDirty: false, next: first };
    this.#rows.set(hash, row);
    return row;
  }
}

/** FNV-1a, of 32 bits: cheaper than a text to look the key up by. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, 0x01000193);
  return hash;
}
