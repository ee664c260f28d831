import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { crc32 } from '../../src/store/crc32.ts';
import { StoreError } from '../../src/store/error.ts';
import type { Lease } from '../../src/store/lease.ts';
import {
  decodeLease,
  decodeOwner,
  decodePool,
  encodeLease,
  encodeOwner,
  encodePool,
  isLeaseKey,
  leaseKey,
  nodeKey,
  ownerRowKey,
  poolKey,
} from '../../src/store/records.ts';
import { seal } from '../../src/store/value.ts';

const test = suite('records');

const address = fc.constantFrom(4, 16).chain(length => fc.uint8Array({ minLength: length, maxLength: length }));
const text = fc.string({ unit: 'grapheme', maxLength: 50 });
const lease: fc.Arbitrary<Lease> = fc.record(
  {
    address,
    kind: fc.constantFrom('container' as const, 'gateway' as const),
    subnetBits: fc.nat(128),
    timeMs: fc.nat(2 ** 47),
    bootId: text,
    id: text,
    containerId: text,
    interfaceName: text,
    network: text,
  },
  { noNullPrototype: true },
);

test('CRC-32 is the well-known one, in pieces too', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      assert.is(crc32(a), zlibCrc32(a));
      assert.is(crc32(b, crc32(a)), zlibCrc32(Buffer.concat([a, b])));
    }),
  );
});

test('a lease is read back as it was written', () => {
  fc.assert(
    fc.property(lease, lease => {
      const key = leaseKey(lease.address);
      assert.equal(decodeLease(key, seal(key, encodeLease(lease))), lease);
    }),
  );
});

test('owners and pools are read back as they were written', () => {
  fc.assert(
    fc.property(fc.array(address), fc.option(address), fc.array(address), (addresses, cursor, gateways) => {
      const owner = ownerRowKey(new Uint8Array(32));
      assert.equal(decodeOwner(owner, seal(owner, encodeOwner(addresses))), addresses);
      const pool = { cursor: cursor ?? undefined, gateways };
      const key = poolKey({ address: new Uint8Array(4), bits: 8 });
      assert.equal(decodePool(key, seal(key, encodePool(pool))), pool);
    }),
  );
});

const isDamage = (error: unknown) => error instanceof StoreError && error.failure === 'damaged';

test('every flipped bit and every cut is found', () => {
  const sample: Lease = {
    address: Uint8Array.of(10, 0, 0, 7),
    kind: 'container',
    subnetBits: 24,
    timeMs: 1_700_000_000_000,
    bootId: 'b',
    id: 'web-1',
    containerId: '',
    interfaceName: 'eth0',
    network: '',
  };
  const key = leaseKey(sample.address);
  const sealed = seal(key, encodeLease(sample));
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const damaged = sealed.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeLease(key, damaged), isDamage);
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(() => decodeLease(key, sealed.slice(0, length)), isDamage);
  }
  assert.throws(() => decodeLease(leaseKey(Uint8Array.of(10, 0, 0, 8)), sealed), isDamage, 'a row under another key');
});

test('keys sort as addresses do, a node right before what it indexes', () => {
  const hex = (key: Uint8Array) => Buffer.from(key).toString('hex');
  const keys = [
    nodeKey(4, new Uint8Array(0)),
    nodeKey(4, Uint8Array.of(10)),
    nodeKey(4, Uint8Array.of(10, 0, 0)),
    leaseKey(Uint8Array.of(10, 0, 0, 0)),
    leaseKey(Uint8Array.of(10, 0, 0, 255)),
    nodeKey(4, Uint8Array.of(10, 0, 1)),
    leaseKey(Uint8Array.of(10, 0, 1, 0)),
    nodeKey(6, new Uint8Array(15)),
    leaseKey(new Uint8Array(16)),
  ];
  assert.equal(
    [...keys].sort((a, b) => (hex(a) < hex(b) ? -1 : 1)),
    keys,
  );
  assert.equal(keys.map(isLeaseKey), [false, false, false, true, true, false, true, false, true]);
});

test.run();
