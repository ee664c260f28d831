// One goes, one comes: what a pool does all day.

import { addressPool } from '../contestants/address-pool.ts';
import { bigIntSet } from '../contestants/bigint-set.ts';
import { type Allocator, type Contestant, ipv6Place, type Place, SLASH_48, SLOTS } from '../contestants/contestant.ts';
import { coreJs } from '../contestants/core-js.ts';
import { coreWasm } from '../contestants/core-wasm.ts';
import { ownFunction } from '../contestants/own-copy.ts';
import { roaring } from '../contestants/roaring.ts';
import { roaringWasm } from '../contestants/roaring-wasm.ts';
import { type Answer, count, median, type Question, type Series, series } from '../harness/question.ts';
import { consume, interleave, type Results } from '../harness/rounds.ts';
import { nanosecondsEach } from './clock.ts';
import { gather } from './gather.ts';
import { churnLoop } from './loops.ts';
import { measured } from './memory.ts';
import { pickIndexes, randomOf, scattered } from './random.ts';

const PAIR = 'release and acquire';

type Gathered = Awaited<ReturnType<typeof gather>>;
type Kept = { contestant: Contestant; bytes: number };

export const churn: Question = {
  name: 'core/churn',
  asks: 'Of 1 M live addresses in a range of 4 M a random one is released and the next acquired: how long do both take?',
  async run({ quick, progress }) {
    // A quarter of the range, whatever its size.
    const bits = quick ? 17 : 22;
    const gathered = await gather([addressPool, coreWasm, coreJs, roaring, roaringWasm, bigIntSet]);
    const live = 2 ** (bits - 2);
    return answer(gathered, { place: ipv6Place(bits), bits, live, stays: false }, quick, progress, (ns, bytes) => [
      { says: 'release and acquire', value: ns(addressPool.name), atMost: 150, unit: 'ns' },
      {
        says: 'release and acquire by the ABI, without text',
        value: ns('core in WebAssembly, by its ABI'),
        atMost: 150,
        unit: 'ns',
      },
      {
        says: "the Set's memory, of the pool's",
        value: bytes(bigIntSet.name) / bytes(addressPool.name),
        atLeast: 10,
      },
    ]);
  },
};

export const scatter: Question = {
  name: 'core/scatter',
  asks: 'The same with 1 M addresses at random in a whole /48, where every one of them costs a node?',
  async run({ quick, progress }) {
    // No roaring: its values have 32 bits.
    const gathered = await gather([addressPool, coreWasm, coreJs, bigIntSet]);
    const live = quick ? 20_000 : 1_000_000;
    return answer(gathered, { place: SLASH_48, bits: 80, live, stays: true }, quick, progress, (_ns, bytes) => [
      {
        says: "memory of the pool, of the Set's",
        value: bytes(addressPool.name) / bytes(bigIntSet.name),
        atMost: 1.5,
      },
    ]);
  },
};

interface Situation {
  place: Place;
  bits: number;
  live: number;
  /** Puts back what was released, in time that does not count: else the addresses would move together. */
  stays: boolean;
}

async function answer(
  { contestants, notes }: Gathered,
  situation: Situation,
  quick: boolean,
  progress: Parameters<Question['run']>[0]['progress'],
  expectations: (ns: (name: string) => number, bytes: (name: string) => number) => Answer['expectations'],
): Promise<Answer> {
  const { place, bits, live, stays } = situation;
  const pairs = quick ? 4 * SLOTS : 50 * SLOTS;
  const kept: Kept[] = [];
  const takers = [];
  const offsets = [...scattered(bits, live)];
  for (const contestant of contestants) {
    const { allocator, bytes } = measured(() => {
      const allocator = contestant.open(place);
      for (const offset of offsets) allocator.take(allocator.handleOf(offset));
      return allocator;
    });
    kept.push({ contestant, bytes });
    const handles = offsets.map(offset => allocator.handleOf(offset));
    takers.push(churner(contestant.name, allocator, handles, { pairs, stays }));
  }
  const results: Results = await interleave(takers, { rounds: quick ? 5 : 7, warmUps: 1 }, progress);
  for (const { allocator } of takers) allocator.close?.();
  const ns = (name: string) => results.get(name)![PAIR]!;
  const bytesOf = (name: string) => kept.find(({ contestant }) => contestant.name === name)!.bytes;
  return {
    series: kept.flatMap(({ contestant: { name: contestant }, bytes }): Series[] => [
      series({ contestant, measure: PAIR, unit: 'ns' }, ns(contestant)),
      count({ contestant, measure: 'memory per live address', unit: 'bytes' }, bytes / live),
    ]),
    expectations: expectations(name => median(ns(name)), bytesOf),
    notes: [
      `${live.toLocaleString('en')} live in ${place.subnet}; ${pairs.toLocaleString('en')} pairs in each round, ` +
        'after as many as warm-up',
      'AddressPool releases bytes, as the core by its ABI does',
      ...(stays ? ['after each batch of pairs the addresses are put back to where they were, which is not timed'] : []),
      ...notes,
    ],
  };
}

function churner<Handle>(
  name: string,
  allocator: Allocator<Handle>,
  live: Handle[],
  { pairs, stays }: { pairs: number; stays: boolean },
) {
  const loop = ownFunction(churnLoop<Handle>);
  const next = randomOf(1);
  const batch = (): number => {
    const picked = pickIndexes(next, live.length, SLOTS);
    const leaving = picked.map(i => copyOf(live[i]!));
    // Flattened, if it is text.
    for (const handle of leaving) consume(String(handle).charCodeAt(0));
    let done = 0;
    const ns = nanosecondsEach(1, () => {
      done = loop(allocator, leaving);
    });
    if (done !== SLOTS) throw new Error(`${name}: ${done} of ${SLOTS} pairs`);
    consume(done);
    // All that came are given back before the first of those that left returns: it may be one of them.
    if (stays) for (let slot = 0; slot < SLOTS; slot++) allocator.release(allocator.handleAt(slot));
    for (const [slot, i] of picked.entries()) {
      if (stays) allocator.take(leaving[slot]!);
      else live[i] = allocator.handleAt(slot);
    }
    return ns;
  };
  return {
    name,
    allocator: allocator as Allocator,
    round() {
      for (let done = 0; done < pairs; done += SLOTS) batch();
      let ns = 0;
      for (let done = 0; done < pairs; done += SLOTS) ns += batch();
      return { [PAIR]: ns / pairs };
    },
  };
}

/** One copy lies beside the other: what a million handles, spread over the heap, cost their holder is not measured. */
function copyOf<Handle>(handle: Handle): Handle {
  if (handle instanceof Uint8Array) return handle.slice() as Handle;
  return (typeof handle === 'bigint' ? -(-handle) : handle) as Handle;
}
