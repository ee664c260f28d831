// The executable in poor surroundings: no /tmp, no PATH, no Node.js, odd pipes, a log file that cannot be written.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cniEnv, EXECUTABLE, type Run, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { onBareMachine } from './support/bare-machine.ts';
import {
  add,
  addressesOf,
  addressOf,
  call,
  check,
  del,
  dualStack,
  held,
  listRun,
  network,
  refused,
  resultOf,
  silent,
  status,
  withId,
} from './support/ipam.ts';
import { execute, NON_BLOCKING, sleep, start } from './support/process.ts';

const test = suite('executable');

/** A directory outside /tmp, removed afterwards. */
async function outsideTmp(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync('/var/lib/ecs-ipam-test-');
  try {
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

testWith(test, ['root', 'unshare'], 'runs with a read-only /tmp', () =>
  outsideTmp(async directory => {
    // Its own directory may lie in /tmp.
    const bin = join(directory, 'bin');
    mkdirSync(bin);
    const script = 'mount --bind "$0" "$1" && mount -t tmpfs -o ro none /tmp && exec "$1/ecs-ipam"';
    const args = ['-m', 'sh', '-c', script, dirname(EXECUTABLE), bin];
    const store = join(directory, 'store.mdb');
    const run = await execute({ command: 'unshare', args, env: cniEnv('ADD', store), stdin: dualStack() });
    assert.equal(addressesOf(run), ['10.0.0.2', '2001:db8::2']);
    assert.equal(await held(store), ['10.0.0.2', '2001:db8::2']);
  }),
);

testWith(test, ['root', 'unshare'], 'runs on a machine that has libraries, /proc and /dev, and nothing else', () =>
  outsideTmp(async root => {
    const [command = '', ...args] = onBareMachine(root, 'ecs-ipam');
    const run = (verb: string) =>
      execute({ command, args, env: { ...cniEnv(verb, ''), IPAM_DB_PATH: undefined }, stdin: dualStack(), cwd: '/' });
    assert.equal(addressesOf(await run('ADD')), ['10.0.0.2', '2001:db8::2']);
    assert.ok(existsSync(join(root, 'data/ecs-ipam.mdb')), 'no /data/ecs-ipam.mdb was made');
    refused(await run('ADD'), 103, 'second ADD');
    silent(await run('CHECK'), 'CHECK');
    silent(await run('DEL'), 'DEL');
    assert.not(existsSync(join(root, 'tmp')), '/tmp was made');
  }),
);

for (const [what, path] of [
  ['empty', ''],
  ['unset', undefined],
  ['without anything in it', temporaryDirectory()],
] as const) {
  test(`runs with a PATH that is ${what}`, async () => {
    const store = temporaryStore();
    const env = { PATH: path };
    assert.is(addressOf(await add({ store, conf: network(), env })), '10.0.0.2');
    silent(await check({ store, conf: network(), env }), 'CHECK');
    const listed = await listRun(store, env);
    assert.is(listed.status, 0, `list: ${listed.stdout}${listed.stderr}`);
  });
}

test('runs through a chain of links to it and to its directory', async () => {
  const store = temporaryStore();
  const directory = temporaryDirectory();
  symlinkSync(dirname(EXECUTABLE), join(directory, 'linked directory'));
  symlinkSync('linked directory/ecs-ipam', join(directory, 'first'));
  mkdirSync(join(directory, 'below'));
  symlinkSync('../first', join(directory, 'below', 'second'));
  symlinkSync(join(directory, 'below', 'second'), join(directory, 'ecs-ipam'));
  const commands = ['linked directory/ecs-ipam', 'first', 'below/second', 'ecs-ipam'];
  const addresses = [];
  for (const command of commands) {
    const options = { command: join(directory, command), cwd: directory };
    addresses.push(addressOf(await add({ store, conf: network(), owner: `c${addresses.length}`, options }), command));
  }
  const relative = { command: './ecs-ipam', cwd: directory };
  addresses.push(addressOf(await add({ store, conf: network(), owner: 'relative', options: relative }), './ecs-ipam'));
  const byPath = { command: 'ecs-ipam' };
  const env = { PATH: directory };
  addresses.push(addressOf(await add({ store, conf: network(), owner: 'path', options: byPath, env }), 'by PATH'));
  assert.equal(addresses, ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6', '10.0.0.7']);
});

test('VERSION does not wait for stdin', async () => {
  const run = await call('VERSION', {
    store: temporaryStore(),
    conf: network(),
    options: { stdin: null, limitMs: 5_000 },
  });
  assert.is((resultOf(run) as { supportedVersions?: string[] }).supportedVersions?.length, 7, run.stdout);
});

test('stdin that cannot be read is code 5', async () => {
  const args = ['-c', 'exec "$0" < /', EXECUTABLE];
  refused(await execute({ command: 'sh', args, env: cniEnv('ADD', temporaryStore()) }), 5, 'stdin is a directory');
});

test('stdin in small chunks with delays', async () => {
  const store = temporaryStore();
  const { child, done } = start({ env: cniEnv('ADD', store), stdin: null });
  const text = JSON.stringify(dualStack());
  for (let at = 0; at < text.length; at += 16) {
    child.stdin?.write(text.slice(at, at + 16));
    await sleep(10);
  }
  child.stdin?.end();
  assert.equal(addressesOf(await done), ['10.0.0.2', '2001:db8::2']);
});

const manyRoutes = Array.from({ length: 3_000 }, (_, index) => ({ dst: `172.${index >> 8}.${index & 255}.0/24` }));
const LARGE = network({ 'ipv4-subnet': '10.0.0.0/24', 'ipv4-routes': manyRoutes });

/** Fails unless the result of LARGE arrived whole. */
function whole(run: Run): void {
  assert.ok(run.stdout.length > 100_000, `only ${run.stdout.length} bytes arrived; stderr: ${run.stderr}`);
  const { routes } = resultOf(run) as unknown as { routes: { dst: string; gw: string }[] };
  assert.equal(
    routes.map(({ dst }) => dst),
    manyRoutes.map(({ dst }) => dst),
  );
}

test('a large result arrives whole: a reader that waits, on a socket', async () => {
  const { child, done } = start({ env: cniEnv('ADD', temporaryStore()), stdin: LARGE });
  child.stdout?.pause();
  await sleep(300);
  child.stdout?.resume();
  whole(await done);
});

/** Runs a shell pipeline around "$0", the executable, with the configuration in the file "$1". */
function pipeline(script: string, conf: unknown): Promise<Run> {
  const file = join(temporaryDirectory(), 'conf.json');
  writeFileSync(file, JSON.stringify(conf));
  return execute({ command: 'sh', args: ['-c', script, EXECUTABLE, file], env: cniEnv('ADD', temporaryStore()) });
}

test('a large result arrives whole: a slow reader of a pipe', async () => {
  const reader = '{ sleep 0.2; head -c 1000; sleep 0.1; head -c 70000; sleep 0.1; cat; }';
  const run = await pipeline(`{ "$0" < "$1"; echo "exit $?" >&2; } | ${reader}`, LARGE);
  assert.match(run.stderr, 'exit 0');
  whole(run);
});

testWith(test, ['perl'], 'non-blocking pipes on both sides, a slow writer and a slow reader', async () => {
  const writer = '{ sleep 0.1; head -c 1000 "$1"; sleep 0.2; tail -c +1001 "$1"; }';
  const run = await pipeline(
    `${writer} | { perl -e '${NON_BLOCKING}' "$0"; echo "exit $?" >&2; } | { sleep 0.4; head -c 1000; sleep 0.1; cat; }`,
    LARGE,
  );
  assert.match(run.stderr, 'exit 0');
  whole(run);
});

testWith(test, ['perl'], 'a configuration by hand on a non-blocking stdin that is slow', async () => {
  const writer = '{ sleep 0.1; head -c 1000 "$1"; sleep 0.2; tail -c +1001 "$1"; }';
  const run = await pipeline(`${writer} | perl -e '${NON_BLOCKING}' "$0" add - --id x`, LARGE);
  whole(run);
});

test('a log file that cannot be written fails nothing and shows nowhere', async () => {
  for (const file of ['/proc/none/x', '/dev/full', temporaryDirectory(), '/etc/passwd/log']) {
    const store = temporaryStore();
    const env = { ECS_CNI_LOG_FILE: file, ECS_CNI_LOGLEVEL: 'debug' };
    const conf = withId(network({ 'ipv4-subnet': '10.0.0.0/30' }), 'owner');
    assert.is(addressOf(await add({ store, conf, env }), `ADD, log ${file}`), '10.0.0.2');
    refused(await add({ store, conf, env }), 103, `second ADD, log ${file}`);
    silent(await check({ store, conf, env }), `CHECK, log ${file}`);
    refused(await status({ store, conf, env }), 50, `STATUS, log ${file}`);
    resultOf(await call('VERSION', { store, conf, env }), `VERSION, log ${file}`);
    silent(await del({ store, conf, env }), `DEL, log ${file}`);
  }
});

test('a closed stderr fails nothing and damages nothing', async () => {
  const store = temporaryStore();
  const options = { command: 'sh', args: ['-c', 'exec "$0" 2>&-', EXECUTABLE] };
  const env = { ECS_CNI_LOGLEVEL: 'debug' };
  assert.is(addressOf(await add({ store, conf: network(), env, options })), '10.0.0.2');
  assert.is(addressOf(await add({ store, conf: network(), env, options, owner: 'c2' })), '10.0.0.3');
  assert.equal(await held(store), ['10.0.0.2', '10.0.0.3']);
});

test('log lines: some at debug, none at off, never on stdout', async () => {
  const directory = temporaryDirectory();
  const log = (level: string) => {
    const file = join(directory, level);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  const store = temporaryStore();
  for (const level of ['debug', 'off']) {
    const env = { ECS_CNI_LOG_FILE: join(directory, level), ECS_CNI_LOGLEVEL: level };
    resultOf(await add({ store, conf: network(), owner: level, env }), `ADD at ${level}`);
    refused(await add({ store, conf: network(), owner: level, env }), 103, `second ADD at ${level}`);
    silent(await del({ store, conf: network(), owner: level, env }), `DEL at ${level}`);
  }
  assert.ok(log('debug').split('\n').length > 1, `no line at debug: "${log('debug')}"`);
  assert.is(log('off'), '');
});

test.run();
