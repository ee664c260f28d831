// Many addresses at a time, whole spaces of them, and many pools.

import * as assert from 'uvu/assert';
import { AddressPool } from '../../src/index.ts';
import { suitesOfBuilds } from './support/builds.ts';
import { poolWithCore } from './support/raw.ts';
import { acquireAll, addressOf, runsText } from './support/text.ts';

suitesOfBuilds('many', test => {
  test('acquireMany takes numbers and bigints', () => {
    const pool = new AddressPool('10.0.0.0/24');
    assert.is(runsText(pool.acquireMany(3)), '10.0.0.1 - 10.0.0.3');
    assert.is(runsText(pool.acquireMany(4n)), '10.0.0.4 - 10.0.0.7');
    assert.is(runsText(pool.acquireMany(1)), '10.0.0.8');
    assert.equal(pool.acquireMany(0), []);
    assert.equal(pool.acquireMany(0n), []);
    assert.equal(pool.acquireMany(-0), []);
    assert.is(pool.used, 8n);
    assert.is(pool.acquire(), '10.0.0.9');
  });

  test('acquireMany refuses what is no count, and takes nothing', () => {
    const pool = new AddressPool('10.0.0.0/24');
    const bad = [-1, -1n, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '3', undefined, null, {}] as number[];
    for (const count of bad) {
      assert.throws(
        () => pool.acquireMany(count),
        (error: Error) => error.name === 'RangeError' && error.message.startsWith(`count ${count}`),
        `${count}`,
      );
    }
    assert.is(pool.used, 0n);
    assert.is(pool.acquire(), '10.0.0.1');
  });

  test('more than there is: all there is, and then nothing', () => {
    for (const count of [255, 10n ** 9n, (1n << 128n) - 1n, 1n << 128n, 1n << 200n]) {
      const pool = new AddressPool('10.0.0.0/24');
      assert.is(runsText(pool.acquireMany(count)), '10.0.0.1 - 10.0.0.254');
      assert.equal(pool.acquireMany(count), []);
      assert.is(pool.used, 254n);
      assert.is(pool.acquire(), undefined);
      assert.ok(pool.release('10.0.0.77'));
      assert.is(runsText(pool.acquireMany(count)), '10.0.0.77');
    }
  });

  test('as few runs as there are, around what is in use or excluded', () => {
    const pool = new AddressPool('10.0.0.0/22', { exclude: ['10.0.1.0/30', '10.0.2.255'], gateway: '10.0.0.1' });
    for (const text of ['10.0.0.3', '10.0.0.255', '10.0.1.4', '10.0.3.0']) assert.ok(pool.request(text));
    const before = '10.0.0.2, 10.0.0.4 - 10.0.0.254, 10.0.1.5 - 10.0.2.254, 10.0.3.1 - 10.0.3.2';
    assert.is(runsText(pool.acquireMany(1 + 251 + 506 + 2)), before);
    assert.is(runsText(pool), '10.0.0.2 - 10.0.0.255, 10.0.1.4 - 10.0.2.254, 10.0.3.0 - 10.0.3.2');
    assert.is(runsText(pool.acquireMany(1000)), '10.0.3.3 - 10.0.3.254');
    assert.is(pool.used, pool.capacity);
  });

  test('a run over the cursor is one: the search begins in its middle', () => {
    const pool = new AddressPool('10.0.0.0/24', { unit: 32 });
    pool.acquireMany(100);
    for (let i = 90; i < 100; i++) assert.ok(pool.release(`10.0.0.${i}`));
    for (let i = 10; i < 20; i++) assert.ok(pool.release(`10.0.0.${i}`));
    // From 10.0.0.100 to the end, then from the beginning up to 10.0.0.99, which is where it began.
    assert.is(runsText(pool.acquireMany(1000)), '10.0.0.90 - 10.0.0.255, 10.0.0.10 - 10.0.0.19');
    assert.is(pool.used, 256n);
    const again = AddressPool.from(pool.snapshot());
    for (const text of ['10.0.0.99', '10.0.0.100']) assert.ok(again.release(text));
    assert.equal(acquireAll(again), ['10.0.0.100', '10.0.0.99'], 'the cursor stands at 10.0.0.99');
  });

  test('the cursor at the end of the range, of the subnet and of everything', () => {
    for (const subnet of ['255.255.255.0/24', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120']) {
      const width = subnet.includes(':') ? 128 : 32;
      const end = (1n << BigInt(width)) - 1n;
      const text = (back: bigint) => addressOf(end - back, width);
      const pool = new AddressPool(subnet, { unit: width });
      assert.is(runsText(pool.acquireMany(256)), `${text(255n)} - ${text(0n)}`);
      for (const back of [0n, 5n, 6n, 255n]) assert.ok(pool.release(text(back)));
      assert.is(runsText(pool.acquireMany(3)), `${text(255n)}, ${text(6n)} - ${text(5n)}`, 'the cursor was at the end');
      assert.ok(pool.release(text(255n)));
      assert.is(runsText(pool.acquireMany(2)), `${text(0n)}, ${text(255n)}`);
      assert.is(pool.used, 256n);
    }
  });

  test('a walk and a search go on where all bytes but the first overflow', () => {
    const pool = new AddressPool('0.0.0.0/0', { unit: 32 });
    assert.is(runsText(pool.acquireMany(1n << 24n)), '0.0.0.0 - 0.255.255.255');
    assert.ok(pool.request('2.0.0.0'));
    assert.is(runsText(pool), '0.0.0.0 - 0.255.255.255, 2.0.0.0');
    assert.is(runsText(pool.acquireMany(1)), '1.0.0.0');
  });

  test('acquireMany and acquire one by one give the same', () => {
    const [many, single] = [new AddressPool('10.0.0.0/23'), new AddressPool('10.0.0.0/23')];
    for (let i = 1; i < 60; i++) {
      const count = (i * 37) % 61;
      const runs = many.acquireMany(count);
      for (let j = 0; j < count; j++) assert.ok(single.acquire() !== undefined);
      assert.is(runsText(many), runsText(single));
      assert.ok(runs.length <= 62);
      for (let k = 0; k < count; k++) {
        const text = `10.0.${(i + k) % 2}.${(i * 41 + k * 7) % 254}`;
        assert.is(many.release(text), single.release(text));
      }
    }
  });

  test('a /12 of /29 at once, and one by one back', () => {
    const pool = new AddressPool('10.16.0.0/12', { unit: 29 });
    assert.is(runsText(pool.acquireMany(1n << 17n)), '10.16.0.0/29 - 10.31.255.248/29');
    assert.is(pool.nodeCount, 1, 'two whole children of 2^16');
    for (let i = 0; i < 1 << 17; i++) {
      assert.ok(pool.release(`10.${16 + (i >> 13)}.${(i >> 5) & 0xff}.${(i & 31) * 8}`));
    }
    assert.is(pool.used, 0n);
    assert.is(pool.nodeCount, 0);
  });

  test('thousands of runs at once', () => {
    const pool = new AddressPool('10.0.0.0/16', { unit: 32 });
    for (let i = 0; i < 65536; i += 2) assert.ok(pool.request(`10.0.${i >> 8}.${i & 0xff}`));
    const runs = pool.acquireMany(30_000);
    assert.is(runs.length, 30_000);
    assert.is(runsText(runs.slice(-1)), '10.0.234.95');
    assert.is(runsText(pool.acquireMany(30_000)).split(', ').length, 2768);
    assert.is(runsText(pool), '10.0.0.0 - 10.0.255.255');
  });

  const SPACES: [string, number][] = [
    ['0.0.0.0/0', 32],
    ['::/0', 128],
  ];
  for (const [subnet, width] of SPACES) {
    const end = (1n << BigInt(width)) - 1n;
    const child = 1n << BigInt(width - 8);
    const text = (value: bigint) => addressOf(value, width);

    test(`${subnet} filled by whole children to the last, and emptied again`, () => {
      const { pool, core } = poolWithCore(() => new AddressPool(subnet, { unit: width }));
      assert.is(pool.capacity, end + 1n);
      for (let i = 0n; i < 256n; i++) {
        assert.is(runsText(pool.acquireMany(child)), `${text(i * child)} - ${text((i + 1n) * child - 1n)}`);
        assert.is(pool.used, (i + 1n) * child);
        assert.is(pool.nodeCount, 1);
      }
      assert.is(pool.used, pool.capacity);
      assert.equal(pool.nodes(), [{ level: width / 8 - 1, first: text(0n), bits: new Uint8Array(32).fill(0xff) }]);
      assert.is(runsText(pool), `${text(0n)} - ${text(end)}`);
      assert.is(pool.acquire(), undefined);
      assert.not(pool.acquireInto(new Uint8Array(16)));
      assert.equal(pool.acquireMany(1n << 130n), []);
      for (const value of [0n, end >> 1n, end]) {
        assert.not(pool.request(text(value)));
        assert.ok(pool.has(text(value)));
      }
      const copy = AddressPool.from(pool.snapshot());
      assert.is(copy.used, end + 1n);
      assert.is(copy.acquire(), undefined);
      for (const value of [0n, end >> 1n, end]) {
        assert.ok(copy.release(text(value)));
        assert.is(copy.nodeCount, width / 8, 'a node at each level');
        assert.is(copy.used, end);
        assert.is(copy.acquire(), text(value));
        assert.is(copy.nodeCount, 1);
      }
      for (let i = 255n; i >= 0n; i--) core.clearRun({ first: i * child, last: (i + 1n) * child - 1n });
      assert.is(pool.nodeCount, 0);
      assert.is(runsText(pool), '');
      assert.is(runsText(pool.acquireMany(end + 1n)), `${text(0n)} - ${text(end)}`, 'and all at once');
      core.clearRun({ first: 0n, last: end });
      assert.is(pool.nodeCount, 0);
    });

    test(`${subnet} with what it reserves, to the last`, () => {
      const { pool, core } = poolWithCore(() => new AddressPool(subnet));
      const last = width === 32 ? end - 1n : end;
      const runs: string[] = [];
      for (let round = 0n; round < 256n; round++) runs.push(runsText(pool.acquireMany(child)));
      assert.is(runs[0], `${text(1n)} - ${text(child)}`);
      assert.is(runs[255], `${text(255n * child + 1n)} - ${text(last)}`);
      assert.is(pool.used, pool.capacity);
      assert.is(pool.acquire(), undefined);
      assert.is(runsText(pool), `${text(1n)} - ${text(last)}`);
      core.clearRun({ first: 1n, last });
      assert.is(pool.nodeCount, 0);
    });
  }

  test('300 pools side by side, each on its own', () => {
    const pools = Array.from({ length: 300 }, (_, i) => {
      if (i % 3 === 0) return new AddressPool(`10.${i >> 2}.0.0/16`, { gateway: `10.${i >> 2}.0.1` });
      if (i % 3 === 1) return new AddressPool(`2001:db8:${i.toString(16)}::/48`);
      return new AddressPool(`fd00:${i.toString(16)}::/32`, { unit: 64 });
    });
    const firsts = pools.map(pool => pool.acquire());
    assert.is(firsts[297], '10.74.0.2');
    assert.is(firsts[298], '2001:db8:12a::1');
    assert.is(firsts[299], 'fd00:12b::/64');
    for (const [i, pool] of pools.entries()) for (let j = 0; j < i; j++) pool.acquire();
    for (const [i, pool] of pools.entries()) assert.is(pool.used, BigInt(i + 1));
    for (const [i, pool] of pools.entries()) if (i % 2 === 0) assert.ok(pool.release(firsts[i]!));
    for (const [i, pool] of pools.entries()) {
      assert.is(pool.has(firsts[i]!), i % 2 === 1);
      assert.is(pool.used, BigInt(i % 2 === 0 ? i : i + 1));
      assert.ok(pool.memoryBytes <= 2 * 65536, `${pool.memoryBytes} bytes`);
    }
  });

  test('a thousand million live addresses: below 256 KiB', () => {
    const pool = new AddressPool('2001:db8::/48');
    for (const [live, more] of [
      [1_000_000_000n, 1_000_000_000],
      [1_000_100_000n, 100_000],
    ] as const) {
      pool.acquireMany(more);
      assert.is(pool.used, live);
      assert.ok(pool.memoryBytes < 256 * 1024, `${pool.memoryBytes} bytes`);
    }
  });

  test('every second address of 4 M in use: at most 2.5 bits of memory for each', () => {
    const size = 2 ** 22;
    const pool = new AddressPool('10.0.0.0/10', { unit: 32 });
    pool.acquireMany(size);
    for (let i = 0; i < size; i += 2) {
      pool.release(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    }
    assert.is(pool.used, BigInt(size / 2));
    assert.is(pool.nodeCount, size / 256, 'the nodes above are empty');
    assert.ok(pool.memoryBytes * 8 <= 2.5 * size, `${pool.memoryBytes} bytes`);
  });
});
