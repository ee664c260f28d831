// The launcher, with sanitizers, where it helps itself: the program as its child, odd surroundings, and one child at a
// time however many launchers there are.

import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdFlock, letGo } from '../integration/support/hold.ts';
import {
  add,
  addressesOf,
  addressOf,
  distinct,
  held,
  network,
  refused,
  resultOf,
} from '../integration/support/ipam.ts';
import { childrenOf, hasOpen, NON_BLOCKING, printed, sleep } from '../integration/support/process.ts';
import { cniEnv, type Env, type Run, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { type Daemon, NOBODY, PROGRAM, startDaemon, stopDaemon } from './support/daemon.ts';
import { buildLauncher, launch } from './support/launcher.ts';

const test = suite('launcher and child');
const conf = network();

let launcher: string;
let daemon: Daemon;
test.before(async () => {
  launcher = buildLauncher();
  daemon = await startDaemon();
});
test.after(() => stopDaemon(daemon));

/** A launcher with a shell script for a program. */
function withProgram(script: string, mode = 0o755): string {
  const program = join(temporaryDirectory(), 'script');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, mode);
  return buildLauncher(program);
}

const call = (command: string, env: Env = {}, stdin: unknown = conf): Promise<Run> =>
  launch(launcher, { stdin, env: cniEnv(command, temporaryStore(), env) }).done;

test('every command, and the command line', async () => {
  const store = temporaryStore();
  const run = (command: string, env: Env = {}, stdin: unknown = conf) =>
    launch(launcher, { stdin, env: cniEnv(command, store, env) }).done;
  assert.is(addressOf(await run('ADD')), '10.0.0.2');
  refused(await run('ADD'), 103);
  assert.is((await run('CHECK')).status, 0);
  resultOf(await run('VERSION', {}, null));
  refused(await run('ADD', { CNI_CONTAINERID: 'c2' }, 'no JSON'), 6);
  refused(await run('FLY'), 4);
  const list = await launch(launcher, { args: ['list', '--json'], env: { IPAM_DB_PATH: store } }).done;
  assert.match(list.stdout, '10.0.0.2');
  assert.is((await run('DEL')).status, 0);
  assert.match((await launch(launcher, { env: { IPAM_DB_PATH: store } }).done).stderr, '--help');
  const complaint = await launch(launcher, { args: ['fly'] }).done;
  assert.is(complaint.status, 2, complaint.stderr);
});

test('the child has its input, its arguments, / as its directory and no variables of its runtime', async () => {
  const shows = withProgram('echo "$0 $# $(pwd)"; cat; env');
  const env: Env = { BUN_OPTIONS: '--preload x', BUN_BE_BUN: '1', NODE_OPTIONS: 'x', OTHER: 'kept' };
  const { stdout, status } = await launch(shows, { stdin: 'the input\n', env: cniEnv('ADD', temporaryStore(), env) })
    .done;
  assert.is(status, 0);
  assert.match(stdout, `${shows}d 0 /\nthe input\n`);
  assert.match(stdout, 'OTHER=kept');
  assert.not.match(stdout, /BUN_|NODE_OPTIONS|ECS_IPAM_LOCK_FD/);
});

test('its exit status is passed on; a signal that ends it is code 105', async () => {
  for (const status of [0, 1, 3, 255]) {
    const run = await launch(withProgram(`exit ${status}`), { stdin: conf, env: cniEnv('ADD', temporaryStore()) }).done;
    assert.equal([run.status, run.stdout], [status, '']);
  }
  for (const [signal, name] of [
    ['SEGV', 'Segmentation fault'],
    ['BUS', 'Bus error'],
    ['KILL', 'Killed'],
  ] as const) {
    const store = temporaryStore();
    const run = await launch(withProgram(`kill -${signal} $$`), { stdin: conf, env: cniEnv('ADD', store) }).done;
    const { msg } = refused(run, 105, signal);
    assert.match(msg, `store ${store}: the program ended by signal`);
    assert.match(msg, name);
  }
});

test('a program that is missing or cannot be run is code 5', async () => {
  const nowhere = buildLauncher(null);
  const unreadable = withProgram('exit 0', 0o644);
  const broken = buildLauncher(temporaryDirectory());
  for (const command of [nowhere, unreadable, broken]) {
    const { msg } = refused(await launch(command, { stdin: conf, env: cniEnv('ADD', temporaryStore()) }).done, 5);
    assert.match(msg, /ecs-ipamd: cannot be executed: (No such file|Permission denied)/);
  }
});

test('a launcher that is killed takes its child with it', async () => {
  const lasting = withProgram('echo "$$"; exec sleep 60');
  const started = launch(lasting, { stdin: conf, env: cniEnv('ADD', temporaryStore()) });
  await printed(started, '\n');
  const [child] = childrenOf(started.pid);
  assert.ok(child, 'no child');
  started.child.kill('SIGKILL');
  const { stdout } = await started.done; // its stdout is closed by the child's end too
  assert.is(Number(stdout), child);
  const isAlive = () =>
    existsSync(`/proc/${child}`) && /^State:\s+[^XZ]/m.test(readFileSync(`/proc/${child}/status`, 'utf8'));
  for (let waits = 0; isAlive(); waits++) {
    assert.ok(waits < 500, `the child ${child} lives on`);
    await sleep(10);
  }
});

test('SIGCHLD ignored: the result is printed once', async () => {
  const run = await launch(launcher, {
    command: 'env',
    args: ['--ignore-signal=CHLD', launcher],
    stdin: conf,
    env: cniEnv('ADD', temporaryStore()),
  }).done;
  assert.is(addressOf(run), '10.0.0.2');
});

for (const way of ['through the daemon', 'by itself']) {
  const env = () => (way === 'by itself' ? NOBODY : daemon.env);

  test(`closed standard descriptors, ${way}: refused as they would refuse, nothing leased`, async () => {
    const store = temporaryStore();
    const status = async (redirection: string) => {
      const script = `exec 9>&1; ( ${redirection}; exec "$0" ); echo "exit $?" >&9`;
      return launch(launcher, {
        command: 'sh',
        args: ['-c', script, launcher],
        stdin: conf,
        env: cniEnv('ADD', store, env()),
      }).done;
    };
    const noInput = await status('exec <&-');
    assert.match(noInput.stdout, /"code":5,"msg":"network configuration: stdin cannot be read: Bad file descriptor"/);
    assert.match((await status('exec >&-')).stdout, 'exit 1');
    assert.match((await status('exec >&- 2>&-')).stdout, 'exit 1');
    assert.match((await status('exec <&- >&- 2>&-')).stdout, 'exit');
    for (let waits = 0; (await held(store)).length > 0 && waits < 50; waits++) await sleep(20);
    assert.equal(await held(store), []);
    const noComplaints = await status('exec 2>&-');
    assert.match(noComplaints.stdout, 'exit 0');
    const addresses = await held(store);
    assert.is(addresses.length, 1);
    assert.match(noComplaints.stdout, `"${addresses[0]}/24"`);
  });

  test(`stdin of 4 MiB and more, ${way}`, async () => {
    const text = JSON.stringify(conf);
    const padded = (length: number) => text + ' '.repeat(length - text.length);
    assert.is(addressOf(await call('ADD', env(), padded((4 << 20) - 4_096))), '10.0.0.2');
    for (const length of [(4 << 20) + 1, 64 << 20]) {
      assert.match(refused(await call('ADD', env(), padded(length)), 5).msg, 'longer than 4194304 bytes');
    }
  });

  test(`an environment of a megabyte, ${way}`, async () => {
    const long: Env = {};
    for (let i = 0; i < 10; i++) {
      long[`CNI_LONG_${i}`] = 'x'.repeat(100_000);
      long[`BUN_LONG_${i}`] = 'x'.repeat(1_000);
    }
    assert.is(addressOf(await call('ADD', { ...env(), ...long })), '10.0.0.2');
  });

  testWith(test, ['perl'], `non-blocking stdin and stdout, ${way}`, async () => {
    const args = ['-c', `{ sleep 0.1; cat; } | perl -e '${NON_BLOCKING}' "$0" | { sleep 0.2; cat; }`, launcher];
    const run = await launch(launcher, {
      command: 'sh',
      args,
      stdin: conf,
      env: cniEnv('ADD', temporaryStore(), env()),
    }).done;
    assert.is(addressOf(run), '10.0.0.2');
  });
}

test('a variable that must go does, however long its name', async () => {
  assert.is(addressOf(await call('ADD', { [`BUN_${'X'.repeat(300)}`]: '1' })), '10.0.0.2');
});

test('relative paths mean the directory of the caller', async () => {
  const directory = temporaryDirectory();
  const run = await launch(launcher, {
    cwd: directory,
    stdin: conf,
    env: { ...cniEnv('ADD', 'store.mdb'), ECS_CNI_LOG_FILE: 'log' },
  }).done;
  assert.is(addressOf(run), '10.0.0.2');
  assert.equal(await held(join(directory, 'store.mdb')), ['10.0.0.2']);
  assert.match(readFileSync(join(directory, 'log'), 'utf8'), '10.0.0.2');
});

test('who is slow with its input keeps nobody waiting', async () => {
  const store = temporaryStore();
  addressOf(await add({ store, conf, owner: 'first' }));
  const slow = launch(launcher, { stdin: null, env: cniEnv('ADD', store, { CNI_CONTAINERID: 'slow' }) });
  slow.child.stdin?.write('{');
  await sleep(100);
  const env = { IPAM_DB_CONNECTION_TIMEOUT: '500ms' };
  assert.is(addressOf(await add({ store, conf, owner: 'quick', env })), '10.0.0.3');
  slow.child.stdin?.end(JSON.stringify(conf).slice(1));
  assert.is(addressOf(await slow.done), '10.0.0.4');
});

test('32 launchers at once: one child at a time', async () => {
  const store = temporaryStore();
  addressOf(await add({ store, conf, owner: 'first' })); // before there is a lock file, nobody can wait for it
  const log = join(temporaryDirectory(), 'log');
  const noting = withProgram(`echo begins >> ${log}; ${PROGRAM}; status=$?; echo ends >> ${log}; exit $status`);
  const runs = await Promise.all(
    Array.from({ length: 32 }, (_, i) => {
      const [command, owner] = i % 4 === 3 ? ['CHECK', 'first'] : ['ADD', `c${i}`];
      const env = cniEnv(command, store, { CNI_CONTAINERID: owner, IPAM_DB_CONNECTION_TIMEOUT: '60s' });
      return launch(noting, { stdin: conf, env, limitMs: 60_000 }).done;
    }),
  );
  const addresses = runs.flatMap((run, i) => {
    assert.is(run.status, 0, `${i}: ${run.stdout}`);
    return run.stdout === '' ? [] : addressesOf(run);
  });
  assert.is(addresses.length, 24);
  distinct(addresses, 'ADDs');
  assert.is(readFileSync(log, 'utf8'), 'begins\nends\n'.repeat(32));
});

testWith(test, ['flock'], 'launchers get the lock in the order in which they came', async () => {
  const store = temporaryStore();
  addressOf(await add({ store, conf, owner: 'first' }));
  const log = join(temporaryDirectory(), 'log');
  const noting = withProgram(`echo "$CNI_CONTAINERID" >> ${log}; exec ${PROGRAM}`);
  const holder = await holdFlock(store);
  const owners = Array.from({ length: 12 }, (_, i) => `c${i}`);
  const runs: Promise<Run>[] = [];
  for (const owner of owners) {
    const { done, pid } = launch(noting, { stdin: conf, env: cniEnv('ADD', store, { CNI_CONTAINERID: owner }) });
    runs.push(done);
    while (!hasOpen(pid, `${store}.flock`)) await sleep(2);
    await sleep(10);
  }
  await letGo(holder);
  for (const run of await Promise.all(runs)) assert.is(run.status, 0, run.stdout);
  assert.equal(readFileSync(log, 'utf8').trim().split('\n'), owners);
});

test('a launcher that stands still in front of the others costs them no more than their limit', async () => {
  const store = temporaryStore();
  addressOf(await add({ store, conf, owner: 'first' }));
  const holder = await holdFlock(store);
  const stopped = launch(launcher, { stdin: conf, env: cniEnv('ADD', store, { CNI_CONTAINERID: 'stopped' }) });
  while (!hasOpen(stopped.pid, `${store}.flock`)) await sleep(2);
  await sleep(50);
  process.kill(stopped.pid, 'SIGSTOP');
  const env = { IPAM_DB_CONNECTION_TIMEOUT: '500ms' };
  const run = await launch(launcher, { stdin: conf, env: cniEnv('ADD', store, { CNI_CONTAINERID: 'c1', ...env }) })
    .done;
  refused(run, 11);
  assert.ok(run.ms >= 450 && run.ms < 3_500, `${Math.round(run.ms)} ms of 500`);
  await letGo(holder);
  const late = await launch(launcher, { stdin: conf, env: cniEnv('ADD', store, { CNI_CONTAINERID: 'c2', ...env }) })
    .done;
  assert.is(addressOf(late, 'the lock is free'), '10.0.0.3');
  process.kill(stopped.pid, 'SIGCONT');
  assert.is(addressOf(await stopped.done), '10.0.0.4');
});

test.run();
