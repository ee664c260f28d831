// Properties of fast-check under the seed of the test run.

import { inspect } from 'node:util';
import fc from 'fast-check';
import { seed } from '../../support/random.ts';

/** So many values, the same under one seed; `part` tells several such rows apart. */
export const valuesOf = <T>(count: number, arbitrary: fc.Arbitrary<T>, part = 0): T[] =>
  fc.sample(arbitrary, { seed: seed + part, numRuns: count });

/** A counterexample may be long. */
const MOST_CHARACTERS = 6000;

/** Fails, with the least case that it finds, unless `work` ends well for each of so many cases. */
export async function holds<T>(
  cases: number,
  arbitrary: fc.Arbitrary<T>,
  work: (value: T) => Promise<void>,
): Promise<void> {
  const details = await fc.check(fc.asyncProperty(arbitrary, work), { seed, numRuns: cases });
  if (!details.failed) return;
  const { counterexample, errorInstance, numRuns, numShrinks } = details;
  const error = errorInstance instanceof Error ? errorInstance.stack : errorInstance;
  const example = inspect(counterexample, { depth: 12, maxStringLength: 200, breakLength: 120 });
  const text = `${example}\n${error}`.slice(0, MOST_CHARACTERS);
  throw new Error(`seed ${seed}: case ${numRuns} fails, after ${numShrinks} steps as\n${text}`);
}
