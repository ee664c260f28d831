// Times of leases: the clock's, but never the same for one owner twice.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { distinctTimes } from '../../src/cni/times.ts';

const test = suite('times');

/** The times that owners get at the times of a clock. */
function timesOf(moments: [clock: number, owner: string][]): number[] {
  let nowMs = 0;
  const timeFor = distinctTimes(() => nowMs);
  return moments.map(([clock, owner]) => {
    nowMs = clock;
    return timeFor(owner);
  });
}

for (const [what, moments, expected] of [
  [
    'the clock of each moment',
    [
      [5, 'a'],
      [6, 'a'],
      [9, 'b'],
    ],
    [5, 6, 9],
  ],
  [
    'several owners in one moment',
    [
      [5, 'a'],
      [5, 'b'],
      [5, 'c'],
    ],
    [5, 5, 5],
  ],
  [
    'one owner several times in one moment',
    [
      [5, 'a'],
      [5, 'a'],
      [5, 'b'],
      [5, 'a'],
    ],
    [5, 6, 5, 7],
  ],
  [
    'the moment that an owner has had in advance',
    [
      [5, 'a'],
      [5, 'a'],
      [6, 'b'],
      [6, 'a'],
      [9, 'a'],
    ],
    [5, 6, 6, 7, 9],
  ],
  [
    'a clock that goes back a little',
    [
      [500, 'a'],
      [400, 'b'],
      [400, 'a'],
      [500, 'a'],
    ],
    [500, 400, 501, 502],
  ],
  [
    'a clock that is set back',
    [
      [900_000, 'a'],
      [5, 'a'],
      [5, 'a'],
    ],
    [900_000, 5, 6],
  ],
] as [string, [number, string][], number[]][]) {
  test(what, () => assert.equal(timesOf(moments), expected));
}

test.run();
