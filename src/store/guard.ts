// The lock rule, all of it: whoever opens a store, writes to it or closes it holds flock(2) on `<path>.flock`.
// Exclusive from open to close of a writer; shared around the open of a reader, exclusive around its close.
//
// Why: LMDB's own writer lock blocks without a time limit, and lmdb-js' LMDB has two races. At every open it stores the
// transaction number that it has just read into the shared lock region: a commit in between is lost. And the last
// process to close destroys the mutexes in that region, though another one may be waiting to open.
//
// Files beside a store: `<path>.flock` ours, never replaced; `<path>-lock` LMDB's; `<path>.new` a store being made;
// `<path>.bolt` the Go plugin's file that the store was made from.

import { accessSync, constants, existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { createStore, reserveLmdbLock } from './create.ts';
import { StoreError, translated } from './error.ts';
import type { FileLocks } from './flock.ts';
import { inspectStore, isBoltFile, type Look, probeStore } from './inspect.ts';
import { LmdbStore } from './lmdb.ts';
import { type Deadline, deadlineOf, releaseLock, takeLock, waitForWriter } from './lock.ts';
import { checkSchema, migrate, SCHEMA_VERSION } from './migrate.ts';
import { finishMove, isLeftOver, moveIn } from './move-in.ts';
import { makeDirectory } from './place.ts';
import { requireRoom } from './reserve.ts';
import type { Access, Store, StoreLocation, Transaction } from './transaction.ts';

/**
 * Opens the store under its lock. The caller closes it, which for a writer releases the lock.
 *
 * @throws StoreError 'locked' past the time limit, 'damaged', or 'io'
 */
export async function openStore(
  location: StoreLocation,
  access: Access,
  locks: FileLocks,
  look: Look = 'header',
): Promise<Store | undefined> {
  const path = await findStore(location, access, locks);
  if (path === undefined) return undefined;
  const deadline = deadlineOf(path, location.timeoutMs, location.waitedMs);
  const lock = await takeLock(deadline, access !== 'read', locks);
  try {
    const store = await openLocked(deadline, access, locks, look);
    if (store !== undefined && access !== 'read') {
      const opened = withClose(store, () => store.close().finally(() => releaseLock(lock, locks)));
      return access === 'create' ? { ...opened, write: work => store.write(withRoom(store, work)) } : opened;
    }
    releaseLock(lock, locks);
    return store && withClose(store, () => closeUnderLock(deadline, locks, () => store.close()));
  } catch (error) {
    releaseLock(lock, locks);
    throw error;
  }
}

/**
 * The path of the store's file, through symbolic links; undefined if there is none and `access` does not make one.
 * Looks without the lock: what is not a store gets no lock file beside it. Where it finds leases of the Go plugin
 * instead, and none of ours, it moves in.
 *
 * @throws StoreError 'damaged', 'locked' or 'io'
 */
export async function findStore(
  location: StoreLocation,
  access: Access,
  locks: FileLocks,
): Promise<string | undefined> {
  const path = resolveLinks(location.path);
  const state = probeStore(path);
  const boltPath = findBoltFile(path, state, location);
  if (boltPath !== undefined) {
    await takeOver(path, boltPath, location, locks);
    return path;
  }
  if (state === 'present') return path;
  if (access !== 'create') return undefined;
  translated(path, () => makeDirectory(dirname(path)));
  return path;
}

/** The file of the Go plugin whose leases have to be taken over, or that was left over when they were. */
function findBoltFile(
  path: string,
  state: ReturnType<typeof probeStore>,
  { goStorePath }: StoreLocation,
): string | undefined {
  if (state === 'bolt') return path;
  if (goStorePath === undefined) return undefined;
  const boltPath = resolveLinks(goStorePath);
  const isConcern = state === 'present' ? isLeftOver(boltPath) : isBoltFile(boltPath);
  return isConcern ? boltPath : undefined;
}

/** Moves in, or finishes what somebody has begun who was killed. */
async function takeOver(path: string, boltPath: string, location: StoreLocation, locks: FileLocks): Promise<void> {
  const { moveIn: mover, timeoutMs, waitedMs } = location;
  if (mover === undefined) {
    if (probeStore(path) === 'present') return;
    const where = path === boltPath ? 'is a boltdb file' : `does not exist yet, and ${boltPath} is a boltdb file`;
    throw new StoreError(
      'damaged',
      `store ${path}: ${where} with leases of the Go plugin: 'ecs-ipam import ${boltPath}' or the next ADD imports them`,
    );
  }
  const deadline = deadlineOf(path, timeoutMs, waitedMs);
  const lock = await takeLock(deadline, true, locks);
  try {
    const state = probeStore(path);
    if (findBoltFile(path, state, location) !== boltPath) return; // another process was faster
    if (state === 'present') await finishMove(path, boltPath, locks);
    else await moveIn(deadline, boltPath, mover, locks);
  } finally {
    releaseLock(lock, locks);
  }
}

/** For whoever holds the lock, shared for 'read', else exclusive. */
export async function openLocked(
  deadline: Deadline,
  access: Access,
  locks: FileLocks,
  look: Look,
): Promise<LmdbStore | undefined> {
  const { path } = deadline;
  const bytes = inspectStore(path, look);
  if (bytes === undefined) {
    if (access !== 'create') return undefined;
    await createStore(path);
  }
  translated(path, () => reserveLmdbLock(path));
  if (access !== 'read') await waitForWriter(deadline, locks);
  const store = new LmdbStore(path, access === 'read', bytes);
  try {
    const isOld = store.read(checkSchema) < SCHEMA_VERSION;
    if (isOld && access !== 'read') store.commit(migrate);
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** One file, one lock: symbolic links to a store lead to the lock beside the file itself. */
export function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // what is wrong with it, `probeStore` finds and says
  }
}

/**
 * Looks whether an ADD could write to the store, or make it where there is none.
 *
 * @throws StoreError 'io' if not, and as `probeStore`
 */
export function requireWritable(givenPath: string): void {
  const path = resolveLinks(givenPath);
  let nearest = path;
  while (!existsSync(nearest)) nearest = dirname(nearest);
  translated(path, () => accessSync(nearest, constants.W_OK));
  if (probeStore(path) !== 'bolt') requireRoom(path, nearest);
}

/** The work of an ADD. */
const withRoom =
  <T>(store: LmdbStore, work: (transaction: Transaction) => T) =>
  (transaction: Transaction): T => {
    if (store.admit(1) === 0) throw store.refusal();
    return work(transaction);
  };

const withClose = (store: Store, close: () => Promise<void>): Store => ({
  read: work => store.read(work),
  write: work => store.write(work),
  close,
});

/** Closes a store under its lock, or without it where that stays taken until the deadline. */
export async function closeUnderLock(deadline: Deadline, locks: FileLocks, close: () => Promise<void>): Promise<void> {
  let lock: number | undefined;
  try {
    lock = await takeLock(deadline, true, locks);
  } catch (error) {
    // Whoever stands still with the lock has the store open: this close is not the last one, and destroys nothing.
    if (!(error instanceof StoreError && error.failure === 'locked')) throw error;
  }
  try {
    await close();
  } finally {
    if (lock !== undefined) releaseLock(lock, locks);
  }
}
