// The lock rule, all of it: whoever opens a store, writes to it or closes it holds flock(2) on `<path>.flock`.
// Exclusive from open to close of a writer; shared around the open of a reader, exclusive around its close.
//
// Why: LMDB's own writer lock blocks without a time limit, and lmdb-js' LMDB has two races. At every open it stores the
// transaction number that it has just read into the shared lock region: a commit in between is lost. And the last
// process to close destroys the mutexes in that region, though another one may be waiting to open.
//
// Files beside a store: `<path>.flock` ours, never replaced; `<path>-lock` LMDB's; `<path>.new` a store being made.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { StoreError } from './error.ts';
import type { FileLocks } from './flock.ts';
import { inspectStore, isBoltFile, probeStore } from './inspect.ts';
import { LmdbStore } from './lmdb.ts';
import { checkSchema, migrate, SCHEMA_VERSION } from './migrate.ts';
import { emptyStorePages } from './pages.ts';
import type { Store } from './transaction.ts';

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

const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 12;

// LMDB's lock file: struct MDB_txninfo, then 125 readers of a cache line each.
const LMDB_LOCK_BYTES = 272 + 125 * 64; // 8272
const LMDB_LOCK_MAGIC = 0xbeefc0de;
/** The writer's mutex: its owner's thread id, 0 if free. */
const WRITER_WORD_OFFSET = 64;

/**
 * Opens the store under its lock. The caller closes it, which for a writer releases the lock.
 *
 * @throws StoreError 'locked' past the time limit, 'damaged', or 'io'
 */
export async function openStore(
  { path: givenPath, timeoutMs, goStorePath }: StoreLocation,
  access: Access,
  locks: FileLocks,
): Promise<Store | undefined> {
  const path = resolveLinks(givenPath);
  const deadline: Deadline = { path, timeoutMs, atMs: performance.now() + timeoutMs };
  // Looked at without the lock first: what is not a store gets no lock file beside it.
  if (probeStore(path) === 'missing') {
    if (goStorePath !== undefined && isBoltFile(goStorePath)) {
      throw new StoreError(
        'damaged',
        `store ${path} does not exist yet, and ${goStorePath} holds leases of the Go plugin: ` +
          'they must be imported first',
      );
    }
    if (access !== 'create') return undefined;
    translated(path, () => mkdirSync(dirname(path), { recursive: true, mode: 0o700 }));
  }

  const lock = await takeLock(deadline, access !== 'read', locks);
  try {
    if (inspectStore(path) === 'missing') {
      if (access !== 'create') {
        closeSync(lock);
        return undefined;
      }
      await createStore(path);
    }
    translated(path, () => reserveLmdbLock(path));
    if (access !== 'read') await waitForWriter(deadline, locks);
    const store = new LmdbStore(path, access === 'read');
    try {
      const isOld = store.read(checkSchema) < SCHEMA_VERSION;
      if (isOld && access !== 'read') store.commit(migrate);
    } catch (error) {
      await store.close();
      throw error;
    }
    if (access !== 'read') return withClose(store, () => store.close().finally(() => closeSync(lock)));
    closeSync(lock);
    return withClose(store, () => closeReader(store, deadline, locks));
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** One file, one lock: symbolic links to a store lead to the lock beside the file itself. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // what is wrong with it, `probeStore` finds and says
  }
}

/** @throws StoreError 'io' if a store at this path could not be made */
export function requireCreatable(path: string): void {
  let directory = dirname(path);
  while (!existsSync(directory)) directory = dirname(directory);
  translated(path, () => accessSync(directory, constants.W_OK | constants.X_OK));
}

interface Deadline {
  path: string;
  timeoutMs: number;
  atMs: number;
}

const withClose = (store: Store, close: () => Promise<void>): Store => ({
  read: work => store.read(work),
  write: work => store.write(work),
  close,
});

async function closeReader(store: Store, deadline: Deadline, locks: FileLocks): Promise<void> {
  let lock: number | undefined;
  try {
    lock = await takeLock(deadline, true, locks);
  } catch (error) {
    // Whoever stands still with the lock has the store open: this close is not the last one, and destroys nothing.
    if (!(error instanceof StoreError && error.failure === 'locked')) throw error;
  }
  await store.close();
  if (lock !== undefined) closeSync(lock);
}

/** The descriptor that holds the lock; closing it releases. */
async function takeLock(deadline: Deadline, exclusive: boolean, locks: FileLocks): Promise<number> {
  const path = `${deadline.path}.flock`;
  const openLock = () => translated(deadline.path, () => openSync(path, 'a', 0o600));
  let fd = openLock();
  try {
    await poll(deadline, 'is locked by another process', () => {
      if (!locks.tryFlock(fd, exclusive)) return false;
      if (isSameFile(fd, path)) return true;
      // Somebody has removed the lock file (and with it, most likely, the store): this lock would exclude nobody.
      closeSync(fd);
      fd = openLock();
      return false;
    });
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function isSameFile(fd: number, path: string): boolean {
  const [held, named] = [fstatSync(fd, { bigint: true }), statSync(path, { bigint: true, throwIfNoEntry: false })];
  return named !== undefined && held.ino === named.ino && held.dev === named.dev;
}

/**
 * Waits until nobody holds LMDB's writer lock: only a foreign program does that without our lock, and LMDB would wait
 * for it without a limit. The word of a holder that died in a power failure is stale: then nobody has the file open.
 */
async function waitForWriter(deadline: Deadline, locks: FileLocks): Promise<void> {
  const fd = translated(deadline.path, () => openSync(`${deadline.path}-lock`, 'r+'));
  try {
    await poll(deadline, 'is being written to by a program that does not take its lock', () => {
      const head = new DataView(new ArrayBuffer(WRITER_WORD_OFFSET + 4));
      readSync(fd, head, 0, head.byteLength, 0);
      if (head.getUint32(0, true) !== LMDB_LOCK_MAGIC || head.getUint32(WRITER_WORD_OFFSET, true) === 0) return true;
      return !locks.isRecordLocked(fd);
    });
  } finally {
    // LMDB has not opened the file in this process yet: closing it drops no lock of LMDB's.
    closeSync(fd);
  }
}

async function poll(deadline: Deadline, what: string, attempt: () => boolean): Promise<void> {
  for (let waitMs = FIRST_WAIT_MS; !attempt(); waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 1.5)) {
    const leftMs = deadline.atMs - performance.now();
    if (leftMs <= 0) {
      const { path, timeoutMs } = deadline;
      throw new StoreError('locked', `store ${path}: ${what}, for longer than ${timeoutMs / 1000} s`);
    }
    // Random waits, so that waiters do not march in step.
    const pauseMs = Math.min(leftMs, waitMs * (0.5 + Math.random()));
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
}

/**
 * Makes an empty store under another name and puts it in place whole: no killed process leaves half a store. The first
 * pages are ours, as lmdb-js crashes where the disk is too full for LMDB to write them.
 */
async function createStore(path: string): Promise<void> {
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
      store.commit(migrate);
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
function reserveLmdbLock(path: string): void {
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

function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Errors of the operating system become StoreErrors that name the store. */
function translated<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError('io', `store ${path}: ${(error as Error).message}`, { cause: error });
  }
}
