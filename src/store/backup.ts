// Copies the file of a store that is in use.
//
// Under the store's shared lock: whoever writes holds it exclusively, so the file stands still, and what has been
// committed is in it; readers go on. (lmdb-js' own backup takes LMDB's writer lock, which knows no time limit, or fails
// on a file that has lost track of a page.)

import { chmodSync, constants, copyFileSync, rmSync, statSync } from 'node:fs';
import { StoreError } from './error.ts';
import type { FileLocks } from './flock.ts';
import { findStore } from './guard.ts';
import { deadlineOf, releaseLock, takeLock } from './lock.ts';
import { placeNew, replaceBy } from './place.ts';
import { isSame } from './same-file.ts';
import type { StoreLocation } from './transaction.ts';

/**
 * Copies the store into `file`, once `check` has let the copy pass: whole, or not at all, and durable.
 *
 * @returns the path of the store
 * @throws StoreError if there is no store, or the file exists and is not to be replaced
 */
export async function backUp(
  location: StoreLocation,
  file: string,
  replaces: boolean,
  check: (copy: string) => void,
  locks: FileLocks,
): Promise<string> {
  const path = await findStore(location, 'read', locks);
  if (path === undefined) throw new StoreError('io', `store ${location.path}: does not exist`);
  const copy = `${file}.${process.pid}.new`;
  try {
    const lock = await takeLock(deadlineOf(path, location.timeoutMs), false, locks);
    try {
      about(file, () => copyFileSync(path, copy, constants.COPYFILE_FICLONE));
    } finally {
      releaseLock(lock, locks);
    }
    check(copy);
    about(file, () => place(copy, file, replaces, path));
    return path;
  } finally {
    rmSync(copy, { force: true });
  }
}

function place(copy: string, file: string, replaces: boolean, store: string): void {
  chmodSync(copy, 0o600);
  if (!replaces) placeNew(copy, file);
  else if (areSameFile(file, store)) throw new Error('is the store itself');
  else replaceBy(copy, file);
}

export function areSameFile(a: string, b: string): boolean {
  const [first, second] = [a, b].map(path => statSync(path, { throwIfNoEntry: false }));
  return isSame(first, second);
}

function about<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const problem =
      (error as NodeJS.ErrnoException).code === 'EEXIST' ? "exists; '--force' replaces it" : (error as Error).message;
    throw new StoreError('io', `backup ${file}: ${problem}`, { cause: error });
  }
}
