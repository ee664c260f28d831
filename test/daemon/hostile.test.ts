// Callers that send anything but requests do not disturb those that do, and cost the daemon no memory. The daemon has a
// root directory of its own, as a changed request may name any store.

import { readdirSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { onBareMachine } from '../integration/support/bare-machine.ts';
import { addressOf, errorOf, network, resultOf, silent } from '../integration/support/ipam.ts';
import { inParallel, sleep } from '../integration/support/process.ts';
import { cniEnv, type Run, temporaryDirectory } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { type Daemon, residentBytes, startDaemon, stopDaemon } from './support/daemon.ts';
import { ask, connected, decodeAnswer, received, requestFrame } from './support/frames.ts';

const test = suite('hostile callers');

const STORE = '/data/store.mdb';
const MOST_REQUEST_BYTES = 4 << 20;
/** What a garbage collector may not have got round to. */
const MEMORY_BYTES = 64 << 20;
/** The kernel's buffers of both sides, generously. */
const BUFFERED_BYTES = 16 << 20;
const GIGABYTE = 1 << 30;
const IDLE_CALLERS = 300;
/** The daemon's ten seconds for a request, and what a busy machine adds. */
const PATIENCE_MS = 10_000 + 5_000;
const conf = network({ 'ipv4-subnet': '10.0.0.0/16' });

let daemon: Daemon;
const openSockets = () =>
  readdirSync(`/proc/${daemon.pid}/fd`).filter(fd =>
    readlinkSync(`/proc/${daemon.pid}/fd/${fd}`).startsWith('socket:'),
  );

let calls = 0;
/** One ADD as every caller makes it. */
async function callNormally(): Promise<void> {
  const run = await ask(daemon.socket, cniEnv('ADD', STORE, { CNI_CONTAINERID: `normal${calls++}` }), conf);
  addressOf(run!, 'a normal ADD');
}

/** Waits until the daemon has closed the connection; how long that took. */
async function closed(socket: Socket): Promise<number> {
  const startMs = performance.now();
  await received(socket);
  socket.destroy();
  return performance.now() - startMs;
}

/** Sends bytes over and over until the connection breaks; how many went out. */
async function stream(socket: Socket, chunk: Buffer, most: number): Promise<number> {
  let isOpen = true;
  socket.on('close', () => {
    isOpen = false;
  });
  socket.on('error', () => {}); // that it breaks is the point
  socket.resume();
  let sent = 0;
  while (isOpen && sent < most) {
    sent += chunk.length;
    if (!socket.write(chunk)) await new Promise(resolve => socket.once('drain', resolve).once('close', resolve));
  }
  socket.destroy();
  return sent - socket.writableLength;
}

const needs: ['root', 'unshare'] = ['root', 'unshare'];
let idle: Promise<number>[];
let unconfirmed: Promise<string>;
let socketsAtFirst: string[];

testWith(
  test,
  needs,
  'hundreds that say nothing, or half of something, or confirm nothing: others are served',
  async () => {
    const root = temporaryDirectory();
    daemon = await startDaemon({
      socket: join(root, 'run/ecs-ipam.sock'),
      env: { IPAM_SOCKET: '/run/ecs-ipam.sock' },
      command: onBareMachine(root, 'ecs-ipamd', 'serve'),
    });
    socketsAtFirst = openSockets();
    await callNormally();
    const half = requestFrame(cniEnv('ADD', STORE), conf).subarray(0, 100);
    const sockets = await Promise.all(Array.from({ length: IDLE_CALLERS }, () => connected(daemon.socket)));
    for (const [i, socket] of sockets.entries()) socket.write(half.subarray(0, i % half.length));
    idle = sockets.map(closed);
    const silentCaller = await connected(daemon.socket);
    silentCaller.write(requestFrame(cniEnv('ADD', STORE, { CNI_CONTAINERID: 'unconfirmed' }), conf));
    const answer = decodeAnswer(await received(silentCaller), 0);
    unconfirmed = closed(silentCaller).then(() => addressOf(answer!));
    for (let i = 0; i < 20; i++) await callNormally();
  },
);

testWith(test, needs, 'garbage is cut off at once, and costs no memory: a gigabyte of zeros', async () => {
  const before = residentBytes(daemon.pid);
  const sent = await stream(await connected(daemon.socket), Buffer.alloc(1 << 20), GIGABYTE);
  assert.ok(sent < BUFFERED_BYTES, `${sent} bytes were taken`);
  await callNormally();
  const grown = residentBytes(daemon.pid) - before;
  assert.ok(grown < MEMORY_BYTES, `memory grew by ${grown} bytes`);
});

testWith(test, needs, 'a gigabyte behind a request is cut off, and its ADD is taken back', async () => {
  const before = residentBytes(daemon.pid);
  const socket = await connected(daemon.socket);
  const env = cniEnv('ADD', STORE, { CNI_CONTAINERID: 'talkative' });
  socket.write(requestFrame(env, conf));
  const sent = await stream(socket, Buffer.alloc(1 << 20, 'e'), GIGABYTE);
  assert.ok(sent < BUFFERED_BYTES, `${sent} bytes were taken`);
  const grown = residentBytes(daemon.pid) - before;
  assert.ok(grown < MEMORY_BYTES, `memory grew by ${grown} bytes`);
});

testWith(test, needs, 'a request of 4 MiB is answered, one of a byte more is cut off', async () => {
  const env = cniEnv('STATUS', STORE, { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '' });
  const text = JSON.stringify(conf);
  const padding = MOST_REQUEST_BYTES + 8 - requestFrame(env, text).length;
  silent((await ask(daemon.socket, env, text + ' '.repeat(padding)))!, 'STATUS of 4 MiB');
  assert.is(await ask(daemon.socket, env, text + ' '.repeat(padding + 1)).catch(() => undefined), undefined);
  await callNormally();
});

testWith(test, needs, 'a request in single bytes is answered', async () => {
  const socket = await connected(daemon.socket);
  const frame = requestFrame(cniEnv('ADD', STORE, { CNI_CONTAINERID: 'slow' }), conf);
  for (const byte of frame) {
    await new Promise(resolve => socket.write(Buffer.from([byte]), resolve));
  }
  addressOf(decodeAnswer(await received(socket), 0)!, 'ADD');
  socket.end(Buffer.alloc(1));
});

/** Changes a frame: bytes flipped, cut out, put in, doubled; its lengths set to something else. */
function mutated(frame: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(frame);
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const at = random.below(bytes.length);
    const length = random.below(16);
    const extreme = random.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff, MOST_REQUEST_BYTES, random.below(1000)]);
    const tail = bytes.subarray(at);
    const change = random.pick(['flip', 'cut', 'insert', 'double', 'truncate', 'number', 'number'] as const);
    if (change === 'flip') bytes[at]! ^= 1 << random.below(8);
    if (change === 'cut') bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    if (change === 'insert')
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(length, random.below(256)), tail]);
    if (change === 'double') bytes = Buffer.concat([bytes.subarray(0, at), tail.subarray(0, length), tail]);
    if (change === 'truncate') bytes = bytes.subarray(0, at);
    // The frame's length, the count, the first variable's length.
    if (change === 'number' && bytes.length >= 16) bytes.writeUInt32BE(extreme, random.pick([4, 8, 12]));
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}

/** An answer is a result, silence or an error that was foreseen. */
function inOrder(run: Run, what: string): void {
  if (run.status !== 0) assert.not.match(errorOf(run, what).msg, 'unexpected error', what);
  else if (run.stdout !== '') resultOf(run, what);
}

testWith(test, needs, '600 changed requests: each is cut off or answered in order, and others are served', async () => {
  const random = new Random('changed requests');
  const commands = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC', 'VERSION'];
  const jobs = Array.from({ length: 600 }, (_, i) => {
    const frame = requestFrame(cniEnv(random.pick(commands), STORE, { CNI_CONTAINERID: `changed${i}` }), conf);
    return { i, bytes: mutated(frame, random) };
  });
  let answered = 0;
  await inParallel(jobs, 8, async ({ i, bytes }) => {
    const socket = await connected(daemon.socket);
    socket.on('error', () => {}); // closed while we write
    socket.end(bytes);
    const run = decodeAnswer(await received(socket), 0);
    socket.destroy();
    if (run !== undefined) {
      answered++;
      inOrder(run, `seed ${seed}, frame ${i}: ${bytes.toString('latin1')}`);
    }
    if (i % 20 === 0) await callNormally();
  });
  assert.ok(answered > 30 && answered < 570, `${answered} of ${jobs.length} answered`);
});

testWith(test, needs, 'who says nothing is cut off after a while; who confirms nothing keeps its lease', async () => {
  for (const ms of await Promise.all(idle)) assert.ok(ms < PATIENCE_MS, `cut off after ${ms} ms`);
  const address = await unconfirmed;
  const env = cniEnv('CHECK', STORE, { CNI_CONTAINERID: 'unconfirmed' });
  silent((await ask(daemon.socket, env, conf))!, `CHECK of ${address}`);
  await callNormally();
  for (let waits = 0; openSockets().length > socketsAtFirst.length && waits < 100; waits++) await sleep(10);
  assert.equal(openSockets(), socketsAtFirst);
  await stopDaemon(daemon);
});

test.run();
