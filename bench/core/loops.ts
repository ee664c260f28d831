// The loops that are timed. A copy for each contestant (`ownFunction`), so they refer to nothing outside themselves.

import type { Allocator } from '../contestants/contestant.ts';

export function acquireLoop(allocator: Allocator, count: number): number {
  let done = 0;
  while (done < count && allocator.acquireAt(done & 1023)) done++;
  return done;
}

/** Gives each of the handles back, and takes another address for it. */
export function churnLoop<Handle>(allocator: Allocator<Handle>, handles: readonly Handle[]): number {
  let done = 0;
  for (let slot = 0; slot < handles.length; slot++) {
    if (allocator.release(handles[slot]!) && allocator.acquireAt(slot)) done++;
  }
  return done;
}
