// The worst that can become of a pool: every second address in use, no two free ones side by side.

import { addressPool } from '../contestants/address-pool.ts';
import { bigIntSet } from '../contestants/bigint-set.ts';
import { type Allocator, type Contestant, ipv6Place } from '../contestants/contestant.ts';
import { coreJs } from '../contestants/core-js.ts';
import { coreWasm } from '../contestants/core-wasm.ts';
import { roaring } from '../contestants/roaring.ts';
import { roaringWasm } from '../contestants/roaring-wasm.ts';
import { count, median, type Question, type Series, series } from '../harness/question.ts';
import { consume, interleave } from '../harness/rounds.ts';
import { nanosecondsEach } from './clock.ts';
import { gather } from './gather.ts';
import { acquirer } from './loops.ts';
import { measured } from './memory.ts';

export const fragmented: Question = {
  name: 'core/fragmented',
  asks: 'Every second address of 4 M in use: what does that take, and how long does an acquire?',
  async run({ quick, progress }) {
    const { contestants, notes } = await gather([addressPool, coreWasm, coreJs, roaring, roaringWasm, bigIntSet]);
    const bits = quick ? 19 : 22;
    const size = 2 ** bits;
    const acquires = quick ? 20_000 : 100_000;
    const kept = contestants.map(contestant => ({ contestant, ...measured(() => everySecond(contestant, bits)) }));
    const takers = kept.map(({ contestant: { name }, allocator }) => {
      const loop = acquirer();
      return {
        name,
        round() {
          // Goes on where the last round ended: the free ones of one stretch after another are taken.
          consume(loop(allocator, acquires / 2));
          return { acquire: nanosecondsEach(acquires, () => consume(loop(allocator, acquires))) };
        },
      };
    });
    const results = await interleave(takers, { rounds: quick ? 5 : 9, warmUps: 1 }, progress);
    for (const { allocator } of kept) allocator.close?.();
    const ns = (name: string) => results.get(name)!.acquire!;
    const own = kept.find(({ contestant }) => contestant === addressPool)!;
    return {
      series: kept.flatMap(({ contestant: { name: contestant }, bytes }): Series[] => [
        series({ contestant, measure: 'acquire', unit: 'ns' }, ns(contestant)),
        count({ contestant, measure: 'memory per address covered', unit: 'bits' }, (bytes * 8) / size),
      ]),
      expectations: [
        { says: 'memory of the pool per address', value: (own.bytes * 8) / size, atMost: 2.5, unit: 'bits' },
        { says: 'acquire', value: median(ns(addressPool.name)), atMost: 100, unit: 'ns' },
      ],
      notes: [
        `${size.toLocaleString('en')} addresses; ${acquires.toLocaleString('en')} acquires in each round, after half of that as warm-up`,
        ...notes,
      ],
    };
  },
};

/** Address by address: nobody makes it in one piece. */
function everySecond(contestant: Contestant, bits: number): Allocator {
  const allocator = contestant.open(ipv6Place(bits));
  for (let offset = 2; offset < 2 ** bits; offset += 2) allocator.take(allocator.handleOf(BigInt(offset)));
  return allocator;
}
