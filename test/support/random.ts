// Random numbers that a seed determines: ECS_IPAM_TEST_SEED, or a new one each time. The seed is printed.

const given = process.env.ECS_IPAM_TEST_SEED;

/** An unsigned 31-bit number. */
export const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 31) throw new Error(`ECS_IPAM_TEST_SEED ${given}: no seed`);
console.log(`seed ${seed} (again: ECS_IPAM_TEST_SEED=${seed})`);

/** mulberry32, from the seed and a name: what one case draws does not depend on the cases before it. */
export class Random {
  #state: number;

  constructor(name: string) {
    this.#state = seed;
    for (const char of name) this.#state = Math.imul(this.#state ^ char.charCodeAt(0), 0x01000193) >>> 0;
  }

  /** 0 <= result < 1, of 32 bits. */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** An integer, 0 <= result < end. */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** first <= result <= last. */
  between(first: bigint, last: bigint): bigint {
    let bits = 0n;
    for (let i = 0; i < 5; i++) bits = (bits << 32n) | BigInt(Math.floor(this.fraction() * 2 ** 32));
    return first + (bits % (last - first + 1n));
  }
}
