// 128-bit unsigned arithmetic on two u64 halves. Bit 0 is the least significant.
//
// A value is always a pair (hi, lo). AssemblyScript returns one u64, so every operation comes as two functions, one for
// each half. The smallest are inlined; shifts by a variable number are not, which halves the size of the core: the way
// that has to be fast (the leaf) shifts by constants.
//
// WebAssembly takes shift counts modulo 64: `x << 64` is `x`. Hence the explicit cases at 0, 64 and 128.

// @ts-ignore: decorator
@inline
export function lessThan(aHi: u64, aLo: u64, bHi: u64, bLo: u64): bool {
  return aHi < bHi || (aHi == bHi && aLo < bLo);
}

// @ts-ignore: decorator
@inline
export function equal(aHi: u64, aLo: u64, bHi: u64, bLo: u64): bool {
  return ((aHi ^ bHi) | (aLo ^ bLo)) == 0;
}

/** High half of a + b; wraps at 2^128. The low half is `aLo + bLo`. */
// @ts-ignore: decorator
@inline
export function addHi(aHi: u64, aLo: u64, bHi: u64, bLo: u64): u64 {
  return aHi + bHi + u64(aLo + bLo < aLo);
}

/** High half of a - b; wraps at 2^128. The low half is `aLo - bLo`. */
// @ts-ignore: decorator
@inline
export function subHi(aHi: u64, aLo: u64, bHi: u64, bLo: u64): u64 {
  return aHi - bHi - u64(aLo < bLo);
}

/** High half of (hi, lo) << n, for n in 0..128. */
export function shlHi(hi: u64, lo: u64, n: u32): u64 {
  if (n == 0) return hi;
  if (n < 64) return (hi << n) | (lo >> (64 - n));
  return n < 128 ? lo << (n - 64) : 0;
}

/** Low half of (hi, lo) << n, for n in 0..128. */
export function shlLo(lo: u64, n: u32): u64 {
  return n < 64 ? lo << n : 0;
}

/** High half of (hi, lo) >> n, for n in 0..128. */
export function shrHi(hi: u64, n: u32): u64 {
  return n < 64 ? hi >> n : 0;
}

/** Low half of (hi, lo) >> n, for n in 0..128. */
export function shrLo(hi: u64, lo: u64, n: u32): u64 {
  if (n == 0) return lo;
  if (n < 64) return (lo >> n) | (hi << (64 - n));
  return n < 128 ? hi >> (n - 64) : 0;
}

/** High half of 2^n - 1, for n in 0..128: the low n bits are ones. */
export function onesHi(n: u32): u64 {
  return n <= 64 ? 0 : u64.MAX_VALUE >> (128 - n);
}

/** Low half of 2^n - 1, for n in 0..128. */
export function onesLo(n: u32): u64 {
  return n == 0 ? 0 : n < 64 ? u64.MAX_VALUE >> (64 - n) : u64.MAX_VALUE;
}
