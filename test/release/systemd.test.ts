// The systemd units: what systemd's own checks say of them, and the daemon as they start it. A service manager is not
// needed: its tools apply what the units ask for, but for the filter of system calls, which is held against a trace.

import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  addressOf,
  type Call,
  check,
  del,
  leasesOf,
  listRun,
  network,
  refused,
  silent,
  status,
} from '../integration/support/ipam.ts';
import { execute, type Started, start, tool, until } from '../integration/support/process.ts';
import { parseTrace } from '../integration/support/strace.ts';
import { EXECUTABLE, temporaryDirectory } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { allowedCalls, readUnit, soleValue, UNIT_NAMES } from './support/unit.ts';

const test = suite('systemd units');

const service = readUnit('ecs-ipam.service');
const socket = readUnit('ecs-ipam.socket');
const source = (path: string) => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

/** Exposure as systemd-analyze counts it, 0 to 100. Each point above 0 has its reason in the unit. */
const MOST_EXPOSURE = 15;

testWith(
  test,
  ['systemd'],
  'systemd-analyze finds nothing wrong with installed units, and little exposed',
  async () => {
    const directory = temporaryDirectory();
    await tool(EXECUTABLE, 'install', '--cni-dir', directory, '--systemd-dir', directory);
    const paths = UNIT_NAMES.map(name => join(directory, name));
    const verified = await execute({ command: 'systemd-analyze', args: ['verify', ...paths] });
    assert.equal([verified.status, verified.stdout, verified.stderr], [0, '', '']);
    const args = ['security', '--no-pager', '--offline=yes', `--threshold=${MOST_EXPOSURE}`];
    const security = await execute({
      command: 'systemd-analyze',
      args: [...args, join(directory, 'ecs-ipam.service')],
    });
    assert.is(security.status, 0, security.stdout + security.stderr);
  },
);

test('the units, the launcher and the daemon mean the same paths', () => {
  const launcher = source('src/launcher/launcher.c');
  const defined = (name: string) => new RegExp(`#define ${name} "(.*)"`).exec(launcher)?.[1];
  assert.is(soleValue(socket, 'ListenStream'), defined('DEFAULT_SOCKET'));
  assert.match(source('src/bin/serve.ts'), `'${soleValue(socket, 'ListenStream')}'`);
  assert.is(soleValue(service, 'ExecStart').split(' ')[0], defined('LIBEXEC_PROGRAM'));
  const storeDirectory = dirname(defined('DEFAULT_STORE') ?? '');
  assert.ok(soleValue(service, 'ReadWritePaths').split(' ').includes(storeDirectory));
  assert.is(soleValue(service, 'RequiresMountsFor'), storeDirectory);
  assert.match(soleValue(service, 'ExecStartPre'), new RegExp(` ${storeDirectory}$`));
});

test('nothing of the file system is hidden: a path leads to the same store with and without the daemon', () => {
  const hiding = ['PrivateTmp', 'TemporaryFileSystem', 'InaccessiblePaths', 'RootDirectory', 'RootImage', 'BindPaths'];
  for (const key of [...hiding, 'BindReadOnlyPaths', 'DynamicUser', 'User', 'ProcSubset']) {
    assert.not.ok(service.has(key), key);
  }
  assert.is(soleValue(service, 'ProtectHome'), 'read-only');
});

/**
 * Runs the daemon as the service's options have it: file systems read-only but for "$1", no network, few capabilities;
 * under strace, with the socket that is descriptor 3. Then holds the socket, as systemd does, until stdin ends.
 */
const SANDBOX = `set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro /
"$0" sh -c 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"' sh \
  setpriv --bounding-set="$2" --inh-caps=-all --no-new-privs strace -D -f -y -s 64 -o "$1/trace" "$3" $4 || echo "exit $?"
echo ended
cat >/dev/null`;

/** What starts the daemon on the first call; the socket's path, and the directory where it may write. */
function activate(): { started: Started; socketPath: string; writable: string } {
  const directory = temporaryDirectory();
  const [socketPath, writable] = [join(directory, 'ecs-ipam.sock'), join(directory, 'writable')];
  mkdirSync(writable);
  const capabilities = soleValue(service, 'CapabilityBoundingSet').toLowerCase().split(' ');
  const bounding = ['-all', ...capabilities.map(name => name.replace(/^cap_/, '+'))].join(',');
  const [program, ...command] = soleValue(service, 'ExecStart').replace('--idle 10m', '--idle 1s').split(' ');
  const executable = join(dirname(EXECUTABLE), (program ?? '').split('/').at(-1) ?? '');
  const environment = ['-E', `NOTIFY_SOCKET=${join(directory, 'notify')}`, '-E', 'WATCHDOG_USEC=200000'];
  const sandbox = ['sh', '-c', SANDBOX, 'env', writable, bounding, executable, command.join(' ')];
  const args = ['-l', socketPath, ...environment, 'unshare', '--mount', '--net', ...sandbox];
  const started = start({ command: 'systemd-socket-activate', args, stdin: null, limitMs: 60_000 });
  return { started, socketPath, writable };
}

const canConnect = (path: string) =>
  new Promise<boolean>(resolve => {
    const caller = connect(path, () => {
      caller.destroy();
      resolve(true);
    });
    caller.on('error', () => resolve(false));
  });

testWith(test, ['root', 'systemd', 'strace', 'unshare'], 'the daemon under the restrictions of its unit', async () => {
  const { started, socketPath, writable } = activate();
  await until('the socket is there', () => existsSync(socketPath));
  let output = '';
  started.child.stdout?.on('data', chunk => {
    output += chunk;
  });

  const call: Call = {
    store: join(writable, 'below', 'store.mdb'),
    conf: network(),
    env: { IPAM_SOCKET: socketPath, ECS_CNI_LOG_FILE: join(writable, 'log') },
  };
  assert.is(addressOf(await add(call)), '10.0.0.2');
  silent(await check(call), 'CHECK');
  silent(await status(call), 'STATUS');
  assert.is(addressOf(await add({ ...call, owner: 'c2' })), '10.0.0.3');
  silent(await del(call), 'DEL');
  assert.equal(
    leasesOf(await listRun(call.store)).map(({ address }) => address),
    ['10.0.0.1', '10.0.0.3'],
  );
  assert.ok(statSync(join(writable, 'log')).size > 0, 'nothing was logged');

  const elsewhere = join(temporaryDirectory(), 'store.mdb');
  const { msg } = refused(await add({ ...call, store: elsewhere }), 5, 'ADD where the unit forbids to write');
  assert.match(msg, new RegExp(`^store ${elsewhere}: EROFS`));
  assert.not.ok(existsSync(elsewhere));

  await until('the idle daemon has ended', () => output.includes('ended'));
  assert.is(output, 'ended\n');
  assert.ok(await canConnect(socketPath), 'the socket is still for systemd to listen on');
  started.child.stdin?.end();
  assert.is((await started.done).status, 0);

  const calls = parseTrace(readFileSync(join(writable, 'trace'), 'utf8'));
  const allowed = await allowedCalls(service);
  const forbidden = [...new Set(calls.map(({ name }) => name))].filter(name => !allowed.has(name));
  assert.equal(forbidden, [], 'system calls that the filter would refuse');
  const families = calls.filter(({ name }) => name.startsWith('socket')).map(({ args }) => args.split(',')[0]);
  assert.equal([...new Set(families)], [soleValue(service, 'RestrictAddressFamilies')]);
  const notices = calls.filter(({ name }) => name === 'sendto').flatMap(({ strings }) => strings.slice(0, 1));
  for (const notice of ['READY=1', 'WATCHDOG=1']) assert.ok(notices.includes(notice), notice);
});

test.run();
