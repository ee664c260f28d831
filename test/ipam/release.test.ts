// Who may give what back, and what a DEL leaves alone.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freeAll, freeUnchanged } from '../../src/ipam/allocator.ts';
import { parseAddress } from '../../src/net/address.ts';
import type { Holder } from '../../src/store/lease.ts';
import { holder, pool } from './support.ts';
import { container, leaseOf, texts, World } from './world.ts';

const test = suite('release');

const V4 = '10.0.0.0/24';
const V6 = '2001:db8::/64';

test('an owner gives back all that it holds in the subnets that are named, and no more', async () => {
  const world = new World();
  await world.acquire('a', pool(V4), pool(V6), pool('10.0.1.0/24'));
  await world.acquire('b', pool(V4));
  assert.equal(await world.release('a', pool(V4), pool(V6)), ['10.0.0.2', '2001:db8::2']);
  assert.is(world.lease('10.0.0.2'), undefined);
  assert.is(world.lease('10.0.1.2')?.id, 'a');
  assert.is(world.lease('10.0.0.3')?.id, 'b');
  assert.equal(await world.release('a', pool(V4), pool(V6)), [], 'a second time there is nothing');
  assert.equal(await world.acquire('c', pool(V4, { requested: '10.0.0.2' })), ['10.0.0.2'], 'and it is free');
  assert.equal(world.warnings, []);
});

test('subnets that overlap give an address back once', async () => {
  const world = new World();
  await world.acquire('a', pool(V4));
  assert.equal(await world.release('a', pool('10.0.0.0/16'), pool(V4), pool(V4, { requested: '10.0.0.2' })), [
    '10.0.0.2',
  ]);
  assert.equal(world.warnings, []);
});

test('with its last lease an owner leaves the store, and a leaf with its last address', async () => {
  const world = new World();
  await world.acquire('a', pool(V4, { gateway: null }), pool('10.0.1.0/24', { gateway: null }));
  const empty = new World();
  await empty.write(ledger => {
    for (const text of [V4, '10.0.1.0/24']) {
      const { subnet } = pool(text);
      ledger.putPool(subnet, { cursor: subnet.defaultGateway, gateways: [] });
    }
  });
  await world.release('a', pool('10.0.0.0/16'));
  assert.equal(world.rows(), empty.rows());
});

const ID = holder('x');
const CONTAINER = container('c1');
const NOBODY = holder('');
// [who holds the address, who names it, whether it is freed]
const CLAIMS: [Holder, Holder, boolean, string][] = [
  [ID, ID, true, 'an id its own'],
  [ID, holder('y'), false, "an id another id's"],
  [ID, holder('x', { containerId: 'c9' }), true, 'an id its own, from another container'],
  [ID, NOBODY, true, "nobody an id's: its address suffices"],
  [ID, CONTAINER, true, "a container an id's: its address suffices"],
  [holder('x', { containerId: 'c9' }), NOBODY, true, "nobody an id's that came with a container"],
  [CONTAINER, CONTAINER, true, 'a container its own'],
  [CONTAINER, container('c1', 'eth1'), false, "a container its other interface's"],
  [CONTAINER, container('c2'), false, "a container another's"],
  [CONTAINER, NOBODY, false, "nobody a container's"],
  [CONTAINER, holder('x', { containerId: 'c1', interfaceName: 'eth0' }), false, "an id a container's"],
  [NOBODY, NOBODY, true, 'nobody an anonymous lease'],
  [NOBODY, CONTAINER, true, 'a container an anonymous lease'],
  [NOBODY, ID, false, 'an id an anonymous lease'],
];
for (const [owner, asker, isFreed, what] of CLAIMS) {
  test(`by its address: ${what}: ${isFreed ? 'freed' : 'left alone'}`, async () => {
    const world = new World();
    const request = pool(V4, { requested: '10.0.0.7' });
    await world.acquire(owner, request);
    const before = world.rows();
    assert.equal(await world.release(asker, request), isFreed ? ['10.0.0.7'] : []);
    if (isFreed) assert.is(world.lease('10.0.0.7'), undefined);
    else assert.equal(world.rows(), before);
  });
}

test('a gateway is nobody’s to give back, and what is free stays so', async () => {
  const world = new World();
  await world.acquire('a', pool(V4));
  const before = world.rows();
  for (const asker of [ID, CONTAINER, NOBODY]) {
    assert.equal(await world.release(asker, pool(V4, { requested: '10.0.0.1', gateway: null })), []);
    assert.equal(await world.release(asker, pool(V4, { requested: '10.0.0.99', gateway: null })), []);
  }
  assert.equal(world.rows(), before);
});

test('an anonymous holder that names no address gives nothing back', async () => {
  const world = new World();
  await world.acquire('', pool(V4));
  assert.equal(await world.release('', pool(V4)), []);
});

test('a lease that the tree calls free goes too, with a warning', async () => {
  const world = new World();
  await world.write(ledger => ledger.putLease(leaseOf('10.0.0.7', { id: 'a' })));
  assert.equal(await world.release('a', pool(V4)), ['10.0.0.7']);
  assert.equal(world.warnings, ['address 10.0.0.7: was leased, but free in the tree']);
  assert.is(world.lease('10.0.0.7'), undefined);
});

test('what has changed hands since it was listed stays', async () => {
  const world = new World();
  const give = async (id: string, address: string) =>
    void (await world.acquire(id, pool(V4, { requested: address, gateway: null })));
  for (const [id, address] of [
    ['same', '10.0.0.2'],
    ['gone', '10.0.0.3'],
    ['renewed', '10.0.0.4'],
    ['follower', '10.0.0.5'],
  ] as const) {
    await give(id, address);
  }
  const listed = ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'].map(address => world.lease(address)!);
  for (const id of ['gone', 'renewed', 'follower']) await world.release(id, pool(V4));
  await give('somebody else', '10.0.0.5'); // at the same time as the one before
  world.nowMs++;
  await give('renewed', '10.0.0.4');
  const freed = await world.write(ledger => freeUnchanged(ledger, listed, world.warn));
  assert.equal(texts(freed), ['10.0.0.2']);
  assert.is(world.lease('10.0.0.2'), undefined);
  assert.is(world.lease('10.0.0.4')?.id, 'renewed');
  assert.is(world.lease('10.0.0.5')?.id, 'somebody else');
  assert.equal(world.warnings, []);
});

test('leases of both families are freed together', async () => {
  const world = new World();
  await world.acquire('a', pool(V4), pool(V6));
  const leases = ['10.0.0.2', '2001:db8::2'].map(address => world.lease(address)!);
  await world.write(ledger => freeAll(ledger, leases, world.warn));
  assert.is(world.lease('10.0.0.2'), undefined);
  assert.is(world.lease('2001:db8::2'), undefined);
  await world.acquire('b', pool(V4, { requested: '10.0.0.2' }), pool(V6, { requested: '2001:db8::2' }));
  assert.equal(world.warnings, []);
  assert.equal(
    world.read(ledger => texts(ledger.leasesOf(holder('b')))),
    ['10.0.0.2', '2001:db8::2'],
  );
  assert.is(world.lease('10.0.0.1')?.kind, 'gateway');
  assert.equal(parseAddress('10.0.0.1'), world.lease('10.0.0.1')?.address);
});

test.run();
