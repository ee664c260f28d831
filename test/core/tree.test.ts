// The octet tree at its boundaries: where leaves begin and end, what fills up, what empties, and the full root.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../support/random.ts';
import { BUILDS, Core, hex, hexRun, type Run } from './support/core.ts';
import { usedRuns } from './support/invariants.ts';

const OCTETS = [1, 2, 3, 4, 10, 16];
const sizeOf = (level: number) => 1n << BigInt(8 * level);

/** What the nodes say is used, as runs in order that do not touch, and all of the tree's invariants. */
function usedOf(core: Core): string {
  const runs = usedRuns(core.nodes(), core.octets).sort((a, b) => (a.first < b.first ? -1 : 1));
  const merged: Run[] = [];
  for (const { first, last } of runs) {
    const before = merged.at(-1);
    if (before !== undefined && before.last + 1n === first) before.last = last;
    else merged.push({ first, last });
  }
  return merged.map(hexRun).join(' ');
}

function levelsOf(core: Core): string {
  return core
    .nodes()
    .map(node => node.level)
    .sort((a, b) => a - b)
    .join(' ');
}

for (const build of BUILDS) {
  const test = suite(`tree, ${build.name}`);
  const make = (octets: number) => new Core(build, octets);

  for (const octets of OCTETS) {
    const bits = octets * 8;
    const max = (1n << BigInt(bits)) - 1n;

    test(`${octets} octets: single indexes at every boundary`, () => {
      const core = make(octets);
      for (let level = 0; level < octets; level++) {
        for (const index of [sizeOf(level) - 1n, sizeOf(level), max - sizeOf(level), max - sizeOf(level) + 1n]) {
          assert.not(core.isUsed(index));
          assert.not(core.clear(index), 'clear of a free index');
          assert.is(core.nodeCount, 0);
          assert.ok(core.mark(index));
          assert.not(core.mark(index), 'mark of a used index');
          assert.ok(core.isUsed(index));
          assert.is(levelsOf(core), '0', 'a leaf, and no parent above it');
          assert.is(usedOf(core), hexRun({ first: index, last: index }));
          assert.is(hex(core.countUsed()), '0x1');
          assert.is(hexRun(core.usedRun(0n)), hexRun({ first: index, last: index }));
          for (const near of [index - 1n, index + 1n]) if (near >= 0n && near <= max) assert.not(core.isUsed(near));
          // The search steps over it, at the end of the index space to its beginning.
          const behind = index === max ? 0n : index + 1n;
          if (index > 0n) {
            core.setCursor(index - 1n);
            assert.is(hex(core.find()), hex(behind));
          }
          core.setCursor(index);
          assert.is(hex(core.find()), hex(behind));
          core.exports.clearCursor();
          assert.ok(core.clear(index));
          assert.is(core.nodeCount, 0);
        }
      }
    });

    test(`${octets} octets: each leaf is its own, whichever bit tells it from another`, () => {
      const indexes = [5n, ...Array.from({ length: bits - 8 }, (_, i) => (1n << BigInt(i + 8)) | 5n)];
      for (const used of indexes) {
        const core = make(octets);
        core.setCursor(used - 1n);
        assert.is(hex(core.acquire()), hex(used));
        for (const index of indexes) {
          if (index === used) continue;
          assert.not(core.isUsed(index));
          assert.not(core.clear(index), `clear ${hex(index)} where ${hex(used)} is used`);
        }
        assert.ok(core.clear(used));
        assert.is(core.nodeCount, 0);
      }
    });

    test(`${octets} octets: putNode takes a node where one begins, and nowhere else`, () => {
      const node = Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 0b10 : 0));
      for (let level = 0; level < octets; level++) {
        const size = sizeOf(level + 1);
        for (const first of new Set([0n, size & max, max - size + 1n])) {
          const core = make(octets);
          const put = (at: bigint) => core.putNode({ level, first: at, bits: node });
          for (const more of [1n, sizeOf(level), size / 2n]) assert.not(put(first + more), hex(first + more));
          for (let bit = BigInt(bits); bit < 128n; bit++) assert.not(put(first + (1n << bit)), `bit ${bit}`);
          assert.is(usedOf(core), '');
          assert.ok(put(first), `level ${level}, ${hex(first)}`);
          assert.is(usedOf(core), hexRun({ first: first + sizeOf(level), last: first + 2n * sizeOf(level) - 1n }));
        }
      }
    });

    test(`${octets} octets: the first and the last index are handed out`, () => {
      const core = make(octets);
      core.setCursor(max - 1n);
      for (const index of [max, 0n, 1n]) {
        assert.is(hex(core.acquire()), hex(index));
        assert.is(hex(core.cursor()), hex(index));
      }
    });

    test(`${octets} octets: a full child is a bit of its parent`, () => {
      for (let level = 0; level + 1 < octets; level++) {
        const size = sizeOf(level + 1); // indexes of a node at `level`
        for (const first of [0n, 5n * size, max - size + 1n]) {
          const core = make(octets);
          const last = first + size - 1n;
          core.markRun({ first, last: last - 1n });
          assert.is(usedOf(core), hexRun({ first, last: last - 1n }));
          assert.is(core.nodeCount, level + 1);
          core.setCursor(first);
          assert.is(hex(core.find()), hex(last), 'the one that is left');
          assert.ok(core.mark(last));
          assert.is(levelsOf(core), `${level + 1}`, 'the parent alone');
          assert.is(usedOf(core), hexRun({ first, last }));
          assert.is(hex(core.find()), hex(last === max ? 0n : last + 1n));
          for (const index of [first, last]) {
            assert.ok(core.isUsed(index));
            assert.not(core.mark(index));
          }
          // A release inside makes the way down again, one node for each level.
          const inside = first + size / 2n;
          assert.ok(core.clear(inside));
          assert.not(core.isUsed(inside));
          assert.is(core.nodeCount, level + 1);
          core.setCursor(last);
          assert.is(hex(core.find()), hex(last === max ? 0n : last + 1n));
          core.setCursor(first);
          assert.is(hex(core.find()), hex(inside));
          core.clearRun({ first, last: inside - 1n });
          core.clearRun({ first: inside + 1n, last });
          assert.is(core.nodeCount, 0);
        }
      }
    });

    test(`${octets} octets: everything used, child by child`, () => {
      const core = make(octets);
      const size = sizeOf(octets - 1);
      for (let i = 0n; i < 256n; i++) {
        assert.is(hex(core.find()), hex(i * size));
        core.markRun({ first: i * size, last: (i + 1n) * size - 1n });
        assert.is(core.nodeCount, 1);
      }
      assert.is(usedOf(core), hexRun({ first: 0n, last: max }));
      assert.is(levelsOf(core), `${octets - 1}`, 'the full root');
      assert.is(hex(core.countUsed()), hex(1n << BigInt(bits)));
      assert.is(hexRun(core.usedRun(0n)), hexRun({ first: 0n, last: max }));
      assert.is(core.freeRun(0n, max), undefined);
      for (const cursor of [undefined, 0n, max / 2n, max - 1n, max]) {
        if (cursor !== undefined) core.setCursor(cursor);
        assert.is(core.find(), undefined);
        assert.is(core.acquire(), undefined);
        assert.is(hex(core.cursor()), hex(cursor), 'an exhausted pool keeps its cursor');
      }
      for (const index of [0n, 1n, max / 2n, max]) assert.not(core.mark(index));
      // One is released: at most one new node for each level below the root.
      for (const index of [0n, max / 2n, max]) {
        assert.ok(core.clear(index));
        assert.is(core.nodeCount, octets, `${octets - 1} nodes again`);
        assert.is(hex(core.countUsed()), hex(max));
        assert.is(hex(core.acquire()), hex(index));
        assert.is(core.nodeCount, 1);
      }
      for (let i = 255n; i >= 0n; i--) core.clearRun({ first: i * size, last: (i + 1n) * size - 1n });
      assert.is(core.nodeCount, 0);
      assert.is(core.exports.nodeAt(0), -1);
      assert.is(core.usedRun(0n), undefined);
      assert.is(core.countUsed(), 0n);
    });

    test(`${octets} octets: everything used and free again at once`, () => {
      const core = make(octets);
      assert.is(hexRun(core.freeRun(0n, max)), hexRun({ first: 0n, last: max - 1n }));
      core.markRun({ first: 0n, last: max - 1n });
      assert.is(core.nodeCount, octets);
      assert.is(hex(core.countUsed()), hex(max));
      assert.is(hexRun(core.freeRun(0n, max)), hexRun({ first: max, last: max }));
      assert.is(hex(core.acquire()), hex(max));
      assert.is(core.nodeCount, 1);
      core.clearRun({ first: 0n, last: max });
      assert.is(core.nodeCount, 0);
      core.markRun({ first: 0n, last: max });
      assert.is(core.nodeCount, 1);
      core.clearRun({ first: 1n, last: max });
      assert.is(usedOf(core), hexRun({ first: 0n, last: 0n }));
    });
  }

  test('bit 128 of the count: ::/0 entirely used, and one less', () => {
    const core = make(16);
    core.markRun({ first: 0n, last: core.maxIndex });
    assert.is(core.exports.countUsed(), 1);
    assert.is(hex(core.countUsed()), hex(1n << 128n));
    core.clear(0n);
    assert.is(core.exports.countUsed(), 0);
    assert.is(hex(core.countUsed()), hex(core.maxIndex));
  });

  test('a count of many runs carries from half to half', () => {
    const core = make(16);
    core.markRun({ first: 0n, last: (1n << 64n) - 2n });
    core.markRun({ first: 1n << 64n, last: (1n << 64n) + 6n });
    assert.is(hex(core.countUsed()), hex((1n << 64n) + 6n));
  });

  test('configure begins anew, however many nodes there were', () => {
    const core = make(16);
    const indexes = Array.from({ length: 3000 }, (_, i) => BigInt(i) << 8n);
    for (const index of indexes) core.mark(index);
    core.exports.configure(16, 0);
    assert.equal(core.nodes(), []);
    assert.is(core.countUsed(), 0n);
    for (const index of indexes) assert.not(core.isUsed(index), hex(index));
    for (const index of indexes) assert.ok(core.mark(index), hex(index));
    assert.is(hex(core.countUsed()), hex(3000n));
  });

  test('nodes whose keys differ in one half alone, or in the level alone', () => {
    const core = make(16);
    const numbers = Array.from({ length: 3000 }, (_, i) => 0x10000n + BigInt(i));
    const upper = (i: bigint) => (i << 72n) | 5n; // leaf of key i * 2^64
    const lower = (i: bigint) => (i << 8n) | 5n; // leaf of key i
    const above = (i: bigint) => ({ first: i << 16n, last: (i << 16n) | 255n }); // node of key i at level 1
    for (const i of numbers) {
      assert.not(core.isUsed(upper(i)));
      assert.ok(core.mark(upper(i)));
      assert.not(core.isUsed(lower(i)));
      assert.ok(core.mark(lower(i)));
      assert.not(core.isUsed(above(i).first));
      core.markRun(above(i));
    }
    assert.is(core.nodeCount, 9000);
    for (const i of numbers) {
      assert.ok(core.clear(upper(i)));
      assert.ok(core.clear(lower(i)));
      core.clearRun(above(i));
      assert.not(core.isUsed(above(i).last));
    }
    assert.is(core.nodeCount, 0);
  });

  test('the first used run may lie in a leaf before what a node above it tells of', () => {
    for (const start of [0n, 0x10000n, 0xffff0000n]) {
      const core = make(4);
      core.markRun({ first: start + 0x500n, last: start + 0x5ffn });
      core.mark(start + 0x301n);
      const runs = [start + 0x301n, start + 0x302n].map(from => hexRun(core.usedRun(from)));
      const expected = [hexRun({ first: start + 0x301n, last: start + 0x301n })];
      expected.push(hexRun({ first: start + 0x500n, last: start + 0x5ffn }));
      assert.equal(runs, expected);
      for (const from of [0n, start, start + 0x2ffn]) assert.is(hexRun(core.usedRun(from)), expected[0]);
    }
  });

  test('the first used run may lie in the lower half of what a node above it tells of', () => {
    const core = make(16);
    core.markRun({ first: 3n << 64n, last: (4n << 64n) - 1n });
    core.mark(5n);
    assert.is(hexRun(core.usedRun(0n)), '0x5..0x5');
    assert.is(hexRun(core.usedRun(6n)), hexRun({ first: 3n << 64n, last: (4n << 64n) - 1n }));
  });

  test('used runs come in address order, in whatever order they were made', () => {
    const random = new Random('order');
    for (let count = 1; count <= 60; count++) {
      const core = make(16);
      const indexes = new Set<bigint>();
      while (indexes.size < count) indexes.add(random.between(0n, core.maxIndex >> 1n) << BigInt(random.below(2)));
      for (const index of indexes) assert.ok(core.mark(index));
      const walked: string[] = [];
      for (let run = core.usedRun(0n); run !== undefined; run = core.usedRun(run.last + 1n)) walked.push(hexRun(run));
      const sorted = [...indexes].sort((a, b) => (a < b ? -1 : 1));
      assert.equal(
        walked,
        sorted.map(index => hexRun({ first: index, last: index })),
      );
    }
  });

  test('putNode takes what can be part of a tree', () => {
    const bits = (...bytes: [number, number][]) => {
      const node = new Uint8Array(32);
      for (const [i, byte] of bytes) node[i] = byte;
      return node;
    };
    const some = bits([0, 0b10]);
    const full = new Uint8Array(32).fill(0xff);
    const core = make(4);
    const refuses = (level: number, first: bigint, node: Uint8Array, reason: string) => {
      const { nodeCount } = core;
      assert.not(core.putNode({ level, first, bits: node }), reason);
      assert.is(core.nodeCount, nodeCount);
    };
    refuses(4, 0n, some, 'above the root');
    refuses(-1, 0n, some, 'below a leaf');
    refuses(0, 0n, bits(), 'empty');
    refuses(0, 0n, full, 'full and not the root');
    refuses(0, 1n, some, 'not the first index of a leaf');
    refuses(1, 0x100n, some, 'not the first index of a node at level 1');
    refuses(0, 1n << 32n, some, 'outside the index space');
    assert.ok(core.putNode({ level: 1, first: 0n, bits: some }));
    refuses(1, 0n, bits([5, 1]), 'exists already');
    refuses(0, 0x100n, some, 'below a full bit');
    assert.ok(core.putNode({ level: 0, first: 0x200n, bits: some }));
    assert.is(usedOf(core), '0x100..0x1ff 0x201..0x201');
    core.exports.configure(4, 0);
    assert.ok(core.putNode({ level: 3, first: 0n, bits: full }));
    refuses(0, 0n, some, 'below a full root');
    assert.is(core.find(), undefined);
  });

  test.run();
}
