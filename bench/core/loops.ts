// The loops that are timed. A copy for each contestant (`ownFunction`), so they refer to nothing outside themselves.

import { type Allocator, SLOTS } from '../contestants/contestant.ts';
import { ownFunction } from '../contestants/own-copy.ts';

function acquireLoop(allocator: Allocator, count: number): number {
  let done = 0;
  while (done < count && allocator.acquireAt(done)) done++;
  return done;
}

/**
 * What acquires `count`, and tells how many it got. In many short calls: a loop that is called once has to be replaced
 * while it runs, and stays slow for as long as V8's compiler waits for a processor.
 */
export function acquirer(): (allocator: Allocator, count: number) => number {
  const loop = ownFunction(acquireLoop);
  return (allocator, count) => {
    let done = 0;
    while (done < count) {
      const wanted = Math.min(SLOTS, count - done);
      const got = loop(allocator, wanted);
      done += got;
      if (got < wanted) throw new Error(`${done} of ${count} addresses`);
    }
    return done;
  };
}

/** Gives each of the handles back, and takes another address for it. */
export function churnLoop<Handle>(allocator: Allocator<Handle>, handles: readonly Handle[]): number {
  let done = 0;
  for (let slot = 0; slot < handles.length; slot++) {
    if (allocator.release(handles[slot]!) && allocator.acquireAt(slot)) done++;
  }
  return done;
}
