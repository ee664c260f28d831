// How many rows an ADD reads: a promise of the design, so that an ADD costs the same at any size of the store.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acquire } from '../../src/ipam/allocator.ts';
import { formatAddress } from '../../src/net/address.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Transaction } from '../../src/store/transaction.ts';
import { Random } from '../support/random.ts';
import { holder, lease, ledgerOf, pool, surroundings } from './support.ts';

const test = suite('rows read by an ADD with 100,000 leases in the store');

const LEASES = 100_000;

function v4(base: number, index: number): Uint8Array {
  const value = base + index;
  return Uint8Array.of(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/** 2001:db8::/48 and the index behind it. */
function v6(index: number): Uint8Array {
  const address = new Uint8Array(16);
  address.set([0x20, 0x01, 0x0d, 0xb8]);
  new DataView(address.buffer).setBigUint64(8, BigInt(index));
  return address;
}

const BASE = 0x0a000000; // 10.0.0.0
const random = new Random('rows');

// [layout, the i-th lease's index in both families, most rows that a dual-stack ADD may read]
const LAYOUTS: [string, (i: number) => number, number][] = [
  ['in sequence', i => i + 1, 30],
  ['every second', i => 2 * i + 1, 100],
  ['every 256th: a leaf each', i => 256 * i + 5, 100],
  ['scattered at random', () => random.below(1 << 24), 100],
  ['all but one of each leaf', i => i + Math.floor(i / 255) + 1, 100],
  ['the last 100,000', i => (1 << 24) - 2 - LEASES + i, 100],
];

for (const [layout, index, most] of LAYOUTS) {
  test(`${layout}: at most ${most} for both families`, async () => {
    const store = new MemoryStore();
    const indexes = new Set(Array.from({ length: LEASES }, (_, i) => index(i)));
    await store.write(transaction => {
      lease(
        transaction,
        (function* () {
          for (const index of indexes) {
            yield v4(BASE, index);
            yield v6(index);
          }
        })(),
      );
      // Cursors where a running system has them: at the last address that was given.
      const last = Math.max(...indexes);
      for (const [request, address] of [
        [pool('10.0.0.0/8'), v4(BASE, last)],
        [pool('2001:db8::/48'), v6(last)],
      ] as const) {
        ledgerOf(transaction).putPool(request.subnet, { cursor: address, gateways: [] });
      }
    });
    for (let round = 0; round < 280; round++) {
      const counted = await store.write(transaction => {
        const { rows, counting } = count(transaction);
        const given = acquire(
          ledgerOf(counting),
          holder(`new-${round}`),
          [pool('10.0.0.0/8', { gateway: null }), pool('2001:db8::/48', { gateway: null })],
          surroundings(),
        );
        return { rows: rows(), given };
      });
      assert.ok(
        counted.rows <= most,
        `${counted.rows} rows were read to give ${counted.given.map(lease => formatAddress(lease.address)).join(' and ')}`,
      );
    }
  });
}

function count(transaction: Transaction): { rows: () => number; counting: Transaction } {
  let rows = 0;
  return {
    rows: () => rows,
    counting: {
      put: (key, value) => transaction.put(key, value),
      delete: key => transaction.delete(key),
      get: key => {
        rows++;
        return transaction.get(key);
      },
      *range(from, to) {
        for (const row of transaction.range(from, to)) {
          rows++;
          yield row;
        }
      },
    },
  };
}

test.run();
