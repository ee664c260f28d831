// Where nodes live: a hash table of slot numbers, and the slots beside it, densely packed.
//
//   arenaBase()                 slotsStart
//   | table: u32 entries        | slot 1 | slot 2 | … | slot slotCount |
//   |<-- tableSize * 4 -------->|<- 52 ->|
//
//   entry: bits 0..25 slot number, 0 if the entry is empty   bits 26..31 tag: the same bits of the key's hash
//
// The tag spares looking into the slots of other keys on the way to the right one: each would be a cache miss.
//
//   slot:  0 bits (32)   32 key hi (8)   40 key lo (8)   48 meta (4)
//   meta:  bits 0..3 level   bit 4 PRESENT   bit 5 DIRTY   bits 6..31 next slot in the dirty list
//
// Memory: SLOT_BYTES 52, and a table between half and 7/8 of it full: 4 * 16 / 7 = 9.2 at most. Below 62 bytes a node.
//
// key: the node's address prefix, an index shifted right by 8 * (level + 1) bits. level 0: a leaf.
//
// A slot that is not PRESENT remembers that the store has no such node ("absent"), and its bits mean nothing: only a
// hosted arena has those. In an arena of its own what has no slot is absent; in a hosted one it is unknown.
//
// Inserting and removing move slots about: a pointer to a slot is good until the next insertion or removal.

import { fill, NODE_BYTES } from './node';

const KEY_HI: usize = NODE_BYTES; // 32
const KEY_LO: usize = KEY_HI + 8; // 40
const META: usize = KEY_LO + 8; // 48
const SLOT_BYTES: usize = META + 4; // 52

const LEVEL_MASK: u32 = 0xf;
const PRESENT: u32 = 1 << 4;
const DIRTY: u32 = 1 << 5;
const LINK_SHIFT: u32 = 6;

/** Of a table's entry. */
const SLOT_MASK: u32 = 0x3ffffff;
const TAG_MASK: u32 = ~SLOT_MASK;

const FIRST_TABLE_SIZE: u32 = 128;
/** 58 million nodes, in 3.3 GB of memory: their slots' numbers fit into SLOT_MASK. */
const MOST_TABLE_SIZE: u32 = 1 << 26;
const PAGE_BYTES: usize = 65536;

/** What `getNode` says instead of a pointer. No slot lies this low in memory. */
export const ABSENT: usize = 0;
export const UNKNOWN: usize = 1;

/** The node that `getNode` last missed: the host is to supply it. */
export let wantedLevel: u32 = 0;
export let wantedHi: u64 = 0;
export let wantedLo: u64 = 0;

/** First byte that is free for us, a multiple of 4. From here to `arenaBase()` all belongs to the exclusions. */
export const HEAP_START: usize = __heap_base;

let base: usize = HEAP_START;
let tableSize: u32 = 0; // a power of two
let slotsStart: usize = 0;
let slotCount: u32 = 0;
let presentCount: u32 = 0;
let dirtyHead: u32 = 0;
/** Hash of the key that `position` was asked for last. */
let sought: u32 = 0;
/** Whether the nodes are kept by the host. */
export let hosted: bool = false;
let generation: u32 = 0;

/** The leaf that `keepLeaf` was told of, and how far it may be used. An end of 0: none is kept. */
export let keptLeaf: usize = ABSENT;
export let keptEnd: u32 = 0;

/**
 * Empties the arena. A hosted one knows nothing until the host supplies it. The first table lies in the first page, or
 * where `moveArena` has made room for one.
 */
export function resetArena(isHosted: bool): void {
  hosted = isHosted;
  slotCount = 0;
  presentCount = 0;
  dirtyHead = 0;
  nodesMoved();
  tableSize = FIRST_TABLE_SIZE;
  slotsStart = base + usize(tableSize) * 4;
  memory.fill(base, 0, usize(tableSize) * 4);
}

function nodesMoved(): void {
  generation++;
  forgetLeaf();
}

export function arenaBase(): usize {
  return base;
}

/** Moves the whole arena up to make room below it. */
export function moveArena(newBase: usize): void {
  assert(newBase >= base);
  const bytes = arenaEnd() - base;
  ensureMemory(newBase + bytes);
  memory.copy(newBase, base, bytes);
  nodesMoved();
  slotsStart += newBase - base;
  base = newBase;
}

/** First byte after the arena: free for whoever needs room until the next insertion. */
export function arenaEnd(): usize {
  return slotPtr(slotCount + 1);
}

export function ensureMemory(end: usize): void {
  const pages = i32((end + PAGE_BYTES - 1) / PAGE_BYTES);
  const missing = pages - memory.size();
  if (missing > 0 && memory.grow(missing) < 0) unreachable(); // out of memory
}

/** Number of nodes, all of them partial but for a full root. */
export function nodeCount(): u32 {
  return presentCount;
}

/** Changes whenever a node comes, goes or moves: what was derived from the set of nodes is stale then. */
export function arenaGeneration(): u32 {
  return generation;
}

/** Number of slots, numbered from 1. In an arena of its own each holds a node. */
export function slots(): u32 {
  return slotCount;
}

// @ts-ignore: decorator
@inline
export function slotPtr(slot: u32): usize {
  return slotsStart + usize(slot - 1) * SLOT_BYTES;
}

// @ts-ignore: decorator
@inline
export function levelOf(ptr: usize): u32 {
  return load<u32>(ptr, META) & LEVEL_MASK;
}

// @ts-ignore: decorator
@inline
export function keyHiOf(ptr: usize): u64 {
  return load<u64>(ptr, KEY_HI);
}

// @ts-ignore: decorator
@inline
export function keyLoOf(ptr: usize): u64 {
  return load<u64>(ptr, KEY_LO);
}

// @ts-ignore: decorator
@inline
export function isPresent(ptr: usize): bool {
  return (load<u32>(ptr, META) & PRESENT) != 0;
}

// @ts-ignore: decorator
@inline
function slotOf(ptr: usize): u32 {
  return u32((ptr - slotsStart) / SLOT_BYTES) + 1;
}

export function hash(level: u32, hi: u64, lo: u64): u32 {
  // Multiplication by odd constants (golden ratio, and two of xxHash's primes); the high bits mix best.
  const mixed = (lo ^ ((hi + level) * 0xc2b2ae3d27d4eb4f)) * 0x9e3779b97f4a7c15;
  return u32(((mixed ^ (mixed >> 29)) * 0x165667b19e3779f9) >> 32);
}

// @ts-ignore: decorator
@inline
function entryPtr(i: u32): usize {
  return base + usize(i) * 4;
}

/** Table position of the key's slot, or of the empty entry where it belongs. */
function position(level: u32, hi: u64, lo: u64): u32 {
  const mask = tableSize - 1;
  sought = hash(level, hi, lo);
  let i = sought & mask;
  while (true) {
    const entry = load<u32>(entryPtr(i));
    if (entry == 0) return i;
    if (((entry ^ sought) & TAG_MASK) == 0) {
      const ptr = slotPtr(entry & SLOT_MASK);
      if (keyLoOf(ptr) == lo && keyHiOf(ptr) == hi && levelOf(ptr) == level) return i;
    }
    i = (i + 1) & mask;
  }
}

/** Number of the key's slot; 0 if it has none. */
// @ts-ignore: decorator
@inline
function slotFor(level: u32, hi: u64, lo: u64): u32 {
  return load<u32>(entryPtr(position(level, hi, lo))) & SLOT_MASK;
}

/** Puts a slot's number into the table at its key's position. */
function enter(slot: u32, level: u32, hi: u64, lo: u64): void {
  const ptr = entryPtr(position(level, hi, lo));
  store<u32>(ptr, (sought & TAG_MASK) | slot);
}

/** Remembers a leaf, whose bits before `end` are of use, until it is forgotten or the nodes move. */
export function keepLeaf(leaf: usize, end: u32): void {
  keptLeaf = leaf;
  keptEnd = end;
}

export function forgetLeaf(): void {
  keptEnd = 0;
}

/** Pointer to the node's bits, ABSENT, or UNKNOWN (then `wanted…` names the node). */
export function getNode(level: u32, hi: u64, lo: u64): usize {
  const slot = slotFor(level, hi, lo);
  if (slot != 0) {
    const ptr = slotPtr(slot);
    return isPresent(ptr) ? ptr : ABSENT;
  }
  if (!hosted) return ABSENT;
  wantedLevel = level;
  wantedHi = hi;
  wantedLo = lo;
  return UNKNOWN;
}

function growTable(): void {
  if (tableSize == MOST_TABLE_SIZE) unreachable();
  const oldSlots = slotsStart;
  const bytes = usize(slotCount) * SLOT_BYTES;
  tableSize <<= 1;
  slotsStart = base + usize(tableSize) * 4;
  ensureMemory(slotsStart + bytes);
  memory.copy(slotsStart, oldSlots, bytes);
  memory.fill(base, 0, usize(tableSize) * 4);
  for (let slot: u32 = 1; slot <= slotCount; slot++) {
    const ptr = slotPtr(slot);
    enter(slot, levelOf(ptr), keyHiOf(ptr), keyLoOf(ptr));
  }
}

/** Who makes a node of it says `nodesMoved`; what is hosted has neither a leaf that is kept nor an order. */
function newSlot(level: u32, hi: u64, lo: u64): usize {
  if ((slotCount + 1) * 8 > tableSize * 7) growTable();
  const slot = ++slotCount;
  ensureMemory(arenaEnd());
  enter(slot, level, hi, lo);
  const ptr = slotPtr(slot);
  store<u64>(ptr, hi, KEY_HI);
  store<u64>(ptr, lo, KEY_LO);
  store<u32>(ptr, level, META);
  return ptr;
}

/** Makes an absent node exist, with all its bits `used`. Moves slots. */
export function createNode(level: u32, hi: u64, lo: u64, used: bool): usize {
  const slot = slotFor(level, hi, lo);
  const ptr = slot != 0 ? slotPtr(slot) : newSlot(level, hi, lo);
  assert(!isPresent(ptr), 'the node exists already');
  store<u32>(ptr, load<u32>(ptr, META) | PRESENT, META);
  presentCount++;
  nodesMoved();
  fill(ptr, used);
  return ptr;
}

/** Notes that a node's bits have changed. */
// @ts-ignore: decorator
@inline
export function touchNode(ptr: usize): void {
  if (!hosted) return;
  const meta = load<u32>(ptr, META);
  if (meta & DIRTY) return;
  store<u32>(ptr, (meta & (LEVEL_MASK | PRESENT)) | DIRTY | (dirtyHead << LINK_SHIFT), META);
  dirtyHead = slotOf(ptr);
}

/** Makes a node absent: it has become all zeros, or all ones with its bit set in the parent. Moves slots. */
export function dropNode(ptr: usize): void {
  presentCount--;
  nodesMoved();
  if (hosted) {
    store<u32>(ptr, load<u32>(ptr, META) & ~PRESENT, META);
    touchNode(ptr);
    return;
  }
  unlink(position(levelOf(ptr), keyHiOf(ptr), keyLoOf(ptr)));
  // The last slot moves into the gap, so that slots stay dense.
  const last = slotPtr(slotCount);
  if (last != ptr) {
    enter(slotOf(ptr), levelOf(last), keyHiOf(last), keyLoOf(last));
    memory.copy(ptr, last, SLOT_BYTES);
  }
  slotCount--;
}

/** Empties a table entry, and moves up the entries behind it that would not be found past the gap. */
function unlink(gap: u32): void {
  const mask = tableSize - 1;
  let i = gap;
  while (true) {
    i = (i + 1) & mask;
    const entry = load<u32>(entryPtr(i));
    if (entry == 0) break;
    const ptr = slotPtr(entry & SLOT_MASK);
    const home = hash(levelOf(ptr), keyHiOf(ptr), keyLoOf(ptr)) & mask;
    if (((i - home) & mask) >= ((i - gap) & mask)) {
      store<u32>(entryPtr(gap), entry);
      gap = i;
    }
  }
  store<u32>(entryPtr(gap), 0);
}

/** Takes in the wanted node from the host: its 32 bytes, or word that the store has none. */
export function supplyNode(bitsPtr: usize, present: bool): void {
  assert(hosted);
  const ptr = newSlot(wantedLevel, wantedHi, wantedLo);
  if (!present) return;
  memory.copy(ptr, bitsPtr, NODE_BYTES);
  store<u32>(ptr, load<u32>(ptr, META) | PRESENT, META);
  presentCount++;
}

/** Takes one node off the dirty list; ABSENT if the list is empty. */
export function popDirty(): usize {
  if (dirtyHead == 0) return ABSENT;
  const ptr = slotPtr(dirtyHead);
  const meta = load<u32>(ptr, META);
  dirtyHead = meta >> LINK_SHIFT;
  store<u32>(ptr, meta & (LEVEL_MASK | PRESENT), META);
  return ptr;
}
