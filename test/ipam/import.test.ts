// Taking leases over: all or nothing, and what an ADD and a DEL find afterwards.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readGoStore } from '../../src/bolt/plugin.ts';
import { acquire, release } from '../../src/ipam/allocator.ts';
import {
  describePlan,
  importShipment,
  place,
  planImport,
  type Shipment,
  shipmentOf,
  unplacedOf,
} from '../../src/ipam/import.ts';
import { Subnet } from '../../src/ipam/subnet.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { expected, FIXTURES, fixture } from '../bolt/support.ts';
import { holder, ledgerOf, pool, readLedgerOf, surroundings } from './support.ts';

const test = suite('import');
const NOW = 1_700_000_000_000;

const goFile = (name: string) => unplacedOf(readGoStore(fixture(name)), NOW);
const subnetsOf = (name: string): Subnet[] => {
  const { subnet4, subnet6 } = expected(name);
  return [subnet4, subnet6].filter(text => text !== undefined).map(text => new Subnet(parsePrefix(text)));
};
const go = (leases: [address: string, id: string][], cursor?: string) =>
  unplacedOf(
    {
      leases: leases.map(([address, id]) => ({ address: parseAddress(address), id, isGateway: false })),
      cursors: cursor === undefined ? [] : [parseAddress(cursor)],
    },
    NOW,
  );
const into = (store: MemoryStore, shipment: Shipment) =>
  store.write(transaction => importShipment(ledgerOf(transaction), shipment));
const content = (store: MemoryStore) => store.read(transaction => shipmentOf(readLedgerOf(transaction)));
const V4 = [new Subnet(parsePrefix('10.0.0.0/24'))];
const text = (addresses: { address: Uint8Array }[]) => addresses.map(({ address }) => formatAddress(address));
const add = async (store: MemoryStore, id: string, subnet: string, requested?: string) =>
  text(
    await store.write(transaction =>
      acquire(ledgerOf(transaction), holder(id), [pool(subnet, requested ? { requested } : {})], surroundings()),
    ),
  );
const del = async (store: MemoryStore, id: string, subnet: string, requested?: string) =>
  text(
    await store.write(transaction =>
      release(ledgerOf(transaction), holder(id), [pool(subnet, requested ? { requested } : {})], () => {}),
    ),
  );

for (const name of FIXTURES) {
  test(`${name}: every lease as the Go plugin had it, without a boot and with the time of the import`, async () => {
    const store = new MemoryStore();
    const subnets = subnetsOf(name);
    const { added, present } = await into(store, place(goFile(name), subnets));
    const { leases, gateways, lastKnownIP, lastKnownIPv6 } = expected(name);
    assert.is(added.length, leases.length + gateways.length);
    assert.equal(present, []);
    const after = content(store);
    const byText = new Map(after.leases.map(lease => [formatAddress(lease.address), lease]));
    for (const { address, id } of leases) {
      const { address: bytes, ...lease } = byText.get(address)!;
      const subnetBits = subnets.find(subnet => subnet.contains(bytes))!.bits;
      const nobody = { containerId: '', interfaceName: '', network: '' };
      assert.equal(lease, { ...nobody, kind: 'container', id, subnetBits, bootId: '', timeMs: NOW });
    }
    for (const address of gateways) assert.is(byText.get(address)?.kind, 'gateway');
    const cursors = after.pools.map(({ subnet, cursor }) => `${subnet} ${formatAddress(cursor!)}`).sort();
    const wanted = [lastKnownIP, lastKnownIPv6].filter(Boolean);
    assert.equal(cursors, subnets.map((subnet, i) => `${subnet} ${wanted[i]}`).sort());
    // Again: nothing new, nothing changed.
    const again = await into(store, place(goFile(name), subnets));
    assert.is(again.added.length, 0);
    assert.is(again.present.length, leases.length + gateways.length);
    assert.equal(content(store), after);
  });
}

test('with and without their subnet, an ADD goes on behind the last known address', async () => {
  for (const subnets of [V4, []]) {
    const store = new MemoryStore();
    await into(
      store,
      place(
        go(
          [
            ['10.0.0.7', 'a'],
            ['10.0.0.10', 'b'],
          ],
          '10.0.0.8',
        ),
        subnets,
      ),
    );
    assert.equal(await add(store, 'new', '10.0.0.0/24'), ['10.0.0.9']);
    assert.equal(await add(store, 'next', '10.0.0.0/24'), ['10.0.0.11'], 'and past what was imported');
    assert.equal(await add(store, 'elsewhere', '10.9.0.0/24'), ['10.9.0.2'], 'another subnet begins where it does');
  }
});
test('an imported lease: no second one, no replacement after a reboot; DEL by id or by address', async () => {
  const store = new MemoryStore();
  await into(
    store,
    place(
      go([
        ['10.0.0.7', 'a'],
        ['10.0.0.8', 'b'],
        ['10.0.0.9', ''],
      ]),
      V4,
    ),
  );
  for (const id of ['a', 'b']) {
    try {
      await add(store, id, '10.0.0.0/24');
      assert.unreachable();
    } catch (error) {
      assert.is((error as { refusal?: string }).refusal, 'already-held', String(error));
    }
  }
  assert.equal(await del(store, 'b', '10.0.0.0/24', '10.0.0.7'), [], 'of somebody else');
  assert.equal(await del(store, 'a', '10.0.0.0/24'), ['10.0.0.7']);
  assert.equal(await del(store, '', '10.0.0.0/24', '10.0.0.8'), ['10.0.0.8']);
  assert.equal(await del(store, '', '10.0.0.0/24', '10.0.0.9'), ['10.0.0.9']);
  assert.equal(text(content(store).leases), []);
});
test('an id that the Go plugin has given twice: both leases, and both go', async () => {
  const store = new MemoryStore();
  const subnets = [new Subnet(parsePrefix('20.0.0.0/24'))];
  await into(
    store,
    place(
      go([
        ['20.0.0.7', 'a'],
        ['20.0.0.8', 'a'],
      ]),
      subnets,
    ),
  );
  assert.equal(await del(store, 'a', '20.0.0.0/24'), ['20.0.0.7', '20.0.0.8']);
});

test('conflicts are named, and nothing is imported', async () => {
  const store = new MemoryStore();
  await add(store, 'mine', '10.0.0.0/24', '10.0.0.5');
  await add(store, 'same', '10.0.0.0/24', '10.0.0.6');
  const before = content(store);
  const shipment = place(
    go([
      ['10.0.0.1', 'not a gateway'],
      ['10.0.0.5', 'other'],
      ['10.0.0.6', 'same'],
      ['10.0.0.7', 'mine'],
      ['10.0.0.8', 'free'],
      ['10.0.0.8', 'twice'],
    ]),
    V4,
  );
  const { conflicts, added, present } = store.read(transaction => planImport(readLedgerOf(transaction), shipment));
  assert.equal(conflicts, [
    '10.0.0.1: is to be of id "not a gateway", and is of a gateway here',
    '10.0.0.5: is to be of id "other", and is of id "mine" here',
    '10.0.0.7: is to be of id "mine", which holds 10.0.0.5 in 10.0.0.0/24 here',
    '10.0.0.8: comes twice',
  ]);
  assert.equal([text(added), text(present)], [['10.0.0.8'], ['10.0.0.6']]);
  try {
    await into(store, shipment);
    assert.unreachable();
  } catch (error) {
    assert.is((error as { refusal?: string }).refusal, 'in-use', String(error));
    assert.match((error as Error).message, /4 of 6 leases are in conflict.*nothing is imported: 10\.0\.0\.1: /);
  }
  assert.equal(content(store), before);
});
test('one conflict is enough; a gateway is in none with the lease that its id has elsewhere', async () => {
  const store = new MemoryStore();
  await add(store, 'mine', '10.0.0.0/24', '10.0.0.5');
  const planOf = (leases: Shipment['leases']) =>
    store.read(transaction => planImport(readLedgerOf(transaction), { leases, pools: [] })).conflicts;
  const [lease] = place(go([['10.0.0.9', 'mine']]), V4).leases;
  assert.equal(planOf([{ ...lease!, kind: 'gateway' }]), []);
  const { leases } = place(go([['10.0.0.1', '']]), V4);
  assert.equal(planOf(leases), ['10.0.0.1: is to be of an anonymous lease, and is of a gateway here']);
  const before = content(store);
  await into(store, { leases, pools: [] }).then(
    () => assert.unreachable(),
    (error: Error) =>
      assert.is(
        error.message,
        '1 of 1 leases are in conflict with the store, nothing is imported: ' +
          '10.0.0.1: is to be of an anonymous lease, and is of a gateway here',
      ),
  );
  assert.equal(content(store), before);
});
test('a message names all of ten conflicts', async () => {
  const store = new MemoryStore();
  const leases = Array.from({ length: 10 }, (_, i): [string, string] => [`10.0.0.${i + 10}`, 'a']);
  await into(store, place(go(leases), V4));
  const others = place(go(leases.map(([address]) => [address, 'b'])), V4);
  const named = leases.map(([address]) => `${address}: is to be of id "b", and is of id "a" here`);
  await into(store, others).then(
    () => assert.unreachable(),
    (error: Error) =>
      assert.is(
        error.message,
        `10 of 10 leases are in conflict with the store, nothing is imported: ${named.join('; ')}`,
      ),
  );
});
test('what is imported is in the tree too: nothing is noticed behind it', async () => {
  const store = new MemoryStore();
  await into(store, place(go([['10.0.0.2', 'a']]), V4));
  const surrounding = surroundings();
  const given = await store.write(transaction =>
    acquire(ledgerOf(transaction), holder('b'), [pool('10.0.0.0/24')], surrounding),
  );
  assert.equal([text(given), surrounding.warnings], [['10.0.0.3'], []]);
});
test('a plan in words', async () => {
  const store = new MemoryStore();
  const leases = [1, 2, 3, 4].flatMap(i => place(go([[`10.0.0.${i}`, '']]), V4).leases);
  const gateway = (i: number) => ({ ...leases[i]!, kind: 'gateway' as const });
  const words = async (...leases: Shipment['leases']) => describePlan(await into(store, { leases, pools: [] }));
  assert.is(await words(), '0 leases and 0 gateways');
  assert.is(await words(gateway(0), leases[1]!), '1 lease and 1 gateway');
  assert.is(await words(gateway(0), leases[2]!, leases[3]!), '2 leases and 0 gateways, 1 there already');
  assert.is(await words(...leases.slice(1)), '0 leases and 0 gateways, 3 there already');
});
test('a message names ten conflicts and counts the rest', async () => {
  const store = new MemoryStore();
  const leases = Array.from({ length: 30 }, (_, i): [string, string] => [`10.0.0.${i + 10}`, `a${i}`]);
  await into(store, place(go(leases), V4));
  const others = place(go(leases.map(([address]) => [address, 'other'])), V4);
  await into(store, others).then(
    () => assert.unreachable(),
    (error: Error) => {
      assert.match(error.message, /30 of 30 leases.*10\.0\.0\.19.*; and 20 more$/);
      assert.not.match(error.message, /10\.0\.0\.20/);
    },
  );
});
test('a cursor and gateways that the pool has already stay', async () => {
  const store = new MemoryStore();
  await add(store, 'a', '10.0.0.0/24', '10.0.0.50');
  const shipment = place(
    { leases: [{ ...go([['10.0.0.9', '']]).leases[0]!, kind: 'gateway' }], cursors: [parseAddress('10.0.0.8')] },
    V4,
  );
  await into(store, shipment);
  await into(store, shipment);
  const [pool] = content(store).pools;
  assert.is(formatAddress(pool!.cursor!), '10.0.0.50');
  assert.equal(pool!.gateways.map(formatAddress), ['10.0.0.1', '10.0.0.9']);
});
test('leases come in address order, IPv4 first', () => {
  const inOrder = ['9.255.255.255', '10.0.0.2', '10.0.0.10', '10.0.1.0', '2001:db8::1', '2001:db8::10', 'fd00::'];
  for (const addresses of [[...inOrder].sort(), [...inOrder].reverse()]) {
    const { leases } = place(go(addresses.map(address => [address, ''])), []);
    assert.equal(text(leases), inOrder);
  }
});
test('cursors and gateways that lie in none of the subnets go to the whole family', () => {
  const { leases } = go([
    ['10.0.0.1', ''],
    ['10.9.0.1', ''],
    ['10.9.0.2', 'a'],
    ['2001:db8::2', 'b'],
  ]);
  const { pools } = place(
    {
      leases: leases.map((lease, i) => ({ ...lease, kind: i < 2 ? 'gateway' : 'container' })),
      cursors: ['10.9.0.9', '2001:db8::9'].map(parseAddress),
    },
    V4,
  );
  assert.equal(
    pools.map(({ subnet, cursor, gateways }) =>
      [subnet, cursor && formatAddress(cursor), ...gateways.map(formatAddress)].join(' '),
    ),
    ['0.0.0.0/0 10.9.0.9 10.9.0.1', '::/0 2001:db8::9', '10.0.0.0/24  10.0.0.1'],
  );
});
test('the longest of overlapping subnets, and none', () => {
  const subnets = ['10.0.0.0/8', '10.0.0.0/24', '10.0.0.0/16'].map(text => new Subnet(parsePrefix(text)));
  const { leases } = place(
    go([
      ['10.0.0.7', 'a'],
      ['10.0.1.7', 'b'],
      ['10.1.0.7', 'c'],
      ['11.0.0.7', 'd'],
    ]),
    subnets,
  );
  assert.equal(
    leases.map(({ subnetBits }) => subnetBits),
    [24, 16, 8, 32],
  );
});

test.run();
