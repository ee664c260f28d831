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
  parseKey,
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

test('keys sort as addresses do, a node right behind what it indexes', () => {
  const hex = (key: Uint8Array) => Buffer.from(key).toString('hex');
  const keys = [
    leaseKey(Uint8Array.of(10, 0, 0, 0)),
    leaseKey(Uint8Array.of(10, 0, 0, 255)),
    nodeKey(4, Uint8Array.of(10, 0, 0)),
    leaseKey(Uint8Array.of(10, 0, 1, 0)),
    nodeKey(4, Uint8Array.of(10, 0, 1)),
    nodeKey(4, Uint8Array.of(10, 0)),
    nodeKey(4, Uint8Array.of(10)),
    leaseKey(Uint8Array.of(255, 255, 255, 255)),
    nodeKey(4, Uint8Array.of(255, 255, 255)),
    nodeKey(4, Uint8Array.of(255)),
    nodeKey(4, new Uint8Array(0)),
    leaseKey(new Uint8Array(16)),
    nodeKey(6, new Uint8Array(15)),
  ];
  assert.equal(
    [...keys].sort((a, b) => (hex(a) < hex(b) ? -1 : 1)),
    keys,
  );
  const leases = [0, 1, 3, 7, 11];
  assert.equal(
    keys.map(isLeaseKey),
    keys.map((_, i) => leases.includes(i)),
  );
});

test('a key is taken apart as it was put together, and nothing else is a node', () => {
  for (const family of [4, 6] as const) {
    const octets = family === 4 ? 4 : 16;
    for (let length = 0; length < octets; length++) {
      for (const octet of [0, 10, 255]) {
        const prefix = new Uint8Array(length).fill(octet);
        const key = nodeKey(family, prefix);
        assert.equal(parseKey(key), { kind: 'node', family, prefix });
        for (const below of [0, octets - length + 1, octets + 1, 255]) {
          const other = Uint8Array.of(...key.subarray(0, -1), below);
          const row = parseKey(other);
          if (row?.kind === 'node') assert.equal(nodeKey(family, row.prefix), other);
        }
        const [shorter, longer] = [key.slice(0, -2), Uint8Array.of(...key, 0)];
        for (const other of [shorter, longer]) assert.is(parseKey(other), undefined, `${other}`);
        const filler = key.slice();
        filler[1 + length]!--;
        assert.is(parseKey(filler), undefined, `${filler}`);
      }
    }
    const address = new Uint8Array(octets).fill(255);
    assert.equal(parseKey(leaseKey(address)), { kind: 'lease', address });
    assert.is(parseKey(Uint8Array.of(...leaseKey(address), 0)), undefined);
  }
});

test.run();
