// What a process without a daemon pays for the size of the store that it opens.

import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { ecsIpam } from '../exec/calls.ts';
import { EXECUTABLE, withSpawner, workDirectory } from '../exec/processes.ts';
import { median, type Question, series } from '../harness/question.ts';
import { interleave } from '../harness/rounds.ts';
import { filledStore } from './contestants.ts';

const FIRST_OWNER = 100_000_000;
const NOBODY = '/nonexistent/ecs-ipam.sock';

export const opening: Question = {
  name: 'store/opening',
  asks: 'How long does a process take to open the store and do its first ADD?',
  async run({ quick, progress }) {
    const levels = quick ? [0, 20_000] : [0, 1_000_000];
    const results = await withSpawner(async spawner => {
      const contestants = [];
      for (const leases of levels) {
        const directory = workDirectory();
        copyFileSync(await filledStore(leases), join(directory, 'store.mdb'));
        const plugin = ecsIpam(`${leases.toLocaleString('en')} leases`, [EXECUTABLE], directory, NOBODY);
        let owner = FIRST_OWNER;
        contestants.push({
          name: plugin.name,
          round: async () => ({ ADD: (await spawner.run([plugin.job('ADD', owner++)])).ms[0]! }),
        });
      }
      return interleave(contestants, { rounds: quick ? 15 : 100, warmUps: 2 }, progress);
    });
    const [empty, full] = [...results.values()].map(({ ADD }) => ADD!) as [number[], number[]];
    return {
      series: [...results].map(([contestant, { ADD }]) => series({ contestant, measure: 'ADD', unit: 'ms' }, ADD!)),
      expectations: [{ says: 'the full store, of the empty one', value: median(full) / median(empty), atMost: 1.2 }],
    };
  },
};
