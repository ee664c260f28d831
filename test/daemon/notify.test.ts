// What the daemon tells systemd (sd_notify(3)), read from a real datagram socket.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addressOf, network } from '../integration/support/ipam.ts';
import { printed, type Started, sleep, start } from '../integration/support/process.ts';
import { cniEnv, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { PROGRAM, startDaemon, temporarySocket } from './support/daemon.ts';
import { ask } from './support/frames.ts';

const test = suite('notifications');

/** Binds a datagram socket, an abstract one if its name begins with @, and prints each datagram on a line. */
const RECEIVER = `use Socket; $| = 1;
my ($socket, $path) = (undef, @ARGV);
$path =~ s/^@/\\0/;
socket($socket, AF_UNIX, SOCK_DGRAM, 0) && bind($socket, pack_sockaddr_un($path)) or die "$!";
print "ready\\n";
while (defined recv($socket, my $datagram, 4096, 0)) { print "$datagram\\n" }`;

async function receiver(path: string): Promise<{ process: Started; lines: string[] }> {
  const process = start({ command: 'perl', args: ['-e', RECEIVER, path], limitMs: 60_000 });
  const lines: string[] = [];
  process.child.stdout?.on('data', (text: string) => lines.push(...text.split('\n').filter(Boolean)));
  await printed(process, 'ready');
  return { process, lines };
}

async function arrived(lines: string[], what: string, count = 1): Promise<void> {
  for (let waits = 0; lines.filter(line => line === what).length < count; waits++) {
    assert.ok(waits < 500, `no ${what} among ${lines}`);
    await sleep(10);
  }
}

for (const kind of ['a socket in the file system', 'an abstract socket']) {
  testWith(test, ['perl'], `READY, WATCHDOG and STOPPING, to ${kind}`, async () => {
    const path = `${kind.includes('abstract') ? '@ecs-ipam-test' : ''}${temporaryDirectory()}/notify`;
    const { process, lines } = await receiver(path);
    const daemon = await startDaemon({ env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '200000' } });
    await arrived(lines, 'READY=1');
    assert.equal(lines, ['ready', 'READY=1'], 'before READY');
    const store = temporaryStore();
    assert.is(addressOf((await ask(daemon.socket, cniEnv('ADD', store), network()))!), '10.0.0.2');
    await arrived(lines, 'WATCHDOG=1', 3);
    const { status } = await daemon.end('SIGTERM');
    assert.is(status, 0);
    await arrived(lines, 'STOPPING=1');
    assert.equal([...new Set(lines)], ['ready', 'READY=1', 'WATCHDOG=1', 'STOPPING=1'], 'in this order');
    process.child.kill('SIGKILL');
    await process.done;
  });
}

testWith(test, ['perl'], 'without a watchdog none is fed; a watchdog of another process is not ours', async () => {
  const path = `${temporaryDirectory()}/notify`;
  const { process, lines } = await receiver(path);
  for (const env of [{}, { WATCHDOG_USEC: '' }, { WATCHDOG_USEC: '100000', WATCHDOG_PID: '1' }]) {
    const daemon = await startDaemon({ env: { NOTIFY_SOCKET: path, ...env } });
    await sleep(250);
    await daemon.end('SIGTERM');
  }
  await arrived(lines, 'STOPPING=1', 3);
  assert.not.match(String(lines), 'WATCHDOG');
  process.child.kill('SIGKILL');
  await process.done;
});

testWith(test, ['perl', 'socketActivate'], 'an idle daemon says that it ends', async () => {
  const path = `${temporaryDirectory()}/notify`;
  const { process, lines } = await receiver(path);
  const socket = temporarySocket();
  const args = ['--listen', socket, '-E', `NOTIFY_SOCKET=${path}`, PROGRAM, 'serve', '--idle', '100ms'];
  const activated = start({ command: 'systemd-socket-activate', args });
  await printed(activated, `Listening on ${socket}`);
  assert.is((await ask(socket, { CNI_COMMAND: 'VERSION' }, ''))?.status, 0);
  assert.is((await activated.done).status, 0);
  await arrived(lines, 'STOPPING=1');
  assert.equal(lines, ['ready', 'READY=1', 'STOPPING=1']);
  process.child.kill('SIGKILL');
  await process.done;
});

test('a notification socket that nobody reads does not matter', async () => {
  for (const path of ['/nonexistent/notify', '@ecs-ipam-test-nobody', 'x'.repeat(300), '']) {
    const daemon = await startDaemon({ env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: '50000' } });
    await sleep(100);
    const { status, signal, stderr } = await daemon.end('SIGTERM');
    assert.is(status, 0, `${signal}: ${stderr}`);
  }
});

test.run();
