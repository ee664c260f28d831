// A daemon serves whatever store a request names, and notices what happens to a store's files.

import {
  cpSync,
  existsSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  addressOf,
  check,
  del,
  distinct,
  held,
  network,
  refused,
  silent,
  status,
} from '../integration/support/ipam.ts';
import { hasOpen, sleep } from '../integration/support/process.ts';
import { cniEnv, EXECUTABLE, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { type Daemon, NOBODY, startDaemon, stopDaemon } from './support/daemon.ts';
import { Line, requestFrame } from './support/frames.ts';

const test = suite('stores of a daemon');
const conf = network();

let daemon: Daemon;
let env: Daemon['env'];
test.before(async () => {
  daemon = await startDaemon();
  env = daemon.env;
});
test.after(() => stopDaemon(daemon));

/** Removes the store with all its files. */
function remove(store: string): void {
  for (const file of readdirSync(dirname(store))) rmSync(join(dirname(store), file));
}

test('each request is served from the store that it names', async () => {
  const stores = [temporaryStore(), temporaryStore(), temporaryStore()];
  for (const store of stores) assert.is(addressOf(await add({ store, conf, env })), '10.0.0.2');
  assert.is(addressOf(await add({ store: stores[1]!, conf, env, owner: 'c2' })), '10.0.0.3');
  assert.equal(await Promise.all(stores.map(held)), [['10.0.0.2'], ['10.0.0.2', '10.0.0.3'], ['10.0.0.2']]);
  for (const store of stores) assert.ok(hasOpen(daemon.pid, store), `${store} is not open in the daemon`);
});

test("a relative path begins at the caller's directory, a link leads to the same store", async () => {
  const store = temporaryStore();
  const link = join(temporaryDirectory(), 'link.mdb');
  symlinkSync(store, link);
  const options = { cwd: dirname(store) };
  assert.is(addressOf(await add({ store: 'store.mdb', conf, env, options, owner: 'c1' })), '10.0.0.2');
  assert.is(addressOf(await add({ store: link, conf, env, owner: 'c2' })), '10.0.0.3');
  assert.is(addressOf(await add({ store, conf, env, owner: 'c3' })), '10.0.0.4');
  assert.equal(await held(store), ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
});

test('a relative path without a current directory is code 5, and makes no store elsewhere', async () => {
  const script = 'd=$(mktemp -d) && cd "$d" && rmdir "$d" && exec "$0"';
  const options = { command: 'sh', args: ['-c', script, EXECUTABLE] };
  const store = `ecs-ipam-test-${process.pid}.mdb`;
  for (const way of [env, NOBODY]) {
    const { msg } = refused(await add({ store, conf, env: way, options }), 5);
    assert.match(msg, `IPAM_DB_PATH ${store}: is relative`);
    assert.not(existsSync(`/${store}`));
  }
});

test('a store that has been removed is made anew; what only reads makes none', async () => {
  const store = temporaryStore();
  assert.is(addressOf(await add({ store, conf, env })), '10.0.0.2');
  silent(await check({ store, conf, env }), 'CHECK');
  remove(store);
  refused(await check({ store, conf, env }), 104, 'CHECK of what has been removed');
  silent(await status({ store, conf, env }), 'STATUS without a store');
  silent(await del({ store, conf, env }), 'DEL without a store');
  assert.equal(
    readdirSync(dirname(store)).filter(file => file.endsWith('.mdb')),
    [],
  );
  assert.is(addressOf(await add({ store, conf, env })), '10.0.0.2');
  assert.is(addressOf(await add({ store, conf, env: NOBODY, owner: 'c2' })), '10.0.0.3');
  silent(await check({ store, conf, env, owner: 'c2' }), 'CHECK of what another process has given');
  assert.equal(await held(store), ['10.0.0.2', '10.0.0.3']);
});

test('a store of which only the file has been removed is made anew, for whoever comes in whatever way', async () => {
  const store = temporaryStore();
  for (const [round, ways] of [[env], [NOBODY], [env, NOBODY]].entries()) {
    for (const owner of ['a', 'b', 'c']) addressOf(await add({ store, conf, env, owner }));
    rmSync(store);
    refused(await check({ store, conf, env, owner: 'a' }), 104, `CHECK of what has been removed, round ${round}`);
    const given: string[] = [];
    for (const way of [...ways, env, NOBODY]) {
      given.push(addressOf(await add({ store, conf, env: way, owner: `d${given.length}` })));
    }
    distinct(given, `round ${round}`);
    assert.equal(await held(store), given.sort());
    rmSync(store);
  }
});

for (const [what, bytes] of [
  ['to nothing', 0],
  ['to its header', 8192],
  ['within its first page of rows', 3 * 4096 - 100],
] as const) {
  test(`a store that has been cut is code 105, and the daemon serves others: cut ${what}`, async () => {
    const [store, other] = [temporaryStore(), temporaryStore()];
    for (let i = 0; i < 20; i++) addressOf(await add({ store, conf, env, owner: `c${i}` }));
    truncateSync(store, bytes);
    for (let round = 0; round < 2; round++) {
      refused(await check({ store, conf, env, owner: 'c0' }), 105, 'CHECK');
      refused(await status({ store, conf, env }), 50, 'STATUS');
      refused(await add({ store, conf, env, owner: 'new' }), 105, 'ADD');
      refused(await del({ store, conf, env, owner: 'c0' }), 105, 'DEL');
    }
    assert.is(statSync(store).size, bytes);
    assert.is(addressOf(await add({ store: other, conf, env })), '10.0.0.2');
    assert.is(daemon.process.child.signalCode, null, 'the daemon has ended');
  });
}

test('a store that has been replaced is read and written as it is now', async () => {
  const [store, other] = [temporaryStore(), temporaryStore()];
  for (const owner of ['a', 'b', 'c']) addressOf(await add({ store: other, conf, owner, env: NOBODY }));
  addressOf(await add({ store, conf, env, owner: 'before' }));
  cpSync(other, `${store}.copy`);
  renameSync(`${store}.copy`, store);
  silent(await check({ store, conf, env, owner: 'b' }), 'CHECK in the store that has come');
  refused(await check({ store, conf, env, owner: 'before' }), 104, 'CHECK of the store that has gone');
  assert.is(addressOf(await add({ store, conf, env, owner: 'd' })), '10.0.0.5');
  assert.equal(await held(store), ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5']);
});

test('the lock files of an open store may be removed: nothing is lost, nothing given twice', async () => {
  const store = temporaryStore();
  const addresses = [addressOf(await add({ store, conf, env, owner: 'first' }))];
  for (const [round, files] of [['-lock'], ['.flock'], ['-lock', '.flock']].entries()) {
    for (const file of files) rmSync(`${store}${file}`);
    for (const [i, way] of [NOBODY, env, NOBODY, env].entries()) {
      const what = `without ${files}, ADD ${i}`;
      addresses.push(addressOf(await add({ store, conf, owner: `round${round}-${i}`, env: way }), what));
      distinct(addresses, what);
      assert.equal(await held(store), [...addresses].sort(), what);
    }
  }
});

test('of hundreds of stores few stay open', async () => {
  const directory = temporaryDirectory();
  const line = new Line(daemon.socket);
  for (let i = 0; i < 300; i++) {
    const run = await line.ask(requestFrame(cniEnv('ADD', join(directory, `${i}.mdb`)), conf));
    assert.is(addressOf(run!), '10.0.0.2');
  }
  line.close();
  for (let waits = 0; openStores().size > 64 && waits < 500; waits++) await sleep(10);
  assert.ok(openStores().size <= 64, `${openStores().size} are open`);
  assert.is(addressOf(await add({ store: join(directory, '0.mdb'), conf, env, owner: 'next' })), '10.0.0.3');
});

/** Stores that the daemon has open. A descriptor may be closed while it is looked at. */
function openStores(): Set<string> {
  const directory = `/proc/${daemon.pid}/fd`;
  const links = readdirSync(directory).map(fd => {
    try {
      return readlinkSync(join(directory, fd));
    } catch {
      return '';
    }
  });
  return new Set(links.filter(link => link.endsWith('.mdb')));
}

test.run();
