// Files of other programs, read under the lock that those programs take on them: flock(2) on the file itself, or on one
// beside it.

import { closeSync, openSync, readFileSync } from 'node:fs';
import { StoreError, translated } from './error.ts';
import type { FileLocks } from './flock.ts';
import { type Deadline, isSameFile, poll } from './lock.ts';

/**
 * Opens a file and waits for its lock, which goes with the descriptor. Undefined if there is no such file.
 *
 * @throws StoreError 'locked' at the deadline, or 'io'
 */
export async function openLockedFile(
  { access, ...deadline }: Deadline & { access: 'read' | 'write' },
  locks: FileLocks,
): Promise<number | undefined> {
  const { path } = deadline;
  const open = () => openIfThere(path, access === 'read' ? 'r' : 'r+');
  let fd = open();
  try {
    await poll(deadline, 'is in use by another program', () => {
      if (fd === undefined) return true;
      if (!locks.tryFlock(fd, access === 'write')) return false;
      if (isSameFile(fd, path)) return true;
      // Replaced or removed meanwhile: what is open here is not what others find.
      closeSync(fd);
      fd = undefined; // for the case that it cannot be opened again
      fd = open();
      return fd === undefined;
    });
    return fd;
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    throw error;
  }
}

function openIfThere(path: string, flags: 'r' | 'r+'): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StoreError('io', `${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Runs `work` on the content of a file, which must exist, under its lock. */
export async function withLockedFile<T>(
  deadline: Deadline,
  locks: FileLocks,
  work: (content: Uint8Array) => T,
): Promise<T> {
  const fd = await openLockedFile({ ...deadline, access: 'read' }, locks);
  if (fd === undefined) throw new StoreError('io', `${deadline.path}: there is no such file`);
  try {
    return work(translated(deadline.path, () => readFileSync(fd)));
  } finally {
    closeSync(fd);
  }
}
