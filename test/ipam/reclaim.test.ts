// Which leases an operator and the garbage collection mean.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../../src/ipam/collect.ts';
import { listAddress, listEarlierBoots, listOwner, listUnkept } from '../../src/ipam/reclaim.ts';
import { parseAddress } from '../../src/net/address.ts';
import type { Lease } from '../../src/store/lease.ts';
import { leaseKey } from '../../src/store/records.ts';
import { container, leaseOf, NOW_MS, texts, World } from './world.ts';

const test = suite('reclaim');

async function withLeases(...leases: Lease[]): Promise<World> {
  const world = new World();
  await world.write(ledger => {
    for (const lease of leases) ledger.putLease(lease);
  });
  return world;
}

/** With a row that cannot be read between the others: it is told of, and keeps no other from being found. */
async function withDamage(...leases: Lease[]): Promise<World> {
  const world = await withLeases(...leases);
  await world.store.write(transaction => transaction.put(leaseKey(parseAddress('10.0.0.6')), new Uint8Array(9)));
  return world;
}
const DAMAGE = ['StoreError: lease of 10.0.0.6: checksum mismatch'];

const C1 = container('c1');
const SOME = [
  leaseOf('10.0.0.1', { kind: 'gateway' }),
  leaseOf('10.0.0.5', { id: 'x', ...{ containerId: 'c1', interfaceName: 'eth0' } }),
  leaseOf('10.0.0.7', C1),
  leaseOf('10.0.0.8', container('c1', 'eth1')),
  leaseOf('10.0.0.9'),
  leaseOf('2001:db8::7', { ...C1, network: 'other' }),
];

test('an address: its lease, a gateway’s too', async () => {
  const world = await withLeases(...SOME);
  const list = (address: string) => world.read(ledger => listAddress(ledger, parseAddress(address)));
  assert.equal(list('10.0.0.1'), { leases: [SOME[0]], errors: [] });
  assert.equal(list('10.0.0.7'), { leases: [SOME[2]], errors: [] });
  assert.equal(list('10.0.0.77'), { leases: [], errors: [] });
});

test('an owner goes by its id; without one by its container, with or without the interface', async () => {
  const world = await withDamage(...SOME);
  for (const [owner, expected] of [
    ['x', ['10.0.0.5']],
    ['c1', ['10.0.0.7', '10.0.0.8', '2001:db8::7']],
    ['c1/eth0', ['10.0.0.7', '2001:db8::7']],
    ['c1/eth1', ['10.0.0.8']],
    ['', []],
    ['/', []],
    ['10.0.0.7', []],
  ] as [string, string[]][]) {
    const { leases, errors } = world.read(ledger => listOwner(ledger, owner));
    assert.equal(texts(leases), expected, owner);
    assert.equal(errors.map(String), DAMAGE);
  }
});

test('what a reboot has ended: another boot, and both are known; no gateway', async () => {
  const world = await withDamage(
    leaseOf('10.0.0.1', { kind: 'gateway', bootId: 'old' }),
    leaseOf('10.0.0.2', { bootId: 'old' }),
    leaseOf('10.0.0.3', { bootId: 'new' }),
    leaseOf('10.0.0.4', { bootId: '' }),
    leaseOf('2001:db8::2', { bootId: 'older' }),
  );
  const { leases, errors } = world.read(ledger => listEarlierBoots(ledger, 'new'));
  assert.equal(texts(leases), ['10.0.0.2', '2001:db8::2']);
  assert.equal(errors.map(String), DAMAGE);
  assert.equal(world.read(ledger => listEarlierBoots(ledger, '')).leases, []);
});

test('a list names who stays: by address in any form, by id, by container', async () => {
  const world = await withDamage(...SOME);
  const unkept = (names: string[], asOfMs = NOW_MS) => {
    const { leases, young, unknown, errors } = world.read(ledger => listUnkept(ledger, { names, asOfMs }));
    assert.equal(errors.map(String), DAMAGE);
    return { leases: texts(leases), young: texts(young), unknown };
  };
  const all = ['10.0.0.5', '10.0.0.7', '10.0.0.8', '10.0.0.9', '2001:db8::7'];
  assert.equal(unkept([]), { leases: all, young: [], unknown: [] }, 'gateways are never listed');
  assert.equal(unkept(['x', 'c1']), { leases: ['10.0.0.9'], young: [], unknown: [] });
  assert.equal(unkept(['c1/eth1', '10.0.0.9', '2001:DB8:0::7']), {
    leases: ['10.0.0.5', '10.0.0.7'],
    young: [],
    unknown: [],
  });
  assert.equal(unkept(['c2', 'x', '10.0.0.77', '10.0.0.1']).unknown, ['c2', '10.0.0.77', '10.0.0.1']);
  assert.equal(unkept(['10.0.0.5', 'c1/eth0', 'c1']), { leases: ['10.0.0.9'], young: [], unknown: [] });
  assert.equal(unkept(['x'], NOW_MS - 1), { leases: [], young: all.slice(1), unknown: [] }, 'younger than the list');
  assert.equal(unkept(['x', '2001:DB8::99'], NOW_MS - 1).unknown, ['2001:DB8::99'], 'as it was written');
});

test('an old lease and a young one are told apart, and one of the list’s own moment is old', async () => {
  const world = await withLeases(
    leaseOf('10.0.0.2', { timeMs: 10 }),
    leaseOf('10.0.0.3', { timeMs: 11 }),
    leaseOf('10.0.0.4', { timeMs: 12 }),
  );
  const { leases, young } = world.read(ledger => listUnkept(ledger, { names: [], asOfMs: 11 }));
  assert.equal([texts(leases), texts(young)], [['10.0.0.2', '10.0.0.3'], ['10.0.0.4']]);
});

test('garbage: the network’s leases with container and interface, without a valid pair', async () => {
  const world = await withDamage(
    leaseOf('10.0.0.1', { kind: 'gateway', containerId: 'c9', interfaceName: 'eth0' }),
    leaseOf('10.0.0.2', container('c1')),
    leaseOf('10.0.0.3', container('c1', 'eth1')),
    leaseOf('10.0.0.4', container('c2')),
    leaseOf('10.0.0.5', container('c2', 'eth0', 'other')),
    leaseOf('10.0.0.7', { id: 'x' }),
    leaseOf('10.0.0.8', { containerId: 'c2' }),
    leaseOf('10.0.0.9', { interfaceName: 'eth0', id: 'y' }),
    leaseOf('10.0.0.10', { ...container('c3'), id: 'z' }),
    leaseOf('2001:db8::2', container('c2')),
  );
  const valid = [
    { containerId: 'c1', interfaceName: 'eth0' },
    { containerId: 'c1\0eth0', interfaceName: 'eth1' },
  ];
  const { freed, errors } = await world.write(ledger => collect(ledger, 'net', valid, world.warn));
  assert.equal(texts(freed), ['10.0.0.3', '10.0.0.4', '10.0.0.10', '2001:db8::2']);
  assert.equal(errors.map(String), DAMAGE);
  for (const { address } of freed)
    assert.is(
      world.read(ledger => ledger.lease(address)),
      undefined,
    );
  for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.5', '10.0.0.7', '10.0.0.8', '10.0.0.9']) {
    assert.ok(world.lease(address), `${address} stays`);
  }
  assert.is(world.warnings.length, 4, 'they were put behind the tree');
});

test.run();
