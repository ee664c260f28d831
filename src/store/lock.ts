// flock(2) on `<path>.flock`, with a time limit. guard.ts has the rule when it is held.

import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { StoreError, translated } from './error.ts';
import type { FileLocks } from './flock.ts';
import { isSame } from './same-file.ts';

export interface Deadline {
  path: string;
  timeoutMs: number;
  /** As performance.now() has it. */
  atMs: number;
}

export const deadlineOf = (path: string, timeoutMs: number, waitedMs = 0): Deadline => ({
  path,
  timeoutMs,
  atMs: performance.now() + timeoutMs - waitedMs,
});

const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 12;

// LMDB's lock file: its magic, and the writer's mutex, whose first word is the owner's thread id, 0 if free.
const LMDB_LOCK_MAGIC = 0xbeefc0de;
const WRITER_WORD_OFFSET = 64;

/** The descriptor that holds the lock, for `releaseLock`. */
export async function takeLock(deadline: Deadline, exclusive: boolean, locks: FileLocks): Promise<number> {
  const path = `${deadline.path}.flock`;
  if (locks.inheritedFd !== undefined && isSameFile(locks.inheritedFd, path)) return locks.inheritedFd;
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

export function releaseLock(lock: number, locks: FileLocks): void {
  if (lock !== locks.inheritedFd) closeSync(lock);
}

/** Whether `path` leads to the open file. */
export function isSameFile(fd: number, path: string): boolean {
  const [held, named] = [fstatSync(fd, { bigint: true }), statSync(path, { bigint: true, throwIfNoEntry: false })];
  return isSame(held, named);
}

/**
 * Waits until nobody holds LMDB's writer lock: only a foreign program does that without our lock, and LMDB would wait
 * for it without a limit. The word of a holder that died in a power failure is stale: then nobody has the file open.
 */
export async function waitForWriter(deadline: Deadline, locks: FileLocks): Promise<void> {
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

/** What a call is told whose time is over. */
export function tooLate({ path, timeoutMs }: Deadline, what: string): StoreError {
  return new StoreError('locked', `store ${path}: ${what}, for longer than ${timeoutMs / 1000} s`);
}

/**
 * Attempts until it succeeds.
 *
 * @throws StoreError 'locked' at the deadline
 */
export async function poll(deadline: Deadline, what: string, attempt: () => boolean): Promise<void> {
  for (let waitMs = FIRST_WAIT_MS; !attempt(); waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 1.5)) {
    const leftMs = deadline.atMs - performance.now();
    if (leftMs <= 0) throw tooLate(deadline, what);
    // Random waits, so that waiters do not march in step.
    const pauseMs = Math.min(leftMs, waitMs * (0.5 + Math.random()));
    await new Promise(resolve => setTimeout(resolve, pauseMs));
  }
}
