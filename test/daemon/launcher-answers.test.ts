// The launcher, with sanitizers, before daemons that answer anything, nothing, or never. Once it has sent its request
// it ends with the answer or with code 11, and in time.

import { createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addressOf, errorOf, network, refused } from '../integration/support/ipam.ts';
import { NON_BLOCKING, printed, start } from '../integration/support/process.ts';
import { cniEnv, type Env, type Run, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { startDaemon, stopDaemon, temporarySocket } from './support/daemon.ts';
import { answerFrame } from './support/frames.ts';
import { buildLauncher, launch } from './support/launcher.ts';

const test = suite('launcher and answers');

const LIMIT_MS = 300;
const ANSWER_GRACE_MS = 2_000;
const BUSY_MS = 3_000;
const MOST_REQUEST_BYTES = 4 << 20;
const conf = network();

let launcher: string;
test.before(() => {
  launcher = buildLauncher();
});

interface Call {
  env?: Env;
  stdin?: unknown;
  args?: string[];
  command?: string;
}

const env = (socket: string, more: Env = {}): Env =>
  cniEnv('ADD', temporaryStore(), { IPAM_SOCKET: socket, IPAM_DB_CONNECTION_TIMEOUT: `${LIMIT_MS}ms`, ...more });

/** What the launcher does before a daemon that does `behave` with each connection, and what that daemon received. */
async function before(behave: (socket: Socket) => void, call: Call = {}): Promise<{ run: Run; received: Buffer }> {
  const path = temporarySocket();
  let received = Buffer.alloc(0);
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {}); // the launcher has gone
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]);
    });
    behave(socket);
  });
  await new Promise<void>(resolve => server.listen(path, resolve));
  try {
    const run = await launch(launcher, { stdin: conf, ...call, env: env(path, call.env) }).done;
    await new Promise(resolve => setImmediate(resolve));
    return { run, received };
  } finally {
    server.close();
  }
}

/** Does something once the request is there. */
const onRequest = (then: (socket: Socket) => void) => (socket: Socket) => void socket.once('data', () => then(socket));
const answering = (bytes: Buffer) => onRequest(socket => socket.write(bytes));
const answeringLast = (bytes: Buffer) => onRequest(socket => socket.end(bytes));

const GOOD = answerFrame(0, '{"ips":[]}\n', 'a word\n');
const head = (length: number) => answerFrame(0, '', '', { all: length }).subarray(0, 8);

const wrong: [what: string, behave: (socket: Socket) => void, why: RegExp][] = [
  ['closes the connection', onRequest(socket => socket.destroy()), /closed the connection|reset by peer/],
  ['ends without a byte', onRequest(socket => socket.end()), /closed the connection/],
  ['ends within the head', answeringLast(GOOD.subarray(0, 5)), /closed the connection/],
  ['ends behind the head', answeringLast(GOOD.subarray(0, 8)), /closed the connection/],
  ['ends a byte too early', answeringLast(GOOD.subarray(0, -1)), /closed the connection/],
  ['answers with another magic', answering(Buffer.from('ecsx\0\0\0\u0008\0\0\0\0\0\0\0\0')), /not an answer/],
  ['answers in HTTP', answering(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), /not an answer/],
  ['announces 4 GiB', answering(head(0xffffffff)), /not an answer/],
  ['announces 64 MiB', answering(head(64 << 20)), /not an answer/],
  ['announces nothing', answering(head(0)), /too short/],
  ['announces half a number', answering(Buffer.concat([head(7), Buffer.alloc(7)])), /too short/],
  ['announces a longer stdout than all', answering(answerFrame(0, 'x', '', { stdout: 2 })), /do not fit/],
  ['announces a stdout of 4 GiB', answering(answerFrame(0, 'x', '', { stdout: 0xffffffff })), /do not fit/],
  ['gives a status that none can be', answering(answerFrame(256, '{}')), /do not fit/],
  ['gives a negative status', answering(answerFrame(0xffffffff, '{}')), /do not fit/],
];
for (const [what, behave, why] of wrong) {
  test(`a daemon that ${what}: code 11`, async () => {
    const { run, received } = await before(behave);
    const { msg } = refused(run, 11);
    assert.match(msg, 'the answer was lost, and the request may have been carried out');
    assert.match(msg, why);
    assert.is(received.toString('latin1', 0, 4), 'ecsq');
    assert.not.equal(received.subarray(-1), Buffer.alloc(1), 'it was confirmed');
  });
}

test('a daemon that closes before it has read: code 11, or the launcher helps itself', async () => {
  for (let i = 0; i < 10; i++) {
    const { run } = await before(socket => socket.destroy());
    if (run.status === 0) assert.is(addressOf(run), '10.0.0.2');
    else refused(run, 11);
  }
});

test('an answer whole, in single bytes, with something behind it: printed, its status returned, confirmed', async () => {
  const singleBytes = onRequest(async socket => {
    for (const byte of GOOD) await new Promise(resolve => socket.write(Buffer.from([byte]), resolve));
  });
  for (const behave of [answering(GOOD), singleBytes, answering(Buffer.concat([GOOD, Buffer.from('more')]))]) {
    const { run, received } = await before(behave);
    assert.equal([run.status, run.stdout, run.stderr], [0, '{"ips":[]}\n', 'a word\n']);
    assert.equal(received.subarray(-2), Buffer.from('}\0'), 'the request and one byte that confirms');
  }
  const { run } = await before(answering(answerFrame(255, '', '')));
  assert.equal([run.status, run.stdout, run.stderr], [255, '', '']);
});

test('an answer of ten megabytes', async () => {
  const stdout = 'x'.repeat(10 << 20);
  const { run } = await before(answering(answerFrame(0, stdout)));
  assert.ok(run.stdout === stdout, `${run.stdout.length} bytes arrived`);
});

testWith(test, ['perl'], 'non-blocking stdin and stdout', async () => {
  const stdout = 'x'.repeat(1 << 20);
  const { run } = await before(answering(answerFrame(0, stdout)), {
    command: 'sh',
    args: [
      '-c',
      `{ sleep 0.1; cat; } | { perl -e '${NON_BLOCKING}' "$0"; echo "exit $?" >&2; } | { sleep 0.2; cat; }`,
      launcher,
    ],
  });
  assert.match(run.stderr, 'exit 0');
  assert.ok(run.stdout === stdout, `${run.stdout.length} bytes arrived: ${run.stderr}`);
});

/** Code 11 when the limit and the grace have passed, no earlier and not much later. */
function timedOut(run: Run, what: string): void {
  assert.match(refused(run, 11, what).msg, 'the time limit has passed');
  const limitMs = LIMIT_MS + ANSWER_GRACE_MS;
  assert.ok(run.ms >= limitMs && run.ms < limitMs + BUSY_MS, `${what}: ${run.ms} ms of ${limitMs}`);
}

test('daemons that never answer, or not in time: code 11 after the limit and two seconds', async () => {
  const trickle = onRequest(socket => {
    const stdout = answerFrame(0, 'x'.repeat(1000));
    let at = 0;
    const timer = setInterval(() => socket.write(stdout.subarray(at, ++at)), 50);
    socket.on('close', () => clearInterval(timer));
  });
  const large = { ...conf, padding: 'x'.repeat(3 << 20) };
  const limits = ['300ms', '0.3s', '300000us', '300000000ns', '0h0m.3s', '+0.1s200ms'];
  const runs = await Promise.all([
    before(() => {}),
    before(answering(GOOD.subarray(0, 12))),
    before(trickle),
    before(socket => socket.pause(), { stdin: large }),
    ...limits.map(limit => before(() => {}, { env: { IPAM_DB_CONNECTION_TIMEOUT: limit } })),
  ]);
  const what = ['silence', 'half an answer', 'an answer byte for byte', 'a request that nobody reads', ...limits];
  for (const [i, { run }] of runs.entries()) timedOut(run, what[i]!);
});

testWith(test, ['perl'], 'a daemon that takes no call, with others waiting already: code 11 in time', async () => {
  const path = temporarySocket();
  const script = `use Socket; use IO::Handle; my ($l, @waiting);
    socket($l, AF_UNIX, SOCK_STREAM, 0) && bind($l, pack_sockaddr_un($ARGV[0])) && listen($l, 1) or die;
    for (1 .. 9) { socket(my $s, AF_UNIX, SOCK_STREAM, 0); $s->blocking(0);
      connect($s, pack_sockaddr_un($ARGV[0])) or last; push @waiting, $s }
    $| = 1; print "full\\n"; sleep 60`;
  const full = start({ command: 'perl', args: ['-e', script, path], limitMs: 60_000 });
  await printed(full, 'full');
  const run = await launch(launcher, { stdin: conf, env: env(path) }).done;
  assert.match(refused(run, 11).msg, `daemon ${path}: has taken no call`);
  const limitMs = LIMIT_MS + ANSWER_GRACE_MS;
  assert.ok(run.ms >= limitMs && run.ms < limitMs + BUSY_MS, `${run.ms} ms of ${limitMs}`);
  full.child.kill('SIGKILL');
  await full.done;
});

test('a request of 4 MiB is sent, a longer one is code 5', async () => {
  const most = MOST_REQUEST_BYTES - 4_096; // the environment takes some
  const { run, received } = await before(
    socket => {
      let length = 0;
      socket.on('data', chunk => {
        length += chunk.length;
        if (length > most) socket.write(GOOD);
      });
    },
    { stdin: 'x'.repeat(most) },
  );
  assert.is(run.status, 0, run.stdout);
  assert.is(received.readUInt32BE(4) + 8 + 1, received.length);
  for (const length of [MOST_REQUEST_BYTES, MOST_REQUEST_BYTES + 1, 64 << 20]) {
    const { run } = await before(answering(GOOD), { stdin: 'x'.repeat(length) });
    assert.match(refused(run, 5).msg, `longer than ${MOST_REQUEST_BYTES} bytes`);
  }
});

test('only what concerns the plugin is passed on, however long the environment is', async () => {
  const long: Env = { BUN_OPTIONS: '--preload x', NODE_OPTIONS: 'x', UNRELATED: 'x'.repeat(100_000), CNI: 'x' };
  for (let i = 0; i < 10; i++) long[`CNI_LONG_${i}`] = `${i}`.repeat(100_000);
  const { run, received } = await before(
    socket => {
      let length = 0;
      socket.on('data', chunk => {
        length += chunk.length;
        if (length > 1_000_000) socket.write(GOOD);
      });
    },
    { env: { ...long, ECS_CNI_LOGLEVEL: 'debug' } },
  );
  assert.is(run.status, 0, run.stdout);
  const text = received.toString('latin1');
  for (let i = 0; i < 10; i++) assert.ok(text.includes(`CNI_LONG_${i}=${`${i}`.repeat(100_000)}`), `CNI_LONG_${i}`);
  assert.match(text, 'ECS_CNI_LOGLEVEL=debug');
  assert.not.match(text, /BUN_OPTIONS|NODE_OPTIONS|UNRELATED|CNI=x|ASAN_OPTIONS/);
});

test('a path that no socket can have is code 5', async () => {
  for (const path of [`/${'x'.repeat(107)}`, `/${'x'.repeat(5_000)}`]) {
    const run = await launch(launcher, { stdin: conf, env: env(path) }).done;
    assert.match(errorOf(run).msg, 'longer than 107 bytes');
  }
  const longest = `${temporaryDirectory()}/`.padEnd(107, 'x');
  assert.is(addressOf(await launch(launcher, { stdin: conf, env: env(longest) }).done), '10.0.0.2');
});

test('through a real daemon', async () => {
  const daemon = await startDaemon();
  const run = (command: string, more: Env = {}, stdin: unknown = conf) =>
    launch(launcher, { stdin, env: cniEnv(command, store, { ...daemon.env, ...more }) }).done;
  const store = temporaryStore();
  assert.is(addressOf(await run('ADD')), '10.0.0.2');
  refused(await run('ADD'), 103);
  assert.is((await run('CHECK')).stdout, '');
  assert.match((await run('VERSION', {}, null)).stdout, 'supportedVersions');
  refused(await run('ADD', { CNI_CONTAINERID: 'c2' }, 'no JSON'), 6);
  refused(await run('FLY'), 4);
  const complaint = await run('STATUS', { ECS_CNI_LOG_FILE: '/proc/none/log', CNI_CONTAINERID: '', CNI_IFNAME: '' });
  assert.is(complaint.status, 0, complaint.stdout);
  assert.is((await run('DEL')).status, 0);
  await stopDaemon(daemon);
});

test.run();
