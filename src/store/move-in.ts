// Moving in where the Go plugin has its leases. In this order, each step durable before the next:
//
//   1. the bolt file is read under bbolt's own lock, and found sound
//   2. its bytes are kept as `<name>.bolt`
//   3. a new store with its leases is made under another name, and renamed into place: from here on it is done
//   4. where the store has a name of its own, a word on where the leases are takes the bolt file's place: a Go plugin
//      that is still called refuses that, where it would begin an empty file if there were none
//   5. the old file, which nobody finds any more, is made unusable: a Go plugin that has opened it already and waits
//      for its lock fails, instead of giving addresses from it
//
// Whoever is killed before 3 leaves a bolt file as it was, and the next one begins anew; after it, the next one finds a
// store, and where step 4 is missing makes up for it. Steps 2 to 5 hold bbolt's lock, all of them our store's.

import { closeSync, existsSync, fstatSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { BoltError, META_PAGES } from '../bolt/format.ts';
import { type GoStore, readGoStore } from '../bolt/plugin.ts';
import { createStore } from './create.ts';
import { StoreError, translated } from './error.ts';
import type { FileLocks } from './flock.ts';
import { isBoltFile } from './inspect.ts';
import { type Deadline, deadlineOf } from './lock.ts';
import { openLockedFile } from './locked-file.ts';
import { replaceBy, writeWhole } from './place.ts';
import type { MoveIn } from './transaction.ts';

/** Where the old file is kept. */
export const keptPath = (boltPath: string): string => `${boltPath}.bolt`;

/** Pages of this size or smaller ones are made unusable by zeros over the meta pages. */
const MOST_PAGE_BYTES = 65536;

/**
 * Makes a store at the deadline's path from the bolt file. For whoever holds the store's lock.
 *
 * @throws StoreError 'damaged' if the bolt file is: it is untouched then; 'locked' if a Go plugin holds on to it
 */
export async function moveIn(store: Deadline, boltPath: string, mover: MoveIn, locks: FileLocks): Promise<void> {
  const fd = await openLockedFile({ ...store, path: boltPath, access: 'write' }, locks);
  if (fd === undefined) return;
  try {
    const bytes = translated(boltPath, () => readFileSync(fd));
    const content = readBolt(boltPath, bytes);
    translated(keptPath(boltPath), () => keep(boltPath, bytes));
    rmSync(`${store.path}-lock`, { force: true }); // of a store that was there before: none of the new one's readers
    await createStore(store.path, transaction => mover.take(content, transaction));
    if (boltPath !== store.path) translated(boltPath, () => shut(boltPath, store.path));
    spoil(fd);
    mover.done(`store ${store.path}: made from ${boltPath} of the Go plugin, which is kept as ${keptPath(boltPath)}`);
  } finally {
    closeSync(fd);
  }
}

/**
 * Shuts a bolt file whose content is in the store and is kept, byte for byte: somebody was killed before he could. Any
 * other one is none of our business. For whoever holds the store's lock.
 */
export async function finishMove(storePath: string, boltPath: string, locks: FileLocks): Promise<void> {
  const fd = await openLockedFile({ ...deadlineOf(boltPath, 0), access: 'write' }, locks).catch(error => {
    if (error instanceof StoreError && error.failure === 'locked') return undefined; // there will be a next time
    throw error;
  });
  if (fd === undefined) return;
  try {
    if (!readFileSync(fd).equals(readFileSync(keptPath(boltPath)))) return;
    translated(boltPath, () => shut(boltPath, storePath));
    spoil(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether there is something to finish, as far as it can be told in a moment. */
export const isLeftOver = (boltPath: string): boolean =>
  existsSync(boltPath) && existsSync(keptPath(boltPath)) && isBoltFile(boltPath);

function readBolt(path: string, bytes: Uint8Array): GoStore {
  try {
    return readGoStore(bytes);
  } catch (error) {
    if (!(error instanceof BoltError)) throw error;
    throw new StoreError('damaged', `store ${path}: a boltdb file, and damaged: ${error.message}`, { cause: error });
  }
}

const keep = (boltPath: string, bytes: Uint8Array): void => writeWhole(keptPath(boltPath), bytes, replaceBy);

const shut = (boltPath: string, storePath: string): void =>
  writeWhole(
    boltPath,
    `The leases of the Go plugin are in ${storePath} now; their file is kept as ${keptPath(boltPath)}.\n`,
    replaceBy,
  );

/** bbolt refuses a file without meta pages. One that still has a name somewhere is somebody's copy. */
function spoil(fd: number): void {
  if (fstatSync(fd).nlink > 0) return;
  const zeros = new Uint8Array(META_PAGES * MOST_PAGE_BYTES);
  writeSync(fd, zeros, 0, zeros.length, 0);
}
