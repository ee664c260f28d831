// 256 bits, one for each child of a node, and the one scan over them.
//
// Bit 0 is the lowest address in the node. Everywhere.
// bit 1: the child is full (in a leaf: the address is used). bit 0: something in the child is free.
//
//   byte      0        1       …       31
//   bit    7 … 0   15 … 8      …   255 … 248     four little-endian u64 words, here and in the store

export const CHILDREN: u32 = 256;
export const NODE_BYTES: usize = CHILDREN / 8; // 32

const WORDS: u32 = CHILDREN / 64; // 4

/** Index of the first bit at or after `from` that is 1 after XOR with `flip`; CHILDREN if there is none. */
// @ts-ignore: decorator
@inline
function scan(node: usize, from: u32, flip: u64): u32 {
  if (from >= CHILDREN) return CHILDREN;
  let word = from >> 6;
  let hits = (load<u64>(node + (word << 3)) ^ flip) & (u64.MAX_VALUE << (from & 63));
  while (hits == 0) {
    if (++word == WORDS) return CHILDREN;
    hits = load<u64>(node + (word << 3)) ^ flip;
  }
  return (word << 6) | u32(ctz(hits));
}

/** First child at or after `from` with something free in it; CHILDREN if there is none. */
export function nextFreeBit(node: usize, from: u32): u32 {
  return scan(node, from, u64.MAX_VALUE);
}

/** The same, without the call, for the one place where a call is much. */
// @ts-ignore: decorator
@inline
export function nextFreeBitInline(node: usize, from: u32): u32 {
  return scan(node, from, u64.MAX_VALUE);
}

/** First child at or after `from` that is full; CHILDREN if there is none. */
export function nextUsedBit(node: usize, from: u32): u32 {
  return scan(node, from, 0);
}

// @ts-ignore: decorator
@inline
export function isUsed(node: usize, bit: u32): bool {
  return ((load<u64>(node + ((bit >> 6) << 3)) >> (bit & 63)) & 1) != 0;
}

/** Sets one bit. */
// @ts-ignore: decorator
@inline
export function useBit(node: usize, bit: u32): void {
  const ptr = node + ((bit >> 6) << 3);
  store<u64>(ptr, load<u64>(ptr) | (u64(1) << (bit & 63)));
}

/** Clears one bit. */
// @ts-ignore: decorator
@inline
export function freeBit(node: usize, bit: u32): void {
  const ptr = node + ((bit >> 6) << 3);
  store<u64>(ptr, load<u64>(ptr) & ~(u64(1) << (bit & 63)));
}

// @ts-ignore: decorator
@inline
export function isFull(node: usize): bool {
  return (load<u64>(node) & load<u64>(node, 8) & load<u64>(node, 16) & load<u64>(node, 24)) == u64.MAX_VALUE;
}

export function isEmpty(node: usize): bool {
  return (load<u64>(node) | load<u64>(node, 8) | load<u64>(node, 16) | load<u64>(node, 24)) == 0;
}

export function usedCount(node: usize): u32 {
  return u32(
    popcnt(load<u64>(node)) + popcnt(load<u64>(node, 8)) + popcnt(load<u64>(node, 16)) + popcnt(load<u64>(node, 24)),
  );
}

/** Sets the bits first..last, both included, to `used`. */
export function setBits(node: usize, first: u32, last: u32, used: bool): void {
  assert(first <= last && last < CHILDREN);
  for (let word = first >> 6; word <= last >> 6; word++) {
    let mask = u64.MAX_VALUE;
    if (word == first >> 6) mask &= u64.MAX_VALUE << (first & 63);
    if (word == last >> 6) mask &= u64.MAX_VALUE >> (63 - (last & 63));
    const ptr = node + (word << 3);
    const bits = load<u64>(ptr);
    store<u64>(ptr, used ? bits | mask : bits & ~mask);
  }
}

export function fill(node: usize, used: bool): void {
  memory.fill(node, used ? 0xff : 0, NODE_BYTES);
}
