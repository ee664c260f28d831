// A store made anew from what is left of another one.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { audit } from '../../src/ipam/audit.ts';
import type { Claims } from '../../src/ipam/claims.ts';
import type { Content } from '../../src/ipam/content.ts';
import { rebuild } from '../../src/ipam/rebuild.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import type { LeaseKind } from '../../src/store/lease.ts';
import { encodeMeta, encodePool, metaKey } from '../../src/store/records.ts';
import { changed, contentOf, found, keyOf, lost, NO_LOSS, poolKeyOf, soundStore } from './content.ts';
import { pool, sha256 } from './support.ts';
import { leaseOf, World } from './world.ts';

const test = suite('rebuild');

const GIVEN = { bootId: 'boot-9', timeMs: 99 };

async function rebuilt(content: Content, claims: Claims = new Map()): Promise<World> {
  const world = new World();
  await world.store.write(transaction => rebuild(transaction, content, claims, GIVEN, sha256));
  return world;
}

const claimsOf = (...claims: [address: string, kind: LeaseKind][]): Claims =>
  new Map(claims.map(([address, kind]) => [address, { address: parseAddress(address), kind, evidence: 'of a test' }]));

const poolsOf = (world: World) =>
  Array.from(contentOf(world).pools.values(), ({ subnet, cursor, gateways }) =>
    [subnet, cursor && formatAddress(cursor), ...gateways.map(formatAddress)].join(' '),
  );

test('of a sound store all rows come back, but for what tells stores apart', async () => {
  const world = await soundStore();
  await world.acquire('a', pool('10.0.0.0/16'));
  const copy = await rebuilt(contentOf(world));
  const [before, after] = [contentOf(world), contentOf(copy)];
  assert.is.not(after.settings.get('store'), before.settings.get('store'));
  for (const content of [before, after]) content.settings.delete('store');
  assert.equal(after, before);
});

test('settings are kept, whoever has made them', async () => {
  const content = await changed(await soundStore(), r => {
    r.put(metaKey('created'), encodeMeta('long ago'));
    r.put(metaKey('note'), encodeMeta('text'));
  });
  const { settings } = contentOf(await rebuilt(content));
  assert.equal([settings.get('created'), settings.get('note'), settings.get('schema')], ['long ago', 'text', '1']);
});

test('pools that are gone come back with the gateways and the newest address that leases tell of', async () => {
  const content = await changed(new World(), r => {
    r.lease('10.0.0.1', { kind: 'gateway', timeMs: 900 });
    r.lease('10.0.0.3', { timeMs: 300 });
    r.lease('10.0.0.4', { timeMs: 500 });
    r.lease('10.0.0.5', { timeMs: 500 });
    r.lease('10.0.0.6', { timeMs: 400 });
    r.lease('10.0.0.7', { kind: 'gateway', timeMs: 100 });
    r.lease('10.0.1.1', { kind: 'gateway' });
    r.lease('10.0.2.5', { timeMs: 0 });
    r.lease('10.0.3.5', { subnetBits: 33 });
    r.lease('10.0.4.5', { subnetBits: 32 });
    r.put(poolKeyOf('10.0.5.0/24'), encodePool({ cursor: parseAddress('10.0.5.9'), gateways: [] }));
    r.lease('10.0.5.200');
  });
  const world = await rebuilt(content);
  const noLength = 'lease of 10.0.3.5: is from a subnet of length /33, which there is not';
  const findings = found(contentOf(world));
  assert.ok(findings.length === 1 && findings[0]!.startsWith(noLength), findings.join());
  assert.equal(poolsOf(world), [
    '10.0.0.0/24 10.0.0.4 10.0.0.1 10.0.0.7',
    '10.0.1.0/24  10.0.1.1',
    '10.0.2.0/24 10.0.2.5',
    '10.0.4.5/32 10.0.4.5',
    '10.0.5.0/24 10.0.5.9',
  ]);
});

test('what lies outside a pool, or is there twice, does not come back', async () => {
  const content = await changed(new World(), r => {
    const gateways = ['10.0.0.9', '10.0.1.1', '10.0.0.8', '10.0.0.9'].map(parseAddress);
    r.put(poolKeyOf('10.0.0.0/24'), encodePool({ cursor: parseAddress('10.0.1.9'), gateways }));
    r.put(poolKeyOf('10.0.2.0/24'), encodePool({ cursor: undefined, gateways: [] }));
  });
  assert.equal(poolsOf(await rebuilt(content)), ['10.0.0.0/24  10.0.0.9 10.0.0.8', '10.0.2.0/24 ']);
});

test('a claimed address becomes a lease of its own id, in the smallest pool that could have given it', async () => {
  const content = await changed(await soundStore(), r => {
    for (const subnet of ['10.0.0.0/16', '10.0.0.6/31', '10.0.0.8/30']) {
      r.put(poolKeyOf(subnet), encodePool({ cursor: undefined, gateways: [] }));
    }
  });
  const recovered = (address: string, subnetBits: number, kind: LeaseKind = 'container') =>
    leaseOf(address, {
      ...GIVEN,
      kind,
      subnetBits,
      id: kind === 'gateway' ? '' : `recovered by fsck: ${address}`,
      network: '',
    });
  const expected = [
    recovered('10.0.0.7', 31),
    recovered('10.0.0.8', 24), // the network address of the /30
    recovered('10.0.0.9', 30),
    recovered('10.0.7.7', 16),
    recovered('10.9.9.9', 32),
    recovered('10.9.9.1', 32, 'gateway'),
    recovered('2001:db9::9', 128),
  ];
  const claims = claimsOf(...expected.map(({ address, kind }): [string, LeaseKind] => [formatAddress(address), kind]));
  const world = await rebuilt(content, claims);
  for (const lease of expected) assert.equal(world.lease(formatAddress(lease.address)), lease);
  assert.equal(found(contentOf(world)), [], 'the tree, the owners and the pools know of them');
  assert.ok(poolsOf(world).includes('10.9.9.1/32  10.9.9.1'));
  // The container cannot give it back, the next ADD is given another one.
  assert.equal(await world.acquire('a', pool('10.0.0.6/31', { gateway: null })), ['10.0.0.6']);
});

test('what is lost and known of is in use again', async () => {
  const content = await changed(await soundStore(), r => {
    for (const address of ['10.0.0.1', '10.0.0.2', '2001:db8::2']) r.delete(keyOf(address));
  });
  const { claims } = audit(content, lost(keyOf('10.0.0.1'), keyOf('10.0.0.2')), sha256);
  const world = await rebuilt(content, claims);
  assert.is(world.lease('10.0.0.1')?.kind, 'gateway');
  assert.is(world.lease('10.0.0.2')?.id, 'recovered by fsck: 10.0.0.2');
  assert.is(world.lease('2001:db8::2'), undefined, 'this one has been freed');
  assert.equal(audit(contentOf(world), NO_LOSS, sha256).findings, []);
});

test.run();
