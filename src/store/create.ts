// Makes stores, and what has to lie beside one before LMDB opens it. For whoever holds the store's lock.

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { translated } from './error.ts';
import { LmdbStore } from './lmdb.ts';
import { migrate } from './migrate.ts';
import { emptyStorePages } from './pages.ts';
import type { Transaction } from './transaction.ts';

// struct MDB_txninfo, then 125 readers of a cache line each.
const LMDB_LOCK_BYTES = 272 + 125 * 64; // 8272

/**
 * Makes a store under another name and puts it in place whole: no killed process leaves half a store. The first pages
 * are ours, as lmdb-js crashes where the disk is too full for LMDB to write them.
 *
 * @param fill writes what the store begins with
 */
export async function createStore(path: string, fill?: (transaction: Transaction) => void): Promise<void> {
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
      store.commit(transaction => {
        migrate(transaction);
        fill?.(transaction);
      });
    } finally {
      await store.close();
    }
    translated(path, () => {
      renameSync(draft, path);
      syncDirectory(dirname(path));
    });
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

export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
