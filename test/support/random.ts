// Random numbers that one seed replays. The seed is printed, and taken from ECS_IPAM_TEST_SEED if that is set.

import { createHash } from 'node:crypto';

export class Random {
  readonly #name: string;
  #counter = 0;

  constructor(purpose: string) {
    const seed = process.env.ECS_IPAM_TEST_SEED ?? String(Date.now());
    this.#name = `${purpose} ${seed}`;
    console.log(`seed ${seed} (${purpose}; replay with ECS_IPAM_TEST_SEED)`);
  }

  /** An integer, 0 <= n < limit. */
  below(limit: number): number {
    const digest = createHash('sha256')
      .update(`${this.#name} ${this.#counter++}`)
      .digest();
    return Number(digest.readBigUInt64LE() % BigInt(limit));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  chance(probability: number): boolean {
    return this.below(1_000_000) < probability * 1_000_000;
  }
}
