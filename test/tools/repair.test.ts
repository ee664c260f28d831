// `ecs-ipam fsck --repair`: a new store of the sound leases, the old one kept, nothing given twice.

import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nodeKey } from '../../src/store/records.ts';
import { surveyStore } from '../../src/store/survey.ts';
import { fillDisk, onSmallDisk } from '../integration/support/disk.ts';
import {
  add,
  addressesOf,
  addressOf,
  check,
  del,
  distinct,
  dualStack,
  held,
  list,
  network,
  refused,
  silent,
  withId,
} from '../integration/support/ipam.ts';
import { inParallel, sleep } from '../integration/support/process.ts';
import { run, temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { rebooted } from '../support/reboot.ts';
import { testWith } from '../support/requirements.ts';
import { start } from '../support/start.ts';
import { change, grownStore, leafPageOf, zeroPage } from './stores.ts';
import { besideDaemon, exits, ipam, told } from './support.ts';

const test = suite('repair');
const DUAL = dualStack();
const V4 = network();

const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const beside = (store: string) => readdirSync(dirname(store)).sort();
const keptOf = (store: string) => beside(store).filter(name => name.includes('.damaged-'));

/** A store with the containers c0 to c<n-1>. */
async function storeOf(containers: number): Promise<string> {
  const store = temporaryStore();
  const owners = Array.from({ length: containers }, (_, i) => `c${i}`);
  await inParallel(owners, 4, async owner => addressesOf(await add({ store, conf: DUAL, owner })));
  return store;
}

/** Makes the tree wrong, which the plugin would live with. */
const spoilTree = (store: string) => change(store, rows => rows.delete(nodeKey(4, Uint8Array.of(10, 0, 0))));

test('rebuilds the store in its place, keeps the old file, and the plugin goes on', async () => {
  const store = await storeOf(6);
  await spoilTree(store);
  const [before, hashBefore, settingsBefore] = [await list(store), hash(store), settingsOf(store)];
  const { stdout } = exits(await ipam(store, 'fsck', '--repair'), 1, 'repaired: 14 leases are kept', store);
  const [kept = ''] = keptOf(store);
  assert.match(kept, /^store\.mdb\.damaged-\d{8}T\d{6}Z$/);
  assert.ok(stdout.includes(kept), stdout);
  assert.is(hash(join(dirname(store), kept)), hashBefore, 'the old file is as it was');
  for (const name of [kept, 'store.mdb']) assert.is(statSync(join(dirname(store), name)).mode & 0o777, 0o600, name);
  assert.not(
    beside(store).some(name => name.includes('.new')),
    `${beside(store)}`,
  );

  exits(await ipam(store, 'fsck'), 0, 'clean');
  assert.equal(await list(store), before);
  const settings = settingsOf(store);
  assert.is.not(settings.store, settingsBefore.store, 'another store');
  assert.is(settings.created, settingsBefore.created);
  silent(await check({ store, conf: DUAL, owner: 'c3' }));
  silent(await del({ store, conf: DUAL, owner: 'c3' }));
  distinct(
    [...(await held(store)), ...addressesOf(await add({ store, conf: DUAL, owner: 'new' }))],
    'after the repair',
  );
  exits(await ipam(store, 'fsck'), 0, 'clean');
});

/** The settings of a store, by name. */
function settingsOf(store: string): Record<string, string> {
  const rows = surveyStore(store).rows.filter(({ key }) => key[0] === 'm'.charCodeAt(0));
  return Object.fromEntries(
    rows.map(({ key, value }) => [
      Buffer.from(key.subarray(1)).toString(),
      Buffer.from(value.subarray(4, -4)).toString(),
    ]),
  );
}

test('a clean store stays as it is', async () => {
  const store = await storeOf(2);
  const before = statSync(store);
  exits(await ipam(store, 'fsck', '--repair'), 0, 'clean');
  assert.is(statSync(store).ino, before.ino);
  assert.equal(keptOf(store), []);
});

test('two repairs keep two old files', async () => {
  const store = await storeOf(1);
  for (const count of [1, 2, 3]) {
    await spoilTree(store);
    exits(await ipam(store, 'fsck', '--repair'), 1, 'repaired');
    assert.is(keptOf(store).length, count);
  }
});

test('the cursor goes on: what was given back before the damage comes up as late as ever', async () => {
  const store = await storeOf(5);
  silent(await del({ store, conf: DUAL, owner: 'c4' }));
  const last = (await held(store)).length;
  await spoilTree(store);
  exits(await ipam(store, 'fsck', '--repair'), 1);
  assert.equal(addressesOf(await add({ store, conf: DUAL, owner: 'new' })), ['10.0.0.7', '2001:db8::7']);
  assert.is((await held(store)).length, last + 2);
});

test('addresses whose leases are lost stay in use until an operator frees them', async () => {
  const store = await grownStore(300, new Random('lost leases'));
  const before = await list(store);
  zeroPage(store, leafPageOf(store, Uint8Array.of(4, 10, 0, 0, 128)));
  const { stdout } = exits(await ipam(store, 'fsck', '--repair'), 1, /its lease is lost, and its owner's row names it/);
  exits(await ipam(store, 'fsck'), 0, 'clean');
  const after = await list(store);
  assert.equal(
    after.map(({ address }) => address),
    before.map(({ address }) => address),
  );
  const recovered = after.filter(({ id }) => String(id).startsWith('recovered by fsck: '));
  assert.ok(recovered.length > 3, stdout);
  for (const { address, kind, subnet, id } of recovered) {
    assert.equal(
      { kind, subnet, id },
      { kind: 'container', subnet: '10.0.0.0/16', id: `recovered by fsck: ${address}` },
    );
  }
  const { address } = recovered[0]!;
  const conf = (asked: string) => network({ 'ipv4-subnet': '10.0.0.0/16', 'ipv4-address': asked });
  refused(await add({ store, conf: conf(address), owner: 'new' }), 102);
  exits(await ipam(store, 'release', address), 0, 'recovered by fsck');
  assert.is(addressOf(await add({ store, conf: conf(address), owner: 'new' })), address);
});

testWith(test, ['root', 'unshare'], 'gc --boot frees recovered addresses after the next reboot', async () => {
  const store = await grownStore(300, new Random('lost leases'));
  zeroPage(store, leafPageOf(store, Uint8Array.of(4, 10, 0, 0, 128)));
  exits(await ipam(store, 'fsck', '--repair'), 1);
  const env = { IPAM_DB_PATH: store };
  exits(await run({ ...rebooted('gc', '--boot'), env }), 0, 'recovered by fsck');
  assert.not((await list(store)).some(({ id }) => String(id).startsWith('recovered')));
});

test('without either header the leaves are found', async () => {
  const store = await storeOf(8);
  const before = await list(store);
  zeroPage(store, 0);
  zeroPage(store, 1);
  exits(await ipam(store, 'fsck'), 2, /meta page 0: is no header of LMDB/, 'without a trace');
  exits(await ipam(store, 'fsck', '--repair'), 1, 'repaired');
  const after = await list(store);
  for (const lease of before)
    assert.ok(
      after.some(other => JSON.stringify(other) === JSON.stringify(lease)),
      lease.address,
    );
  exits(await ipam(store, 'fsck'), 0, 'clean');
});

test('what no repair can decide stays, and is said again', async () => {
  const store = await storeOf(2);
  await change(store, rows => rows.lease(Uint8Array.of(10, 0, 255, 255)));
  exits(await ipam(store, 'fsck', '--repair'), 1, /broadcast address/, 'repaired'); // its pool was missing
  const { stdout } = exits(await ipam(store, 'fsck', '--repair'), 1, /broadcast address/);
  assert.not.match(stdout, /repaired/);
  assert.is(keptOf(store).length, 1);
  exits(await ipam(store, 'release', '10.0.255.255'), 0);
  exits(await ipam(store, 'fsck'), 0, 'clean');
});

test('a daemon goes over to the new store', async () => {
  await besideDaemon(async env => {
    const store = temporaryStore();
    for (const owner of ['c0', 'c1']) addressOf(await add({ store, conf: V4, owner, env }));
    await spoilTree(store);
    exits(await ipam(store, 'fsck', '--repair'), 1, 'repaired');
    assert.is(addressOf(await add({ store, conf: V4, owner: 'c2', env })), '10.0.0.4');
    silent(await check({ store, conf: V4, owner: 'c0', env }));
    assert.equal(await held(store), ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
    silent(await del({ store, conf: V4, owner: 'c1', env }));
    exits(await ipam(store, 'fsck'), 0, 'clean');
  });
});

test('repairs beside ADDs, by one-shot processes and through a daemon: nothing is lost or given twice', async () => {
  await besideDaemon(async env => {
    const store = await storeOf(1);
    const given = await held(store);
    const adding = inParallel(
      Array.from({ length: 120 }, (_, i) => i),
      3,
      async i => given.push(...addressesOf(await add({ store, conf: withId(DUAL, `t${i}`), env: i % 2 ? env : {} }))),
    );
    let repairs = 0;
    for (let isDone = false; !isDone; repairs++) {
      await spoilTree(store);
      exits(await ipam(store, 'fsck', '--repair'), 1, 'repaired');
      isDone = await Promise.race([adding.then(() => true), sleep(10).then(() => false)]);
    }
    assert.ok(repairs > 2, `${repairs} repairs`);
    distinct(given, 'given');
    assert.equal(await held(store), given.sort());
    exits(await ipam(store, 'fsck'), 0, 'clean');
  });
});

test('killed at any moment: the old store or the new one, whole', async () => {
  const whole = await grownStore(800, new Random('killed'));
  await change(whole, rows => rows.delete(nodeKey(4, Uint8Array.of(10, 0, 1))));
  const [leases, hashBefore] = [await list(whole), hash(whole)];
  const random = new Random('kills');
  const outcomes = { old: 0, new: 0 };
  const { ms } = await ipam(copyOf(whole), 'fsck', '--repair');
  await inParallel(
    Array.from({ length: 40 }, (_, i) => i),
    2,
    async () => {
      const store = copyOf(whole);
      const repair = start({ args: ['fsck', '--repair'], env: { IPAM_DB_PATH: store } });
      await sleep(random.fraction() * ms * 1.2);
      repair.child.kill('SIGKILL');
      await repair.done;
      const isOld = hash(store) === hashBefore;
      outcomes[isOld ? 'old' : 'new']++;
      exits(await ipam(store, 'fsck'), isOld ? 1 : 0);
      // The next repair is not disturbed by what the killed one has left.
      exits(await ipam(store, 'fsck', '--repair'), isOld ? 1 : 0);
      assert.equal(await list(store), leases);
      assert.not(
        beside(store).some(name => name.includes('.new')),
        `${beside(store)}`,
      );
    },
  );
  assert.ok(outcomes.old > 0, JSON.stringify(outcomes));
});

function copyOf(whole: string): string {
  const store = temporaryStore();
  copyFileSync(whole, store);
  return store;
}

testWith(test, ['root'], 'on a full disk the old store stays', () =>
  onSmallDisk('size=4m', async directory => {
    const store = join(directory, 'store.mdb');
    copyFileSync(await grownStore(800, new Random('full')), store);
    await change(store, rows => rows.delete(nodeKey(4, Uint8Array.of(10, 0, 1))));
    exits(await ipam(store, 'fsck'), 1);
    const before = hash(store);
    const free = fillDisk(directory, 12);
    const reply = exits(await ipam(store, 'fsck', '--repair'), 2, store);
    assert.is(hash(store), before, told(reply));
    assert.equal(keptOf(store), []);
    assert.not(existsSync(`${store}.new`));
    free();
    exits(await ipam(store, 'fsck', '--repair'), 1, 'repaired');
    exits(await ipam(store, 'fsck'), 0, 'clean');
  }),
);

test.run();
