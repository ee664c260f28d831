// All taken but one, and that one as far from the cursor as can be.

import { addressPool } from '../contestants/address-pool.ts';
import { bigIntSet } from '../contestants/bigint-set.ts';
import { type Contestant, ipv4Place, lastUsableOffset } from '../contestants/contestant.ts';
import { roaring } from '../contestants/roaring.ts';
import { roaringWasm } from '../contestants/roaring-wasm.ts';
import { median, type Question, quantile, type Series, series } from '../harness/question.ts';
import { interleave, type Contestant as Taker } from '../harness/rounds.ts';
import { gather } from './gather.ts';

const SLASH_8 = 24;
const SLASH_16 = 16;

interface Case {
  contestant: Contestant;
  bits: number;
  acquires: number;
}

export const last: Question = {
  name: 'core/last',
  asks: 'How long does it take to find the last free address of a /8, when the search has to go all the way round?',
  async run({ quick, progress }) {
    const { contestants, notes } = await gather([roaring, roaringWasm, bigIntSet]);
    const cases: Case[] = [
      { contestant: addressPool, bits: SLASH_8, acquires: quick ? 2_000 : 20_000 },
      { contestant: addressPool, bits: SLASH_16, acquires: quick ? 2_000 : 20_000 },
      // Those who look at one address after another: a /8 would take them a second for each acquire.
      ...contestants.map(contestant => ({ contestant, bits: SLASH_16, acquires: quick ? 4 : 50 })),
    ];
    const takers = cases.map(taker);
    const results = await interleave(takers, { rounds: quick ? 5 : 7, warmUps: 1 }, progress);
    const us = (i: number, measure: string) => results.get(takers[i]!.name)![measure]!;
    return {
      series: cases.flatMap(({ contestant: { name: contestant }, bits }, i): Series[] =>
        ['p50', 'p99'].map(measure => series({ contestant, measure, unit: 'µs', at: 2 ** bits }, us(i, measure))),
      ),
      expectations: [
        { says: 'p99 of the last free address of a /8', value: median(us(0, 'p99')), atMost: 5, unit: 'µs' },
      ],
      notes: [
        'the free address lies right before the cursor; single acquires, each with the two looks at the clock',
        'a Set and roaring look at one address after another, and only in a /16',
        ...notes,
      ],
    };
  },
};

function taker({ contestant, bits, acquires }: Case): Taker {
  const place = ipv4Place(bits);
  const lastOffset = lastUsableOffset(place);
  const allocator = contestant.open(place);
  allocator.fill(Number(lastOffset));
  // The cursor stands on the last address now. What lies before it becomes free, is acquired, and has the cursor.
  let free = lastOffset;
  return {
    name: `${contestant.name} ${bits}`,
    round() {
      const us: number[] = [];
      // Code and caches get warm: the others ran in between.
      for (let i = -acquires; i < acquires; i++) {
        free = free === 1n ? lastOffset : free - 1n;
        if (!allocator.release(allocator.handleOf(free))) throw new Error(`${contestant.name}: it was free`);
        const startMs = performance.now();
        const found = allocator.acquireAt(0);
        const ms = performance.now() - startMs;
        if (!found) throw new Error(`${contestant.name}: not found`);
        if (i >= 0) us.push(ms * 1000);
      }
      return { p50: quantile(us, 0.5), p99: quantile(us, 0.99) };
    },
  };
}
