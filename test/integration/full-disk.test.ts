// A disk that stays full: ADDs are refused, DELs and GC go on until the last lease, and what they free is used again.

import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acquire, release } from '../../src/ipam/allocator.ts';
import { StoreError } from '../../src/store/error.ts';
import { nodeFileLocks } from '../../src/store/flock-node.ts';
import { openStore } from '../../src/store/guard.ts';
import type { Access, Store, Transaction } from '../../src/store/transaction.ts';
import { startDaemon, stopDaemon } from '../daemon/support/daemon.ts';
import { holder, ledgerOf, pool, surroundings } from '../ipam/support.ts';
import { effort, tried } from '../support/effort.ts';
import type { Env } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { exits, ipam } from '../tools/support.ts';
import { fillDisk, onSmallDisk } from './support/disk.ts';
import {
  add,
  addressesOf,
  call,
  del,
  distinct,
  dualStack,
  held,
  refused,
  silent,
  status,
  withId,
} from './support/ipam.ts';
import { inParallel } from './support/process.ts';

const test = suite('full disk');

const conf = dualStack({ 'ipv4-subnet': '10.0.0.0/16' });

/** Of one owner: a long id takes pages of its own, and fills the disk soon. */
const of = (owner: string) => withId(conf, owner.padEnd(3000, 'x'));

const freeBlocks = (directory: string) => statfsSync(directory).bfree;

/** ADDs until three in a row are refused, `atOnce` at a time; the owners that were acknowledged. */
async function addUntilRefused(store: string, prefix: string, atOnce: number, env: Env = {}): Promise<string[]> {
  const owners: string[] = [];
  const addresses: string[] = [];
  for (let round = 0, refusals = 0; refusals < 3; round++) {
    const names = Array.from({ length: atOnce }, (_, i) => `${prefix}-${round}-${i}`);
    const runs = await inParallel(names, atOnce, owner => add({ store, conf: of(owner), env }));
    refusals = runs.every(run => run.status !== 0) ? refusals + 1 : 0;
    for (const [i, run] of runs.entries()) {
      if (run.status === 0) {
        owners.push(names[i]!);
        addresses.push(...addressesOf(run));
      } else {
        const { msg } = refused(run, 5, `ADD on the full disk, round ${round}`);
        assert.match(msg, /no space left/i);
      }
    }
  }
  distinct(addresses, prefix);
  return owners;
}

/** STATUS says what ADD would say. */
async function isNotReady(store: string, env: Env = {}): Promise<void> {
  const { msg } = refused(await status({ store, conf, env }), 50, 'STATUS on the full disk');
  assert.match(msg, /no space left/i);
  assert.ok(msg.includes(store), msg);
}

/** What has to hold of a store on a disk that is still full. */
async function emptyAndSound(store: string, directory: string): Promise<void> {
  assert.is(freeBlocks(directory), 0, 'the disk is not full any more');
  assert.equal(await held(store), []);
  exits(await ipam(store, 'fsck'), 0);
}

for (const [name, atOnce] of [
  ['one-shot processes', 1],
  ['the daemon', 64],
] as const) {
  testWith(test, ['root'], `${name}: ADDs are refused, every lease can be given back, and ADDs work again`, () =>
    onSmallDisk('size=2m', async directory => {
      const store = join(directory, 'store.mdb');
      const daemon = atOnce > 1 ? await startDaemon() : undefined;
      const env = daemon?.env ?? {};
      addressesOf(await add({ store, conf: of('first'), env }));
      fillDisk(directory);
      const owners = ['first', ...(await addUntilRefused(store, 'a', atOnce, env))];
      await isNotReady(store, env);
      assert.ok(owners.length > 20, `only ${owners.length} ADDs before the disk was full`);
      assert.is((await held(store)).length, 2 * owners.length);
      await inParallel(owners, atOnce, async owner =>
        silent(await del({ store, conf: of(owner), env }), `DEL of ${owner}`),
      );
      await emptyAndSound(store, directory);
      silent(await status({ store, conf, env }), 'STATUS when there is room again');
      const again = await addUntilRefused(store, 'b', atOnce, env);
      assert.ok(again.length >= owners.length / 2, `${owners.length} ADDs, and ${again.length} after their DELs`);
      assert.is(freeBlocks(directory), 0, 'the second round took new space');
      await inParallel(again, atOnce, async owner =>
        silent(await del({ store, conf: of(owner), env }), `DEL of ${owner}`),
      );
      await emptyAndSound(store, directory);
      if (daemon !== undefined) await stopDaemon(daemon);
      tried(`${name}: ${owners.length} and then ${again.length} leases given back on a full disk`);
    }),
  );
}

testWith(test, ['root'], 'a disk on which no store can be made', () =>
  onSmallDisk('size=2m', async directory => {
    const store = join(directory, 'deep/store.mdb');
    const empty = fillDisk(directory);
    await isNotReady(store);
    refused(await add({ store, conf }), 5, 'ADD');
    empty();
    silent(await status({ store, conf }), 'STATUS when there is room');
    addressesOf(await add({ store, conf }));
    silent(await status({ store, conf }), 'STATUS behind the first ADD');
  }),
);

testWith(test, ['root'], 'GC frees all that it may, in one transaction or in many', () =>
  onSmallDisk('size=2m', async directory => {
    const store = join(directory, 'store.mdb');
    addressesOf(await add({ store, conf: of('first') }));
    fillDisk(directory);
    const owners = await addUntilRefused(store, 'a', 1);
    assert.ok(owners.length > 20, `only ${owners.length} ADDs before the disk was full`);
    const collected = { ...conf, 'cni.dev/valid-attachments': [{ containerID: 'kept', ifname: 'eth0' }] };
    silent(await call('GC', { store, conf: collected }), 'GC on the full disk');
    await emptyAndSound(store, directory);
  }),
);

const requests = [pool('10.0.0.0/8'), pool('2001:db8::/48')];

async function onStore<T>(path: string, access: Access, work: (store: Store) => Promise<T>): Promise<T> {
  const store = (await openStore({ path, timeoutMs: 5000 }, access, nodeFileLocks))!;
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

testWith(test, ['root', 'flock'], 'leases of many sizes, given back in any order', async () => {
  const megabytes = effort(8, 64);
  await onSmallDisk(`size=${megabytes}m`, async directory => {
    const path = join(directory, 'store.mdb');
    const random = new Random('sizes');
    const live: string[] = [];
    const counts = { adds: 0, dels: 0, refusals: 0 };
    const give = (transaction: Transaction, id: string) =>
      acquire(ledgerOf(transaction), holder(id), requests, surroundings());
    const addUntilFull = () =>
      onStore(path, 'create', async store => {
        for (let refusals = 0; refusals < 3; ) {
          const id = `owner-${counts.adds + counts.refusals}-`.padEnd(random.pick([0, 100, 1000, 4000]), 'x');
          try {
            await store.write(transaction => give(transaction, id));
            live.push(id);
            counts.adds++;
          } catch (error) {
            if (!(error instanceof StoreError && /no space left/i.test(error.message))) throw error;
            assert.is(error.failure, 'io');
            refusals++;
            counts.refusals++;
          }
        }
      });
    const giveBack = (number: number) =>
      onStore(path, 'write', async store => {
        for (let i = 0; i < number; i++) {
          const [id] = live.splice(random.below(live.length), 1);
          const freed = await store.write(transaction =>
            release(ledgerOf(transaction), holder(id!), requests, () => {}),
          );
          assert.is(freed.length, 2, id);
          counts.dels++;
        }
      });
    await onStore(path, 'create', store => store.write(() => {}));
    fillDisk(directory, effort(500, 9000));
    for (const part of [0.1, 0.5, 0.9, 1]) {
      await addUntilFull();
      assert.is(freeBlocks(directory), 0, 'the disk is not full');
      await giveBack(Math.floor(live.length * part));
      const all = await held(path);
      assert.is(all.length, 2 * live.length);
    }
    await emptyAndSound(path, directory);
    tried(`a full disk of ${megabytes} MiB: ${counts.adds} ADDs, ${counts.dels} DELs, ${counts.refusals} ADDs refused`);
  });
});

test.run();
