// What a pool hands out: subnets, ranges and exclusions, at the ends of each.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BUILDS, Core, hex, hexRun } from './support/core.ts';

for (const build of BUILDS) {
  const test = suite(`pool, ${build.name}`);
  const make = (octets: number) => new Core(build, octets);

  const SUBNETS: [number, bigint, number, number, bigint, bigint, bigint][] = [
    // octets, an address of it, prefix, reserve, first and last handed out, size
    [4, 0x0a000001n, 24, 3, 0x0a000001n, 0x0a0000fen, 256n],
    [4, 0x0a0000ffn, 16, 3, 0x0a000001n, 0x0a00fffen, 65536n],
    [4, 0x0a0001ffn, 22, 3, 0x0a000001n, 0x0a0003fen, 1024n],
    [4, 0x0a0001ffn, 31, 0, 0x0a0001fen, 0x0a0001ffn, 2n],
    [4, 0x0a0001ffn, 32, 0, 0x0a0001ffn, 0x0a0001ffn, 1n],
    [4, 0xdeadbeefn, 0, 3, 1n, 0xfffffffen, 1n << 32n],
    [16, (0x20010db8n << 96n) | 77n, 48, 1, (0x20010db8n << 96n) | 1n, (0x20010db80001n << 80n) - 1n, 1n << 80n],
    [16, (0x20010db8n << 96n) | 77n, 127, 0, (0x20010db8n << 96n) | 76n, (0x20010db8n << 96n) | 77n, 2n],
    [16, 5n, 0, 1, 1n, (1n << 128n) - 1n, 1n << 128n],
    [16, 1n << 127n, 1, 0, 1n << 127n, (1n << 128n) - 1n, 1n << 127n],
    [16, (1n << 128n) - 9n, 120, 1, (1n << 128n) - 255n, (1n << 128n) - 1n, 256n],
    [10, 5n, 16, 1, 1n, (1n << 64n) - 1n, 1n << 64n],
  ];
  for (const [octets, address, prefixBits, reserve, first, last, size] of SUBNETS) {
    test(`subnet of ${hex(address)}/${prefixBits} in ${octets} octets, reserve ${reserve}`, () => {
      const core = make(octets);
      core.setSubnet(address, prefixBits, reserve);
      assert.is(hex(core.find()), hex(first));
      for (const index of [first, last]) assert.not(core.isReserved(index));
      for (const index of [first - 1n, last + 1n]) {
        if (index >= 0n && index <= core.maxIndex) assert.ok(core.isReserved(index));
      }
      core.setCursor(last);
      assert.is(hex(core.find()), hex(first), 'around');
      core.setCursor(last + 1n <= core.maxIndex ? last + 1n : 0n);
      assert.is(hex(core.find()), hex(first), 'a cursor that is not in the pool');
      if (last > first) {
        core.setCursor(last - 1n);
        assert.is(hex(core.find()), hex(last));
      }
      core.markRun({ first, last });
      assert.is(core.find(), undefined);
      assert.is(hex(core.countUsed()), hex(last - first + 1n));
      assert.ok(size - (last - first + 1n) === BigInt([0, 1, 1, 2][reserve]!), 'as many are reserved as asked for');
      core.clear(last);
      core.setCursor(first);
      assert.is(hex(core.acquire()), hex(last));
      core.clearRun({ first, last });
      assert.is(core.nodeCount, 0);
    });
  }

  test('a subnet forgets the exclusions and the cursor of the one before', () => {
    const core = make(4);
    core.setSubnet(0x0a000000n, 24, 3);
    core.exclude({ first: 0x0a000000n, last: 0x0a000009n });
    core.setCursor(0x0a000050n);
    core.setSubnet(0x0a000000n, 24, 0);
    assert.is(core.cursor(), undefined);
    assert.is(hex(core.find()), '0xa000000');
  });

  test('a range narrows a subnet and keeps its exclusions', () => {
    const core = make(4);
    core.setSubnet(0x0a000000n, 24, 3);
    core.exclude({ first: 0x0a000020n, last: 0x0a000028n });
    core.setRange({ first: 0x0a000020n, last: 0x0a00002an });
    const expected = ['0xa000029', '0xa00002a', 'none'];
    assert.equal([hex(core.acquire()), hex(core.acquire()), hex(core.acquire())], expected);
    assert.ok(core.isReserved(0x0a00001fn) && core.isReserved(0x0a00002bn));
  });

  test('what changes between two acquires counts in the second, in the same leaf too', () => {
    const core = make(4);
    core.setSubnet(0x0a000000n, 24, 3);
    const acquires = (index: bigint) => assert.is(hex(core.acquire()), hex(index));
    acquires(0x0a000001n);
    core.exclude({ first: 0x0a000002n, last: 0x0a000003n });
    acquires(0x0a000004n);
    core.mark(0x0a000005n);
    acquires(0x0a000006n);
    core.setCursor(0x0a000010n);
    assert.is(hex(core.find()), '0xa000011');
    assert.is(hex(core.cursor()), '0xa000010', 'find leaves it where it is');
    acquires(0x0a000011n);
    core.exports.clearCursor();
    acquires(0x0a000007n);
    core.setRange({ first: 0x0a000020n, last: 0x0a000021n });
    acquires(0x0a000020n);
    acquires(0x0a000021n);
    assert.is(core.acquire(), undefined);
    core.setSubnet(0x0a000100n, 16, 0);
    for (const index of [0x0a000000n, 0x0a000002n, 0x0a000003n]) acquires(index);
    core.clear(0x0a000003n);
    acquires(0x0a000008n);
    core.setCursor(0x0a000105n);
    acquires(0x0a000106n);
    core.exports.configure(4, 0);
    acquires(0n);
  });

  test('runs and searches where the lower half of an index overflows', () => {
    const half = 1n << 64n;
    const core = make(16);
    for (const last of [half - 3n, half - 2n, half - 1n, half]) {
      core.setSubnet(0n, 0);
      core.exclude({ first: 5n, last });
      core.setCursor(4n);
      assert.is(hex(core.find()), hex(last + 1n), 'behind an exclusion');
      assert.is(hexRun(core.freeRun(5n, 1n)), hexRun({ first: last + 1n, last: last + 1n }));
    }
    core.setSubnet(0n, 0);
    for (const first of [0n, 5n, half - 1n, half]) {
      for (const length of [1n, 2n, half - 1n, half, half + 1n, half + 2n, 2n * half, 257n * half]) {
        const run = { first, last: first + length - 1n };
        assert.is(hexRun(core.freeRun(first, length)), hexRun(run));
        core.markRun(run);
        assert.is(hexRun(core.usedRun(0n)), hexRun(run));
        assert.is(hex(core.countUsed()), hex(length));
        assert.is(hex(core.freeRun(first, 1n)?.first), hex(run.last + 1n));
        core.clearRun(run);
        assert.is(core.nodeCount, 0);
      }
    }
    core.setRange({ first: 3n * half + 7n, last: 5n * half + 9n });
    for (const from of [0n, 3n * half, 3n * half + 6n, 3n * half + 7n, 3n * half + 8n, 4n * half, 5n * half + 9n]) {
      const first = from < 3n * half + 7n ? 3n * half + 7n : from;
      core.markRun({ first: 0n, last: 6n * half });
      assert.is(hexRun(core.usedRun(from)), hexRun({ first, last: 5n * half + 9n }));
      core.clearRun({ first: 0n, last: 6n * half });
      assert.is(hexRun(core.freeRun(from, 10n * half)), hexRun({ first, last: 5n * half + 9n }));
    }
  });

  test('a free run ends before what is used or excluded: in its leaf, in a later one, or nowhere', () => {
    for (const octets of [2, 4, 16]) {
      for (const used of [0x11n, 0x80n, 0x101n, 0x10ffn, 0xff00n, 0xffffn]) {
        const core = make(octets);
        core.mark(3n);
        core.exclude({ first: used, last: used });
        assert.is(hexRun(core.freeRun(0x10n, 1n << 16n)), hexRun({ first: 0x10n, last: used - 1n }));
        assert.is(hexRun(core.freeRun(used - 1n, 1n << 16n)), hexRun({ first: used - 1n, last: used - 1n }));
        if (used > 0x11n) assert.is(hexRun(core.freeRun(0x10n, 2n)), '0x10..0x11');
        core.setSubnet(0n, 0);
        core.mark(used);
        for (const first of [0x10n, 0xffn, 0x100n].filter(first => first < used)) {
          assert.is(hexRun(core.freeRun(first, 1n << 16n)), hexRun({ first, last: used - 1n }));
          const most = { first, last: used - 1n - first > 0x20n ? first + 0x1fn : used - 1n };
          assert.is(hexRun(core.freeRun(first, 0x20n)), hexRun(most));
        }
        assert.is(hexRun(core.usedRun(4n)), hexRun({ first: used, last: used }));
        if (used < 0x10000n - 0x30n) {
          const first = core.maxIndex - 0x20n;
          assert.is(hexRun(core.freeRun(first, 1n << 16n)), hexRun({ first, last: core.maxIndex }));
        }
      }
    }
  });

  test('a leaf that is full behind one acquire is not looked at in the next', () => {
    const core = make(4);
    core.markRun({ first: 0n, last: 98n });
    core.markRun({ first: 100n, last: 255n });
    assert.equal([hex(core.acquire()), hex(core.acquire())], [hex(99n), hex(256n)]);
  });

  test('runs are found while exclusions move the nodes', () => {
    const core = make(4);
    for (let i = 0n; i < 50n; i++) core.mark(0x100n * i + 3n);
    for (let i = 0n; i < 500n; i++) {
      core.exclude({ first: 0x10000n + 2n * i, last: 0x10000n + 2n * i });
      const first = 0x100n * (i % 50n) + 3n;
      assert.is(hexRun(core.usedRun(first - 3n)), hexRun({ first, last: first }));
    }
  });

  test('bit 128 of the count of usable indexes: ::/0 with nothing excluded, and one less', () => {
    const core = new Core(build, 16);
    assert.is(hex(core.countUsable()), hex(1n << 128n));
    for (const index of [0n, core.maxIndex, ...[-2n, -1n, 0n, 1n, 2n].map(step => (1n << 64n) + step)]) {
      core.setSubnet(0n, 0);
      core.exclude({ first: index, last: index });
      assert.is(hex(core.countUsable()), hex(core.maxIndex));
    }
    core.exclude({ first: 0n, last: core.maxIndex });
    assert.is(core.countUsable(), 0n);
  });

  test('runs are sought in the range only', () => {
    const core = make(4);
    core.markRun({ first: 0n, last: 0xffn });
    core.setRange({ first: 0x80n, last: 0x17fn });
    assert.is(hexRun(core.usedRun(0n)), '0x80..0xff');
    assert.is(hexRun(core.freeRun(0n, 1000n)), '0x100..0x17f');
    core.mark(0x180n);
    for (const from of [0x100n, 0x17fn, 0x180n]) assert.is(core.usedRun(from), undefined);
    assert.is(core.countUsed(), 0x80n);
    assert.is(core.freeRun(0x180n, 1n), undefined);
    assert.is(hexRun(core.freeRun(0x17fn, 5n)), '0x17f..0x17f');
  });

  test('an exclusion of everything, and one that ends with the index space', () => {
    for (const octets of [1, 2, 3, 4, 10, 16]) {
      const core = make(octets);
      core.exclude({ first: 3n, last: core.maxIndex });
      assert.equal([hex(core.acquire()), hex(core.acquire()), hex(core.acquire())], ['0x0', '0x1', '0x2']);
      assert.is(core.find(), undefined);
      core.exports.configure(octets, 0);
      assert.is(core.nodeCount, 0, 'configure empties the tree');
      core.exclude({ first: 0n, last: core.maxIndex });
      assert.is(core.find(), undefined);
      assert.is(core.freeRun(0n, 1n), undefined);
    }
  });

  test.run();
}
