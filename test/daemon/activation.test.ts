// Started by systemd with its socket: the first call starts the daemon, an idle time ends it, and the socket, which is
// systemd's, lives on: whoever comes while a daemon ends is answered by the next one.

import { existsSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, addressOf, distinct, holdsExactly, network } from '../integration/support/ipam.ts';
import { childrenOf, printed, type Started, sleep, start } from '../integration/support/process.ts';
import { cniEnv, temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { PROGRAM, temporarySocket } from './support/daemon.ts';
import { ask } from './support/frames.ts';

const test = suite('socket activation');
const conf = network({ 'ipv4-subnet': '10.0.0.0/16' });

const IDLE_MS = 2_000;
/** What a busy machine adds. */
const BUSY_MS = 3_000;

testWith(test, ['socketActivate'], 'the first call starts the daemon, two idle seconds end it', async () => {
  const socket = temporarySocket();
  const args = ['--listen', socket, PROGRAM, 'serve', '--idle', `${IDLE_MS}ms`];
  const activated = start({ command: 'systemd-socket-activate', args });
  await printed(activated, `Listening on ${socket}`);
  const store = temporaryStore();
  const env = { IPAM_SOCKET: socket };
  assert.is(addressOf(await add({ store, conf, env, owner: 'first' })), '10.0.0.2');
  // Each call begins the time anew.
  for (const owner of ['c1', 'c2']) {
    await sleep(0.55 * IDLE_MS);
    addressOf((await ask(socket, cniEnv('ADD', store, { CNI_CONTAINERID: owner }), conf))!);
  }
  const lastMs = performance.now();
  const { status, stderr } = await activated.done;
  const idleMs = performance.now() - lastMs;
  assert.is(status, 0, stderr);
  assert.match(stderr, 'ecs-ipamd: listening on descriptor 3');
  assert.match(stderr, 'ecs-ipamd: stopped');
  assert.ok(idleMs > 0.9 * IDLE_MS && idleMs < IDLE_MS + BUSY_MS, `it ended after ${Math.round(idleMs)} ms`);
  assert.ok(existsSync(socket), "systemd's socket was removed");
  assert.is(addressOf(await add({ store, conf, env, owner: 'last' }), 'ADD when nobody listens any more'), '10.0.0.5');
});

/** What systemd does: listens, starts the command when somebody connects, and again when it has ended. */
const ACTIVATOR = `use Socket; use POSIX; $| = 1; $^F = 9;
my ($listener, $path, @command) = (undef, @ARGV);
socket($listener, AF_UNIX, SOCK_STREAM, 0) && bind($listener, pack_sockaddr_un($path)) && listen($listener, 128) or die;
print "ready\\n";
for (;;) {
  my $ready = ''; vec($ready, fileno($listener), 1) = 1;
  select($ready, undef, undef, undef);
  my $pid = fork();
  if ($pid == 0) {
    POSIX::dup2(fileno($listener), 3);
    @ENV{'LISTEN_PID', 'LISTEN_FDS'} = ($$, 1);
    exec @command;
  }
  waitpid($pid, 0);
  # SIGTERM may come before the program listens to it.
  print $? == 0 || $? == 15 ? "ended\\n" : "failed $?\\n";
}`;

async function activator(socket: string, ...options: string[]): Promise<Started> {
  const args = ['-e', ACTIVATOR, socket, PROGRAM, 'serve', ...options];
  const started = start({ command: 'perl', args, limitMs: 60_000 });
  await printed(started, 'ready');
  return started;
}

/** Ends the activator and its daemon; what the activator has said of its daemons. */
async function end(activator: Started): Promise<string> {
  const daemons = childrenOf(activator.pid);
  activator.child.kill('SIGKILL');
  for (const pid of daemons) process.kill(pid, 'SIGTERM');
  const { stdout, stderr } = await activator.done;
  assert.not.match(stdout, 'failed', `${stdout}${stderr}`);
  return stdout;
}

testWith(test, ['perl'], 'calls that come while an idle daemon ends are answered by the next one', async () => {
  const random = new Random('idle daemons');
  const socket = temporarySocket();
  const systemd = await activator(socket, '--idle', '50ms');
  const store = temporaryStore();
  const addresses: string[] = [];
  for (let i = 0; i < 40; i++) {
    // Around the moment at which the daemon ends.
    await sleep(30 + random.fraction() * 40);
    const calls = Array.from({ length: 4 }, (_, j) =>
      ask(socket, cniEnv('ADD', store, { CNI_CONTAINERID: `c${i}-${j}` }), conf),
    );
    for (const run of await Promise.all(calls)) {
      assert.ok(run, `call ${i}: no answer`);
      addresses.push(addressOf(run));
    }
  }
  const ended = (await end(systemd)).split('ended').length - 1;
  assert.ok(ended >= 10, `only ${ended} daemons ended`);
  distinct(addresses, 'ADDs');
  await holdsExactly(store, addresses);
});

testWith(test, ['perl'], 'a daemon that is told to stop under load: the next one goes on', async () => {
  const random = new Random('stopped daemons');
  const socket = temporarySocket();
  const systemd = await activator(socket);
  const store = temporaryStore();
  const addresses: string[] = [];
  let isEnding = false;
  const row = async (name: string) => {
    for (let i = 0; !isEnding; i++) {
      const run = await ask(socket, cniEnv('ADD', store, { CNI_CONTAINERID: `${name}-${i}` }), conf);
      assert.ok(run, `${name}-${i}: no answer`);
      addresses.push(addressOf(run));
    }
  };
  const rows = Promise.all(Array.from({ length: 16 }, (_, i) => row(`row${i}`)));
  let hasFailed = false;
  rows.catch(() => {
    hasFailed = true; // seen below
  });
  const told = new Set<number>();
  while (told.size < 8 && !hasFailed) {
    await sleep(100 + random.fraction() * 100);
    for (const pid of childrenOf(systemd.pid).filter(pid => !told.has(pid))) {
      process.kill(pid, 'SIGTERM');
      told.add(pid);
    }
  }
  await sleep(200);
  isEnding = true;
  await rows;
  const ended = (await end(systemd)).split('ended').length - 1;
  assert.ok(ended >= 8, `only ${ended} daemons ended`);
  distinct(addresses, 'ADDs');
  await holdsExactly(store, addresses);
});

test.run();
