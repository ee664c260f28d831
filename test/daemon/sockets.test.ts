// Where a daemon listens: what it makes, what it replaces, and what it leaves alone.

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, addressOf, complained, network, silent } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { cniEnv, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { beginDaemon, PROGRAM, startDaemon, stopDaemon, temporarySocket } from './support/daemon.ts';
import { ask, connected } from './support/frames.ts';

const test = suite('sockets');
const conf = network();

const mode = (path: string) => (lstatSync(path).mode & 0o777).toString(8);

/** Fails unless a daemon answers there. */
async function answers(socket: string): Promise<void> {
  const run = await ask(socket, cniEnv('STATUS', temporaryStore()), conf);
  silent(run!, `STATUS through ${socket}`);
}

/** What a daemon says that must not start. */
async function refuses(socket: string): Promise<string> {
  return complained(await beginDaemon({ socket }).process.done, `a daemon on ${socket}`);
}

test('makes the directory and the socket for its own user alone, whatever the umask, and removes the socket', async () => {
  const socket = join(temporaryDirectory(), 'a', 'b', 'ecs-ipam.sock');
  const daemon = await startDaemon({ socket, command: ['sh', '-c', 'umask 0; exec "$0" serve', PROGRAM] });
  assert.is(mode(socket), '600');
  assert.is(mode(dirname(socket)), '700');
  assert.is(mode(dirname(dirname(socket))), '700');
  assert.equal(readdirSync(dirname(socket)), ['ecs-ipam.sock']);
  await answers(socket);
  await stopDaemon(daemon);
  assert.equal(readdirSync(dirname(socket)), []);
});

test('a live daemon keeps its socket: a second one ends and says why', async () => {
  const daemon = await startDaemon();
  const { ino } = lstatSync(daemon.socket);
  assert.match(await refuses(daemon.socket), `ecs-ipam: ${daemon.socket}: another daemon is listening there`);
  assert.is(lstatSync(daemon.socket).ino, ino);
  await answers(daemon.socket);
  await stopDaemon(daemon);
});

test('of many that start at once beside a stale socket, one listens and the others end', async () => {
  const socket = temporarySocket();
  for (let round = 0; round < 3; round++) {
    const daemons = Array.from({ length: 4 }, () => beginDaemon({ socket }));
    let ended = 0;
    for (const { process } of daemons) process.done.then(() => ended++);
    while (ended < 3) await sleep(5);
    await sleep(100);
    assert.is(ended, 3, `round ${round}`);
    await answers(socket);
    for (const { process, end } of daemons) {
      if (process.child.exitCode === null) await end('SIGKILL');
      else assert.match(complained(await process.done, 'one of many'), /another daemon is (listening|starting) there/);
    }
    assert.ok(existsSync(socket), 'a stale socket');
  }
});

test('the socket of a killed daemon is replaced', async () => {
  const killed = await startDaemon();
  await killed.end('SIGKILL');
  assert.ok(existsSync(killed.socket));
  const daemon = await startDaemon({ socket: killed.socket });
  await answers(daemon.socket);
  await stopDaemon(daemon);
  assert.not(existsSync(daemon.socket));
});

const others: [what: string, make: (path: string) => void, isUnchanged: (path: string) => boolean][] = [
  ['a file', path => writeFileSync(path, 'precious'), path => readFileSync(path, 'utf8') === 'precious'],
  ['a directory', path => mkdirSync(path), path => lstatSync(path).isDirectory()],
  ['a dangling link', path => symlinkSync('nowhere', path), path => lstatSync(path).isSymbolicLink()],
];
for (const [what, make, isUnchanged] of others) {
  test(`${what} at the path stays as it is: the daemon ends and says why`, async () => {
    const path = temporarySocket();
    make(path);
    assert.match(await refuses(path), `ecs-ipam: ${path}: is there, and is not a socket`);
    assert.ok(isUnchanged(path), `${what} was changed`);
  });
}

test('a path that no socket can have is named', async () => {
  const long = join(temporaryDirectory(), 'x'.repeat(100));
  assert.match(await refuses(long), `ecs-ipam: ${long}: is longer than 107 bytes`);
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  for (const path of ['/proc/none/ecs-ipam.sock', join(file, 'ecs-ipam.sock')]) {
    assert.match(await refuses(path), `ecs-ipam: ${path}: E`);
  }
});

test('a socket that is no longer its own is not removed', async () => {
  const first = await startDaemon();
  renameSync(first.socket, `${first.socket}.moved`);
  const second = await startDaemon({ socket: first.socket });
  await stopDaemon(first);
  await answers(second.socket);
  await stopDaemon(second);
});

test('that the reader of its messages has gone ends nothing', async () => {
  const daemon = await startDaemon();
  const { child } = daemon.process;
  child.stdout?.destroy();
  child.stderr?.destroy();
  (await connected(daemon.socket)).end('no request'); // the daemon says something about it
  await answers(daemon.socket);
  await answers(daemon.socket);
  child.kill('SIGTERM');
  assert.is(await new Promise(resolve => child.on('exit', resolve)), 0);
});

test('a launcher with no IPAM_SOCKET, or with one that nobody listens on, helps itself', async () => {
  const stale = temporarySocket();
  await (await startDaemon({ socket: stale })).end('SIGKILL');
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  for (const socket of [undefined, '', stale, file, join(file, 'ecs-ipam.sock'), '/nonexistent/ecs-ipam.sock']) {
    const run = await add({ store: temporaryStore(), conf, env: { IPAM_SOCKET: socket } });
    assert.is(addressOf(run, `socket ${socket}`), '10.0.0.2');
  }
});

test.run();
