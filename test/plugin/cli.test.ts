// The executable outside the protocol (help, --version, --capabilities, the operators' commands), VERSION, and stdin.
// The text of the operators' commands is not fixed: these cases hold to what an operator must be able to rely on.

import { spawn } from 'node:child_process';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import {
  cniEnv,
  DAEMON_SOCKET,
  type Env,
  EXECUTABLE,
  run,
  temporaryDirectory,
  temporaryStore,
} from '../support/plugin.ts';
import { start } from '../support/start.ts';
import { config, container, HISTORIC, Host, parallel, VERSIONS } from './harness.ts';

const test = parallel('command line');
const DUAL = { 'ipv4-subnet': '10.0.0.0/24', 'ipv6-subnet': '2001:db8::/64' };

const NO_COMMAND: [string, Env][] = [
  ['an empty environment', {}],
  ['CNI_COMMAND empty', { CNI_COMMAND: '' }],
  ['other CNI variables', { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_PATH: '/opt/cni/bin' }],
];
for (const [name, env] of NO_COMMAND) {
  test(`no arguments, ${name}: help on stderr with the supported versions, exit 0`, async () => {
    const { status, stdout, stderr } = await run({ env });
    assert.is(status, 0);
    assert.is(stdout, '');
    for (const version of VERSIONS) assert.ok(stderr.includes(version), `${version} in ${stderr}`);
  });
}

test('--version: one JSON object with version, gitShortHash, dirty', async () => {
  const { status, stdout } = await run({ args: ['--version'] });
  assert.is(status, 0);
  const { version, gitShortHash, dirty } = JSON.parse(stdout);
  assert.type(version, 'string');
  assert.type(gitShortHash, 'string');
  assert.type(dirty, 'boolean');
});
test('--capabilities', async () => {
  const { status, stdout } = await run({ args: ['--capabilities'] });
  assert.is(status, 0);
  assert.equal(JSON.parse(stdout), { capabilities: ['awsvpc-network-mode'] });
});
test('--help names every command', async () => {
  const { status, stdout, stderr } = await run({ args: ['--help'] });
  assert.is(status, 0);
  for (const word of ['add', 'del', 'check', 'list', 'release', 'gc', 'fsck', 'backup', 'restore'])
    assert.ok((stdout + stderr).includes(word), word);
});
for (const command of ['add', 'del', 'check', 'list', 'release', 'gc', 'fsck', 'backup', 'restore']) {
  test(`${command} --help shows an example`, async () => {
    const { status, stdout, stderr } = await run({ args: [command, '--help'] });
    assert.is(status, 0);
    assert.match(stdout + stderr, new RegExp(`ecs-ipam ${command}`));
  });
}
for (const args of [['frobnicate'], ['--frobnicate'], ['add'], ['add', '/no/such/file.conf', '--id', 'x']]) {
  test(`${args.join(' ')}: fails`, async () => {
    const { status, signal } = await run({ args, env: { IPAM_DB_PATH: temporaryStore() } });
    assert.is(signal, null);
    assert.is.not(status, 0);
  });
}

const SUPPORTED = { cniVersion: '1.1.0', supportedVersions: [...VERSIONS] };
for (const [name, stdin, env] of [
  ['with empty stdin', '', {}],
  ['with a configuration', { cniVersion: '0.4.0', name: 'x' }, {}],
  ['with garbage on stdin', '{', {}],
  ['with nothing else in the environment', '', { ...HISTORIC, CNI_IFNAME: undefined, IPAM_DB_PATH: undefined }],
  ['with a store that is a directory', '', { IPAM_DB_PATH: '/' }],
] as [string, unknown, Env][]) {
  test(`VERSION ${name}`, async () => {
    const reply = await new Host().run('VERSION', stdin, env);
    assert.is(reply.status, 0, reply.stdout);
    const answer = JSON.parse(reply.stdout);
    assert.equal({ ...answer, supportedVersions: [...answer.supportedVersions].sort() }, SUPPORTED);
  });
}
test('VERSION never waits for stdin', async () => {
  const child = spawn(EXECUTABLE, [], {
    env: { PATH: process.env.PATH, CNI_COMMAND: 'VERSION' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', chunk => {
    stdout += chunk;
  });
  child.stdin.on('error', () => {});
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  const status = await new Promise(resolve => child.on('close', resolve));
  clearTimeout(timer);
  assert.is(status, 0, 'it ends while stdin is still open');
  assert.equal(JSON.parse(stdout).cniVersion, '1.1.0');
});

test('add, check, list, del by hand', async () => {
  const store = temporaryStore();
  const env = { IPAM_DB_PATH: store };
  const file = join(temporaryDirectory(), 'net.conf');
  writeFileSync(file, JSON.stringify(config(DUAL, { cniVersion: '1.0.0' })));
  const who = ['--container', 'c1', '--ifname', 'eth0'];

  const added = await run({ args: ['add', file, ...who], env });
  assert.is(added.status, 0, added.stdout + added.stderr);
  assert.match(added.stdout, /10\.0\.0\.2\/24/);
  assert.match(added.stdout, /2001:db8::2\/64/);
  const checked = await run({ args: ['check', file, ...who], env });
  assert.is(checked.status, 0, checked.stdout + checked.stderr);
  const shown = await run({ args: ['list'], env });
  assert.is(shown.status, 0);
  for (const text of ['10.0.0.2', '2001:db8::2', 'c1'])
    assert.ok(shown.stdout.includes(text), `${text} in ${shown.stdout}`);

  // By hand and by a runtime, it is the same owner.
  const host = new Host({ store });
  await host.refuse('ADD', config(DUAL), 103, [/10\.0\.0\.2|2001:db8::2/], container('c1'));
  await host.holds(['10.0.0.2', '2001:db8::2']);

  const released = await run({ args: ['del', file, ...who], env });
  assert.is(released.status, 0, released.stdout + released.stderr);
  await host.holds([], ['10.0.0.2', '2001:db8::2']);
  const again = await run({ args: ['del', file, ...who], env });
  assert.is(again.status, 0, again.stdout + again.stderr);
  const missing = await run({ args: ['check', file, ...who], env });
  assert.is.not(missing.status, 0, 'nothing is held');
});
test('add --id by hand, for a configuration without an id', async () => {
  const store = temporaryStore();
  const env = { IPAM_DB_PATH: store };
  const file = join(temporaryDirectory(), 'net.conf');
  writeFileSync(file, JSON.stringify({ ipam: { type: 'ecs-ipam', ...DUAL } }));
  const added = await run({ args: ['add', file, '--id', 'task', '--ifname', 'eth0'], env });
  assert.is(added.status, 0, added.stdout + added.stderr);
  const host = new Host({ store });
  await host.refuse('ADD', config({ ...DUAL, id: 'task' }), 103, [/10\.0\.0\.2|2001:db8::2/]);
  const twice = await run({ args: ['add', file, '--id', 'task', '--ifname', 'eth0'], env });
  assert.is.not(twice.status, 0, 'a repeated ADD is refused by hand as well');
  const released = await run({ args: ['del', file, '--id', 'task', '--ifname', 'eth0'], env });
  assert.is(released.status, 0, released.stdout + released.stderr);
  await host.holds([], ['10.0.0.2', '2001:db8::2']);
});
test('list --json: every lease and every gateway, once', async () => {
  const host = new Host();
  await host.fill(config(DUAL), 3);
  assert.equal([...(await host.listed())].sort(), [
    '10.0.0.1',
    '10.0.0.2',
    '10.0.0.3',
    '10.0.0.4',
    '2001:db8::1',
    '2001:db8::2',
    '2001:db8::3',
    '2001:db8::4',
  ]);
});
test('list --json of more than a pipe holds is complete', async () => {
  const host = new Host();
  for (let i = 0; i < 25; i++) await host.take(config({ ...DUAL, id: `${i}`.padEnd(4000, 'x') }));
  const { stdout } = await run({ args: ['list', '--json'], env: { IPAM_DB_PATH: host.store } });
  assert.is(JSON.parse(stdout).length, 52);
});
/** Runs the command line in front of a reader that has gone already, or with `where` as its stdout. */
async function unread(store: string, where: string, ...args: string[]): Promise<string> {
  const script = `{ sleep 0.3; "$0" "$@" ${where}; echo "exit $?" >&2; } | true`;
  const env = { IPAM_DB_PATH: store };
  return (await run({ command: 'sh', args: ['-c', script, EXECUTABLE, ...args], env })).stderr;
}
test('a reader that has gone: a command ends quietly, as if by SIGPIPE', async () => {
  const host = new Host();
  await host.fill(config(DUAL), 3);
  for (const args of [['list'], ['list', '--json'], ['--help'], ['fsck'], ['export']]) {
    assert.is(await unread(host.store, '', ...args), 'exit 141\n', args.join(' '));
  }
});
test('gc whose list cannot be read frees nothing', async () => {
  const host = new Host();
  await host.fill(config(DUAL), 3);
  const file = join(temporaryDirectory(), 'keep');
  writeFileSync(file, 'fill0\n');
  const soon = Date.now() / 1000 + 3600;
  utimesSync(file, soon, soon); // the list knows of the leases
  assert.match(await unread(host.store, '', 'gc', '--keep', file), /exit 141\n$/);
  await host.holds(['10.0.0.2', '10.0.0.3', '10.0.0.4']);
  assert.match(await unread(host.store, '> /dev/null', 'gc', '--keep', file), /exit 0\n$/);
  await host.holds(['10.0.0.2'], ['10.0.0.3', '10.0.0.4']);
});
test('a full device: exit 1, and a word on stderr', async () => {
  const host = new Host();
  await host.fill(config(DUAL), 1);
  assert.match(await unread(host.store, '> /dev/full', 'list'), /^ecs-ipam: stdout .*ENOSPC.*\nexit 1\n$/);
});
test('nobody reads stderr: an ADD whose result was read has succeeded', async () => {
  const store = temporaryStore();
  const env = cniEnv('ADD', store, { ECS_CNI_LOG_FILE: '/proc/no/such/log', IPAM_SOCKET: DAEMON_SOCKET });
  const { child, done } = start({ env, stdin: null });
  child.stderr?.destroy();
  child.stdin?.end(JSON.stringify(config(DUAL)));
  const reply = await done;
  assert.is(reply.status, 0, reply.stdout);
  assert.match(reply.stdout, '10.0.0.2/24');
});
test('the executable through a symbolic link, from another directory', async () => {
  const link = join(temporaryDirectory(), 'ecs-ipam');
  const host = new Host();
  const args = ['-c', 'ln -s "$0" "$1" && cd / && exec "$1"', EXECUTABLE, link];
  const reply = await host.run('ADD', config(DUAL), {}, { command: 'sh', args });
  assert.is(reply.status, 0, reply.stdout + reply.stderr);
});

test.run();
