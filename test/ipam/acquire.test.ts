// What an ADD is given and what it leaves in the store, and every way of being refused.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acquire, check, checkReady, reservedAs } from '../../src/ipam/allocator.ts';
import { Forest } from '../../src/ipam/forest.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { StoreError } from '../../src/store/error.ts';
import type { Lease } from '../../src/store/lease.ts';
import { leaseKey } from '../../src/store/records.ts';
import { holder, lease, pool } from './support.ts';
import { container, leaseOf, NOW_MS, texts, World } from './world.ts';

const test = suite('acquire');

const V4 = '10.0.0.0/24';
const V6 = '2001:db8::/64';
/** Four addresses, of which two are usable: the gateway and one more. */
const TINY = '10.0.0.0/30';

test('one address in each subnet, in the order of the requests, and the leases as they are returned', async () => {
  const world = new World();
  const given = await world.write(ledger =>
    acquire(ledger, container('c1', 'eth1'), [pool(V6), pool(V4)], {
      bootId: 'boot-7',
      now: () => 123_456,
      warn: world.warn,
    }),
  );
  const common = { ...container('c1', 'eth1'), kind: 'container', bootId: 'boot-7', timeMs: 123_456 } as const;
  const expected: Lease[] = [
    { ...common, address: parseAddress('2001:db8::2'), subnetBits: 64 },
    { ...common, address: parseAddress('10.0.0.2'), subnetBits: 24 },
  ];
  assert.equal(given, expected);
  assert.equal([world.lease('2001:db8::2'), world.lease('10.0.0.2')], expected);
  assert.equal(world.warnings, []);
});

test('the gateway is leased to nobody, with the pool, once', async () => {
  const world = new World();
  await world.acquire(container('c1'), pool(V4));
  const gateway = world.lease('10.0.0.1');
  assert.equal(gateway, leaseOf('10.0.0.1', { kind: 'gateway' }));
  world.nowMs++;
  await world.acquire('b', pool(V4));
  assert.equal(world.lease('10.0.0.1'), gateway, 'the next ADD leaves it as it is');
});

test('a pool keeps its cursor, and each gateway that it has had once', async () => {
  const world = new World();
  const state = () => {
    const { cursor, gateways } = world.read(ledger => ledger.ownPool(pool(V4).subnet))!;
    return [cursor && formatAddress(cursor), ...gateways.map(formatAddress)];
  };
  await world.acquire('a', pool(V4, { gateway: null }));
  assert.equal(state(), ['10.0.0.1']);
  await world.acquire('b', pool(V4, { gateway: '10.0.0.9' }));
  assert.equal(state(), ['10.0.0.2', '10.0.0.9']);
  await world.acquire('c', pool(V4, { gateway: '10.0.0.9' }));
  await world.acquire('d', pool(V4, { gateway: null }));
  assert.equal(state(), ['10.0.0.4', '10.0.0.9']);
  await world.acquire('e', pool(V4, { gateway: '10.0.0.8' }));
  assert.equal(state(), ['10.0.0.5', '10.0.0.9', '10.0.0.8']);
  await world.acquire('f', pool(V4, { gateway: null, requested: '10.0.0.200' }));
  assert.equal(state(), ['10.0.0.200', '10.0.0.9', '10.0.0.8'], 'a requested address moves the cursor too');
  assert.equal(await world.acquire('g', pool(V4, { gateway: null })), ['10.0.0.201']);
});

test('an overlapping pool without a gateway passes over it: the tree knows of it', async () => {
  const world = new World();
  await world.acquire('a', pool(V4, { requested: '10.0.0.7' }));
  assert.equal(await world.acquire('b', pool('10.0.0.0/16', { gateway: null })), ['10.0.0.2']);
  assert.equal(world.warnings, []);
});

test('a gateway outside its subnet binds as well', async () => {
  const world = new World();
  await world.acquire('a', pool(V4, { gateway: '10.0.9.1' }));
  await world.refuses('in-use', 'address 10.0.9.1: in use by a gateway', () =>
    world.acquire('b', pool('10.0.9.0/24', { gateway: null, requested: '10.0.9.1' })),
  );
});

for (const [what, address, gateway] of [
  ['network address', '10.0.0.0', null],
  ['broadcast address', '10.0.0.255', null],
  ['gateway', '10.0.0.1', undefined],
  ['gateway', '10.0.0.99', '10.0.0.99'],
] as const) {
  test(`the ${what} ${address} is refused`, async () => {
    const world = new World();
    const options = gateway === undefined ? { requested: address } : { requested: address, gateway };
    await world.refuses('reserved', `address ${address}: is the ${what} of 10.0.0.0/24`, () =>
      world.acquire('a', pool(V4, options)),
    );
    assert.is(reservedAs(pool(V4, options), parseAddress(address)), what);
    assert.is(reservedAs(pool(V4, options), parseAddress('10.0.0.50')), undefined);
  });
}

test('a second address in a subnet is refused, in whatever pool the first was given', async () => {
  const world = new World();
  await world.acquire('a', pool(V4));
  for (const subnet of [V4, '10.0.0.0/16', '10.0.0.0/25']) {
    await world.refuses('already-held', `id "a": already holds 10.0.0.2 in ${subnet}`, () =>
      world.acquire('a', pool(subnet)),
    );
  }
  await world.refuses('already-held', 'id "a": already holds 10.0.0.2 in 10.0.0.0/24', () =>
    world.acquire('a', pool(V4, { requested: '10.0.0.77' })),
  );
  assert.equal(await world.acquire('a', pool('10.0.1.0/24')), ['10.0.1.2'], 'another subnet is another matter');
});

test('an address in use is refused, and its holder named', async () => {
  const world = new World();
  await world.acquire('a', pool(V4, { requested: '10.0.0.7' }));
  await world.acquire(container('c1'), pool(V4, { requested: '10.0.0.8' }));
  await world.acquire('', pool(V4, { requested: '10.0.0.9' }));
  for (const [address, user] of [
    ['10.0.0.7', 'id "a"'],
    ['10.0.0.8', 'container c1, interface eth0'],
    ['10.0.0.9', 'an anonymous lease'],
    ['10.0.0.1', 'a gateway'],
  ] as const) {
    await world.refuses('in-use', `address ${address}: in use by ${user}`, () =>
      world.acquire('b', pool(V4, { requested: address, gateway: null })),
    );
  }
});

test('a gateway that a container holds is refused', async () => {
  const world = new World();
  await world.acquire('a', pool(V4, { requested: '10.0.0.7' }));
  const request = pool(V4, { gateway: '10.0.0.7' });
  const message = 'gateway 10.0.0.7 of 10.0.0.0/24: in use by id "a"';
  await world.refuses('in-use', message, () => world.acquire('b', request));
  await world.refuses('in-use', message, () => world.write(ledger => checkReady(ledger, [request], world.warn)));
});

test('one refused request refuses all, whichever it is', async () => {
  const world = new World();
  await world.acquire('x', pool(TINY));
  const message =
    '10.0.0.0/30: no free address: 4 addresses, 2 used (1 by containers), ' +
    '3 reserved (gateway 10.0.0.1, network address 10.0.0.0, broadcast address 10.0.0.3)';
  await world.refuses('exhausted', message, () => world.acquire('a', pool(V6), pool(TINY)));
  await world.refuses('exhausted', message, () => world.acquire('a', pool(TINY), pool(V6)));
});

test('an exhausted pool counts what is reserved: gateways of all pools that lie in it, and its own once', async () => {
  const world = new World();
  await world.acquire('', pool('10.0.0.0/29', { gateway: '10.0.0.2' })); // 10.0.0.1
  await world.acquire('', pool('10.0.0.0/16', { gateway: '10.0.0.3' })); // 10.0.0.1 is taken: 10.0.0.4
  await world.acquire('', pool('10.0.9.0/24')); // its gateway lies elsewhere
  await world.acquire('', pool('10.0.0.0/29', { gateway: '10.0.0.2' })); // 10.0.0.5
  await world.acquire('', pool('10.0.0.0/29', { gateway: '10.0.0.2' })); // 10.0.0.6
  await world.refuses(
    'exhausted',
    '10.0.0.0/29: no free address: 8 addresses, 6 used (4 by containers), 4 reserved ' +
      '(gateway 10.0.0.3, gateway 10.0.0.2, network address 10.0.0.0, broadcast address 10.0.0.7)',
    () => world.acquire('', pool('10.0.0.0/29', { gateway: '10.0.0.2' })),
  );
  // A gateway that an operator has freed is none any more, though its pool remembers it.
  await world.write(ledger => ledger.deleteLease(ledger.lease(parseAddress('10.0.0.3'))!));
  await world.write(ledger => ledger.putLease(leaseOf('10.0.0.3')));
  await world.refuses(
    'exhausted',
    '10.0.0.0/29: no free address: 8 addresses, 6 used (5 by containers), 3 reserved ' +
      '(gateway 10.0.0.2, network address 10.0.0.0, broadcast address 10.0.0.7)',
    () => world.acquire('', pool('10.0.0.0/29', { gateway: '10.0.0.2' })),
  );
});

test('an exhausted pool in which nothing is reserved says no list', async () => {
  const world = new World();
  const request = pool('10.0.0.2/31', { gateway: null });
  assert.equal(await world.acquire('', request), ['10.0.0.2']);
  assert.equal(await world.acquire('', request), ['10.0.0.3']);
  const message = '10.0.0.2/31: no free address: 2 addresses, 2 used (2 by containers), 0 reserved';
  await world.refuses('exhausted', message, () => world.acquire('', request));
  await world.refuses('exhausted', message, () => world.write(ledger => checkReady(ledger, [request], world.warn)));
});

test('a gateway whose lease is gone does not count', async () => {
  const world = new World();
  await world.acquire('a', pool(TINY));
  await world.store.write(transaction => transaction.delete(leaseKey(parseAddress('10.0.0.1'))));
  const message =
    '10.0.0.0/30: no free address: 4 addresses, 2 used (2 by containers), ' +
    '2 reserved (network address 10.0.0.0, broadcast address 10.0.0.3)';
  await world.refuses('exhausted', message, () => world.acquire('b', pool(TINY, { gateway: null })));
});

test('STATUS: every pool is asked, and nothing is changed', async () => {
  const world = new World();
  await world.acquire('', pool(TINY));
  const before = world.rows();
  world.read(ledger => checkReady(ledger, [pool(V4), pool(V6)], world.warn));
  world.read(ledger => checkReady(ledger, [pool(V4, { gateway: '10.0.0.1' })], world.warn));
  assert.equal(world.rows(), before);
  assert.throws(() => world.read(ledger => checkReady(ledger, [pool(V6), pool(TINY)], world.warn)), /no free address/);
});

// [boot id of the lease, boot id now, whether the lease is of an earlier boot, why]
for (const [then, now, isReplaced, why] of [
  ['boot-1', 'boot-2', true, 'another boot'],
  ['boot-1', 'boot-1', false, 'the same boot'],
  ['', 'boot-2', false, 'a lease from elsewhere has no boot'],
  ['boot-1', '', false, 'a kernel that tells none'],
] as const) {
  test(`an owner's lease of before: ${why}`, async () => {
    const world = new World();
    world.bootId = then;
    await world.acquire('a', pool(V4));
    world.bootId = now;
    if (!isReplaced) {
      await world.refuses('already-held', 'id "a": already holds 10.0.0.2 in 10.0.0.0/24', () =>
        world.acquire('a', pool(V4)),
      );
      return;
    }
    assert.equal(await world.acquire('a', pool(V4)), ['10.0.0.3']);
    assert.is(world.lease('10.0.0.2'), undefined);
    assert.is(world.lease('10.0.0.3')?.bootId, now);
    assert.equal(world.warnings, ['id "a": its lease of 10.0.0.2 is from an earlier boot and is replaced']);
    // Its bit in the tree has gone too.
    world.warnings.length = 0;
    assert.equal(await world.acquire('b', pool(V4, { requested: '10.0.0.2' })), ['10.0.0.2']);
    assert.equal(world.warnings, []);
  });
}

test('after a reboot an owner has what it held, where the pool is full or it asks for just that', async () => {
  const world = new World();
  await world.acquire('a', pool(TINY));
  world.bootId = 'boot-2';
  assert.equal(await world.acquire('a', pool(TINY)), ['10.0.0.2']);
  world.bootId = 'boot-3';
  assert.equal(await world.acquire('a', pool(TINY, { requested: '10.0.0.2' })), ['10.0.0.2']);
  assert.is(world.lease('10.0.0.2')?.bootId, 'boot-3');
  world.bootId = 'boot-4';
  assert.is(world.read(ledger => ledger.leasesOf(holder('a'))).length, 1);
  // What is the gateway now cannot be what it gets, though it may become the gateway.
  await world.refuses(
    'exhausted',
    '10.0.0.0/30: no free address: 4 addresses, 2 used (0 by containers), 4 reserved ' +
      '(gateway 10.0.0.1, gateway 10.0.0.2, network address 10.0.0.0, broadcast address 10.0.0.3)',
    () => world.acquire('a', pool(TINY, { gateway: '10.0.0.2' })),
  );
});

test("after a reboot an owner's old address may become the gateway", async () => {
  const world = new World();
  await world.acquire('a', pool(V4, { requested: '10.0.0.7' }));
  world.bootId = 'boot-2';
  assert.equal(await world.acquire('a', pool(V4, { gateway: '10.0.0.7' })), ['10.0.0.8']);
  assert.is(world.lease('10.0.0.7')?.kind, 'gateway');
  await world.refuses('in-use', 'address 10.0.0.7: in use by a gateway', () =>
    world.acquire('b', pool(V4, { requested: '10.0.0.7' })),
  );
});

test('an address that the tree calls free and a lease holds is not given: the leaf is rebuilt', async () => {
  const world = new World();
  await world.write(ledger => {
    for (const address of ['10.0.0.2', '10.0.0.3', '10.0.0.5']) ledger.putLease(leaseOf(address, { id: address }));
  });
  assert.equal(await world.acquire('a', pool(V4)), ['10.0.0.4']);
  assert.equal(world.warnings, ['address 10.0.0.2: leased, but free in the tree; its leaf is rebuilt from the leases']);
  assert.equal(await world.acquire('b', pool(V4)), ['10.0.0.6']);
  assert.is(world.warnings.length, 1, 'the whole leaf was rebuilt, and saved');
});

test('STATUS too finds what is leased behind the tree, and says so', async () => {
  const world = new World();
  await world.acquire('x', pool('10.0.0.4/30', { gateway: null })); // of .5 and .6
  await world.write(ledger => ledger.putLease(leaseOf('10.0.0.6')));
  const request = pool('10.0.0.4/30', { gateway: null });
  assert.throws(() => world.read(ledger => checkReady(ledger, [request], world.warn)), /no free address/);
  assert.match(world.warnings.join(), /10\.0\.0\.6: leased, but free/);
});

test('a tree that is wrong in as many leaves as the limit allows is mended; in one more, it is damage', async () => {
  for (const [leaves, isDamage] of [
    [512, false],
    [513, true],
  ] as const) {
    const world = new World();
    await world.write(ledger => {
      // All of the first leaves is used by the tree but for their last address, which is leased behind it.
      const forest = new Forest(ledger);
      for (let leaf = 0; leaf < leaves; leaf++) {
        for (let octet = 0; octet < 255; octet++) {
          if (leaf > 0 || octet > 0) forest.tree(4).mark(Uint8Array.of(10, leaf >> 8, leaf & 255, octet));
        }
        ledger.putLease({ ...leaseOf('10.0.0.255'), address: Uint8Array.of(10, leaf >> 8, leaf & 255, 255) });
      }
      forest.save(ledger);
    });
    const request = pool('10.0.0.0/8', { gateway: null });
    if (!isDamage) {
      assert.equal(await world.acquire('a', request), ['10.2.0.0']);
      continue;
    }
    const error = await world.acquire('a', request).then(
      () => undefined,
      error => error as StoreError,
    );
    assert.instance(error, StoreError);
    assert.is(error!.failure, 'damaged');
    assert.is(error!.message, '10.0.0.0/8: the tree disagrees with the leases in more than 512 places');
  }
});

test('a forest serves until the next one is made, and operations of one transaction share it', async () => {
  const world = new World();
  await world.write(ledger => {
    const first = Forest.of(ledger);
    first.save(ledger);
    assert.is(Forest.of(ledger), first, 'saved: the next operation goes on with it');
    first.tree(4).mark(parseAddress('10.0.0.9'));
    const second = Forest.of(ledger);
    assert.is.not(second, first, 'not saved: an operation has failed on the way');
    assert.throws(() => first.tree(4), /^this forest has been followed by another one$/);
    second.save(ledger);
  });
  await world.write(ledger => {
    const before = Forest.of(ledger);
    before.save(ledger);
    world.read(other => assert.is.not(Forest.of(other as typeof ledger), before, 'another transaction'));
  });
});

test('many ADDs in one transaction: none is given what another has, and all of it is written', async () => {
  const world = new World();
  const given = await world.write(ledger =>
    ['a', 'b', 'c'].flatMap(id =>
      acquire(ledger, holder(id), [pool(V4), pool(V6)], { bootId: '', now: () => NOW_MS, warn: world.warn }),
    ),
  );
  assert.equal(texts(given), ['10.0.0.2', '2001:db8::2', '10.0.0.3', '2001:db8::3', '10.0.0.4', '2001:db8::4']);
  assert.equal(await world.acquire('d', pool(V4), pool(V6)), ['10.0.0.5', '2001:db8::5']);
  assert.equal(world.warnings, []);
});

test('leases made behind the rules are found by lists and by a search alike', async () => {
  const world = new World();
  await world.store.write(transaction => lease(transaction, [parseAddress('10.0.0.1'), parseAddress('10.0.0.2')]));
  assert.equal(await world.acquire('a', pool(V4, { gateway: null })), ['10.0.0.3']);
  assert.equal(world.warnings, []);
});

test('CHECK: an address in every subnet, and the expected ones', async () => {
  const world = new World();
  await world.acquire('a', pool(V4), pool(V6));
  await world.acquire('b', pool(V4));
  const subnets = [pool(V4).subnet, pool(V6).subnet];
  const ask = (id: string, expected: string[], asked = subnets) =>
    world.read(ledger => check(ledger, holder(id), asked, expected.map(parseAddress)));
  ask('a', []);
  ask('a', ['10.0.0.2', '2001:db8::2']);
  ask('a', ['10.9.9.9']); // of no subnet that is asked for
  await world.refuses('check-failed', 'id "b": holds no address in 2001:db8::/64', () => ask('b', []));
  await world.refuses(
    'check-failed',
    'id "a": does not hold 10.0.0.3 of prevResult; in 10.0.0.0/24 it holds 10.0.0.2',
    () => ask('a', ['10.0.0.2', '10.0.0.3']),
  );
  await world.acquire('a', pool('10.0.1.0/24'));
  await world.refuses(
    'check-failed',
    'id "a": does not hold 10.0.0.3 of prevResult; in 10.0.0.0/16 it holds 10.0.0.2, 10.0.1.2',
    () => ask('a', ['10.0.1.2', '10.0.0.3'], [pool('10.0.0.0/16').subnet]),
  );
});

test.run();
