// `ecs-ipam fsck`: what it says of sound stores, of files that are none, and of rows that disagree.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAddress } from '../../src/net/address.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import type { Lease } from '../../src/store/lease.ts';
import {
  encodeLease,
  encodeMeta,
  encodeOwner,
  encodePool,
  leaseKey,
  metaKey,
  nodeKey,
  ownerRowKey,
  poolKey,
} from '../../src/store/records.ts';
import { add, addressesOf, addressOf, call, dualStack, held, network, withId } from '../integration/support/ipam.ts';
import { printed, tool } from '../integration/support/process.ts';
import { sha256 } from '../ipam/support.ts';
import { run } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { start } from '../support/start.ts';
import { change } from './stores.ts';
import { besideDaemon, exits, ipam, temporaryDirectory, temporaryStore, told } from './support.ts';

const test = suite('fsck');
const DUAL = dualStack();
const V4 = network();

const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

test('a store that the plugin has worked on is clean, and fsck changes nothing of it', async () => {
  const store = temporaryStore();
  for (let i = 0; i < 12; i++) addressesOf(await add({ store, conf: DUAL, owner: `c${i}` }));
  for (let i = 0; i < 12; i += 3) await call('DEL', { store, conf: DUAL, owner: `c${i}` });
  addressOf(
    await add({ store, conf: network({ 'ipv4-subnet': '10.0.0.0/22', 'ipv4-gateway': '10.0.0.1' }), owner: 'wide' }),
  );
  const [before, files] = [hash(store), readdirSync(dirname(store))];
  exits(await ipam(store, 'fsck'), 0, 'clean');
  exits(await ipam('/nonexistent/store', 'fsck', store), 0, 'clean');
  assert.is(hash(store), before);
  assert.equal(readdirSync(dirname(store)), files);
});

test('a store whose last lease is gone, and a full pool', async () => {
  const store = temporaryStore();
  const tiny = network({ 'ipv4-subnet': '10.0.0.0/30' });
  addressOf(await add({ store, conf: tiny }));
  exits(await ipam(store, 'fsck'), 0, 'clean');
  await call('DEL', { store, conf: tiny });
  exits(await ipam(store, 'fsck'), 0, 'clean');
});

test('whole octets that are used, in both families', async () => {
  const store = await emptyStore(temporaryStore());
  await change(store, rows => {
    for (let i = 0; i < 1500; i++) {
      const [high, low] = [i >> 8, i & 255];
      rows.lease(Uint8Array.of(10, 1, high, low));
      rows.lease(Uint8Array.of(...parseAddress('2001:db8::').subarray(0, 14), high, low));
    }
    rows.pool('10.1.0.0/16');
    rows.pool('2001:db8::/64');
  });
  const { stdout } = await ipam(store, 'fsck');
  // Of each, the network address itself: nobody could have been given it.
  assert.equal(stdout.match(/network address/g)?.length, 2, stdout);
  assert.equal(stdout.match(/;/g)?.length, 2, stdout);
});

test('beside a daemon that has the store open', async () => {
  await besideDaemon(async env => {
    const store = temporaryStore();
    for (let i = 0; i < 5; i++) {
      addressesOf(await add({ store, conf: DUAL, owner: `c${i}`, env }));
      exits(await ipam(store, 'fsck'), 0, 'clean');
    }
    assert.is((await held(store)).length, 10);
  });
});

test('--json', async () => {
  const store = await emptyStore(temporaryStore());
  assert.equal(JSON.parse(exits(await ipam(store, 'fsck', '--json'), 0).stdout), {
    path: store,
    status: 'clean',
    findings: [],
    leases: 2,
  });
  await change(store, rows => rows.delete(ownerOf('c1')));
  const { status, findings } = JSON.parse(exits(await ipam(store, 'fsck', '--json'), 1).stdout);
  assert.is(status, 'found');
  assert.is(findings.length, 1);
  for (const key of ['subject', 'problem', 'remedy']) assert.type(findings[0][key], 'string');
});

for (const [what, make] of [
  ['does not exist', () => {}],
  ['is a directory', path => mkdirSync(path)],
  ['is not a regular file', path => tool('mkfifo', path)],
  ['no LMDB file', path => writeFileSync(path, '')],
  ['no LMDB file', path => writeFileSync(path, 'a text, and no store\n'.repeat(1000))],
  ['boltdb', path => writeFileSync(path, boltPages())],
] as [string, (path: string) => unknown][]) {
  test(`unreadable, exit 2: ${what}`, async () => {
    const store = temporaryStore();
    await make(store);
    const reply = exits(await ipam(store, 'fsck'), 2, store, what);
    assert.is(reply.stdout, '');
    assert.is(JSON.parse(exits(await ipam(store, 'fsck', '--json'), 2).stdout).status, 'unreadable');
    if (what !== 'no LMDB file')
      assert.not(readdirSync(dirname(store)).includes('store.mdb.flock'), 'no lock beside it');
  });
}

/** Two meta pages with bbolt's magic. */
function boltPages(): Uint8Array {
  const bytes = new Uint8Array(4 * 4096);
  for (const page of [0, 4096]) new DataView(bytes.buffer).setUint32(page + 16, 0xed0cdaed, true);
  return bytes;
}

testWith(test, ['flock'], 'a store that stays locked: exit 2 at its time limit', async () => {
  const store = await emptyStore(temporaryStore());
  const holder = start({ command: 'flock', args: [`${store}.flock`, 'sh', '-c', 'echo held; cat'], stdin: null });
  await printed(holder, 'held');
  const env = { IPAM_DB_PATH: store, IPAM_DB_CONNECTION_TIMEOUT: '300ms' };
  exits(await run({ args: ['fsck'], env }), 2, store, 'locked');
  holder.child.stdin?.end();
  await holder.done;
});

test('a newer schema: exit 2', async () => {
  const store = await emptyStore(temporaryStore());
  await change(store, rows => rows.put(metaKey('schema'), encodeMeta('2')));
  exits(await ipam(store, 'fsck'), 2, store, 'newer');
});

// Rows that disagree. The store: gateway 10.0.0.1, and c1 with 10.0.0.2, of 10.0.0.0/24.

async function emptyStore(store: string): Promise<string> {
  addressOf(await add({ store, conf: V4, owner: 'c1' }));
  return store;
}

const bytesOf = parseAddress;
const keyOf = (address: string) => leaseKey(parseAddress(address));
const ownerOf = (container: string) => ownerRowKey(sha256(`container\0${container}\0eth0`));
const POOL = poolKey(parsePrefix('10.0.0.0/24'));
const leaseOf = (address: string, rest: Partial<Lease> = {}): Uint8Array =>
  encodeLease({
    address: bytesOf(address),
    kind: 'container',
    subnetBits: 24,
    bootId: '',
    timeMs: 0,
    id: '',
    containerId: '',
    interfaceName: '',
    network: 'net',
    ...rest,
  });
/** A leaf's 32 bytes. */
const bits = (...used: number[]): Uint8Array => {
  const bytes = new Uint8Array(32);
  for (const bit of used) bytes[bit >> 3]! |= 1 << (bit & 7);
  return bytes;
};
const LEAF = nodeKey(4, Uint8Array.of(10, 0, 0));

type Change = Parameters<typeof change>[1];
for (const [what, work, ...said] of [
  [
    'a lease without a place in the tree',
    r => r.put(keyOf('10.0.0.9'), leaseOf('10.0.0.9')),
    /10\.0\.0\.9 free, though/,
  ],
  [
    'a lease behind the tree',
    r => r.delete(keyOf('10.0.0.2')),
    /10\.0\.0\.2 used, though/,
    /names 10\.0\.0\.2, which is not/,
  ],
  ['a bit too many', r => r.put(LEAF, bits(1, 2, 77)), /10\.0\.0\.77 used, though it is not leased/],
  ['a bit too few', r => r.put(LEAF, bits(1)), /10\.0\.0\.2 free, though it is leased/],
  ['several bits', r => r.put(LEAF, bits(1, 7, 8)), /10\.0\.0\.2 free, .*wrong in 2 more places/],
  ['a node that is gone', r => r.delete(LEAF), /tree node 10\.0\.0\.0\/24: is not there/],
  ['an empty node', r => r.put(nodeKey(4, Uint8Array.of(10, 9, 9)), bits()), /10\.9\.9\.0\/24: is empty/],
  [
    'a full node',
    r => r.put(nodeKey(4, Uint8Array.of(10, 9)), new Uint8Array(32).fill(255)),
    /10\.9\.0\.0\/16: is full/,
  ],
  ['a node for nothing', r => r.put(nodeKey(4, Uint8Array.of(11)), bits(3)), /11\.0\.0\.0\/8: is partly used/],
  ['a node of IPv6', r => r.put(nodeKey(6, new Uint8Array(15)), bits(1)), /::\/120: is partly used/],
  ['an owner without a row', r => r.delete(ownerOf('c1')), /owner container c1, .*10\.0\.0\.2, and has no row/],
  ['an owner without its address', r => r.put(ownerOf('c1'), encodeOwner([])), /names no address/, /does not name it/],
  ['an address twice', r => r.put(ownerOf('c1'), encodeOwner([bytesOf('10.0.0.2'), bytesOf('10.0.0.2')])), /twice/],
  [
    'an address of nobody',
    r => r.put(ownerOf('c7'), encodeOwner([bytesOf('10.0.0.7')])),
    /10\.0\.0\.7, which is not leased/,
  ],
  [
    'an address of another',
    r => r.put(ownerOf('c7'), encodeOwner([bytesOf('10.0.0.2')])),
    /10\.0\.0\.2, which is held by container c1/,
  ],
  ['an address of a gateway', r => r.put(ownerOf('c7'), encodeOwner([bytesOf('10.0.0.1')])), /held by a gateway/],
  [
    'a broadcast address',
    r => {
      r.put(keyOf('10.0.0.255'), leaseOf('10.0.0.255'));
      r.put(LEAF, bits(1, 2, 255));
    },
    /10\.0\.0\.255: is the broadcast address of 10\.0\.0\.0\/24/,
    /ecs-ipam release 10\.0\.0\.255/,
  ],
  ['a network address', r => r.put(keyOf('10.0.0.0'), leaseOf('10.0.0.0')), /10\.0\.0\.0: is the network address/],
  ['a length that there is not', r => r.put(keyOf('10.0.0.2'), leaseOf('10.0.0.2', { subnetBits: 33 })), /length \/33/],
  [
    'an owner with two',
    r => {
      for (const address of ['10.0.0.8', '10.0.0.9']) r.put(keyOf(address), leaseOf(address, { id: 'x' }));
      r.put(ownerRowKey(sha256('id\0x')), encodeOwner([bytesOf('10.0.0.8'), bytesOf('10.0.0.9')]));
      r.put(LEAF, bits(1, 2, 8, 9));
    },
    /id "x" holds it and 10\.0\.0\.8 in 10\.0\.0\.0\/24/,
  ],
  ['a pool that is gone', r => r.delete(POOL), /pool 10\.0\.0\.0\/24: is not there/],
  [
    'a cursor outside',
    r => r.put(POOL, encodePool({ cursor: bytesOf('10.0.1.1'), gateways: [] })),
    /cursor 10\.0\.1\.1 lies outside/,
  ],
  [
    'a gateway outside',
    r => r.put(POOL, encodePool({ cursor: undefined, gateways: [bytesOf('10.9.0.1')] })),
    /gateway 10\.9\.0\.1 lies/,
  ],
  ['a setting that is gone', r => r.delete(metaKey('store')), /setting store: is not there/],
  ['a schema that is gone', r => r.delete(metaKey('schema')), /setting schema: is not there/],
  ['a key that is none', r => r.put(Uint8Array.of(4, 10, 0, 0, 2, 9), bits()), /unknown row 040a00000209: is no row/],
  [
    'a pool of unmasked bits',
    r => r.put(poolKey({ address: bytesOf('10.0.0.7'), bits: 24 }), encodePool({ cursor: undefined, gateways: [] })),
    /unknown row 05/,
  ],
  [
    'a checksum',
    r => {
      const value = r.get(keyOf('10.0.0.2'))!;
      value[20]! ^= 1;
      r.putRaw(keyOf('10.0.0.2'), value);
    },
    /lease of 10\.0\.0\.2: checksum mismatch/,
    /address 10\.0\.0\.2: its lease is lost, and its owner's row names it/,
  ],
  [
    "another row's value",
    r => r.putRaw(keyOf('10.0.0.9'), r.get(keyOf('10.0.0.2'))!),
    /lease of 10\.0\.0\.9: checksum mismatch/,
  ],
  [
    'a value that makes no sense',
    r => r.put(keyOf('10.0.0.2'), Uint8Array.of(9, 9, 9)),
    /10\.0\.0\.2: its value makes no sense/,
  ],
] as [string, Change, ...RegExp[]][]) {
  test(`found, exit 1: ${what}`, async () => {
    const store = await emptyStore(temporaryStore());
    await change(store, work);
    const before = hash(store);
    const reply = exits(await ipam(store, 'fsck'), 1, ...said);
    const lines = reply.stdout.trimEnd().split('\n');
    assert.match(lines.pop()!, /^store .*: \d+ findings?, \d+ leases$/);
    for (const line of lines)
      assert.match(line, /^[^:]+.*: .*; .*'ecs-ipam .*\.$/, `a sentence with a remedy\n${told(reply)}`);
    assert.is(hash(store), before, 'fsck changes nothing');

    const isRepairable = reply.stdout.includes('fsck --repair');
    exits(await ipam(store, 'fsck', '--repair'), 1, ...(isRepairable ? ['repaired'] : []));
    const { stdout } = await ipam(store, 'fsck');
    assert.not.match(stdout, /--repair/, 'what is left is for a person');
    if (!reply.stdout.includes('ecs-ipam release')) assert.match(stdout, /clean/);
  });
}

test('ids of all kinds do not confuse it', async () => {
  const store = temporaryStore();
  for (const id of ['/host/proc/4711/ns/net', 'a: b; c.\nd', '10.0.0.9', 'x'.repeat(4096), '\u{1F980}']) {
    addressOf(await add({ store, conf: withId(V4, id) }));
  }
  exits(await ipam(store, 'fsck'), 0, 'clean');
});

test('a symbolic link leads to the store, and to its lock', async () => {
  const store = await emptyStore(temporaryStore());
  const link = join(temporaryDirectory(), 'link');
  await tool('ln', '-s', store, link);
  exits(await ipam(link, 'fsck'), 0, 'clean');
  assert.equal(readdirSync(dirname(link)), ['link']);
});

test.run();
