// What an audit finds where rows disagree, in its very words; and what it makes of rows that are lost.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { audit } from '../../src/ipam/audit.ts';
import { readContent } from '../../src/ipam/content.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { encodeMeta, encodeOwner, encodePool, metaKey, nodeKey, ownerRowKey } from '../../src/store/records.ts';
import {
  bits,
  changed,
  contentOf,
  everything,
  found,
  keyOf,
  leafKeyOf,
  lost,
  NO_LOSS,
  ownerKeyOf,
  poolKeyOf,
  REBUILD,
  Rows,
  soundStore,
} from './content.ts';
import { lease, pool, sha256 } from './support.ts';
import { container, World } from './world.ts';

const test = suite('audit');

const LEAF = leafKeyOf(10, 0, 0);
const POOL = poolKeyOf('10.0.0.0/24');
const addressesOf = (...texts: string[]) => encodeOwner(texts.map(parseAddress));
const C1 = 'owner container c1, interface eth0';
const byHand = (address: string) => `; 'ecs-ipam release ${address}' frees it, if its container is gone.`;

test('a sound store: nothing is found', async () => {
  const world = await soundStore();
  await world.acquire('a', pool('10.0.0.0/16'), pool('2001:db8::/64'));
  await world.acquire('', pool('10.0.9.2/31', { gateway: null }));
  const { findings, claims, explained } = audit(contentOf(world), NO_LOSS, sha256);
  assert.equal(findings, []);
  assert.is(claims.size, 0);
  assert.is(explained, 0);
});

const inLeaf = (problem: string) => `tree node 10.0.0.0/24: ${problem}${REBUILD}`;

// [what, the change, the findings]
const CHANGES: [string, (rows: Rows) => void, string[]][] = [
  ['a bit too many', r => r.put(LEAF, bits(1, 2, 77)), [inLeaf('calls 10.0.0.77 used, though it is not leased')]],
  ['a bit too few', r => r.put(LEAF, bits(1)), [inLeaf('calls 10.0.0.2 free, though it is leased')]],
  [
    'several bits, the last one of the node among them',
    r => r.put(LEAF, bits(1, 7, 255)),
    [inLeaf('calls 10.0.0.2 free, though it is leased, and is wrong in 2 more places')],
  ],
  ['the first bit', r => r.put(LEAF, bits(0, 1, 2)), [inLeaf('calls 10.0.0.0 used, though it is not leased')]],
  [
    'a node that is gone',
    r => r.delete(LEAF),
    [inLeaf('is not there, though the addresses below it are partly leased')],
  ],
  [
    'nodes for nothing: empty, full, partly used',
    r => {
      r.put(leafKeyOf(10, 9, 9), bits());
      r.put(leafKeyOf(10, 9), new Uint8Array(32).fill(255));
      r.put(leafKeyOf(11), bits(3, 4));
      r.put(nodeKey(6, new Uint8Array(15)), bits(1));
    },
    [
      `tree node 10.9.0.0/16: is full, though by the leases it should not be there${REBUILD}`,
      `tree node 10.9.9.0/24: is empty, though by the leases it should not be there${REBUILD}`,
      `tree node 11.0.0.0/8: is partly used, though by the leases it should not be there${REBUILD}`,
      `tree node ::/120: is partly used, though by the leases it should not be there${REBUILD}`,
    ],
  ],
  [
    'an owner without a row',
    r => r.delete(ownerKeyOf('c1')),
    [`${C1}: holds 10.0.0.2, and has no row${REBUILD}`, `${C1}: holds 2001:db8::2, and has no row${REBUILD}`],
  ],
  [
    'an owner whose row misses one address, and names another twice',
    r => r.put(ownerKeyOf('c1'), addressesOf('10.0.0.2', '10.0.0.2')),
    [
      `${C1}: its row names 10.0.0.2 twice${REBUILD}`,
      `${C1}: holds 2001:db8::2, and its row does not name it${REBUILD}`,
    ],
  ],
  [
    'an owner whose row is empty',
    r => r.put(ownerKeyOf('c1'), addressesOf()),
    [
      `${C1}: its row names no address${REBUILD}`,
      `${C1}: holds 10.0.0.2, and its row does not name it${REBUILD}`,
      `${C1}: holds 2001:db8::2, and its row does not name it${REBUILD}`,
    ],
  ],
  [
    'an owner whose row names what is free, a gateway’s, and another’s',
    r => {
      const key = ownerRowKey(Uint8Array.from({ length: 16 }, (_, i) => i));
      r.put(key, addressesOf('10.0.0.7', '10.0.0.1', '10.0.0.2'));
    },
    ['is not leased', 'is held by a gateway', 'is held by container c1, interface eth0'].map((use, i) => {
      const address = ['10.0.0.7', '10.0.0.1', '10.0.0.2'][i];
      return `owner row 000102030405060708090a0b0c0d0e0f: its row names ${address}, which ${use}${REBUILD}`;
    }),
  ],
  [
    'leases that nobody can have',
    r => {
      r.lease('10.0.0.0');
      r.lease('10.0.0.9', { subnetBits: 33 });
      r.lease('10.0.0.255');
      r.put(LEAF, bits(0, 1, 2, 9, 255));
    },
    [
      `lease of 10.0.0.0: is the network address of 10.0.0.0/24, which nobody can hold${byHand('10.0.0.0')}`,
      `lease of 10.0.0.9: is from a subnet of length /33, which there is not${byHand('10.0.0.9')}`,
      `lease of 10.0.0.255: is the broadcast address of 10.0.0.0/24, which nobody can hold${byHand('10.0.0.255')}`,
    ],
  ],
  [
    'leases of the longest subnets there are',
    r => {
      r.lease('10.0.0.9', { subnetBits: 32 });
      r.put(LEAF, bits(1, 2, 9));
    },
    [`pool 10.0.0.9/32: is not there, though 10.0.0.9 is leased from it${REBUILD}`],
  ],
  [
    'an owner with two addresses of a subnet, and one of another',
    r => {
      for (const address of ['10.0.0.8', '10.0.0.9']) r.lease(address, { id: 'x' });
      r.lease('10.0.1.8', { id: 'x' });
      r.lease('10.0.0.10', { id: 'x', subnetBits: 16 });
      r.put(ownerRowKey(sha256('id\0x')), addressesOf('10.0.0.8', '10.0.0.9', '10.0.0.10', '10.0.1.8'));
      r.put(LEAF, bits(1, 2, 8, 9, 10));
      r.put(leafKeyOf(10, 0, 1), bits(8));
      for (const subnet of ['10.0.1.0/24', '10.0.0.0/16']) {
        r.put(poolKeyOf(subnet), encodePool({ cursor: undefined, gateways: [] }));
      }
    },
    [`lease of 10.0.0.9: id "x" holds it and 10.0.0.8 in 10.0.0.0/24, one of them too many${byHand('10.0.0.9')}`],
  ],
  [
    'a pool that is gone, told of once',
    r => {
      r.lease('10.0.0.9');
      r.put(LEAF, bits(1, 2, 9));
      r.delete(POOL);
    },
    [`pool 10.0.0.0/24: is not there, though 10.0.0.1 is leased from it${REBUILD}`],
  ],
  [
    'a pool whose cursor and gateways are wrong',
    r => {
      const gateways = ['10.0.0.1', '10.0.1.1', '10.0.0.1'].map(parseAddress);
      r.put(POOL, encodePool({ cursor: parseAddress('10.0.1.9'), gateways }));
    },
    [
      `pool 10.0.0.0/24: its cursor 10.0.1.9 lies outside${REBUILD}`,
      `pool 10.0.0.0/24: its gateway 10.0.1.1 lies outside${REBUILD}`,
      `pool 10.0.0.0/24: names its gateway 10.0.0.1 twice${REBUILD}`,
    ],
  ],
  ['a setting that is gone', r => r.delete(metaKey('store')), [`setting store: is not there${REBUILD}`]],
  [
    'rows that are none',
    r => {
      r.put(Uint8Array.of(4, 10, 0, 0, 2, 9), bits());
      r.put(metaKey('note'), encodeMeta('of no meaning to us'));
      r.put(keyOf('10.0.0.9'), Uint8Array.of(9, 9));
    },
    [
      `unknown row 040a00000209: is no row of a store${REBUILD}`,
      `lease of 10.0.0.9: its value makes no sense${REBUILD}`,
      'address 10.0.0.9: its lease is lost, and a row that cannot be read is there; ' +
        "'ecs-ipam fsck --repair' keeps it in use until 'ecs-ipam release' frees it.",
      `tree node 10.0.0.0/24: calls 10.0.0.9 free, though it is leased${REBUILD}`,
    ],
  ],
];

for (const [what, work, expected] of CHANGES) {
  test(what, async () => {
    const content = await changed(await soundStore(), work);
    assert.equal(found(content).sort(), [...expected].sort());
    for (const { isRepairable, remedy } of audit(content, NO_LOSS, sha256).findings) {
      assert.is(isRepairable, remedy.includes('--repair'));
    }
  });
}

test('a child that is full, and one that is called so', async () => {
  const world = await soundStore();
  await world.store.write(transaction => {
    const rows = new Rows(transaction);
    for (let octet = 0; octet < 256; octet++) {
      rows.lease(`10.0.5.${octet}`, { subnetBits: 16 });
    }
    rows.put(leafKeyOf(10, 0), bits(6));
  });
  await world.acquire('', pool('10.0.0.0/16', { gateway: null, requested: '10.0.0.9' }));
  const [wrong, ...others] = found(await changed(world, r => r.put(leafKeyOf(10, 0), bits(6))));
  assert.equal(others, []);
  assert.is(
    wrong,
    'tree node 10.0.0.0/16: calls 10.0.5.0/24 free, though all of it is leased, and is wrong in 1 more places' +
      REBUILD,
  );
  const [full] = found(await changed(world, r => r.put(leafKeyOf(10, 0), bits(5, 6))));
  assert.is(full, `tree node 10.0.0.0/16: calls 10.0.6.0/24 full, though not all of it is leased${REBUILD}`);
});

test('a newer schema is not audited', async () => {
  const content = await changed(await soundStore(), r => r.put(metaKey('schema'), encodeMeta('2')));
  assert.throws(() => found(content), /newer/);
});

test('an error that is none of the store’s is not taken for a row’s', () => {
  const rows = [{ key: keyOf('10.0.0.2'), value: undefined as never }];
  assert.throws(
    () => readContent(rows),
    (error: Error) => error instanceof TypeError,
  );
});

const KEPT = "; 'ecs-ipam fsck --repair' keeps it in use until 'ecs-ipam release' frees it.";

test('a lost lease: its owner’s row, the tree and its pool tell of it', async () => {
  const world = await soundStore();
  const content = await changed(world, r => {
    for (const address of ['10.0.0.1', '10.0.0.2']) r.delete(keyOf(address));
  });
  const told = audit(content, lost(keyOf('10.0.0.1'), keyOf('10.0.0.2')), sha256);
  assert.equal(
    Array.from(told.claims.values(), ({ address, kind, evidence }) => [formatAddress(address), kind, evidence]),
    [
      ['10.0.0.1', 'gateway', 'it is a gateway of pool 10.0.0.0/24'],
      ['10.0.0.2', 'container', "its owner's row names it"],
    ],
  );
  assert.equal(told.explained, 2);
  assert.equal(
    told.findings.map(({ subject, problem, remedy }) => `${subject}: ${problem}; ${remedy}.`),
    [
      `gateway 10.0.0.1: its lease is lost, and it is a gateway of pool 10.0.0.0/24${KEPT}`,
      `address 10.0.0.2: its lease is lost, and its owner's row names it${KEPT}`,
    ],
  );
  // Not lost but freed: then it is the other rows that are wrong.
  assert.is(found(content).length, 2, 'the owner, and a leaf that is not needed any more');
});

test('a lost lease of which the tree alone tells, in a leaf and in a full child; no deeper', async () => {
  const content = await changed(new World(), r => {
    r.put(leafKeyOf(10, 0, 0), bits(7));
    r.put(leafKeyOf(10, 1), bits(9));
    r.put(leafKeyOf(11), bits(9));
    r.put(nodeKey(6, parseAddress('2001:db8::').subarray(0, 15)), bits(0, 255));
  });
  const { claims } = audit(content, { unreadable: [], lost: [everything] }, sha256);
  const addresses = Array.from(claims.values(), ({ address }) => formatAddress(address));
  assert.is(addresses.length, 1 + 256 + 2);
  assert.equal([addresses[0], addresses[1], addresses[256]], ['10.0.0.7', '10.1.9.0', '10.1.9.255']);
  assert.equal(addresses.slice(257), ['2001:db8::', '2001:db8::ff']);
  for (const { evidence, kind } of claims.values()) {
    assert.equal([evidence, kind], ['the tree calls it used', 'container']);
  }
});

test('a lease that is there is not claimed, whatever may be lost', async () => {
  const { claims, findings } = audit(contentOf(await soundStore()), { unreadable: [], lost: [everything] }, sha256);
  assert.is(claims.size, 0);
  assert.equal(findings, []);
});

test('a pool that is missing is told of once: of two of one length, and of two whose leases alternate', async () => {
  const world = await soundStore();
  const leaseAll = (subnetBits: number, ...texts: string[]) =>
    world.store.write(transaction => lease(transaction, texts.map(parseAddress), { subnetBits }));
  await leaseAll(24, '10.0.1.5', '10.0.1.6', '10.1.0.2', '10.1.0.4');
  await leaseAll(16, '10.1.0.1', '10.1.0.3', '10.1.0.5');
  const content = contentOf(world);
  assert.equal(found(content), [
    `pool 10.0.1.0/24: is not there, though 10.0.1.5 is leased from it${REBUILD}`,
    `pool 10.1.0.0/16: is not there, though 10.1.0.1 is leased from it${REBUILD}`,
    `pool 10.1.0.0/24: is not there, though 10.1.0.2 is leased from it${REBUILD}`,
  ]);
  assert.is(audit(content, NO_LOSS, sha256).explained, 0);
});

test('an owner is called by what it holds, if that is one address, and else by its row', async () => {
  const world = await soundStore();
  await world.acquire(container('c9'), pool('10.0.0.0/24'));
  const unknown = ownerRowKey(Uint8Array.from({ length: 16 }, (_, i) => 255 - i));
  const content = await changed(world, r => {
    r.put(ownerKeyOf('c9'), addressesOf('10.0.0.3', '10.0.0.77'));
    r.put(unknown, addressesOf('10.0.0.78'));
  });
  assert.equal(found(content).sort(), [
    `owner container c9, interface eth0: its row names 10.0.0.77, which is not leased${REBUILD}`,
    `owner row fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0: its row names 10.0.0.78, which is not leased${REBUILD}`,
  ]);
});

test('a node of which one byte is full is partly used', async () => {
  const content = await changed(await soundStore(), r => r.put(leafKeyOf(12), bits(0, 1, 2, 3, 4, 5, 6, 7)));
  assert.equal(found(content), [
    `tree node 12.0.0.0/8: is partly used, though by the leases it should not be there${REBUILD}`,
  ]);
});

test('a row that cannot be read is a lease that is lost; alone it explains none', async () => {
  const content = await changed(new World(), () => {});
  const key = keyOf('10.0.0.9');
  const unreadable = [key, leafKeyOf(10, 0, 0), Uint8Array.of(99)];
  const { claims, explained } = audit(content, { unreadable, lost: [everything] }, sha256);
  assert.equal(
    Array.from(claims.values(), claim => [claim.evidence, claim.kind]),
    [['a row that cannot be read is there', 'container']],
  );
  assert.is(explained, 4, 'the three settings and the leaf, which may be lost too');
  assert.is(audit(content, { unreadable, lost: [] }, sha256).claims.size, 0);
  assert.is(audit(content, { ...lost(keyOf('10.0.0.8')), unreadable }, sha256).claims.size, 0);
});

test('rows that may be lost are not missed: owners, pools, nodes and settings', async () => {
  const keys = [LEAF, POOL, ownerKeyOf('c1'), metaKey('created')];
  const content = await changed(await soundStore(), r => {
    for (const key of keys) r.delete(key);
  });
  const { findings, explained } = audit(content, lost(...keys), sha256);
  assert.equal(findings, []);
  assert.is(explained, keys.length);
  assert.is(found(content).length, keys.length + 1, 'the owner is told of for both of its addresses');
  // An owner's row that is there, and does not name an address, is wrong whatever is lost.
  const wrong = await changed(await soundStore(), r => r.put(ownerKeyOf('c1'), addressesOf('2001:db8::2')));
  assert.equal(found(wrong, lost(ownerKeyOf('c1'))), [`${C1}: holds 10.0.0.2, and its row does not name it${REBUILD}`]);
});

test.run();
