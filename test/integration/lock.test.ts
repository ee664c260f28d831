// The time limit holds whoever holds the store, and nobody's death leaves it locked.

import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Run, temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { holdFlock, letGo } from './support/hold.ts';
import {
  add,
  addressesOf,
  addressOf,
  begin,
  call,
  check,
  complained,
  del,
  distinct,
  dualStack,
  held,
  list,
  listRun,
  refused,
  resultOf,
  silent,
  status,
} from './support/ipam.ts';
import { hasOpen, printed, type Started, sleep, start } from './support/process.ts';

const test = suite('lock');
const conf = dualStack();

const LIMIT_MS = 1_000;
const env = { IPAM_DB_CONNECTION_TIMEOUT: '1s' };
/** The half second, and what starting a process takes beside another test file. */
const GRACE_MS = 500 + 300;
/** Nothing is in the way any more. */
const AT_ONCE_MS = 800;

function timedOut(run: Run, codes: number[], what: string): void {
  refused(run, codes, what);
  assert.ok(
    run.ms >= LIMIT_MS - 50 && run.ms <= LIMIT_MS + GRACE_MS,
    `${what}: ${Math.round(run.ms)} ms at a limit of ${LIMIT_MS} ms: ${run.stdout}`,
  );
}

function atOnce(run: Run, what: string): Run {
  assert.ok(run.ms <= AT_ONCE_MS, `${what}: ${Math.round(run.ms)} ms though nothing holds the store: ${run.stdout}`);
  return run;
}

async function kill({ child, done }: Started, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  child.kill(signal);
  await done;
}

/** Stands still in a write transaction of LMDB, without our flock. */
async function holdTransaction(store: string): Promise<Started> {
  const program = fileURLToPath(new URL('support/foreign.ts', import.meta.url));
  const args = ['--import', 'tsx', program, 'hold', store];
  const holder = start({ command: process.execPath, args, limitMs: 60_000 });
  await printed(holder, 'held');
  return holder;
}

async function firstAdd(store: string): Promise<void> {
  assert.equal(addressesOf(await add({ store, conf, owner: 'first' })), ['10.0.0.2', '2001:db8::2']);
}

testWith(
  test,
  ['flock'],
  'while flock is held: ADD and DEL get 11, STATUS 50, in time; then all works at once',
  async () => {
    const store = temporaryStore();
    await firstAdd(store);
    const holder = await holdFlock(store);
    const [added, deleted, asked, listed] = await Promise.all([
      add({ store, conf, env }),
      del({ store, conf, env, owner: 'first' }),
      status({ store, conf, env }),
      listRun(store, env),
    ]);
    timedOut(added, [11], 'ADD');
    timedOut(deleted, [11], 'DEL');
    timedOut(asked, [50], 'STATUS');
    for (const { stdout } of [added, deleted, asked]) assert.match(stdout, 'for longer than 1 s');
    assert.ok(listed.ms <= LIMIT_MS + GRACE_MS, `list took ${Math.round(listed.ms)} ms`);
    resultOf(atOnce(await call('VERSION', { store, conf, env }), 'VERSION'), 'VERSION');

    const waiting = begin('ADD', { store, conf, owner: 'waiting' });
    await sleep(300);
    await letGo(holder);
    const releasedMs = performance.now();
    assert.equal(addressesOf(await waiting.done, 'ADD that waited'), ['10.0.0.3', '2001:db8::3']);
    const lateMs = Math.round(performance.now() - releasedMs);
    assert.ok(lateMs < AT_ONCE_MS, `ADD that waited: answered ${lateMs} ms after the release`);

    assert.equal(addressesOf(atOnce(await add({ store, conf, env }), 'ADD')), ['10.0.0.4', '2001:db8::4']);
    silent(atOnce(await status({ store, conf, env }), 'STATUS'), 'STATUS');
    silent(
      atOnce(await check({ store, conf, env, owner: 'first' }), 'CHECK'),
      'CHECK: the refused DEL changed nothing',
    );
  },
);

testWith(test, ['flock'], 'the holder of flock dies of SIGKILL: the next ADD works at once', async () => {
  const store = temporaryStore();
  const holder = await holdFlock(store);
  timedOut(await add({ store, conf, env }), [11], 'first ADD ever');
  await kill(holder);
  assert.equal(addressesOf(atOnce(await add({ store, conf, env }), 'ADD')), ['10.0.0.2', '2001:db8::2']);
});

test('while a foreign process stands still in its transaction: ADD and DEL get 11 in time', async () => {
  const store = temporaryStore();
  await firstAdd(store);
  const holder = await holdTransaction(store);
  timedOut(await add({ store, conf, env }), [11], 'ADD');
  timedOut(await del({ store, conf, env, owner: 'first' }), [11], 'DEL');
  const [added, asked] = await Promise.all([add({ store, conf, env }), status({ store, conf, env })]);
  timedOut(added, [11], 'ADD beside STATUS');
  assert.ok(asked.ms <= LIMIT_MS + GRACE_MS, `STATUS took ${Math.round(asked.ms)} ms`);
  // Whoever only reads may answer, or say that an ADD could not be served.
  if (asked.status !== 0) refused(asked, 50, 'STATUS');
  const listed = await listRun(store, env);
  assert.ok(listed.ms <= LIMIT_MS + GRACE_MS, `list took ${Math.round(listed.ms)} ms`);
  if (listed.status !== 0) complained(listed, 'list');

  // The foreign transaction dies with its process.
  await kill(holder);
  assert.equal(addressesOf(atOnce(await add({ store, conf, env }), 'ADD')), ['10.0.0.3', '2001:db8::3']);
  silent(atOnce(await status({ store, conf, env }), 'STATUS'), 'STATUS');
  assert.equal(await held(store), ['10.0.0.2', '10.0.0.3', '2001:db8::2', '2001:db8::3']);
});

test('an ADD that waits for a foreign transaction works when its holder dies', async () => {
  const store = temporaryStore();
  await firstAdd(store);
  const holder = await holdTransaction(store);
  const waiting = begin('ADD', { store, conf });
  await sleep(300);
  const killedMs = performance.now();
  await kill(holder);
  assert.equal(addressesOf(await waiting.done, 'ADD that waited'), ['10.0.0.3', '2001:db8::3']);
  const lateMs = Math.round(performance.now() - killedMs);
  assert.ok(lateMs < AT_ONCE_MS, `ADD that waited: answered ${lateMs} ms after the holder's death`);
});

const ROUNDS = 16;
const SHORT_LIMIT_MS = 300;
const shortLimit = { IPAM_DB_CONNECTION_TIMEOUT: `${SHORT_LIMIT_MS}ms` };

test('our own ADD stopped in the middle: others get 11 or succeed, and go on when it does or dies', async () => {
  const store = temporaryStore();
  const random = new Random('stopped ADDs');
  await firstAdd(store);
  let blocked = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const stopped = begin('ADD', { store, conf, owner: `stopped${round}` });
    if (round % 4 === 0) {
      await sleep(random.fraction() * 25);
    } else {
      // Most rounds stop it soon after it opened the lock file.
      const startMs = performance.now();
      while (!hasOpen(stopped.pid, `${store}.flock`) && performance.now() - startMs < 200) await sleep(0);
      const untilMs = performance.now() + random.fraction() * 3;
      while (performance.now() < untilMs);
    }
    stopped.child.kill('SIGSTOP');
    const other = await add({ store, conf, owner: `other${round}`, env: shortLimit });
    assert.ok(other.ms <= SHORT_LIMIT_MS + GRACE_MS, `round ${round}: ADD took ${Math.round(other.ms)} ms`);
    if (other.status !== 0) {
      refused(other, 11, `round ${round}: ADD beside a stopped one`);
      blocked++;
    }
    const dies = round % 2 === 1;
    stopped.child.kill(dies ? 'SIGKILL' : 'SIGCONT');
    const run = await stopped.done;
    if (!dies) addressesOf(run, `round ${round}: the stopped ADD goes on`);
    addressOf(atOnce(await add({ store, conf, owner: `next${round}` }), `round ${round}: next ADD`));
  }
  console.log(`${blocked} of ${ROUNDS} stopped ADDs held the store`);
  const leases = (await list(store)).filter(({ kind }) => kind === 'container');
  distinct(
    leases.map(({ address }) => address),
    'list',
  );
  assert.is(leases.filter(({ address }) => address.includes(':')).length, leases.length / 2, 'as many IPv6 as IPv4');
});

test.run();
