// A full disk is a JSON error that leaves nothing half done; with space again, all works. A store grows by itself.

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Run, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { fillDisk, onSmallDisk } from './support/disk.ts';
import {
  add,
  addressesOf,
  begin,
  check,
  complained,
  del,
  distinct,
  dualStack,
  held,
  list,
  listRun,
  network,
  refused,
  silent,
  status,
  withId,
} from './support/ipam.ts';
import { inParallel, tool } from './support/process.ts';

const test = suite('disk');

const conf = dualStack();

testWith(
  test,
  ['root'],
  'first ADD ever on a disk with few pages: a JSON error or success, and success afterwards',
  () =>
    onSmallDisk('size=1m', async directory => {
      let refusals = 0;
      for (const freePages of [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16]) {
        const what = `${freePages} free pages`;
        const store = join(directory, `${freePages}`, 'store.mdb');
        const free = fillDisk(directory, freePages);
        const run = await add({ store, conf });
        if (run.status !== 0) {
          refused(run, 5, what);
          refusals++;
        }
        const asked = await status({ store, conf });
        if (asked.status !== 0) refused(asked, 50, `STATUS, ${what}`);
        const listed = await listRun(store);
        if (listed.status !== 0) complained(listed, `list, ${what}`);
        free();
        if (run.status === 0) {
          assert.equal(await held(store), addressesOf(run).sort(), `acknowledged with ${what}`);
          refused(await add({ store, conf }), 103, `same owner again, ${what}`);
        } else {
          assert.equal(addressesOf(await add({ store, conf }), `ADD after ${what}`), ['10.0.0.2', '2001:db8::2'], what);
          assert.equal(await held(store), ['10.0.0.2', '2001:db8::2'], what);
        }
        rmSync(join(directory, `${freePages}`), { recursive: true });
      }
      assert.ok(refusals > 0, 'the disk was never full');
    }),
);

testWith(test, ['root'], 'first ADD ever where the lock files or the store cannot be made', async () => {
  // The root directory takes one inode itself.
  for (const inodes of [1, 2, 3]) {
    await onSmallDisk(`size=1m,nr_inodes=${inodes}`, async directory => {
      const store = join(directory, 'store.mdb');
      refused(await add({ store, conf }), 5, `${inodes} inodes`);
      // STATUS makes nothing, and so may not see that nothing can be made.
      const asked = await status({ store, conf });
      if (asked.status !== 0) refused(asked, 50, `STATUS, ${inodes} inodes`);
      await tool('mount', '-o', 'remount,nr_inodes=100', directory);
      assert.equal(addressesOf(await add({ store, conf })), ['10.0.0.2', '2001:db8::2'], `after ${inodes} inodes`);
    });
  }
});

testWith(test, ['root'], 'a disk that is full while a store grows: nothing half done, nothing lost', () =>
  onSmallDisk('size=2m', async directory => {
    const store = join(directory, 'store.mdb');
    const big = dualStack({ 'ipv4-subnet': '10.0.0.0/16' });
    const acknowledged: string[] = [];
    const ids: string[] = [];
    const addOne = (number: number) => {
      const id = `owner-${number}-${'x'.repeat(3000)}`;
      return begin('ADD', { store, conf: withId(big, id), owner: `c${number}` }).done;
    };
    const keep = (run: Run, number: number, what: string) => {
      acknowledged.push(...addressesOf(run, what));
      ids.push(`owner-${number}-`);
    };
    let number = 0;
    for (; number < 5; number++) keep(await addOne(number), number, 'before');
    for (const freePages of [0, 2, 6, 9, 11]) {
      const free = fillDisk(directory, freePages);
      let refusedRuns = 0;
      for (let attempt = 0; attempt < 80 && refusedRuns < 3; attempt++, number++) {
        const what = `ADD ${number} with ${freePages} free pages`;
        const run = await addOne(number);
        if (run.status === 0) {
          keep(run, number, what);
        } else {
          refused(run, 5, what);
          refusedRuns++;
        }
      }
      assert.is(refusedRuns, 3, `${freePages} free pages were enough for everything`);
      silent(await del({ store, conf: big, owner: 'nobody' }), `DEL with ${freePages} free pages`);
      const sorted = acknowledged.slice().sort();
      assert.equal(await held(store), sorted, `held on the full disk, ${freePages} free pages`);
      free();
      assert.equal(await held(store), sorted, `held after the disk was full, ${freePages} free pages`);
      keep(await addOne(number), number, `ADD after ${freePages} free pages`);
      number++;
    }
    distinct(acknowledged, 'acknowledged');
    // Addresses go up one by one: what a refused ADD planned was taken by the next.
    const last = acknowledged.filter(address => !address.includes(':')).pop();
    assert.is(last, `10.0.0.${ids.length + 1}`, 'refused ADDs used addresses up');
    const leases = (await list(store)).filter(({ kind }) => kind === 'container');
    for (const id of ids) {
      const own = leases.filter(lease => JSON.stringify(lease).includes(id));
      assert.is(own.length, 2, `${id} holds ${own.map(({ address }) => address)}`);
    }
  }),
);

testWith(test, ['root'], 'a read-only file system: ADD gets 5, STATUS 50', () =>
  onSmallDisk('size=1m', async directory => {
    const store = join(directory, 'store.mdb');
    addressesOf(await add({ store, conf }));
    await tool('mount', '-o', 'remount,ro', directory);
    refused(await add({ store, conf, owner: 'c2' }), 5, 'ADD');
    refused(await status({ store, conf }), 50, 'STATUS');
    const listed = await listRun(store);
    if (listed.status !== 0) complained(listed, 'list');
    await tool('mount', '-o', 'remount,rw', directory);
    assert.equal(addressesOf(await add({ store, conf, owner: 'c2' })), ['10.0.0.3', '2001:db8::3']);
  }),
);

test('a store grows past the size of its first map', async () => {
  const store = temporaryStore();
  const big = network({ 'ipv4-subnet': '10.0.0.0/16', 'ipv6-subnet': '2001:db8::/64' });
  const idOf = (number: number) => `${number}-`.padEnd(4096, 'x');
  const numbers = Array.from({ length: 300 }, (_, index) => index);
  const runs = await inParallel(numbers, 8, number => add({ store, conf: withId(big, idOf(number)) }));
  const addresses = runs.flatMap((run, number) => addressesOf(run, `ADD ${number}`));
  distinct(addresses, 'ADDs');
  assert.equal(await held(store), addresses.sort());
  const { size } = statSync(store);
  assert.ok(size > 2 ** 21, `the store has only ${size} bytes: grow it more`);
  silent(await check({ store, conf: withId(big, idOf(0)) }), 'CHECK of the first');
  refused(await add({ store, conf: withId(big, idOf(299)) }), 103, 'ADD of the last again');
  silent(await del({ store, conf: withId(big, idOf(7)) }), 'DEL');
  silent(await status({ store, conf: big }), 'STATUS');
  assert.is((await held(store)).length, 598);
});

test.run();
