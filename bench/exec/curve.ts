// Whether an ADD gets slower as leases pile up.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Expectation, median, type Question, type Series, series } from '../harness/question.ts';
import { type Contestant, interleave } from '../harness/rounds.ts';
import { caller } from './add.ts';
import { ecsIpam, fillHostLocal, HOST_LOCAL, hostLocal } from './calls.ts';
import { addMany } from './client.ts';
import { LAUNCHER, startDaemon, withSpawner, workDirectory } from './processes.ts';

const US = 'launcher and daemon';
const PEER = 'host-local';

export const curve: Question = {
  name: 'exec/curve',
  asks: 'How does the time of an ADD grow with the leases that are there?',
  async run({ quick, progress }) {
    const ours = quick ? [0, 1000, 2000] : [0, 1000, 2000, 4000, 10_000, 30_000, 100_000];
    const theirs = existsSync(HOST_LOCAL) ? [0, 1000, ...(quick ? [] : [2000, 4000])] : [];
    const daemon = await startDaemon(workDirectory());
    const results = await withSpawner(async spawner => {
      const contestants: Contestant[] = [];
      for (const leases of ours) {
        const directory = workDirectory();
        const store = join(directory, 'store.mdb');
        if (leases > 0) await addMany({ socket: daemon.socket, store, from: 0, requests: leases, inFlight: 64 });
        contestants.push(caller(ecsIpam(nameOf(US, leases), [LAUNCHER], directory, daemon.socket), spawner));
      }
      for (const leases of theirs) {
        const directory = workDirectory();
        fillHostLocal(directory, leases);
        contestants.push(caller(hostLocal(nameOf(PEER, leases), directory), spawner));
      }
      return interleave(contestants, { rounds: quick ? 5 : 100, warmUps: 2 }, progress);
    });
    await daemon.stop();
    const ms = (contestant: string, leases: number) => results.get(nameOf(contestant, leases))!.ADD!;
    const figures = (contestant: string, levels: number[]): Series[] =>
      levels.map(at => series({ contestant, measure: 'ADD', unit: 'ms', at }, ms(contestant, at)));
    const most = ours.at(-1)!;
    const expectations: Expectation[] = [
      {
        says: `${US}, ${most.toLocaleString('en')} leases, of 1,000`,
        value: median(ms(US, most)) / median(ms(US, 1000)),
        atMost: 1.2,
      },
    ];
    return { series: [...figures(US, ours), ...figures(PEER, theirs)], expectations };
  },
};

const nameOf = (contestant: string, leases: number) => `${contestant}, ${leases} leases`;
