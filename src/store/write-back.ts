// What many works of one transaction share: a row that they read or change again and again (a pool, a tree node) goes
// to and from the store once. Each work changes everything or nothing.

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
}

export class WriteBack implements Transaction {
  readonly #store: Transaction;
  /** By the key's octets as characters: their order is that of the keys. */
  readonly #rows = new Map<string, CachedRow>();
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
      for (const { row, value } of this.#before.reverse()) change(row, value);
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
    const changed = [...this.#rows].filter(([, { isDirty }]) => isDirty);
    changed.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [, row] of changed) {
      if (row.value === undefined) this.#store.delete(row.key);
      else this.#store.put(row.key, row.value);
      row.isDirty = false;
    }
  }

  #change(key: Uint8Array, value: Uint8Array | undefined): void {
    const row = this.#row(key);
    this.#before.push({ row, value: row.value });
    change(row, value);
  }

  #row(key: Uint8Array): CachedRow {
    const name = nameOf(key);
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = { key, value: this.#store.get(key), isDirty: false };
      this.#rows.set(name, row);
    }
    return row;
  }
}

function change(row: CachedRow, value: Uint8Array | undefined): void {
  row.value = value;
  row.isDirty = true;
}

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');
