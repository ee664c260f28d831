// Callers that send anything but requests do not disturb those that do, and cost the daemon no memory.

import { readdirSync, readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { onBareMachine } from '../integration/support/bare-machine.ts';
import { addressOf, network, silent } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { cniEnv, temporaryDirectory } from '../support/plugin.ts';
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
