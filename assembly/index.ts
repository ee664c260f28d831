// The ABI. Numbers are i32; indexes and nodes pass through the scratch memory at `scratch()`:
//
//   offset  0   A     16 bytes   operand and result: an index, little-endian (an IPv4 address: bytes 0..3)
//          16   B     16 bytes   second operand or result: the last index of a run, or a count
//          32   KEY   16 bytes   first index of a node that is wanted, dirty or listed
//          48   BITS  32 bytes   the node's bits (node.ts has their order)
//
// A host that keeps the nodes elsewhere configures the tree as hosted. A call that needs a node the host has not given
// yet answers NEED (2) and changes nothing: the host reads the node KEY at level `wantedLevel()`, puts its bits into
// BITS, calls `supply(present)` and makes the call again. After marks and clears it writes what `popDirty()` lists.

import * as arena from './arena';
import * as exclusions from './exclude';
import { NODE_BYTES } from './node';
import { startHiOf, startLoOf } from './order';
import * as pool from './pool';
import * as tree from './tree';
import { Status } from './tree';
import { shlHi, shlLo } from './u128';

const INDEX_BYTES: usize = 16;
const SCRATCH: usize = memory.data(80, 16);
const A: usize = SCRATCH;
const B: usize = A + INDEX_BYTES; // 16
const KEY: usize = B + INDEX_BYTES; // 32
const BITS: usize = KEY + INDEX_BYTES; // 48

/** popDirty: the node is gone from the tree; its row goes too. */
const GONE: i32 = 0x100;
const NO_MORE: i32 = -1;

function readHi(ptr: usize): u64 {
  return load<u64>(ptr, 8);
}

function readLo(ptr: usize): u64 {
  return load<u64>(ptr);
}

// @ts-ignore: decorator
@inline
function write(ptr: usize, hi: u64, lo: u64): void {
  store<u64>(ptr, lo);
  store<u64>(ptr, hi, 8);
}

/** Address of the scratch memory. It never moves; the memory around it may grow, which detaches views of it. */
export function scratch(): usize {
  return SCRATCH;
}

/** An empty tree over indexes of `octets` bytes (1..16), with the whole index space as its pool. */
export function configure(octets: u32, isHosted: bool): void {
  tree.resetTree(octets, isHosted);
  pool.setSubnet(0, 0, 0, 0);
}

/** The pool is the subnet of A with this prefix length; reserve: 1 its first index, 2 its last, 3 both. */
export function setSubnet(prefixBits: u32, reserve: u32): void {
  pool.setSubnet(readHi(A), readLo(A), prefixBits, reserve);
}

/** The pool is A..B, both included, whatever the subnet. Exclusions stay. */
export function setRange(): void {
  pool.setRange(readHi(A), readLo(A), readHi(B), readLo(B));
}

/** A..B, both included, is never handed out. */
export function exclude(): void {
  exclusions.addExclusion(readHi(A), readLo(A), readHi(B), readLo(B));
}

/** 1 if A lies in the pool's range. */
export function isInRange(): bool {
  return pool.inRange(readHi(A), readLo(A));
}

/** 1 if A is never handed out: outside the pool's range, or excluded. */
export function isReserved(): bool {
  return pool.isReserved(readHi(A), readLo(A));
}

/** The next search begins behind A. */
export function setCursor(): void {
  pool.setCursor(readHi(A), readLo(A));
}

export function clearCursor(): void {
  pool.clearCursor();
}

/** 1 and the cursor in A, or 0 if there is none. */
export function getCursor(): bool {
  write(A, pool.cursorHi, pool.cursorLo);
  return pool.hasCursor;
}

/** The next free index behind the cursor, into A. 0 found, 1 nothing free, 2 NEED. */
export function find(): Status {
  const status = pool.find();
  if (status == Status.OK) write(A, tree.foundHi, tree.foundLo);
  return status;
}

/** find, mark and setCursor in one: the index goes into A. 0 done, 1 nothing free, 2 NEED. */
export function acquire(): Status {
  const status = pool.acquire();
  if (status == Status.OK) write(A, pool.cursorHi, pool.cursorLo);
  return status;
}

/**
 * Makes the index free that consists of these 32-bit words, the lowest first: the counterpart of acquire. 0 done, 1 it
 * was free already, 2 NEED, 3 it lies outside the pool's range.
 */
export function release(word0: u32, word1: u32, word2: u32, word3: u32): Status {
  return pool.release((u64(word3) << 32) | word2, (u64(word1) << 32) | word0);
}

/** 0 A is free, 1 it is used, 2 NEED. */
export function test(): Status {
  return tree.test(readHi(A), readLo(A));
}

/** Makes A used. 0 done, 1 it was used already, 2 NEED. */
export function mark(): Status {
  return tree.mark(readHi(A), readLo(A));
}

/** Makes A free. 0 done, 1 it was free already, 2 NEED. */
export function clear(): Status {
  return tree.clear(readHi(A), readLo(A));
}

/** The pool's first free run from A on (not in a circle), at most B long, into A..B. 0 found, 1 none. Not hosted. */
export function freeRun(): Status {
  return writeRun(pool.freeRun(readHi(A), readLo(A), readHi(B), readLo(B)));
}

/** The first run of used indexes of the pool's range from A on, into A..B. 0 found, 1 none. Not hosted. */
export function usedRun(): Status {
  return writeRun(pool.usedRun(readHi(A), readLo(A)));
}

function writeRun(status: Status): Status {
  if (status == Status.OK) {
    write(A, pool.runFirstHi, pool.runFirstLo);
    write(B, pool.runLastHi, pool.runLastLo);
  }
  return status;
}

/** Makes A..B used. All of it must be free. Not hosted. */
export function markRun(): void {
  tree.markRun(readHi(A), readLo(A), readHi(B), readLo(B));
}

/** Makes A..B free. All of it must be used. Not hosted. */
export function clearRun(): void {
  tree.clearRun(readHi(A), readLo(A), readHi(B), readLo(B));
}

/** How many indexes of the pool's range are used: 128 bits in B, bit 128 returned. Not hosted. */
export function countUsed(): u32 {
  const carry = pool.countUsed();
  write(B, pool.countHi, pool.countLo);
  return carry;
}

/** How many indexes of the pool's range are not excluded: 128 bits in B, bit 128 returned. */
export function countUsable(): u32 {
  const carry = pool.countUsable();
  write(B, pool.countHi, pool.countLo);
  return carry;
}

/** After NEED: KEY is the wanted node's first index; its level is returned (0: a leaf). */
export function wantedLevel(): u32 {
  const shift = (arena.wantedLevel + 1) * 8;
  write(KEY, shlHi(arena.wantedHi, arena.wantedLo, shift), shlLo(arena.wantedLo, shift));
  return arena.wantedLevel;
}

/** Gives the wanted node: its bits in BITS, or word that there is none. */
export function supply(present: bool): void {
  arena.supplyNode(BITS, present);
}

/** The next node to write: KEY, BITS, and its level is returned, with bit 8 set if its row has to go. -1: no more. */
export function popDirty(): i32 {
  const node = arena.popDirty();
  if (node == arena.ABSENT) return NO_MORE;
  return describe(node) | (arena.isPresent(node) ? 0 : GONE);
}

export function nodeCount(): u32 {
  return arena.nodeCount();
}

/** Node number i, in no order: KEY, BITS; its level is returned, -1 past the last. Not hosted. */
export function nodeAt(i: u32): i32 {
  return i < arena.slots() ? describe(arena.slotPtr(i + 1)) : NO_MORE;
}

/**
 * Adds a node as nodeAt listed it: first index in KEY, bits in BITS. Upper levels first. 0 done, 1 it cannot be part of
 * the tree. Not hosted.
 */
export function putNode(level: u32): Status {
  return tree.putNode(level, readHi(KEY), readLo(KEY), BITS) ? Status.OK : Status.NO;
}

function describe(node: usize): i32 {
  write(KEY, startHiOf(node), startLoOf(node));
  memory.copy(BITS, node, NODE_BYTES);
  return arena.levelOf(node);
}
