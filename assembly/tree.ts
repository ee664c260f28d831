// The octet tree: which indexes are used, in nodes of 256 bits.
//
// index: an unsigned integer of up to 128 bits: an IPv4 address, an IPv6 address, the number of a delegated prefix.
// level: 0 for a leaf, whose bits are indexes; at level k a bit is a child of 256^k indexes. The root is at levels - 1.
// octet: the index's byte at a level, i.e. the number of the child on the way to the index.
// covering node: the nearest node above an index that exists. What lies between it and the index is absent.
//
// Only partial nodes exist. A node that becomes all ones is dropped and its bit in the parent set; one that becomes all
// zeros is dropped. The root alone stays when it is full: it has no parent to say so. Hence
//   bit 1: everything below is used, and no node below exists.
//   bit 0, child absent: no grandchild is full; nodes deeper below may exist all the same.
//   no covering node: the index is free.
//
// Example, 4 levels (IPv4): 10.0.0.1 alone is used
//   leaf 10.0.0/24 = {1}; levels 1 to 3 absent
// Example: all of 10.0.0.0/16 but 10.0.3.7 is used
//   level 1 node 10.0/16 = all but {3}; leaf 10.0.3/24 = all but {7}; levels 2 and 3 absent
//
// Functions answer with a Status. NEED means that the host has to supply the wanted node first and to call again; until
// then nothing has changed.

import {
  ABSENT,
  createNode,
  dropNode,
  getNode,
  hosted,
  levelOf,
  resetArena,
  touchNode,
  UNKNOWN,
} from './arena';
import {
  CHILDREN,
  freeBit,
  isEmpty,
  isFull,
  isUsed,
  NODE_BYTES,
  nextFreeBit,
  nextUsedBit,
  setBits,
  usedCount,
} from './node';
import { firstNodeFrom, nodeInOrder, startHiOf, startLoOf } from './order';
import { addHi, lessThan, onesHi, onesLo, shlHi, shlLo, shrHi, shrLo } from './u128';

export const enum Status {
  /** find: found. test: free. mark, clear: done. */
  OK = 0,
  /** find: nothing free. test: used. mark: used already. clear: was free. */
  NO = 1,
  /** The host has to supply a node, then call again. */
  NEED = 2,
  /** release: the pool's range does not have it. */
  OUTSIDE = 3,
}

/** What nextFree and nextUsed found. */
export let foundHi: u64 = 0;
export let foundLo: u64 = 0;

let levels: u32 = 4;
let coveringLevel: u32 = 0;

export function resetTree(octets: u32, isHosted: bool): void {
  levels = octets;
  resetArena(isHosted);
}

/** Number of bits of an index. */
export function indexBits(): u32 {
  return levels * 8;
}

function octetOf(hi: u64, lo: u64, level: u32): u32 {
  return u32(shrLo(hi, lo, level * 8)) & 0xff;
}

/** The leaf in which an index lies: `nodeAbove` of level 0, shifting by constants. */
// @ts-ignore: decorator
@inline
export function leafAbove(hi: u64, lo: u64): usize {
  return getNode(0, hi >> 8, (hi << 56) | (lo >> 8));
}

function nodeAbove(level: u32, hi: u64, lo: u64): usize {
  const shift = (level + 1) * 8;
  return getNode(level, shrHi(hi, shift), shrLo(hi, lo, shift));
}

function createAbove(level: u32, hi: u64, lo: u64, used: bool): usize {
  const shift = (level + 1) * 8;
  return createNode(level, shrHi(hi, shift), shrLo(hi, lo, shift), used);
}

/** The nearest node above an index that exists: its level in `coveringLevel`. ABSENT if there is none, or UNKNOWN. */
function coveringNode(hi: u64, lo: u64): usize {
  coveringLevel = 0;
  let node = nodeAbove(0, hi, lo);
  while (node == ABSENT && ++coveringLevel < levels) node = nodeAbove(coveringLevel, hi, lo);
  return node;
}

/** The index's node at `level`, replaced by its child number `bit` and zeros below: the first index of that child. */
function foundChild(level: u32, hi: u64, lo: u64, bit: u32): void {
  const shift = level * 8;
  foundHi = (hi & ~onesHi(shift + 8)) | shlHi(0, bit, shift);
  foundLo = (lo & ~onesLo(shift + 8)) | shlLo(bit, shift);
}

/** First free index at or after (hi, lo), in the whole index space. */
export function nextFree(hi: u64, lo: u64): Status {
  let node = coveringNode(hi, lo);
  let level = coveringLevel;
  if (node == UNKNOWN) return Status.NEED;
  if (node == ABSENT) return found(hi, lo); // no covering node

  const octet = octetOf(hi, lo, level);
  let bit = nextFreeBit(node, octet);
  if (bit == octet) return found(hi, lo); // a free leaf bit, or nothing between here and the index exists

  // Climb to the first ancestor with a zero bit further on. An absent ancestor of a partial node is all zeros.
  while (bit == CHILDREN) {
    if (++level == levels) return Status.NO;
    node = nodeAbove(level, hi, lo);
    if (node == UNKNOWN) return Status.NEED;
    const next = octetOf(hi, lo, level) + 1;
    bit = node == ABSENT ? next : nextFreeBit(node, next);
  }
  foundChild(level, hi, lo, bit);

  // Descend to the first free index of that child. An absent node is all zeros: its first child.
  while (level-- > 0) {
    node = nodeAbove(level, foundHi, foundLo);
    if (node == UNKNOWN) return Status.NEED;
    if (node != ABSENT) foundChild(level, foundHi, foundLo, nextFreeBit(node, 0));
  }
  return markable(foundHi, foundLo) ? Status.OK : Status.NEED;
}

// @ts-ignore: decorator
@inline
function found(hi: u64, lo: u64): Status {
  foundHi = hi;
  foundLo = lo;
  return markable(hi, lo) ? Status.OK : Status.NEED;
}

/**
 * Whether all that marking a free index takes is known: the way up to the covering node, as `test` goes it, and from a
 * leaf on each parent whose child would fill up.
 */
// @ts-ignore: decorator
@inline
function markable(hi: u64, lo: u64): bool {
  if (!hosted) return true;
  let node = coveringNode(hi, lo);
  let level = coveringLevel;
  if (level == 0) {
    while (node > UNKNOWN && usedCount(node) == CHILDREN - 1 && ++level < levels) node = nodeAbove(level, hi, lo);
  }
  return node != UNKNOWN;
}

/** OK: the index is free. NO: it is used. Either way what mark or clear of it would change is known. */
export function test(hi: u64, lo: u64): Status {
  const node = coveringNode(hi, lo);
  if (node == UNKNOWN) return Status.NEED;
  if (node != ABSENT && isUsed(node, octetOf(hi, lo, coveringLevel))) return Status.NO;
  return markable(hi, lo) ? Status.OK : Status.NEED;
}

/** Makes a free index used. */
export function mark(hi: u64, lo: u64): Status {
  const status = test(hi, lo);
  if (status == Status.OK) markFree(hi, lo);
  return status;
}

/** Makes an index used that is known to be free and markable. */
export function markFree(hi: u64, lo: u64): void {
  fillChildren(0, hi, lo, octetOf(hi, lo, 0));
}

/** Fills the children of a node from the one on the way to the index up to number `last`; what fills up is dropped. */
function fillChildren(level: u32, hi: u64, lo: u64, last: u32): void {
  while (true) {
    let node = nodeAbove(level, hi, lo);
    assert(node != UNKNOWN);
    if (node == ABSENT) node = createAbove(level, hi, lo, false);
    setBits(node, octetOf(hi, lo, level), last, true);
    if (!isFull(node) || level == levels - 1) {
      touchNode(node);
      return;
    }
    dropNode(node);
    last = octetOf(hi, lo, ++level);
  }
}

/** Makes a used index free. */
export function clear(hi: u64, lo: u64): Status {
  // Mostly its leaf exists, and is all that has to be looked at.
  const leaf = leafAbove(hi, lo);
  const bit = u32(lo) & 0xff;
  if (leaf > UNKNOWN && isUsed(leaf, bit)) {
    freeBit(leaf, bit);
    settle(leaf);
    return Status.OK;
  }
  const status = test(hi, lo);
  if (status != Status.NO) return status == Status.OK ? Status.NO : status;
  emptyChildren(0, hi, lo, octetOf(hi, lo, 0));
  return Status.OK;
}

/** Empties the children of a node, all of them full, from the one on the way to the index up to number `last`. */
function emptyChildren(level: u32, hi: u64, lo: u64, last: u32): void {
  let node = nodeAbove(level, hi, lo);
  if (node == ABSENT) {
    // Somewhere above a bit says that all of this is used. Split it: all ones but the way down.
    let above = level + 1;
    while ((node = nodeAbove(above, hi, lo)) == ABSENT) above++;
    assert(node != UNKNOWN);
    const octet = octetOf(hi, lo, above);
    setBits(node, octet, octet, false);
    settle(node);
    while (--above > level) {
      node = createAbove(above, hi, lo, true);
      const down = octetOf(hi, lo, above);
      setBits(node, down, down, false);
      touchNode(node);
    }
    node = createAbove(level, hi, lo, true);
  }
  setBits(node, octetOf(hi, lo, level), last, false);
  settle(node);
}

/** After bits were cleared: a node of zeros is dropped. */
function settle(node: usize): void {
  if (isEmpty(node)) dropNode(node);
  else touchNode(node);
}

// Runs: many indexes at once, whole children at a time. Only where the whole tree is known (never in a hosted one).

/** Makes first..last, all of them free, used. */
export function markRun(firstHi: u64, firstLo: u64, lastHi: u64, lastLo: u64): void {
  changeRun(firstHi, firstLo, lastHi, lastLo, true);
}

/** Makes first..last, all of them used, free. */
export function clearRun(firstHi: u64, firstLo: u64, lastHi: u64, lastLo: u64): void {
  changeRun(firstHi, firstLo, lastHi, lastLo, false);
}

function changeRun(hi: u64, lo: u64, lastHi: u64, lastLo: u64, used: bool): void {
  assert(!hosted);
  while (true) {
    // The largest child that begins at (hi, lo) and ends within the run.
    let level: u32 = 0;
    while (level + 1 < levels && childFits(level + 1, hi, lo, lastHi, lastLo)) level++;
    // As many siblings as fit.
    const octet = octetOf(hi, lo, level);
    const shift = level * 8;
    const sameParent =
      shrHi(hi, shift + 8) == shrHi(lastHi, shift + 8) && shrLo(hi, lo, shift + 8) == shrLo(lastHi, lastLo, shift + 8);
    let siblings = CHILDREN - 1;
    if (sameParent) {
      siblings = octetOf(lastHi, lastLo, level);
      const wholeLast = (lastHi & onesHi(shift)) == onesHi(shift) && (lastLo & onesLo(shift)) == onesLo(shift);
      if (!wholeLast) siblings--;
    }
    if (used) fillChildren(level, hi, lo, siblings);
    else emptyChildren(level, hi, lo, siblings);
    // On to what follows the last of them.
    foundChild(level, hi, lo, siblings);
    const endHi = foundHi | onesHi(shift);
    const endLo = foundLo | onesLo(shift);
    if (!lessThan(endHi, endLo, lastHi, lastLo)) return;
    hi = addHi(endHi, endLo, 0, 1);
    lo = endLo + 1;
  }
}

function childFits(level: u32, hi: u64, lo: u64, lastHi: u64, lastLo: u64): bool {
  const maskHi = onesHi(level * 8);
  const maskLo = onesLo(level * 8);
  return ((hi & maskHi) | (lo & maskLo)) == 0 && !lessThan(lastHi, lastLo, hi | maskHi, lo | maskLo);
}

/**
 * How many free indexes follow from a free one within its leaf, itself included. Where they reach the leaf's end, more
 * may follow.
 */
export function freeInLeaf(hi: u64, lo: u64): u32 {
  const octet = octetOf(hi, lo, 0);
  const leaf = nodeAbove(0, hi, lo);
  return (leaf == ABSENT ? CHILDREN : nextUsedBit(leaf, octet)) - octet;
}

/**
 * Takes in a node as it was listed, upper levels first. False if it cannot be part of the tree: of no level, empty,
 * full, known already, or below a full bit.
 */
export function putNode(level: u32, hi: u64, lo: u64, bitsPtr: usize): bool {
  assert(!hosted);
  const below = (level + 1) * 8;
  const bits = levels * 8;
  const isIndex = shrHi(hi, bits) == 0 && shrLo(hi, lo, bits) == 0;
  if (level >= levels || !isIndex || ((hi & onesHi(below)) | (lo & onesLo(below))) != 0) return false;
  if (isEmpty(bitsPtr) || (isFull(bitsPtr) && level != levels - 1) || nodeAbove(level, hi, lo) != ABSENT) return false;
  for (let above = level + 1; above < levels; above++) {
    const node = nodeAbove(above, hi, lo);
    if (node != ABSENT && isUsed(node, octetOf(hi, lo, above))) return false;
  }
  memory.copy(createAbove(level, hi, lo, false), bitsPtr, NODE_BYTES);
  return true;
}

/** First used index at or after (hi, lo), in the whole index space. */
export function nextUsed(hi: u64, lo: u64): Status {
  assert(!hosted);
  let status = Status.NO;
  // The nodes above the index: their next set bit. A bit on the way to the index means that it is used itself.
  for (let level: u32 = 0; level < levels; level++) {
    const node = nodeAbove(level, hi, lo);
    if (node == ABSENT) continue;
    const octet = octetOf(hi, lo, level);
    const bit = nextUsedBit(node, octet);
    if (bit == octet) {
      foundHi = hi;
      foundLo = lo;
      return Status.OK;
    }
    status = keepFirstUsed(status, level, hi, lo, bit);
  }
  // The nodes that begin later and before what was found. None is empty, so a look at a handful settles it.
  let i = firstNodeFrom(hi, lo);
  let node = nodeInOrder(i);
  while (node != ABSENT) {
    const startHi = startHiOf(node);
    const startLo = startLoOf(node);
    if (status == Status.OK && !lessThan(startHi, startLo, foundHi, foundLo)) break;
    status = keepFirstUsed(status, levelOf(node), startHi, startLo, nextUsedBit(node, 0));
    node = nodeInOrder(++i);
  }
  return status;
}

/** Lowers `found` to child number `bit` of the node above the index, if it is lower or there is none yet. */
function keepFirstUsed(status: Status, level: u32, hi: u64, lo: u64, bit: u32): Status {
  if (bit == CHILDREN) return status;
  const beforeHi = foundHi;
  const beforeLo = foundLo;
  foundChild(level, hi, lo, bit);
  if (status == Status.OK && lessThan(beforeHi, beforeLo, foundHi, foundLo)) {
    foundHi = beforeHi;
    foundLo = beforeLo;
  }
  return Status.OK;
}
