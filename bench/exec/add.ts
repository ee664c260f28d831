// What a container runtime waits for: one ADD after another, in a process each.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Expectation, median, type Question, quantile, type Series, series } from '../harness/question.ts';
import { type Contestant, interleave } from '../harness/rounds.ts';
import { ecsIpam, fillHostLocal, HOST_LOCAL, hostLocal, nothing, type Plugin } from './calls.ts';
import { addMany } from './client.ts';
import {
  buildEmptyProgram,
  EXECUTABLE,
  LAUNCHER,
  NODE_PROGRAM,
  type Spawner,
  startDaemon,
  withSpawner,
  workDirectory,
} from './processes.ts';

const NOBODY = '/nonexistent/ecs-ipam.sock';
/** The measured owners; the stores are filled with others. */
const FIRST_OWNER = 10_000_000;

const EMPTY = 'empty process';
const LANE = (leases: number) => `launcher and daemon, ${leases.toLocaleString('en')} leases`;
const ONE_SHOT = 'launcher without daemon';
const BARE = 'executable without launcher';
const PEER = 'host-local, 1,000 leases';

export const add: Question = {
  name: 'exec/add',
  asks: 'How long does a runtime wait for an ADD of both families?',
  async run({ quick, progress }) {
    const rounds = quick ? 5 : 200;
    const directory = workDirectory();
    const daemon = await startDaemon(directory);
    const plugins: Plugin[] = [];
    const empty = buildEmptyProgram(directory);
    if (empty !== undefined) plugins.push({ ...nothing([empty]), name: EMPTY });
    for (const leases of [1000, quick ? 10_000 : 100_000]) {
      const own = workDirectory();
      const store = join(own, 'store.mdb');
      await addMany({ socket: daemon.socket, store, from: 0, requests: leases, inFlight: 64 });
      plugins.push(ecsIpam(LANE(leases), [LAUNCHER], own, daemon.socket));
    }
    plugins.push(ecsIpam(ONE_SHOT, [LAUNCHER], workDirectory(), NOBODY));
    plugins.push(ecsIpam(BARE, [EXECUTABLE], workDirectory(), NOBODY));
    plugins.push(ecsIpam('the same on Node.js', [process.execPath, NODE_PROGRAM], workDirectory(), NOBODY));
    plugins.push({ ...nothing([process.execPath, '-e', '0']), name: 'node -e 0' });
    if (existsSync(HOST_LOCAL)) {
      const peer = workDirectory();
      fillHostLocal(peer, 1000);
      plugins.push(hostLocal(PEER, peer));
    }
    const results = await withSpawner(spawner =>
      interleave(
        plugins.map(plugin => caller(plugin, spawner)),
        { rounds, warmUps: 2 },
        progress,
      ),
    );
    await daemon.stop();
    const ms = (name: string) => results.get(name)?.ADD ?? [];
    return {
      series: plugins.flatMap(({ name }) => figures(name, ms(name))),
      expectations: expectations(ms, quick),
      notes: existsSync(HOST_LOCAL) ? [] : [`host-local is not at ${HOST_LOCAL}: install containernetworking-plugins`],
    };
  },
};

/** An ADD that is measured, and a DEL that is not, so that the number of leases stays. */
export function caller(plugin: Plugin, spawner: Spawner): Contestant {
  let number = FIRST_OWNER;
  return {
    name: plugin.name,
    async round() {
      number++;
      const { ms } = await spawner.run([plugin.job('ADD', number)]);
      await spawner.run([plugin.job('DEL', number)]);
      return { ADD: ms[0]! };
    },
  };
}

const figures = (contestant: string, ms: number[]): Series[] => [
  series({ contestant, measure: 'ADD', unit: 'ms' }, ms),
  series({ contestant, measure: 'p99', unit: 'ms' }, [quantile(ms, 0.99)]),
];

function expectations(ms: (name: string) => number[], quick: boolean): Expectation[] {
  const p50 = (name: string) => median(ms(name));
  const lane = LANE(1000);
  const more = LANE(quick ? 10_000 : 100_000);
  const list: Expectation[] = [
    { says: 'p99 of the fast lane, of its p50', value: quantile(ms(lane), 0.99) / p50(lane), atMost: 4 },
    { says: `${more}, of 1,000 leases`, value: p50(more) / p50(lane), atMost: 1.2 },
  ];
  if (ms(PEER).length > 0) {
    list.push({ says: 'fast lane, of host-local at 1,000 leases', value: p50(lane) / p50(PEER), atMost: 0.2 });
  }
  if (ms(EMPTY).length > 0) {
    list.push({ says: 'fast lane, of an empty process', value: p50(lane) / p50(EMPTY), atMost: 2.5 });
    const added = p50(ONE_SHOT) - p50(BARE);
    // Two starts (the launcher's own and the fork of its child) and what the exec of a static program costs.
    list.push({
      says: 'what the launcher adds to a one-shot ADD, of an empty process',
      value: added / p50(EMPTY),
      atMost: 2,
    });
  }
  return list;
}
