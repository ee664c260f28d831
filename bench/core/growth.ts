// More and more live addresses.

import { addressPool } from '../contestants/address-pool.ts';
import { bigIntSet } from '../contestants/bigint-set.ts';
import { type Contestant, SLASH_48 } from '../contestants/contestant.ts';
import { roaring } from '../contestants/roaring.ts';
import { roaringWasm } from '../contestants/roaring-wasm.ts';
import { count, type Expectation, median, type Question, type Series, series } from '../harness/question.ts';
import { consume, interleave, type Contestant as Taker } from '../harness/rounds.ts';
import { nanosecondsEach } from './clock.ts';
import { gather } from './gather.ts';
import { acquirer } from './loops.ts';
import { measured } from './memory.ts';

const LIVE = [1_000, 100_000, 10_000_000, 100_000_000, 1_000_000_000];
const FEW = LIVE[0]!;
const MOST = LIVE.at(-1)!;
/** The one that filling is timed at. */
const AT_ONCE = 100_000_000;
/** How many are acquired to be timed, in a quick run and in a full one: they come on top of the live ones. */
const NEXT = { quick: 20_000, full: 50_000 };
/**
 * How many a twin acquires before. Memory is measured behind a collection, and what V8 has compiled for an allocator
 * goes with that: the loop has to be warm again, and the live addresses are not to become more by that.
 */
const WARM_UP = { quick: 50_000, full: 500_000 };

const ACQUIRE = 'next acquire';
const FILL = 'fill';

export const growth: Question = {
  name: 'core/growth',
  asks: 'What do a thousand million live addresses of a /48 cost, in time and in memory?',
  async run({ quick, progress }) {
    const { contestants, notes } = await gather([addressPool, roaring, roaringWasm, bigIntSet]);
    // A Set is filled one by one, and cannot hold more than 2^24.
    const most = (contestant: Contestant) => (contestant === bigIntSet ? (quick ? 100_000 : 10_000_000) : MOST);
    const cases = contestants.flatMap(contestant =>
      LIVE.filter(live => live <= most(contestant)).map(live => ({ contestant, live, bytes: 0 })),
    );
    const keyOf = ({ contestant, live }: (typeof cases)[number]) => `${contestant.name} ${live}`;
    const [next, warmUp] = quick ? [NEXT.quick, WARM_UP.quick] : [NEXT.full, WARM_UP.full];
    const loops = new Map(contestants.map(contestant => [contestant, acquirer()]));
    const takers = cases.map((each): Taker => {
      const loop = loops.get(each.contestant)!;
      return {
        name: keyOf(each),
        round() {
          const filled = { ns: 0 };
          const { allocator, bytes } = measured(() => {
            const allocator = each.contestant.open(SLASH_48);
            filled.ns = nanosecondsEach(1, () => allocator.fill(each.live));
            return allocator;
          });
          const twin = each.contestant.open(SLASH_48);
          consume(loop(twin, warmUp));
          const ns = nanosecondsEach(next, () => consume(loop(allocator, next)));
          // Before the loop: what the acquired ones take is not meant.
          each.bytes = bytes;
          allocator.close?.();
          twin.close?.();
          return { [ACQUIRE]: ns, [FILL]: filled.ns / 1e6 };
        },
      };
    });
    const results = await interleave(takers, { rounds: quick ? 5 : 9, warmUps: 1 }, progress);
    const values = (contestant: string, live: number, measure: string) =>
      results.get(`${contestant} ${live}`)?.[measure] ?? [];
    const bytesAt = (live: number) => cases.find(each => each.contestant === addressPool && each.live === live)!.bytes;
    return {
      series: cases.flatMap(({ contestant: { name: contestant }, live: at, bytes }): Series[] => [
        series({ contestant, measure: ACQUIRE, unit: 'ns', at }, values(contestant, at, ACQUIRE)),
        series({ contestant, measure: FILL, unit: 'ms', at }, values(contestant, at, FILL)),
        count({ contestant, measure: 'memory', unit: 'KiB', at }, bytes / 1024),
      ]),
      expectations: expectations(
        (live, measure) => median(values(addressPool.name, live, measure)),
        Math.max(...LIVE.map(bytesAt)) / 1024,
      ),
      notes: [
        `${next.toLocaleString('en')} acquires in each round, after ${warmUp.toLocaleString('en')} of a twin as warm-up`,
        'filled by acquireMany and addRange; the Set one by one, as far as there is time for (2^24 is its end)',
        'memory: of the pool its WebAssembly memory, of roaring the serialised form, of the Set the heap',
        ...notes,
      ],
    };
  },
};

function expectations(ofPool: (live: number, measure: string) => number, mostKiB: number): Expectation[] {
  return [
    ...LIVE.filter(live => live > FEW).map(live => ({
      says: `next acquire at ${live.toLocaleString('en')} live, of that at 1,000`,
      value: ofPool(live, ACQUIRE) / ofPool(FEW, ACQUIRE),
      atMost: 1.5,
    })),
    { says: 'memory of the pool, at most', value: mostKiB, atMost: 256, unit: 'KiB' },
    { says: 'acquireMany(100,000,000)', value: ofPool(AT_ONCE, FILL), atMost: 1, unit: 'ms' },
  ];
}
