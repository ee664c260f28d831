// Where addresses lie that lie at random; the same in each run.

/** mulberry32: 32 bits at a time. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** `count` different offsets from 1 on below 2^bits, in random order. */
export function* scattered(bits: number, count: number): Generator<bigint> {
  const next = randomOf(bits);
  // 1 M of 2^80 do not meet (one run in a million million), 1 M of 2^22 do.
  const taken = bits <= 32 ? new Uint8Array(2 ** bits) : undefined;
  for (let made = 0; made < count; ) {
    let offset: bigint;
    if (taken === undefined) {
      offset = (BigInt(next()) << 64n) | (BigInt(next()) << 32n) | BigInt(next());
      offset &= (1n << BigInt(bits)) - 1n;
    } else {
      const small = next() >>> (32 - bits);
      if (small === 0 || taken[small] === 1) continue;
      taken[small] = 1;
      offset = BigInt(small);
    }
    made++;
    yield offset;
  }
}

/** Different indexes below `count`, as many as asked for. */
export function pickIndexes(next: () => number, count: number, picks: number): number[] {
  const picked = new Set<number>();
  while (picked.size < picks) picked.add(next() % count);
  return [...picked];
}
