// Who keeps the rows: LMDB as the plugin does, or SQLite as others would.

import { closeSync, copyFileSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { nodeFileLocks } from '../../src/store/flock-node.ts';
import { openStore } from '../../src/store/guard.ts';
import type { Row, Store, Transaction } from '../../src/store/transaction.ts';
import { workDirectory } from '../exec/processes.ts';
import { fill } from './world.ts';

export interface Keeper {
  name: string;
  /** Runs `work` in a transaction that is on disk when the promise resolves. */
  commit(work: (transaction: Transaction) => void): Promise<void>;
  close(): Promise<void>;
}

/**
 * What a busy daemon commits together. Larger transactions would leave large records in LMDB's free list, of which every
 * later transaction writes the rest anew.
 */
const FILL_AT_ONCE = 256;

const open = async (path: string): Promise<Store> =>
  (await openStore({ path, timeoutMs: 60_000 }, 'create', nodeFileLocks))!;

const filled = new Map<number, Promise<string>>();

/** Path of a store with so many dual-stack leases, made once; to be copied, not changed. */
export function filledStore(leases: number): Promise<string> {
  let path = filled.get(leases);
  if (path === undefined) {
    path = makeStore(leases);
    filled.set(leases, path);
  }
  return path;
}

/** Without a flush for each transaction: what is on the pages is the same. */
async function makeStore(leases: number): Promise<string> {
  const path = join(workDirectory(), 'store.mdb');
  await (await open(path)).close();
  const db = openLmdb<Uint8Array, Uint8Array>({
    path,
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: 2 ** 34,
    noSync: true,
    overlappingSync: false,
  });
  const transaction: Transaction = {
    get: key => db.getBinary(key),
    range: (start, end) => db.getRange({ start, end }),
    put: (key, value) => db.putSync(key, value),
    delete: key => db.removeSync(key),
  };
  for (let from = 0; from < leases; from += FILL_AT_ONCE) {
    db.transactionSync(() => fill(transaction, from, Math.min(leases, from + FILL_AT_ONCE)));
  }
  await db.close();
  return path;
}

/** A copy that is on disk: the first commit to it would pay for that. */
function copyDurably(from: string, to: string): void {
  copyFileSync(from, to);
  const file = openSync(to, 'r');
  fsyncSync(file);
  closeSync(file);
}

export async function lmdb(leases: number): Promise<Keeper> {
  const path = join(workDirectory(), 'store.mdb');
  copyDurably(await filledStore(leases), path);
  const store = await open(path);
  return { name: 'LMDB', commit: work => store.write(work), close: async () => store.close() };
}

/** The same rows in a table of SQLite's, in WAL mode and as durable. Undefined if it is not installed. */
export async function sqlite(leases: number): Promise<Keeper | undefined> {
  const imported = await import('better-sqlite3').catch(error => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  });
  if (imported === undefined) return undefined;
  const database = new imported.default(join(workDirectory(), 'store.sqlite'));
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID');
  const get = database.prepare('SELECT value FROM rows WHERE key = ?').pluck();
  const put = database.prepare('INSERT OR REPLACE INTO rows VALUES (?, ?)');
  const remove = database.prepare('DELETE FROM rows WHERE key = ?');
  const range = database.prepare('SELECT key, value FROM rows WHERE key >= ? AND key < ? ORDER BY key');
  const transaction: Transaction = {
    get: key => get.get(key) as Uint8Array | undefined,
    range: (from, to) => range.iterate(from, to) as Iterable<Row>,
    put: (key, value) => void put.run(key, value),
    delete: key => void remove.run(key),
  };
  const commit = (work: (transaction: Transaction) => void) =>
    database.transaction(() => work(transaction)).immediate();

  const template = await open(await filledStore(leases));
  commit(({ put }) => {
    template.read(({ range }) => {
      for (const { key, value } of range(Uint8Array.of(0), Uint8Array.of(255))) put(key, value);
    });
  });
  await template.close();
  database.pragma('wal_checkpoint(TRUNCATE)');
  return {
    name: 'SQLite',
    async commit(work) {
      commit(work);
    },
    async close() {
      database.close();
    },
  };
}
