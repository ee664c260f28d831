// Many containers start at once.

import { existsSync } from 'node:fs';
import { type Expectation, median, type Question, series } from '../harness/question.ts';
import { type Contestant, interleave } from '../harness/rounds.ts';
import { ecsIpam, HOST_LOCAL, hostLocal, nothing, type Plugin } from './calls.ts';
import { buildEmptyProgram, LAUNCHER, startDaemon, withSpawner, workDirectory } from './processes.ts';

const IN_FLIGHT = 32;
const EMPTY = 'empty process';
const LANE = 'launcher and daemon';
const PEER = 'host-local, from an empty directory';

export const throughput: Question = {
  name: 'exec/throughput',
  asks: `How many ADDs a second are done with ${IN_FLIGHT} processes in flight?`,
  async run({ quick, progress }) {
    const calls = quick ? 64 : 2000;
    const directory = workDirectory();
    const daemon = await startDaemon(directory);
    const empty = buildEmptyProgram(directory);
    const results = await withSpawner(spawner => {
      const contestant = (name: string, plugin: () => Plugin): Contestant => ({
        name,
        async round() {
          const fresh = plugin();
          const jobs = Array.from({ length: calls }, (_, i) => fresh.job('ADD', i));
          const { totalMs } = await spawner.run(jobs, IN_FLIGHT);
          return { rate: calls / (totalMs / 1000) };
        },
      });
      return interleave(
        [
          contestant(LANE, () => ecsIpam(LANE, [LAUNCHER], workDirectory(), daemon.socket)),
          ...(empty === undefined ? [] : [contestant(EMPTY, () => nothing([empty]))]),
          ...(existsSync(HOST_LOCAL) ? [contestant(PEER, () => hostLocal(PEER, workDirectory()))] : []),
        ],
        { rounds: 5, warmUps: 1 },
        progress,
      );
    });
    await daemon.stop();
    const rates = (name: string) => results.get(name)?.rate ?? [];
    const expectations: Expectation[] = [];
    if (rates(PEER).length > 0) {
      const value = median(rates(LANE)) / median(rates(PEER));
      expectations.push({ says: 'calls a second, of host-local', value, atLeast: 3 });
    }
    return {
      series: [...results].map(([contestant, { rate }]) =>
        series({ contestant, measure: `${calls} ADDs`, unit: '/s' }, rate!),
      ),
      expectations,
    };
  },
};
