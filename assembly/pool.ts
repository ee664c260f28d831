// The part of the index space that a pool hands out: from … to, less the exclusions, searched in a circle from the
// cursor on. The tree knows what is used; this knows what may be given.

import { addExclusion, clearExclusions, firstHi, firstLo, isExcluded, lastHi, lastLo, seekExclusion } from './exclude';
import { foundHi, foundLo, indexBits, nextFree, nextUsed, Status } from './tree';
import { addHi, equal, lessThan, onesHi, onesLo, subHi } from './u128';

export let fromHi: u64 = 0;
export let fromLo: u64 = 0;
export let toHi: u64 = 0;
export let toLo: u64 = 0;

/** The last touched index; the next search begins behind it. */
export let cursorHi: u64 = 0;
export let cursorLo: u64 = 0;
export let hasCursor: bool = false;

/** Last index of the run that `freeRun` and `usedRun` found; its first is the tree's `found`. */
export let runLastHi: u64 = 0;
export let runLastLo: u64 = 0;

/** Of a subnet: the first index (network address) is never handed out. */
export const RESERVE_NETWORK: u32 = 1;
/** Of a subnet: the last index (broadcast address) is never handed out. */
export const RESERVE_BROADCAST: u32 = 2;

export function setRange(aHi: u64, aLo: u64, bHi: u64, bLo: u64): void {
  fromHi = aHi;
  fromLo = aLo;
  toHi = bHi;
  toLo = bLo;
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
}

export function clearCursor(): void {
  hasCursor = false;
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

/** The first run of free indexes in a..b that are not excluded, in `found` … `runLast`, at most `max` of them long. */
export function freeRun(aHi: u64, aLo: u64, bHi: u64, bLo: u64, maxHi: u64, maxLo: u64): Status {
  assert((maxHi | maxLo) != 0);
  const status = findIn(aHi, aLo, bHi, bLo);
  if (status != Status.OK) return status;
  const startHi = foundHi;
  const startLo = foundLo;
  runLastHi = bHi;
  runLastLo = bLo;
  if (nextUsed(startHi, startLo) == Status.OK) endBefore(foundHi, foundLo);
  if (seekExclusion(startHi, startLo)) endBefore(firstHi, firstLo);
  // length - 1 > max - 1: both fit into 128 bits even where the length is 2^128
  const extraHi = subHi(maxHi, maxLo, 0, 1);
  const extraLo = maxLo - 1;
  if (lessThan(extraHi, extraLo, subHi(runLastHi, runLastLo, startHi, startLo), runLastLo - startLo)) {
    runLastHi = addHi(startHi, startLo, extraHi, extraLo);
    runLastLo = startLo + extraLo;
  }
  return nextFree(startHi, startLo); // puts the start back into `found`
}

/** The first run of used indexes in a..b, in `found` … `runLast`. */
export function usedRun(aHi: u64, aLo: u64, bHi: u64, bLo: u64): Status {
  const status = nextUsed(aHi, aLo);
  if (status != Status.OK || lessThan(bHi, bLo, foundHi, foundLo)) return Status.NO;
  const startHi = foundHi;
  const startLo = foundLo;
  runLastHi = bHi;
  runLastLo = bLo;
  if (nextFree(startHi, startLo) == Status.OK) endBefore(foundHi, foundLo);
  return nextUsed(startHi, startLo); // puts the start back into `found`
}

function endBefore(hi: u64, lo: u64): void {
  if (lessThan(runLastHi, runLastLo, hi, lo)) return;
  runLastHi = subHi(hi, lo, 0, 1);
  runLastLo = lo - 1;
}
