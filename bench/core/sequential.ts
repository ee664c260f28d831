// One address after another out of an empty /48.

import { addressPool, addressPoolText } from '../contestants/address-pool.ts';
import { bigIntSet } from '../contestants/bigint-set.ts';
import { cidrTools } from '../contestants/cidr-tools.ts';
import { type Contestant, SLASH_48 } from '../contestants/contestant.ts';
import { coreJs } from '../contestants/core-js.ts';
import { coreWasm } from '../contestants/core-wasm.ts';
import { ipAddress } from '../contestants/ip-address.ts';
import { ipaddrJs } from '../contestants/ipaddr-js.ts';
import { netmask } from '../contestants/netmask.ts';
import { roaring, roaringAdd } from '../contestants/roaring.ts';
import { roaringWasm } from '../contestants/roaring-wasm.ts';
import { type Expectation, median, type Question, series } from '../harness/question.ts';
import { consume, interleave, type Contestant as Taker } from '../harness/rounds.ts';
import { nanosecondsEach } from './clock.ts';
import { gather } from './gather.ts';
import { acquirer } from './loops.ts';

const ACQUIRE = 'acquire';
const ROARING_ADD = 'roaring (native), add alone';

export const sequential: Question = {
  name: 'core/sequential',
  asks: 'How long does it take to acquire the next address of a /48?',
  async run({ quick, progress }) {
    const many = quick ? 100_000 : 1_000_000;
    const few = quick ? 250 : 10_000;
    const fast = await gather([
      addressPool,
      addressPoolText,
      coreWasm,
      coreJs,
      bigIntSet,
      roaring,
      roaringAdd,
      roaringWasm,
    ]);
    const slow = await gather([ipaddrJs, ipAddress, netmask, cidrTools]);
    const takers = [
      ...fast.contestants.map(contestant => taker(contestant, many)),
      ...slow.contestants.map(contestant => taker(contestant, few)),
    ];
    const results = await interleave(takers, { rounds: quick ? 5 : 7, warmUps: 1 }, progress);
    const ns = (name: string) => results.get(name)?.[ACQUIRE] ?? [];
    return {
      series: takers.map(({ name }) => series({ contestant: name, measure: ACQUIRE, unit: 'ns' }, ns(name))),
      expectations: expectations(name => median(ns(name)), results.has(ROARING_ADD)),
      notes: [
        `${many.toLocaleString('en')} addresses in each round, after a quarter of that as warm-up, out of an empty allocator; ` +
          `${few.toLocaleString('en')} with a Set of strings`,
        'a Set and roaring look at one address after another with a cursor; roaring holds 32-bit offsets',
        ...fast.notes,
        ...slow.notes,
      ],
    };
  },
};

function taker(contestant: Contestant, count: number): Taker {
  const loop = acquirer();
  return {
    name: contestant.name,
    round() {
      const allocator = contestant.open(SLASH_48);
      // Code and caches get warm: the others ran in between.
      consume(loop(allocator, count / 4));
      const ns = nanosecondsEach(count, () => consume(loop(allocator, count)));
      allocator.close?.();
      return { [ACQUIRE]: ns };
    },
  };
}

function expectations(ns: (name: string) => number, hasRoaring: boolean): Expectation[] {
  const own = ns(addressPool.name);
  const list: Expectation[] = [
    { says: 'acquireInto', value: own, atMost: 40, unit: 'ns' },
    { says: 'the Set of BigInt, of acquireInto', value: ns(bigIntSet.name) / own, atLeast: 15 },
    { says: 'acquire, which makes text', value: ns(addressPoolText.name), atMost: 300, unit: 'ns' },
  ];
  if (hasRoaring) list.push({ says: "acquireInto, of native roaring's add", value: own / ns(ROARING_ADD), atMost: 1 });
  return list;
}
