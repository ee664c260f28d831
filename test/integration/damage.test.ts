// Stores that something happened to.

import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Run, temporaryStore } from '../support/plugin.ts';
import {
  add,
  addressesOf,
  addressOf,
  check,
  del,
  distinct,
  dualStack,
  held,
  leasesOf,
  listRun,
  network,
  refused,
  silent,
  status,
} from './support/ipam.ts';
import { inParallel, tool } from './support/process.ts';

const test = suite('damage');

/** Deletes all rows of the octet tree behind the plugin's back. */
async function dropNodes(store: string): Promise<void> {
  const program = fileURLToPath(new URL('support/foreign.ts', import.meta.url));
  const count = Number(await tool(process.execPath, '--import', 'tsx', program, 'drop-nodes', store));
  assert.ok(count > 0, `${store}: no row of the tree found, has the layout changed?`);
}

test('tree rows that vanish give no address twice, and the free ones are found', async () => {
  const store = temporaryStore();
  const conf = dualStack({ 'ipv4-subnet': '10.0.0.0/28', 'ipv6-subnet': '2001:db8::/124' });
  const addresses: string[][] = [];
  for (let index = 0; index < 10; index++) addresses.push(addressesOf(await add({ store, conf, owner: `c${index}` })));
  distinct(addresses.flat(), 'before');
  silent(await del({ store, conf, owner: 'c3' }), 'DEL');
  await dropNodes(store);
  const later: string[][] = [];
  for (const owner of ['d0', 'd1', 'd2']) later.push(addressesOf(await add({ store, conf, owner }), owner));
  assert.equal(later, [
    ['10.0.0.12', '2001:db8::c'],
    ['10.0.0.13', '2001:db8::d'],
    ['10.0.0.14', '2001:db8::e'],
  ]);
  await dropNodes(store);
  // From here the search comes round to what is held.
  assert.equal(addressesOf(await add({ store, conf, owner: 'd3' }), 'd3'), ['10.0.0.5', '2001:db8::f']);
  await dropNodes(store);
  refused(await add({ store, conf, owner: 'd4' }), 101, 'ADD in the full pool');
  const asked = { ...conf, ipam: { ...conf.ipam, 'ipv4-address': '10.0.0.2' } };
  await dropNodes(store).catch(() => {});
  refused(await add({ store, conf: asked, owner: 'd5' }), 102, 'ADD of a held address');
  silent(await del({ store, conf, owner: 'c4' }), 'DEL of a lease whose rows of the tree vanished');
  assert.equal(addressesOf(await add({ store, conf, owner: 'd6' }), 'd6'), ['10.0.0.6', '2001:db8::5']);
  assert.is((await held(store)).length, 26);
});

test('a whole octet that is used and whose row in its parent vanishes is not given twice', async () => {
  const store = temporaryStore();
  const at = (address?: string) => network({ 'ipv4-subnet': '10.0.0.0/22', 'ipv4-address': address });
  const wanted = Array.from({ length: 256 }, (_, octet) => `10.0.1.${octet}`);
  const runs = await inParallel(wanted, 8, address => add({ store, conf: at(address), owner: address }));
  assert.equal(
    runs.map(run => addressOf(run)),
    wanted,
  );
  addressOf(await add({ store, conf: at('10.0.0.254'), owner: 'below' }));
  await dropNodes(store);
  assert.is(addressOf(await add({ store, conf: at(), owner: 'd0' })), '10.0.0.255');
  assert.is(addressOf(await add({ store, conf: at(), owner: 'd1' })), '10.0.2.0');
  distinct(await held(store), 'held');
});

for (const suffix of ['-lock', '.flock']) {
  test(`a missing ${suffix} file is made again`, async () => {
    const store = temporaryStore();
    const conf = dualStack();
    const without = async (work: () => Promise<Run>) => {
      rmSync(`${store}${suffix}`, { force: true });
      return await work();
    };
    assert.equal(addressesOf(await add({ store, conf, owner: 'c0' })), ['10.0.0.2', '2001:db8::2']);
    assert.equal(addressesOf(await without(() => add({ store, conf, owner: 'c1' }))), ['10.0.0.3', '2001:db8::3']);
    silent(await without(() => check({ store, conf, owner: 'c0' })), 'CHECK');
    silent(await without(() => status({ store, conf })), 'STATUS');
    assert.is(leasesOf(await without(() => listRun(store))).length, 6, 'leases listed');
    silent(await without(() => del({ store, conf, owner: 'c0' })), 'DEL');
    assert.equal(await held(store), ['10.0.0.3', '2001:db8::3']);
  });
}

test.run();
