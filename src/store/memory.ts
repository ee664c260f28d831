// A store in memory: the same interface, for tests of the rules.

import type { ReadTransaction, Row, Store, Transaction } from './transaction.ts';
import { WriteBack } from './write-back.ts';

const toHex = (key: Uint8Array) => Buffer.from(key).toString('hex');
const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

export class MemoryStore implements Store {
  /** Keys as hexadecimal text, which sorts as the bytes do. */
  readonly #rows = new Map<string, Uint8Array>();

  readonly #view: Transaction = {
    get: key => this.#rows.get(toHex(key))?.slice(),
    range: (from, to) => this.#range(toHex(from), toHex(to)),
    put: (key, value) => void this.#rows.set(toHex(key), value.slice()),
    delete: key => void this.#rows.delete(toHex(key)),
  };

  read<T>(work: (transaction: ReadTransaction) => T): T {
    return work(this.#view);
  }

  async write<T>(work: (transaction: Transaction) => T): Promise<T> {
    const rows = new WriteBack(this.#view);
    try {
      return rows.attempt(work);
    } finally {
      rows.flush(); // if it threw, with what was there before
    }
  }

  async close(): Promise<void> {}

  *#range(from: string, to: string): Iterable<Row> {
    const keys = [...this.#rows.keys()].filter(key => key >= from && key < to).sort();
    for (const key of keys) yield { key: fromHex(key), value: this.#rows.get(key)!.slice() };
  }
}
