// The store on disk: one LMDB environment, one database, through lmdb-js. Only guard.ts opens it, under the lock.

import { open, type RootDatabase } from 'lmdb';
import { StoreError } from './error.ts';
import { Reserve } from './reserve.ts';
import type { ReadTransaction, Row, Store, Transaction } from './transaction.ts';

/**
 * Address space for the file, so that it can grow without being mapped anew: lmdb-js keeps the old mappings, and each
 * counts as the process's memory. Takes neither memory nor disk.
 */
const MAP_BYTES = 2 ** 34;

export class LmdbStore implements Store {
  readonly #path: string;
  readonly #db: RootDatabase<Uint8Array, Uint8Array>;
  readonly #view: ReadTransaction;
  readonly #reserve: Reserve;

  /**
   * `path` must name a file that `inspectStore` found sound, or none if `readOnly` is false. `knownBytes`: the file has
   * at least so many.
   */
  constructor(path: string, readOnly: boolean, knownBytes = 0) {
    this.#path = path;
    this.#reserve = new Reserve(path, knownBytes);
    this.#db = this.#translated('open', () =>
      open<Uint8Array, Uint8Array>({
        path,
        noSubdir: true,
        readOnly,
        encoding: 'binary',
        keyEncoding: 'binary',
        // With overlapping sync a commit is visible before it is on disk.
        overlappingSync: false,
        mapSize: MAP_BYTES,
      }),
    );
    this.#view = {
      get: key => this.#db.getBinary(key),
      range: (from, to) => this.#range(from, to),
    };
  }

  read<T>(work: (transaction: ReadTransaction) => T): T {
    // A process that keeps the store open would otherwise go on reading the state of a moment ago.
    this.#db.resetReadTxn();
    return this.#translated('read', () => work(this.#view));
  }

  async write<T>(work: (transaction: Transaction) => T): Promise<T> {
    return this.commit(work);
  }

  /** Runs `work` in one transaction, which is on disk when this returns. */
  commit<T>(work: (transaction: Transaction) => T): T {
    return this.#translated('write', () =>
      this.#db.transactionSync(() =>
        work({
          ...this.#view,
          put: (key, value) => this.#db.putSync(key, staged(value)),
          delete: key => this.#db.removeSync(key),
        }),
      ),
    );
  }

  /** Within a transaction: how many of so many ADDs it may have, so that the disk has room for DELs afterwards. */
  admit(adds: number): number {
    const { lastPageNumber, pageSize } = this.#db.getStats() as { lastPageNumber: number; pageSize: number };
    return this.#reserve.admit(adds, { lastPage: lastPageNumber, pageBytes: pageSize });
  }

  /** What is said to an ADD that was not admitted. */
  refusal(): StoreError {
    return this.#reserve.refusal();
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  *#range(from: Uint8Array, to: Uint8Array): Iterable<Row> {
    for (const { key, value } of this.#db.getRange({ start: from, end: to })) {
      yield { key: Uint8Array.from(key), value: Uint8Array.from(value) };
    }
  }

  #translated<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.explain(error, what);
    }
  }

  /**
   * An error as one that names the store. LMDB's own carry a number: its codes are negative, those of the operating
   * system positive. What is neither LMDB's nor about rows stays as it is.
   */
  explain(error: unknown, what: string): unknown {
    if (error instanceof StoreError) {
      return new StoreError(error.failure, `store ${this.#path}: ${error.message}`, { cause: error });
    }
    const code = lmdbCode(error);
    if (code === undefined) return error;
    const failure = code < 0 ? 'damaged' : 'io';
    return new StoreError(failure, `store ${this.#path}: ${what}: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * The bytes of a value where lmdb-js takes them without asking for their ArrayBuffer, which the engine has to make for
 * each small array: it reads an array that has `start` and `end` between them. They are copied before the call returns.
 */
function staged(value: Uint8Array): Uint8Array {
  if (value.length > staging.length) staging = stagingOf(2 * value.length);
  for (let i = 0; i < value.length; i++) staging[i] = value[i]!;
  staging.end = value.length;
  return staging;
}

const stagingOf = (bytes: number) => Object.assign(new Uint8Array(bytes), { start: 0, end: 0 });
let staging = stagingOf(4096);

/** The number in an error of LMDB's; undefined for any other. */
export function lmdbCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}
