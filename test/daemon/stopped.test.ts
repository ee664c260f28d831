// A process that stands still keeps others waiting no longer than they allow; when it goes on, so does everything.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdFlock, letGo } from '../integration/support/hold.ts';
import { add, addressOf, check, held, network, refused, silent, status } from '../integration/support/ipam.ts';
import { hasOpen, type Started, sleep, start } from '../integration/support/process.ts';
import { cniEnv, type Run, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { type Daemon, NOBODY, PROGRAM, startDaemon, stopDaemon } from './support/daemon.ts';

const test = suite('processes that stand still');
const conf = network();

/** What the launcher adds to the limit before it gives up waiting for an answer. */
const ANSWER_GRACE_MS = 2_000;
/** What a busy machine adds. */
const BUSY_MS = 3_000;
const limit = (ms: number) => ({ IPAM_DB_CONNECTION_TIMEOUT: `${ms}ms` });

function timedOut(run: Run, limitMs: number, what: string): void {
  refused(run, 11, what);
  assert.ok(run.ms >= limitMs - 50 && run.ms <= limitMs + BUSY_MS, `${what}: ${Math.round(run.ms)} ms of ${limitMs}`);
}

/** A one-shot ADD that stops itself within its transaction, holding the lock. */
async function stopWithin(store: string): Promise<{ process: Started; pid: number }> {
  const trace = join(temporaryDirectory(), 'trace');
  const inject = ['-P', store, '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:signal=SIGSTOP:when=1'];
  const process = start({
    command: 'strace',
    args: ['-D', '-f', '-o', trace, ...inject, PROGRAM],
    env: cniEnv('ADD', store, { CNI_CONTAINERID: 'stopped' }),
    stdin: conf,
    limitMs: 60_000,
  });
  while (!existsSync(trace) || !readFileSync(trace, 'utf8').includes('stopped by SIGSTOP')) await sleep(5);
  assert.ok(hasOpen(process.pid, `${store}.flock`), 'it stopped without the lock');
  return { process, pid: process.pid };
}

testWith(
  test,
  ['strace'],
  'a process stopped within its transaction: code 11 in time, reads are answered',
  async () => {
    const daemon = await startDaemon();
    const { env } = daemon;
    const store = temporaryStore();
    assert.is(addressOf(await add({ store, conf, env, owner: 'first' })), '10.0.0.2');
    const stopped = await stopWithin(store);
    const [added, alone, asked, checked] = await Promise.all([
      add({ store, conf, owner: 'through-daemon', env: { ...env, ...limit(500) } }),
      add({ store, conf, owner: 'one-shot', env: { ...NOBODY, ...limit(500) } }),
      status({ store, conf, env: { ...env, ...limit(500) } }),
      check({ store, conf, owner: 'first', env: { ...env, ...limit(500) } }),
    ]);
    timedOut(added, 500, 'ADD through the daemon');
    timedOut(alone, 500, 'one-shot ADD');
    // These would have failed too, had they waited for the lock.
    silent(asked, 'STATUS');
    silent(checked, 'CHECK');

    const waiting = add({ store, conf, owner: 'waiting', env });
    await sleep(200);
    process.kill(stopped.pid, 'SIGCONT');
    assert.is(addressOf(await stopped.process.done, 'the ADD that had stopped'), '10.0.0.3');
    assert.is(addressOf(await waiting, 'the ADD that waited'), '10.0.0.4');
    assert.is(addressOf(await add({ store, conf, owner: 'last', env })), '10.0.0.5');
    assert.equal(await held(store), ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']);
    await stopDaemon(daemon);
  },
);

test('callers that wait together each have their own limit', async () => {
  const daemon = await startDaemon();
  const store = temporaryStore();
  addressOf(await add({ store, conf, env: daemon.env, owner: 'first' }));
  const holder = await holdFlock(store);
  const patient = add({ store, conf, owner: 'patient', env: { ...daemon.env, ...limit(10_000) } });
  await sleep(100);
  const hasty = [300, 700].map(async ms => ({
    ms,
    run: await add({ store, conf, owner: `hasty${ms}`, env: { ...daemon.env, ...limit(ms) } }),
  }));
  for (const { ms, run } of await Promise.all(hasty)) {
    timedOut(run, ms, `ADD with a limit of ${ms} ms`);
    assert.match(run.stdout, `for longer than ${ms / 1000} s`);
  }
  await letGo(holder);
  assert.is(addressOf(await patient, 'the ADD with a limit of 10 s'), '10.0.0.3');
  await stopDaemon(daemon);
});

test('a daemon that is told to stop while the store is locked ends in order', async () => {
  const daemon = await startDaemon();
  const store = temporaryStore();
  addressOf(await add({ store, conf, env: daemon.env, owner: 'first' }));
  const holder = await holdFlock(store);
  const waiting = add({ store, conf, owner: 'waiting', env: { ...daemon.env, ...limit(500) } });
  await sleep(100);
  const ending = daemon.end('SIGTERM');
  refused(await waiting, 11);
  const { status, stderr } = await ending;
  assert.is(status, 0, stderr);
  await letGo(holder);
  assert.is(addressOf(await add({ store, conf, env: NOBODY, owner: 'next' })), '10.0.0.3');
});

async function stopped(daemon: Daemon, work: () => Promise<void>): Promise<void> {
  process.kill(daemon.pid, 'SIGSTOP');
  await work();
  process.kill(daemon.pid, 'SIGCONT');
  await stopDaemon(daemon);
}

test('a stopped daemon: its callers get code 11 in time, and what they asked for is taken back', async () => {
  const daemon = await startDaemon();
  const store = temporaryStore();
  addressOf(await add({ store, conf, env: daemon.env, owner: 'first' }));
  await stopped(daemon, async () => {
    const runs = await Promise.all(
      [0, 1, 2].map(i => add({ store, conf, owner: `c${i}`, env: { ...daemon.env, ...limit(300) } })),
    );
    for (const run of runs) {
      timedOut(run, 300 + ANSWER_GRACE_MS, 'ADD through a stopped daemon');
      assert.match(run.stdout, 'the answer was lost');
    }
    // It holds no lock: others go on.
    assert.is(addressOf(await add({ store, conf, env: NOBODY, owner: 'one-shot' })), '10.0.0.3');
  });
  assert.equal(await held(store), ['10.0.0.2', '10.0.0.3']);
});

test.run();
