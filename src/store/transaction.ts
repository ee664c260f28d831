// What the rules know of a store: ordered rows of bytes, in transactions.

import type { GoStore } from '../bolt/plugin.ts';

export interface ReadTransaction {
  /** The value: the caller may keep it, but not change it. */
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
  /** How much of that has passed before this process was started. */
  waitedMs?: number | undefined;
  /** The Go plugin's file that may lie beside a missing store: its leases would be given out again. */
  goStorePath?: string | undefined;
  /** How to move in where the Go plugin's leases are found in a store's place; undefined: they are refused. */
  moveIn?: MoveIn | undefined;
}

/** Takes over what the Go plugin has left. */
export interface MoveIn {
  /** Writes it into a new store. */
  take(content: GoStore, transaction: Transaction): void;
  /** It is done: a sentence for the log. */
  done(message: string): void;
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
  close(): void | Promise<void>;
}
