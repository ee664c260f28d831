// Ranges that are never handed out: network, broadcast, gateway, and what the pool's maker excludes.
//
// Kept sorted and merged: no two ranges overlap or touch, so one binary search tells where a candidate may go on.
//
//   HEAP_START                                              arenaBase()
//   | first hi | first lo | last hi | last lo | first hi | …  |  arena …
//   |<------------- RANGE_BYTES ------------->|

import { arenaBase, forgetLeaf, HEAP_START, moveArena } from './arena';
import { addHi, lessThan, subHi } from './u128';

const RANGE_BYTES: usize = 4 * 8; // first and last, two halves each

let count: u32 = 0;

/** The two ends of the range that `seekExclusion` stopped at. */
export let firstHi: u64 = 0;
export let firstLo: u64 = 0;
export let lastHi: u64 = 0;
export let lastLo: u64 = 0;

// @ts-ignore: decorator
@inline
function rangePtr(i: u32): usize {
  return HEAP_START + usize(i) * RANGE_BYTES;
}

/** Of a pool whose range is set anew: that forgets the leaf that was kept. */
export function clearExclusions(): void {
  count = 0;
}

/** Number of the first range that ends at or after the index; `count` if all end before it. */
function lowerBound(hi: u64, lo: u64): u32 {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const ptr = rangePtr(middle);
    if (lessThan(load<u64>(ptr, 16), load<u64>(ptr, 24), hi, lo)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The first excluded range that ends at or after the index, in `firstHi` … `lastLo`.
 * False if there is none: nothing from the index on is excluded.
 */
export function seekExclusion(hi: u64, lo: u64): bool {
  const i = lowerBound(hi, lo);
  if (i == count) return false;
  const ptr = rangePtr(i);
  firstHi = load<u64>(ptr);
  firstLo = load<u64>(ptr, 8);
  lastHi = load<u64>(ptr, 16);
  lastLo = load<u64>(ptr, 24);
  return true;
}

/** Whether the index lies in an excluded range; then `lastHi`, `lastLo` is that range's end. */
export function isExcluded(hi: u64, lo: u64): bool {
  return seekExclusion(hi, lo) && !lessThan(hi, lo, firstHi, firstLo);
}

/** Excludes first..last, both included, merging it with the ranges that it overlaps or touches. */
export function addExclusion(aHi: u64, aLo: u64, bHi: u64, bLo: u64): void {
  assert(!lessThan(bHi, bLo, aHi, aLo));
  forgetLeaf();
  // The ranges that overlap or touch [a, b] are those from `from` up to `to`. Touching: one ends at a - 1.
  const from: u32 = (aHi | aLo) == 0 ? 0 : lowerBound(subHi(aHi, aLo, 0, 1), aLo - 1);
  const afterHi = addHi(bHi, bLo, 0, 1);
  const afterLo = bLo + 1;
  const isLast = (afterHi | afterLo) == 0; // b is the largest index there is
  let to: u32 = from;
  while (to < count) {
    const ptr = rangePtr(to);
    const startHi = load<u64>(ptr);
    const startLo = load<u64>(ptr, 8);
    if (!isLast && lessThan(afterHi, afterLo, startHi, startLo)) break;
    if (lessThan(startHi, startLo, aHi, aLo)) {
      aHi = startHi;
      aLo = startLo;
    }
    const endHi = load<u64>(ptr, 16);
    const endLo = load<u64>(ptr, 24);
    if (lessThan(bHi, bLo, endHi, endLo)) {
      bHi = endHi;
      bLo = endLo;
    }
    to++;
  }
  if (from == to && rangePtr(count + 1) > arenaBase()) moveArena(rangePtr(2 * (count + 1)));
  memory.copy(rangePtr(from + 1), rangePtr(to), usize(count - to) * RANGE_BYTES);
  count = count + 1 - (to - from);
  const ptr = rangePtr(from);
  store<u64>(ptr, aHi);
  store<u64>(ptr, aLo, 8);
  store<u64>(ptr, bHi, 16);
  store<u64>(ptr, bLo, 24);
}
