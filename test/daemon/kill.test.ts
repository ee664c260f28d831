// SIGKILL of the daemon under load: what was acknowledged is there, both families or none, nothing is given twice,
// nothing leaks, every caller is answered, and the next call works at once.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdFlock, letGo } from '../integration/support/hold.ts';
import { add, addressesOf, del, distinct, dualStack, list, refused, silent } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { effort, tried } from '../support/effort.ts';
import { cniEnv, type Run, temporaryStore } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { exits, ipam } from '../tools/support.ts';
import { type Daemon, startDaemon, stopDaemon, temporarySocket } from './support/daemon.ts';
import { ask } from './support/frames.ts';

const test = suite('kill of the daemon');

const ROUNDS = effort(7, 300);
const BURST = 32;
const ROWS = 4;
const NEXT_MS = 2_000;
const TRY_AGAIN = 11;
// 2 ** 10 without network, broadcast and gateway.
const CAPACITY = 1021;
const conf = dualStack({ 'ipv4-subnet': '10.0.0.0/22', 'ipv6-subnet': '2001:db8::/117' });

/** Every owner that ever was: its addresses, or undefined where an answer was lost. */
type Answers = Map<string, string[] | undefined>;

/** True if it was answered. */
function note(answers: Answers, owner: string, run: Run, addressesNow: () => string[]): boolean {
  const isAnswered = run.status === 0;
  if (!isAnswered) refused(run, TRY_AGAIN, `call of ${owner}`);
  answers.set(owner, isAnswered ? addressesNow() : undefined);
  return isAnswered;
}

const noteAdd = (answers: Answers, owner: string, run: Run) =>
  note(answers, owner, run, () => addressesOf(run, `ADD of ${owner}`).sort());
const noteDel = (answers: Answers, owner: string, run: Run) => note(answers, owner, run, () => []);

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
    const held = (byOwner.get(owner) ?? []).sort();
    byOwner.delete(owner);
    if (addresses !== undefined) assert.equal(held, addresses, `${what}: acknowledged to ${owner}`);
    else if (held.length > 0) {
      const families = held.map(address => (address.includes(':') ? 6 : 4)).sort();
      assert.is(String(families), '4,6', `${what}: ${owner} was not answered and holds ${held}`);
    }
  }
  assert.equal([...byOwner.keys()], [], `${what}: leases of nobody`);
  exits(await ipam(store, 'fsck'), 0, 'clean');
}

/** Bursts of launchers and a few steady ones, until the daemon is killed in the midst of them. */
async function killUnderLoad(daemon: Daemon, store: string, answers: Answers, round: number, delayMs: number) {
  let calls = 0;
  const launch = async (owner: string) => {
    calls++;
    return noteAdd(answers, owner, await add({ store, conf, owner, env: daemon.env }));
  };
  const end = async (owner: string) => {
    calls++;
    noteDel(answers, owner, await del({ store, conf, owner, env: daemon.env }));
  };
  let isAlive = true;
  const row = async (name: string) => {
    for (let i = 0; isAlive; i++) {
      const owner = `${name}-${i}`;
      if ((await launch(owner)) && i % 2 === 1) await end(owner);
    }
  };
  const rows = Array.from({ length: ROWS }, (_, i) => row(`round${round}-row${i}`));
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
  return calls;
}

/** As a runtime does after an answer that was lost, and when containers end. Every sixteenth stays. */
async function giveBack(socket: string, store: string, answers: Answers): Promise<void> {
  for (const [i, [owner, addresses]] of [...answers].entries()) {
    if (addresses?.length === 0) answers.delete(owner);
    else if (i % 16 !== 0 || addresses === undefined) {
      silent((await ask(socket, cniEnv('DEL', store, { CNI_CONTAINERID: owner }), conf))!, `DEL of ${owner}`);
      answers.delete(owner);
    }
  }
}

/** Fills the pool, and fails unless it takes exactly what is not held. */
async function fill(socket: string, store: string, answers: Answers): Promise<void> {
  const addOf = async (owner: string) => (await ask(socket, cniEnv('ADD', store, { CNI_CONTAINERID: owner }), conf))!;
  for (let i = 0; answers.size < CAPACITY; i++) noteAdd(answers, `fill${i}`, await addOf(`fill${i}`));
  refused(await addOf('too-many'), 101, 'ADD in a full pool');
  await compare(store, answers, 'with a full pool');
}

test('daemons killed with dozens of calls in flight', async () => {
  const random = new Random('killed daemons');
  const store = temporaryStore();
  const socket = temporarySocket();
  const answers: Answers = new Map();
  let [calls, lost] = [0, 0];
  noteAdd(answers, 'first', await add({ store, conf, owner: 'first' }));
  for (let round = 0; round < ROUNDS; round++) {
    const daemon = await startDaemon({ socket });
    await giveBack(socket, store, answers);
    const delayMs = random.fraction() * 25;
    calls += await killUnderLoad(daemon, store, answers, round, delayMs);
    const what = `seed ${seed}, round ${round}, killed after ${delayMs.toFixed(1)} ms`;
    await compare(store, answers, what);
    lost += [...answers.values()].filter(addresses => addresses === undefined).length;
    // The launcher finds a socket that nobody listens on, and helps itself.
    const next = await add({ store, conf, owner: `next${round}`, env: daemon.env });
    assert.ok(noteAdd(answers, `next${round}`, next), `${what}: the next ADD was lost`);
    assert.ok(next.ms < NEXT_MS, `${what}: the next ADD took ${Math.round(next.ms)} ms`);
  }
  const daemon = await startDaemon({ socket });
  await giveBack(socket, store, answers);
  await fill(socket, store, answers);
  await stopDaemon(daemon);
  tried(`${ROUNDS} daemons killed: ${calls} calls, ${lost} answers lost; then ${CAPACITY} owners in a full pool`);
  assert.ok(lost > 0, 'no kill was in the midst of anything');
});

test.run();
