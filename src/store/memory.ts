// A store in memory: the same interface, for tests of the rules.

import type { ReadTransaction, Row, Store, Transaction } from './transaction.ts';

const toHex = (key: Uint8Array) => Buffer.from(key).toString('hex');
const fromHex = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

export class MemoryStore implements Store {
  /** Keys as hexadecimal text, which sorts as the bytes do. */
  readonly #rows = new Map<string, Uint8Array>();

  readonly #view: ReadTransaction = {
    get: key => this.#rows.get(toHex(key))?.slice(),
    range: (from, to) => this.#range(toHex(from), toHex(to)),
  };

  read<T>(work: (transaction: ReadTransaction) => T): T {
    return work(this.#view);
  }

  async write<T>(work: (transaction: Transaction) => T): Promise<T> {
    const before = new Map<string, Uint8Array | undefined>();
    const change = (key: string, value: Uint8Array | undefined) => {
      if (!before.has(key)) before.set(key, this.#rows.get(key));
      if (value === undefined) this.#rows.delete(key);
      else this.#rows.set(key, value);
    };
    try {
      return work({
        ...this.#view,
        put: (key, value) => change(toHex(key), value.slice()),
        delete: key => change(toHex(key), undefined),
      });
    } catch (error) {
      for (const [key, value] of before) change(key, value);
      throw error;
    }
  }

  async close(): Promise<void> {}

  *#range(from: string, to: string): Iterable<Row> {
    const keys = [...this.#rows.keys()].filter(key => key >= from && key < to).sort();
    for (const key of keys) yield { key: fromHex(key), value: this.#rows.get(key)!.slice() };
  }
}
