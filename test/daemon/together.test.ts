// Daemons, launchers and one-shot processes on one store at once.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, addressOf, network } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { storm } from '../integration/support/storm.ts';
import { effort, tried } from '../support/effort.ts';
import { cniEnv, temporaryStore } from '../support/plugin.ts';
import { NOBODY, startDaemon, stopDaemon } from './support/daemon.ts';
import { ask } from './support/frames.ts';

const test = suite('together');

test('two daemons and twenty one-shot processes at a time: nothing given twice, nothing lost', async () => {
  const daemons = [await startDaemon(), await startDaemon()];
  const ways = [NOBODY, ...daemons.map(({ env }) => env)];
  // Whether each gets its turn in time depends on the machine, and is not the question here.
  const envOf = (number: number) => ({ ...ways[number % ways.length], IPAM_DB_CONNECTION_TIMEOUT: '15s' });
  const writers = effort(300, 3_000);
  const figures = await storm({ store: temporaryStore(), writers, atOnce: 60, envOf });
  assert.equal(figures.wrong, [], JSON.stringify(figures));
  assert.ok(figures.adds >= 50 && figures.dels >= 50 && figures.statuses >= 5, JSON.stringify(figures));
  for (const daemon of daemons) await stopDaemon(daemon);
  tried(`${writers} writers through two daemons and by themselves, 60 at a time`);
});

test('a one-shot process gets its turn beside a daemon that is never idle', async () => {
  const store = temporaryStore();
  const conf = network({ 'ipv4-subnet': '10.0.0.0/8' });
  const daemon = await startDaemon();
  let isBusy = true;
  const row = async (name: string) => {
    for (let i = 0; isBusy; i++) {
      const run = await ask(daemon.socket, cniEnv('ADD', store, { CNI_CONTAINERID: `${name}-${i}` }), conf);
      addressOf(run!, 'ADD through the daemon');
    }
  };
  const rows = Array.from({ length: 64 }, (_, i) => row(`row${i}`));
  await sleep(200);
  const env = { ...NOBODY, IPAM_DB_CONNECTION_TIMEOUT: '1s' };
  for (let i = 0; i < 5; i++) {
    addressOf(await add({ store, conf, owner: `one-shot${i}`, env }), `one-shot ADD ${i}`);
  }
  isBusy = false;
  await Promise.all(rows);
  await stopDaemon(daemon);
});

test.run();
