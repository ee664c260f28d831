// An ADD whose caller goes before it has confirmed the answer is taken back: no main plugin calls DEL after an ADD that
// has failed, so the address would be lost for ever.

import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdFlock, letGo } from '../integration/support/hold.ts';
import { add, addressOf, begin, del, distinct, held, network, refused, silent } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { cniEnv, EXECUTABLE, temporaryStore } from '../support/plugin.ts';
import { type Daemon, startDaemon, stopDaemon, untilAlone } from './support/daemon.ts';
import { ask, connected, decodeAnswer, received, requestFrame } from './support/frames.ts';

const test = suite('undelivered answers');

const USABLE = ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'];
const conf = network({ 'ipv4-subnet': '10.0.0.0/29', 'ipv6-subnet': '2001:db8::/64' });

let daemon: Daemon;
test.before(async () => {
  daemon = await startDaemon();
});
test.after(() => stopDaemon(daemon));

/** Waits until exactly these containers' addresses are held. */
async function settles(store: string, expected: string[]): Promise<void> {
  const startMs = performance.now();
  for (;;) {
    const addresses = (await held(store)).filter(address => !address.includes(':'));
    if (String(addresses) === String(expected)) return;
    if (performance.now() - startMs > 5_000) assert.equal(addresses, expected);
    await sleep(20);
  }
}

/** Nothing leaks: every usable address can still be had, and no more. */
async function fills(store: string, held: number): Promise<void> {
  const free = USABLE.length - held;
  const runs = await Promise.all(
    Array.from({ length: free }, (_, i) => add({ store, conf, owner: `fill${i}`, env: daemon.env })),
  );
  distinct(
    runs.map((run, i) => addressOf(run, `ADD ${i} of ${free} that must fit`)),
    'ADDs',
  );
  refused(await add({ store, conf, owner: 'too-many', env: daemon.env }), 101);
}

async function send(store: string, owner = 'gone', network: unknown = conf): Promise<Socket> {
  const socket = await connected(daemon.socket);
  socket.write(requestFrame(cniEnv('ADD', store, { CNI_CONTAINERID: owner }), network));
  return socket;
}

/** The answer, which is not confirmed. */
async function take(socket: Socket): Promise<string> {
  const answer = decodeAnswer(await received(socket), 0);
  assert.ok(answer, 'no answer');
  return addressOf(answer);
}

test('a caller that goes as soon as it has asked', async () => {
  const store = temporaryStore();
  for (let i = 0; i < 8; i++) (await send(store, `gone${i}`)).destroySoon();
  await untilAlone(daemon);
  await settles(store, []);
  await fills(store, 0);
});

test('callers that go while the store is locked', async () => {
  const store = temporaryStore();
  addressOf(await add({ store, conf, owner: 'first', env: daemon.env }));
  const holder = await holdFlock(store);
  const sockets = await Promise.all(Array.from({ length: 8 }, (_, i) => send(store, `gone${i}`)));
  await sleep(50);
  for (const socket of sockets) socket.destroy();
  await letGo(holder);
  await untilAlone(daemon);
  await settles(store, ['10.0.0.2']);
  await fills(store, 1);
});

test('a caller that has got the answer and goes without confirming it', async () => {
  const store = temporaryStore();
  const socket = await send(store);
  assert.is(await take(socket), '10.0.0.2');
  socket.destroy();
  await settles(store, []);
  await fills(store, 0);
});

test('a caller that can confirm nothing, having ended its side', async () => {
  const store = temporaryStore();
  const socket = await send(store);
  socket.end();
  await new Promise(resolve => socket.resume().on('close', resolve));
  await settles(store, []);
  await fills(store, 0);
});

test('a caller that has confirmed and goes keeps its lease', async () => {
  const store = temporaryStore();
  const socket = await send(store);
  await take(socket);
  socket.end(Buffer.alloc(1));
  await new Promise(resolve => socket.on('close', resolve));
  await settles(store, ['10.0.0.2']);
  await fills(store, 1);
});

test('an address that somebody else has got meanwhile stays with it', async () => {
  const store = temporaryStore();
  const asked = network({ 'ipv4-subnet': '10.0.0.0/29', 'ipv4-address': '10.0.0.4' });
  const changes: [what: string, owner: string][] = [
    ['the same owner again', 'gone'],
    ['another owner', 'other'],
  ];
  for (const [what, owner] of changes) {
    const socket = await send(store, 'gone', asked);
    assert.is(await take(socket), '10.0.0.4');
    silent(await del({ store, conf: asked, owner: 'gone', env: daemon.env }), 'DEL');
    assert.is(addressOf(await add({ store, conf: asked, owner, env: daemon.env }), what), '10.0.0.4');
    socket.destroy();
    await sleep(100);
    await settles(store, ['10.0.0.4']);
    silent(await del({ store, conf: asked, owner, env: daemon.env }), 'DEL');
  }
});

test('what an owner is given again in the same moment stays with it', async () => {
  const store = temporaryStore();
  const asked = network({ 'ipv4-subnet': '10.0.0.0/29', 'ipv4-address': '10.0.0.4' });
  addressOf(await add({ store, conf, owner: 'first', env: daemon.env }));
  const answers: string[] = [];
  for (let round = 0; round < 5; round++) {
    // What arrives while the store is locked is carried out together, within a millisecond.
    const holder = await holdFlock(store);
    const gone = await send(store, 'again', asked);
    await sleep(30);
    gone.destroy();
    const ending = ask(daemon.socket, cniEnv('DEL', store, { CNI_CONTAINERID: 'again' }), asked);
    await sleep(30);
    const again = ask(daemon.socket, cniEnv('ADD', store, { CNI_CONTAINERID: 'again' }), asked);
    await sleep(30);
    await letGo(holder);
    silent((await ending)!, 'DEL');
    answers.push(addressOf((await again)!, 'the second ADD'));
    await sleep(100);
    await settles(store, ['10.0.0.2', '10.0.0.4']);
    silent(await del({ store, conf: asked, owner: 'again', env: daemon.env }), 'DEL');
  }
  assert.equal(answers, Array(5).fill('10.0.0.4'));
});

test('an address that was freed meanwhile stays free, and the daemon serves on', async () => {
  const store = temporaryStore();
  const socket = await send(store);
  await take(socket);
  silent(await del({ store, conf, owner: 'gone', env: daemon.env }), 'DEL');
  socket.destroy();
  await settles(store, []);
  await fills(store, 0);
});

test('a launcher whose stdout is full', async () => {
  const store = temporaryStore();
  const script = 'exec "$0" >/dev/full';
  const options = { command: 'sh', args: ['-c', script, EXECUTABLE] };
  const run = await add({ store, conf, env: daemon.env, options });
  assert.is(run.status, 1);
  assert.match(run.stderr, 'the result cannot be written: No space left on device');
  await settles(store, []);
  await fills(store, 0);
});

for (const [what, redirection] of [
  ['closed', '>&-'],
  ['a pipe that nobody reads', '| true'],
]) {
  test(`a launcher whose stdout is ${what}`, async () => {
    const store = temporaryStore();
    const script = `{ sleep 0.1; "$0"; echo "exit $?" >&2; } ${redirection}`;
    const options = { command: 'sh', args: ['-c', script, EXECUTABLE] };
    const run = await add({ store, conf, env: daemon.env, options });
    assert.match(run.stderr, 'the result cannot be written');
    assert.match(run.stderr, 'exit 1');
    await settles(store, []);
    await fills(store, 0);
  });
}

test('a launcher killed while nobody reads what it prints', async () => {
  const store = temporaryStore();
  const routes = Array.from({ length: 30_000 }, (_, i) => ({
    dst: `${10 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`,
  }));
  const large = network({ 'ipv4-subnet': '10.0.0.0/29', 'ipv4-routes': routes });
  const launcher = begin('ADD', { store, conf: large, env: daemon.env });
  launcher.child.stdout?.pause();
  await settles(store, ['10.0.0.2']);
  assert.is(launcher.child.exitCode, null, 'it has printed all of it');
  launcher.child.kill('SIGKILL');
  launcher.child.stdout?.resume();
  await launcher.done;
  await settles(store, []);
});

test.run();
