// Rows as leases, owners and pools: what belongs together stays together.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Ledger } from '../../src/ipam/ledger.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { formatPrefix } from '../../src/net/prefix.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { leaseKey } from '../../src/store/records.ts';
import { holder, pool, sha256 } from './support.ts';
import { container, leaseOf, texts, World } from './world.ts';

const test = suite('ledger');

test('an owner has the leases that were put, in their order, less those that were deleted', async () => {
  const world = new World();
  const owned = () => world.read(ledger => texts(ledger.leasesOf(holder('a'))));
  assert.equal(owned(), []);
  const addresses = ['10.0.0.9', '10.0.0.3', '2001:db8::1'];
  for (const address of addresses) await world.write(ledger => ledger.putLease(leaseOf(address, { id: 'a' })));
  await world.write(ledger => ledger.putLease(leaseOf('10.0.0.4', { id: 'b' })));
  assert.equal(owned(), addresses);
  await world.write(ledger => ledger.deleteLease(leaseOf('10.0.0.3', { id: 'a' })));
  assert.equal(owned(), ['10.0.0.9', '2001:db8::1']);
  for (const address of ['10.0.0.9', '2001:db8::1']) {
    await world.write(ledger => ledger.deleteLease(leaseOf(address, { id: 'a' })));
  }
  assert.equal(owned(), []);
  await world.write(ledger => ledger.deleteLease(leaseOf('10.0.0.4', { id: 'b' })));
  assert.equal(world.rows(), [], 'owners without a lease have no row');
});

test('one operation works with several owners at once', async () => {
  const world = new World();
  await world.write(ledger => {
    ledger.putLease(leaseOf('10.0.0.2', { id: 'a' }));
    ledger.putLease(leaseOf('10.0.0.3', { id: 'b' }));
    ledger.putLease(leaseOf('10.0.0.4', { id: 'a' }));
    assert.equal(texts(ledger.leasesOf(holder('b'))), ['10.0.0.3']);
    assert.equal(texts(ledger.leasesOf(holder('a'))), ['10.0.0.2', '10.0.0.4']);
  });
});

test("an owner's key is hashed once for an operation, however often it is asked for", async () => {
  const hashed: string[] = [];
  await new MemoryStore().write(transaction => {
    const ledger = new Ledger(transaction, text => {
      hashed.push(text);
      return sha256(text);
    });
    const lease = leaseOf('10.0.0.2', { id: 'a' });
    ledger.leasesOf(lease);
    ledger.putLease(lease);
    ledger.leasesOf(lease);
    ledger.deleteLease(lease);
  });
  assert.equal(hashed, ['id\0a']);
});

test("an owner's row that names what is not its: it has only what its leases say", async () => {
  const world = new World();
  await world.write(ledger => {
    ledger.putLease(leaseOf('10.0.0.2', { id: 'a' }));
    ledger.putLease(leaseOf('10.0.0.3', { id: 'a' }));
  });
  // Both behind the owner's back: one changes hands, one goes.
  await world.store.write(transaction => transaction.delete(leaseKey(parseAddress('10.0.0.2'))));
  await world.write(ledger => ledger.putLease(leaseOf('10.0.0.3', { id: 'b' })));
  assert.equal(
    world.read(ledger => texts(ledger.leasesOf(holder('a')))),
    [],
  );
  assert.equal(
    world.read(ledger => texts(ledger.leasesOf(holder('b')))),
    ['10.0.0.3'],
  );
});

test('an anonymous lease is nobody’s, and leaves no row of an owner', async () => {
  const world = new World();
  await world.write(ledger => ledger.putLease(leaseOf('10.0.0.2')));
  assert.is(world.rows().length, 1);
  assert.equal(
    world.read(ledger => ledger.leasesOf(holder(''))),
    [],
  );
  await world.write(ledger => ledger.deleteLease(leaseOf('10.0.0.2')));
  assert.equal(world.rows(), []);
});

test('a container’s interfaces are owners each', async () => {
  const world = new World();
  await world.write(ledger => ledger.putLease(leaseOf('10.0.0.2', container('c1', 'eth0'))));
  assert.equal(
    world.read(ledger => texts(ledger.leasesOf(container('c1', 'eth0')))),
    ['10.0.0.2'],
  );
  assert.equal(
    world.read(ledger => ledger.leasesOf(container('c1', 'eth1'))),
    [],
  );
});

test('leases of a family, and of a leaf, in address order and without the nodes among them', async () => {
  const world = new World();
  const v4 = ['9.255.255.255', '10.0.0.0', '10.0.0.7', '10.0.0.255', '10.0.1.0'];
  const v6 = ['::', '2001:db8::ff', '2001:db8::1:0'];
  await world.write(ledger => {
    for (const address of [...v6, ...v4].reverse()) ledger.putLease(leaseOf(address));
    for (const prefix of [[], [10], [10, 0], [10, 0, 0]]) {
      ledger.putNode(4, { prefix: Uint8Array.from(prefix), bits: new Uint8Array(32).fill(1) });
    }
  });
  world.read(ledger => {
    assert.equal(texts(ledger.leases(4)), v4);
    assert.equal(texts(ledger.leases(6)), v6);
    assert.equal(texts(ledger.leasesInLeaf(Uint8Array.of(10, 0, 0))), ['10.0.0.0', '10.0.0.7', '10.0.0.255']);
    assert.equal(texts(ledger.leasesInLeaf(parseAddress('2001:db8::').subarray(0, -1))), ['2001:db8::ff']);
  });
});

test('a row that cannot be read is thrown, or told of and passed over', async () => {
  const world = new World();
  await world.write(ledger => {
    for (const address of ['10.0.0.2', '10.0.0.3', '10.0.0.4']) ledger.putLease(leaseOf(address));
  });
  await world.store.write(transaction => transaction.put(leaseKey(parseAddress('10.0.0.3')), new Uint8Array(9)));
  world.read(ledger => {
    assert.throws(() => [...ledger.leases(4)], /lease of 10\.0\.0\.3: checksum mismatch/);
    assert.throws(() => [...ledger.leasesInLeaf(Uint8Array.of(10, 0, 0))], /10\.0\.0\.3: checksum mismatch/);
    const errors: unknown[] = [];
    assert.equal(texts(ledger.leases(4, error => errors.push(error))), ['10.0.0.2', '10.0.0.4']);
    assert.equal(errors.map(String), ['StoreError: lease of 10.0.0.3: checksum mismatch']);
  });
});

test('nodes come back as they were put, and go', async () => {
  const world = new World();
  const prefix = Uint8Array.of(10, 0);
  const bits = Uint8Array.from({ length: 32 }, (_, i) => i);
  await world.write(ledger => ledger.putNode(4, { prefix, bits }));
  assert.equal(
    world.read(ledger => ledger.node(4, prefix)),
    bits,
  );
  assert.is(
    world.read(ledger => ledger.node(6, prefix)),
    undefined,
  );
  await world.write(ledger => ledger.putNode(4, { prefix, bits: undefined }));
  assert.equal(world.rows(), []);
});

test('a pool without a row goes on behind the cursor of the whole family, if that lies in it', async () => {
  const world = new World();
  const cursorOf = (subnet: string) => {
    const { cursor, gateways } = world.read(ledger => ledger.pool(pool(subnet).subnet));
    assert.equal(gateways, []);
    return cursor && formatAddress(cursor);
  };
  assert.is(cursorOf('10.0.0.0/24'), undefined);
  await world.write(ledger => {
    ledger.putPool(pool('0.0.0.0/0').subnet, {
      cursor: parseAddress('10.0.0.9'),
      gateways: [parseAddress('10.0.0.1')],
    });
  });
  assert.is(cursorOf('10.0.0.0/24'), '10.0.0.9');
  assert.is(cursorOf('10.0.1.0/24'), undefined);
  assert.is(cursorOf('2001:db8::/64'), undefined);
  await world.write(ledger => ledger.putPool(pool('10.0.0.0/24').subnet, { cursor: undefined, gateways: [] }));
  assert.is(cursorOf('10.0.0.0/24'), undefined, 'its own row counts');
  assert.is(
    world.read(ledger => ledger.ownPool(pool('10.0.1.0/24').subnet)),
    undefined,
  );
});

test('all pools of a family, with their prefixes', async () => {
  const world = new World();
  const subnets = ['10.0.0.0/16', '10.0.0.0/24', '10.1.0.0/24', '2001:db8::/48'];
  await world.write(ledger => {
    for (const text of [...subnets].reverse()) {
      const { subnet } = pool(text);
      ledger.putPool(subnet, { cursor: subnet.network, gateways: [subnet.last] });
    }
  });
  world.read(ledger => {
    const prefixes = (family: 4 | 6) =>
      Array.from(ledger.poolsWithPrefix(family), ({ prefix, pool: { cursor, gateways } }) => {
        const { subnet } = pool(formatPrefix(prefix));
        assert.equal([cursor, gateways], [subnet.network, [subnet.last]]);
        return String(subnet);
      });
    assert.equal([...prefixes(4), ...prefixes(6)], subnets);
    assert.equal(
      Array.from(ledger.pools(6), ({ cursor }) => formatAddress(cursor!)),
      ['2001:db8::'],
    );
  });
});

test.run();
