// What the rules know of a store: ordered rows of bytes, in transactions.

export interface ReadTransaction {
  /** A copy of the value, the caller's to keep. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Rows with from <= key < to, in byte order of the keys. Not to be used across changes. */
  range(from: Uint8Array, to: Uint8Array): Iterable<Row>;
}

export interface Row {
  key: Uint8Array;
  value: Uint8Array;
}

/** What a store that does not exist yet would answer. */
export const NOTHING: ReadTransaction = { get: () => undefined, range: () => [] };

export interface Transaction extends ReadTransaction {
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
}

/** Where a store is, and how it is waited for. */
export interface StoreLocation {
  path: string;
  /** How long to wait for the lock before code 11. */
  timeoutMs: number;
  /** The Go plugin's file that may lie beside a missing store: its leases would be given out again. */
  goStorePath?: string | undefined;
}

export type Access =
  /** Opened read-only; undefined if there is no store. */
  | 'read'
  /** Opened for writing; undefined if there is no store. */
  | 'write'
  /** Opened for writing; made if there is none. */
  | 'create';

export interface Store {
  /** Runs `work` on one state of the store. */
  read<T>(work: (transaction: ReadTransaction) => T): T;
  /**
   * Runs `work` and commits what it changed, durably, before the promise resolves. If `work` throws, which it may do
   * only before its first change, or the commit fails, nothing has changed and the promise is rejected.
   */
  write<T>(work: (transaction: Transaction) => T): Promise<T>;
  close(): Promise<void>;
}

/** Runs `work`; if it throws, what it has changed is put back. */
export function undoing<T>(transaction: Transaction, work: (transaction: Transaction) => T): T {
  const before: [key: Uint8Array, value: Uint8Array | undefined][] = [];
  const remember = (key: Uint8Array) => void before.push([key, transaction.get(key)]);
  try {
    return work({
      get: key => transaction.get(key),
      range: (from, to) => transaction.range(from, to),
      put: (key, value) => {
        remember(key);
        transaction.put(key, value);
      },
      delete: key => {
        remember(key);
        transaction.delete(key);
      },
    });
  } catch (error) {
    for (const [key, value] of before.reverse()) {
      if (value === undefined) transaction.delete(key);
      else transaction.put(key, value);
    }
    throw error;
  }
}
