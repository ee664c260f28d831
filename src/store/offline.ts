// A store that nobody else opens or writes for as long as a tool works on its file.

import { existsSync } from 'node:fs';
import type { FileLocks } from './flock.ts';
import { resolveLinks } from './guard.ts';
import { deadlineOf, releaseLock, takeLock, waitForWriter } from './lock.ts';
import type { StoreLocation } from './transaction.ts';

/**
 * Runs `work` under the store's exclusive lock.
 *
 * @throws StoreError 'locked' past the time limit
 */
export async function takeOffline<T>(
  { path: givenPath, timeoutMs }: StoreLocation,
  locks: FileLocks,
  work: (path: string) => T | Promise<T>,
): Promise<T> {
  const path = resolveLinks(givenPath);
  const deadline = deadlineOf(path, timeoutMs);
  const lock = await takeLock(deadline, true, locks);
  try {
    if (existsSync(`${path}-lock`)) await waitForWriter(deadline, locks);
    return await work(path);
  } finally {
    releaseLock(lock, locks);
  }
}
