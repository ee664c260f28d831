// What a durable ADD costs the disk and the clock, as the store grows.

import { bytesWrittenBy } from '../exec/processes.ts';
import { type Expectation, type Question, type Series, series } from '../harness/question.ts';
import { type Contestant, interleave } from '../harness/rounds.ts';
import { type Keeper, lmdb, sqlite } from './contestants.ts';
import { addAll } from './world.ts';

const BATCH = 64;
const PAGE_BYTES = 4096;
/** Far behind the owners that the stores are filled with. */
const FIRST_OWNER = 100_000_000;

export const storeAdd: Question = {
  name: 'store/add',
  asks: 'How long does a durable dual-stack ADD take in one process, and what does it write?',
  async run({ quick, progress }) {
    const levels = quick ? [0, 2_000, 20_000] : [0, 100_000, 1_000_000];
    const [rounds, lone, batches] = quick ? [5, 10, 3] : [10, 40, 10];
    const figures: Series[] = [];
    const notes: string[] = [];
    for (const leases of levels) {
      const keepers = [await lmdb(leases), await sqlite(leases)].filter(keeper => keeper !== undefined);
      if (keepers.length < 2 && leases === levels[0]) notes.push('better-sqlite3 is not installed here');
      const results = await interleave(
        keepers.map(keeper => contestant(keeper, lone, batches)),
        { rounds, warmUps: 1 },
        progress,
      );
      for (const keeper of keepers) await keeper.close();
      for (const [name, values] of results) {
        for (const [measure, unit] of MEASURES) {
          figures.push(series({ contestant: name, measure, unit, at: leases }, values[measure]!));
        }
      }
    }
    return { series: figures, expectations: expectations(figures, levels), notes };
  },
};

const MEASURES = [
  ['one after another', 'µs'],
  ['pages, one after another', ''],
  [`${BATCH} at once`, 'µs'],
  [`pages, ${BATCH} at once`, ''],
] as const;

function contestant(keeper: Keeper, lone: number, batches: number): Contestant {
  let owner = FIRST_OWNER;
  /** Commits so many transactions of so many ADDs: microseconds and pages for one ADD. */
  const measure = async (transactions: number, adds: number): Promise<[us: number, pages: number]> => {
    const bytes = bytesWrittenBy(process.pid);
    const startMs = performance.now();
    for (let i = 0; i < transactions; i++) {
      const from = owner;
      owner += adds;
      await keeper.commit(transaction => addAll(transaction, from, from + adds));
    }
    const us = ((performance.now() - startMs) * 1000) / transactions / adds;
    return [us, (bytesWrittenBy(process.pid) - bytes) / PAGE_BYTES / transactions / adds];
  };
  return {
    name: keeper.name,
    async round() {
      const [loneUs, lonePages] = await measure(lone, 1);
      const [batchUs, batchPages] = await measure(batches, BATCH);
      const [[l], [lp], [b], [bp]] = MEASURES;
      return { [l]: loneUs, [lp]: lonePages, [b]: batchUs, [bp]: batchPages };
    },
  };
}

function expectations(figures: readonly Series[], levels: readonly number[]): Expectation[] {
  const [first, , last] = levels as [number, number, number];
  const of = (measure: string, at: number) =>
    figures.find(figure => figure.contestant === 'LMDB' && figure.measure === measure && figure.at === at)!.median;
  const [[lone], [lonePages], [batch], [batchPages]] = MEASURES;
  const from = `of an empty store, at ${last.toLocaleString('en')} leases`;
  return [
    { says: `time of a lone ADD, ${from}`, value: of(lone, last) / of(lone, first), atMost: 1.5 },
    { says: `time of one of ${BATCH}, ${from}`, value: of(batch, last) / of(batch, first), atMost: 1.5 },
    { says: 'pages of a lone ADD', value: Math.max(...levels.map(at => of(lonePages, at))), atMost: 11 },
    { says: `pages of one of ${BATCH}`, value: Math.max(...levels.map(at => of(batchPages, at))), atMost: 2 },
  ];
}
