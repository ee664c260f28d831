// Memory of what is kept.

import type { Allocator } from '../contestants/contestant.ts';

const heapBytes = (): number => {
  // What the first collection finalises, the second collects.
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

/** Makes an allocator, and its memory: by its own account, or by what V8's heap has more of than before. */
export function measured(make: () => Allocator): { allocator: Allocator; bytes: number } {
  const before = heapBytes();
  const allocator = make();
  return { allocator, bytes: allocator.bytes?.() ?? heapBytes() - before };
}
