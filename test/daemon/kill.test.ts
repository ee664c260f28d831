// SIGKILL of the daemon under load: what was acknowledged is there, nothing is given twice, every caller is answered.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdFlock, letGo } from '../integration/support/hold.ts';
import { add, addressesOf, distinct, dualStack, list, refused } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { cniEnv, type Run, temporaryStore } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { type Daemon, startDaemon, stopDaemon, temporarySocket } from './support/daemon.ts';
import { ask } from './support/frames.ts';

const test = suite('kill of the daemon');

const ROUNDS = 6;
const BURST = 32;
const TRY_AGAIN = 11;
const conf = dualStack({ 'ipv4-subnet': '10.0.0.0/16' });

/** Every ADD that ever was, by owner: its addresses, or undefined if its answer was lost. */
type Answers = Map<string, string[] | undefined>;

function note(answers: Answers, owner: string, run: Run): void {
  if (run.status === 0) answers.set(owner, addressesOf(run, `ADD of ${owner}`));
  else {
    refused(run, TRY_AGAIN, `ADD of ${owner}`);
    answers.set(owner, undefined);
  }
}

/** What the store holds is what was answered; of what was lost, both families or none. */
async function compare(store: string, answers: Answers, what: string): Promise<void> {
  const leases = (await list(store)).filter(({ kind }) => kind === 'container');
  distinct(
    leases.map(({ address }) => address),
    what,
  );
  const byOwner = new Map<string, string[]>();
  for (const { address, containerId } of leases) {
    const owner = containerId as string;
    byOwner.set(owner, [...(byOwner.get(owner) ?? []), address]);
  }
  for (const [owner, addresses] of answers) {
    const held = byOwner.get(owner) ?? [];
    byOwner.delete(owner);
    if (addresses !== undefined) assert.equal(held.sort(), addresses.sort(), `${what}: acknowledged to ${owner}`);
    else assert.ok([0, 2].includes(held.length), `${what}: ${owner} was not answered and holds ${held}`);
  }
  assert.equal([...byOwner.keys()], [], `${what}: leases of nobody`);
}

/** Bursts of launchers and a few steady ones, until the daemon is killed in the midst of them. */
async function killUnderLoad(daemon: Daemon, store: string, answers: Answers, round: number, delayMs: number) {
  const launch = async (owner: string) => note(answers, owner, await add({ store, conf, owner, env: daemon.env }));
  let isAlive = true;
  const row = async (name: string) => {
    for (let i = 0; isAlive; i++) await launch(`${name}-${i}`);
  };
  const rows = Array.from({ length: 4 }, (_, i) => row(`round${round}-row${i}`));
  await sleep(50);
  // While the store is locked, calls pile up in the daemon.
  const holder = await holdFlock(store);
  const burst = Array.from({ length: BURST }, (_, i) => launch(`round${round}-burst${i}`));
  await sleep(150);
  await letGo(holder);
  await sleep(delayMs);
  await daemon.end('SIGKILL');
  isAlive = false;
  await Promise.all([...rows, ...burst]);
}

test(`${ROUNDS} daemons killed with dozens of calls in flight`, async () => {
  const random = new Random('killed daemons');
  const store = temporaryStore();
  const socket = temporarySocket();
  const answers: Answers = new Map();
  note(answers, 'first', await add({ store, conf, owner: 'first' }));
  for (let round = 0; round < ROUNDS; round++) {
    const daemon = await startDaemon({ socket });
    const delayMs = random.fraction() * 25;
    await killUnderLoad(daemon, store, answers, round, delayMs);
    const what = `seed ${seed}, round ${round}, killed after ${delayMs.toFixed(1)} ms`;
    await compare(store, answers, what);
    // The launcher finds a socket that nobody listens on, and helps itself.
    const owner = `one-shot${round}`;
    note(answers, owner, await add({ store, conf, owner, env: daemon.env }));
    assert.ok(answers.get(owner), `${what}: the next ADD was lost`);
  }
  const daemon = await startDaemon({ socket });
  const last = await ask(socket, cniEnv('ADD', store, { CNI_CONTAINERID: 'last' }), conf);
  note(answers, 'last', last!);
  await stopDaemon(daemon);
  await compare(store, answers, 'at the end');
  const lost = [...answers.values()].filter(addresses => addresses === undefined).length;
  console.log(`${answers.size} ADDs, ${lost} answers lost`);
  assert.ok(lost > 0, 'no kill was in the midst of anything');
});

test.run();
