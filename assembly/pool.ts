// The part of the index space that a pool hands out: from … to, less the exclusions, searched in a circle from the
// cursor on. The tree knows what is used; this knows what may be given.

import { ABSENT, forgetLeaf, hosted, keepLeaf, keptEnd, keptLeaf } from './arena';
import {
  addExclusion,
  clearExclusions,
  firstHi,
  firstLo,
  isExcluded,
  lastHi,
  lastLo,
  seekExclusion,
} from './exclude';
import { CHILDREN, isFull, nextFreeBitInline, useBit } from './node';
import {
  clear,
  foundHi,
  foundLo,
  freeInLeaf,
  indexBits,
  leafAbove,
  markFree,
  nextFree,
  nextUsed,
  Status,
} from './tree';
import { addHi, equal, lessThan, onesHi, onesLo, subHi } from './u128';

export let fromHi: u64 = 0;
export let fromLo: u64 = 0;
export let toHi: u64 = 0;
export let toLo: u64 = 0;

/** The last touched index; the next search begins behind it. */
export let cursorHi: u64 = 0;
export let cursorLo: u64 = 0;
export let hasCursor: bool = false;

/** The run that `freeRun` and `usedRun` found. */
export let runFirstHi: u64 = 0;
export let runFirstLo: u64 = 0;
export let runLastHi: u64 = 0;
export let runLastLo: u64 = 0;

/** What was counted. */
export let countHi: u64 = 0;
export let countLo: u64 = 0;

/** Of a subnet: the first index (network address) is never handed out. */
export const RESERVE_NETWORK: u32 = 1;
/** Of a subnet: the last index (broadcast address) is never handed out. */
export const RESERVE_BROADCAST: u32 = 2;

export function setRange(aHi: u64, aLo: u64, bHi: u64, bLo: u64): void {
  fromHi = aHi;
  fromLo = aLo;
  toHi = bHi;
  toLo = bLo;
  forgetLeaf();
}

/** The pool is the subnet of `prefixBits` in which the index lies. Forgets exclusions and cursor of the pool before. */
export function setSubnet(hi: u64, lo: u64, prefixBits: u32, reserve: u32): void {
  assert(prefixBits <= indexBits());
  const hostBits = indexBits() - prefixBits;
  const networkHi = hi & ~onesHi(hostBits);
  const networkLo = lo & ~onesLo(hostBits);
  setRange(networkHi, networkLo, networkHi | onesHi(hostBits), networkLo | onesLo(hostBits));
  clearExclusions();
  hasCursor = false;
  if (reserve & RESERVE_NETWORK) addExclusion(fromHi, fromLo, fromHi, fromLo);
  if (reserve & RESERVE_BROADCAST) addExclusion(toHi, toLo, toHi, toLo);
}

export function setCursor(hi: u64, lo: u64): void {
  cursorHi = hi;
  cursorLo = lo;
  hasCursor = true;
  forgetLeaf();
}

export function clearCursor(): void {
  hasCursor = false;
  forgetLeaf();
}

export function inRange(hi: u64, lo: u64): bool {
  return !lessThan(hi, lo, fromHi, fromLo) && !lessThan(toHi, toLo, hi, lo);
}

/** Whether the index is never handed out: outside the range, or excluded. */
export function isReserved(hi: u64, lo: u64): bool {
  return !inRange(hi, lo) || isExcluded(hi, lo);
}

/** The next free index behind the cursor, once around, in the tree's `found`. */
export function find(): Status {
  if (!hasCursor || !inRange(cursorHi, cursorLo) || equal(cursorHi, cursorLo, toHi, toLo)) {
    return findIn(fromHi, fromLo, toHi, toLo);
  }
  const status = findIn(addHi(cursorHi, cursorLo, 0, 1), cursorLo + 1, toHi, toLo);
  return status == Status.NO ? findIn(fromHi, fromLo, cursorHi, cursorLo) : status;
}

/**
 * Takes the next free index behind the cursor, as `find`, `markFree` and `setCursor` do together, and leaves it in the
 * cursor. A leaf is filled bit after bit: mostly the next index lies in the leaf of the last, and that way is fast.
 */
// @ts-ignore: decorator
@inline
export function acquire(): Status {
  // Where no leaf is kept its end is 0, and what is read here means nothing.
  const bit = nextFreeBitInline(keptLeaf, (u32(cursorLo) & 0xff) + 1);
  if (bit >= keptEnd) return acquireFar();
  cursorLo = (cursorLo & ~0xff) | bit;
  useBit(keptLeaf, bit);
  if (isFull(keptLeaf)) markFree(cursorHi, cursorLo); // drops it
  return Status.OK;
}

function acquireFar(): Status {
  const status = find();
  if (status != Status.OK) return status;
  setCursor(foundHi, foundLo);
  markFree(foundHi, foundLo);
  keepCursorLeaf();
  return Status.OK;
}

/**
 * Keeps the leaf in which the cursor has just been put, up to where the pool or what is not excluded of it ends. Not in
 * a hosted tree, where filling a leaf may need a parent that is not known yet.
 */
function keepCursorLeaf(): void {
  if (hosted) return;
  const leaf = leafAbove(cursorHi, cursorLo);
  let end = min(bitInCursorLeaf(toHi, toLo) + 1, CHILDREN);
  if (seekExclusion(cursorHi, cursorLo)) end = min(end, bitInCursorLeaf(firstHi, firstLo));
  if (leaf != ABSENT) keepLeaf(leaf, end);
}

/** Number of an index in the leaf of the cursor; CHILDREN if it lies in another one. */
function bitInCursorLeaf(hi: u64, lo: u64): u32 {
  return hi == cursorHi && (lo ^ cursorLo) < CHILDREN ? u32(lo) & 0xff : CHILDREN;
}

/** Makes an index of the pool's range free. */
export function release(hi: u64, lo: u64): Status {
  return inRange(hi, lo) ? clear(hi, lo) : Status.OUTSIDE;
}

/** The first free index of a..b that is not excluded. */
function findIn(aHi: u64, aLo: u64, bHi: u64, bLo: u64): Status {
  while (true) {
    const status = nextFree(aHi, aLo);
    if (status != Status.OK) return status;
    if (lessThan(bHi, bLo, foundHi, foundLo)) return Status.NO;
    if (!isExcluded(foundHi, foundLo)) return Status.OK;
    if (!lessThan(lastHi, lastLo, bHi, bLo)) return Status.NO;
    aHi = addHi(lastHi, lastLo, 0, 1);
    aLo = lastLo + 1;
  }
}

/**
 * The first run of free indexes of the pool from a on that are not excluded, in `runFirst` … `runLast`, at most `max`
 * of them long.
 */
export function freeRun(aHi: u64, aLo: u64, maxHi: u64, maxLo: u64): Status {
  assert((maxHi | maxLo) != 0);
  const isBefore = lessThan(aHi, aLo, fromHi, fromLo);
  const status = findIn(isBefore ? fromHi : aHi, isBefore ? fromLo : aLo, toHi, toLo);
  if (status != Status.OK) return status;
  startRun();
  // length - 1 is compared with max - 1: both fit into 128 bits even where the length is 2^128.
  const extraHi = subHi(maxHi, maxLo, 0, 1);
  const extraLo = maxLo - 1;
  if (lessThan(extraHi, extraLo, subHi(toHi, toLo, runFirstHi, runFirstLo), toLo - runFirstLo)) {
    runLastHi = addHi(runFirstHi, runFirstLo, extraHi, extraLo);
    runLastLo = runFirstLo + extraLo;
  }
  // Within the leaf one look tells where the run ends; behind it may lie anything.
  const near = freeInLeaf(runFirstHi, runFirstLo);
  const nearHi = addHi(runFirstHi, runFirstLo, 0, near);
  const nearLo = runFirstLo + near;
  if ((nearLo & 0xff) != 0) {
    endRunBefore(nearHi, nearLo);
  } else if ((nearHi | nearLo) != 0 && !lessThan(runLastHi, runLastLo, nearHi, nearLo)) {
    if (nextUsed(nearHi, nearLo) == Status.OK) endRunBefore(foundHi, foundLo);
  }
  if (seekExclusion(runFirstHi, runFirstLo)) endRunBefore(firstHi, firstLo);
  return Status.OK;
}

/** The first run of used indexes of the pool from a on, in `runFirst` … `runLast`. */
export function usedRun(aHi: u64, aLo: u64): Status {
  const isBefore = lessThan(aHi, aLo, fromHi, fromLo);
  const status = nextUsed(isBefore ? fromHi : aHi, isBefore ? fromLo : aLo);
  if (status != Status.OK || lessThan(toHi, toLo, foundHi, foundLo)) return Status.NO;
  startRun();
  if (nextFree(runFirstHi, runFirstLo) == Status.OK) endRunBefore(foundHi, foundLo);
  return Status.OK;
}

/** A run from the tree's `found` to the pool's end, until something ends it earlier. */
function startRun(): void {
  runFirstHi = foundHi;
  runFirstLo = foundLo;
  runLastHi = toHi;
  runLastLo = toLo;
}

function endRunBefore(hi: u64, lo: u64): void {
  if (lessThan(runLastHi, runLastLo, hi, lo)) return;
  runLastHi = subHi(hi, lo, 0, 1);
  runLastLo = lo - 1;
}

// Counts: 128 bits in `count`, and bit 128 returned, for a pool of all 2^128 indexes.

/** How many indexes of the pool are used. */
export function countUsed(): u32 {
  countHi = 0;
  countLo = 0;
  let carry: u32 = 0;
  let status = usedRun(fromHi, fromLo);
  while (status == Status.OK) {
    carry |= countRun(runFirstHi, runFirstLo, runLastHi, runLastLo);
    if (equal(runLastHi, runLastLo, toHi, toLo)) break;
    status = usedRun(addHi(runLastHi, runLastLo, 0, 1), runLastLo + 1);
  }
  return carry;
}

/** How many indexes of the pool are not excluded. */
export function countUsable(): u32 {
  countHi = 0;
  countLo = 0;
  let hi = fromHi;
  let lo = fromLo;
  while (seekExclusion(hi, lo) && !lessThan(toHi, toLo, firstHi, firstLo)) {
    if (lessThan(hi, lo, firstHi, firstLo)) countRun(hi, lo, subHi(firstHi, firstLo, 0, 1), firstLo - 1);
    if (!lessThan(lastHi, lastLo, toHi, toLo)) return 0;
    hi = addHi(lastHi, lastLo, 0, 1);
    lo = lastLo + 1;
  }
  return countRun(hi, lo, toHi, toLo);
}

/** Adds first..last to the count; 1 if it overflows, as it can only for all indexes at once. */
function countRun(aHi: u64, aLo: u64, bHi: u64, bLo: u64): u32 {
  const extraLo = bLo - aLo;
  countHi = addHi(countHi, countLo, subHi(bHi, bLo, aHi, aLo), extraLo);
  countLo += extraLo;
  countHi = addHi(countHi, countLo, 0, 1);
  countLo++;
  return u32((countHi | countLo) == 0);
}
