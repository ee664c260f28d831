// Makes stores, and what has to lie beside one before LMDB opens it. For whoever holds the store's lock.

import { closeSync, existsSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { translated } from './error.ts';
import { LmdbStore } from './lmdb.ts';
import { migrate } from './migrate.ts';
import { emptyStorePages } from './pages.ts';
import { replaceBy } from './place.ts';
import type { Transaction } from './transaction.ts';

// struct MDB_txninfo, then 125 readers of a cache line each.
const LMDB_LOCK_BYTES = 272 + 125 * 64; // 8272

/** Makes a store, empty but for what `fill` puts. It is put in place whole: no killed process leaves half a store. */
export async function createStore(path: string, fill?: (transaction: Transaction) => void): Promise<void> {
  const begin = (transaction: Transaction) => {
    migrate(transaction);
    fill?.(transaction);
  };
  await draftStore(path, begin, draft => replaceBy(draft, path));
}

/**
 * Makes a store of the rows that `fill` puts, under another name beside `path`, and lets `place` move it. The first
 * pages are ours, as lmdb-js crashes where the disk is too full for LMDB to write them.
 */
export async function draftStore(
  path: string,
  fill: (transaction: Transaction) => void,
  place: (draft: string) => void,
): Promise<void> {
  const draft = `${path}.new`;
  const remove = () => {
    for (const file of [draft, `${draft}-lock`]) rmSync(file, { force: true });
  };
  remove(); // what a killed process may have left
  try {
    translated(path, () => {
      writeFileSync(draft, emptyStorePages(), { mode: 0o600 });
      reserveLmdbLock(draft);
    });
    const store = new LmdbStore(draft, false);
    try {
      store.commit(fill);
    } finally {
      await store.close();
    }
    rmSync(`${draft}-lock`, { force: true }); // whoever is killed behind the move leaves nothing
    translated(path, () => place(draft));
  } finally {
    remove();
  }
}

/** LMDB maps its lock file and writes into the map: on a full disk, that is a SIGBUS unless the blocks are there. */
export function reserveLmdbLock(path: string): void {
  const lockPath = `${path}-lock`;
  if (existsSync(lockPath) && statSync(lockPath).size > 0) return;
  const fd = openSync(lockPath, 'w', 0o600);
  try {
    if (writeSync(fd, new Uint8Array(LMDB_LOCK_BYTES)) !== LMDB_LOCK_BYTES) throw new Error(`${lockPath}: disk full`);
  } catch (error) {
    rmSync(lockPath, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}
