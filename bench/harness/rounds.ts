// Contestants take turns, round after round: what slows the machine down for a while slows all of them down. In each
// round their order is another one: nobody always runs in the wake of the same.

import { setTimeout } from 'node:timers/promises';
import { shuffle } from 'simple-statistics';
import type { Progress } from './progress.ts';

export interface Contestant {
  name: string;
  /** One round: what it measured, by the name of the measure. */
  round(): Promise<Record<string, number>> | Record<string, number>;
}

export interface Rounds {
  rounds: number;
  /** Rounds before the first that counts. */
  warmUps: number;
}

/** Values of all rounds, by contestant and measure. */
export type Results = Map<string, Record<string, number[]>>;

export async function interleave(
  contestants: readonly Contestant[],
  { rounds, warmUps }: Rounds,
  progress: Progress,
): Promise<Results> {
  const results: Results = new Map(contestants.map(({ name }) => [name, {}]));
  progress.begin((rounds + warmUps) * contestants.length);
  for (let round = -warmUps; round < rounds; round++) {
    for (const contestant of shuffle([...contestants])) {
      await collect();
      const values = await contestant.round();
      progress.step(contestant.name);
      if (round < 0) continue;
      const own = results.get(contestant.name)!;
      for (const [measure, value] of Object.entries(values)) {
        own[measure] ??= [];
        own[measure].push(value);
      }
    }
  }
  progress.end();
  return results;
}

/**
 * Collects what nobody needs, and lets V8 finish: after the collection it sweeps beside the program, on what may be the
 * other half of its core. That takes about as long as the collection.
 */
async function collect(): Promise<void> {
  const startMs = performance.now();
  globalThis.gc?.();
  await setTimeout(2 * (performance.now() - startMs));
}

let sink = 0;

/** Keeps the compiler from leaving out what computes `value`. */
export function consume(value: number): void {
  sink ^= value;
}

/** To be printed, which nothing can leave out. */
export const consumed = (): number => sink;
