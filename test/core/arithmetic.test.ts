// 128-bit arithmetic against BigInt, nodes against arrays of booleans, exclusions against a set of indexes.

import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random, seed } from '../support/random.ts';
import { BUILD_NAMES, hex } from './support/core.ts';
import { compileParts, type Parts } from './support/parts.ts';

const BOUNDARIES = [0, 1, 63, 64, 65, 127, 128];
const SIZE = 1n << 128n;
const RUNS = { seed, numRuns: 2000 };

const hiOf = (value: bigint) => BigInt.asIntN(64, value >> 64n);
const loOf = (value: bigint) => BigInt.asIntN(64, value);
const halves = (value: bigint): [bigint, bigint] => [hiOf(value), loOf(value)];
const joined = (hi: bigint, lo: bigint) => (BigInt.asUintN(64, hi) << 64n) | BigInt.asUintN(64, lo);
const wrap = (value: bigint) => BigInt.asUintN(128, value);

/** 2^n - 1, 2^n and 2^n + 1 at the boundaries, and the largest values. */
const EDGES = [...new Set(BOUNDARIES.flatMap(n => [-1n, 0n, 1n].map(step => wrap((1n << BigInt(n)) + step))))];
/** Any value, and often one near a power of two. */
const value = fc.oneof(
  fc.bigInt({ min: 0n, max: SIZE - 1n }),
  fc.tuple(fc.nat(128), fc.integer({ min: -3, max: 3 })).map(([n, step]) => wrap((1n << BigInt(n)) + BigInt(step))),
);

function checkPair(core: Parts, a: bigint, b: bigint): void {
  const name = `${hex(a)}, ${hex(b)}`;
  const sum = joined(core.addHi(...halves(a), ...halves(b)), loOf(a) + loOf(b));
  const difference = joined(core.subHi(...halves(a), ...halves(b)), loOf(a) - loOf(b));
  assert.is(hex(sum), hex(wrap(a + b)), `add ${name}`);
  assert.is(hex(difference), hex(wrap(a - b)), `sub ${name}`);
  assert.is(core.lessThan(...halves(a), ...halves(b)), Number(a < b), `lessThan ${name}`);
  assert.is(core.equal(...halves(a), ...halves(b)), Number(a === b), `equal ${name}`);
}

function checkShift(core: Parts, a: bigint, n: number): void {
  const left = joined(core.shlHi(...halves(a), n), core.shlLo(loOf(a), n));
  const right = joined(core.shrHi(hiOf(a), n), core.shrLo(...halves(a), n));
  assert.is(hex(left), hex(wrap(a << BigInt(n))), `${hex(a)} << ${n}`);
  assert.is(hex(right), hex(a >> BigInt(n)), `${hex(a)} >> ${n}`);
}

/** A node of the core and the same as booleans. */
class Bits {
  readonly #core: Parts;
  readonly #node: number;
  readonly bits: boolean[] = new Array(256).fill(false);

  constructor(core: Parts) {
    this.#core = core;
    this.#node = core.node();
    // What lies around the node must stay as it is.
    new Uint8Array(core.memory.buffer, this.#node - 32, 96).fill(0xa5);
    core.fill(this.#node, 0);
  }

  set(first: number, last: number, used: boolean): void {
    this.#core.setBits(this.#node, first, last, Number(used));
    this.bits.fill(used, first, last + 1);
  }

  check(): void {
    const { bits } = this;
    const used = bits.filter(Boolean).length;
    assert.is(this.#core.usedCount(this.#node), used, 'usedCount');
    assert.is(this.#core.isEmpty(this.#node), Number(used === 0), 'isEmpty');
    assert.is(this.#core.isFull(this.#node), Number(used === 256), 'isFull');
    const memory = new Uint8Array(this.#core.memory.buffer, this.#node - 32, 96);
    for (let bit = 0; bit < 256; bit++) {
      const next = (used: boolean) => (bits.indexOf(used, bit) + 257) % 257; // 256 if there is none
      assert.is(this.#core.isUsed(this.#node, bit), Number(bits[bit]), `isUsed ${bit}`);
      assert.is((memory[32 + (bit >> 3)]! >> (bit & 7)) & 1, Number(bits[bit]), `bit ${bit} in memory`);
      assert.is(this.#core.nextFreeBit(this.#node, bit), next(false), `nextFreeBit ${bit}`);
      assert.is(this.#core.nextUsedBit(this.#node, bit), next(true), `nextUsedBit ${bit}`);
    }
    for (const from of [256, 257, 512]) {
      assert.is(this.#core.nextFreeBit(this.#node, from), 256);
      assert.is(this.#core.nextUsedBit(this.#node, from), 256);
    }
    assert.ok(
      [...memory.subarray(0, 32), ...memory.subarray(64)].every(byte => byte === 0xa5),
      'memory around it',
    );
  }
}

/** Excludes base + first .. base + last, one after the other, and compares all of base .. base + size - 1 each time. */
function checkExclusions(core: Parts, base: bigint, size: number, ranges: [number, number][], every = 1): void {
  core.resetExclusions();
  const excluded = new Set<number>();
  for (const [i, [first, last]] of ranges.entries()) {
    core.addExclusion(...halves(base + BigInt(first)), ...halves(base + BigInt(last)));
    for (let offset = first; offset <= last; offset++) excluded.add(offset);
    if ((i + 1) % every !== 0 && i + 1 < ranges.length) continue;
    let end = -1; // last offset of the first merged range that ends at or after the offset
    for (let offset = size - 1; offset >= 0; offset--) {
      const name = `${hex(base)} + ${offset} after ${i + 1} ranges`;
      const at = halves(base + BigInt(offset));
      if (excluded.has(offset) && !excluded.has(offset + 1)) end = offset;
      assert.is(core.isExcluded(...at), Number(excluded.has(offset)), `isExcluded ${name}`);
      assert.is(core.seekExclusion(...at), Number(end >= 0), `seekExclusion ${name}`);
      if (end < 0) continue;
      assert.is(hex(joined(core.lastHi(), core.lastLo())), hex(base + BigInt(end)), `last of ${name}`);
      const first = joined(core.firstHi(), core.firstLo()) - base;
      assert.ok(excluded.has(Number(first)) && !excluded.has(Number(first) - 1), `first of ${name}`);
      assert.is(first <= BigInt(offset), excluded.has(offset), `first of ${name}`);
    }
  }
}

for (const build of BUILD_NAMES) {
  const test = suite(`arithmetic, ${build}`);
  let core: Parts;

  test.before(() => {
    core = compileParts(build);
  });

  test('shifts at the boundaries', () => {
    for (const n of BOUNDARIES) {
      for (const edge of EDGES) checkShift(core, edge, n);
      for (const bit of BOUNDARIES) checkShift(core, wrap(1n << BigInt(bit)), n);
    }
  });

  test('shifts of any value by any number of bits', () => {
    fc.assert(
      fc.property(value, fc.nat(128), (a, n) => checkShift(core, a, n)),
      RUNS,
    );
  });

  test('sums, differences and comparisons at the boundaries', () => {
    for (const a of EDGES) for (const b of EDGES) checkPair(core, a, b);
  });

  test('sums, differences and comparisons of any values', () => {
    fc.assert(
      fc.property(value, value, (a, b) => checkPair(core, a, b)),
      RUNS,
    );
    fc.assert(
      fc.property(value, fc.integer({ min: -1, max: 1 }), (a, step) => checkPair(core, a, wrap(a + BigInt(step)))),
      RUNS,
    );
  });

  test('ones of every length', () => {
    for (let n = 0; n <= 128; n++) {
      assert.is(hex(joined(core.onesHi(n), core.onesLo(n))), hex((1n << BigInt(n)) - 1n), `${n} ones`);
    }
  });

  test('bits of a node at the boundaries', () => {
    const edges = [0, 1, 62, 63, 64, 65, 127, 128, 191, 192, 254, 255];
    for (const first of edges) {
      for (const last of edges.filter(bit => bit >= first)) {
        const node = new Bits(core);
        node.set(first, last, true);
        node.check();
        node.set(0, 255, true);
        node.check();
        node.set(first, last, false);
        node.check();
      }
    }
  });

  test('bits of a node in any order', () => {
    const change = fc.tuple(fc.nat(255), fc.nat(255), fc.boolean());
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), changes => {
        const node = new Bits(core);
        for (const [a, b, used] of changes) node.set(Math.min(a, b), Math.max(a, b), used);
        node.check();
      }),
      { seed, numRuns: 200 },
    );
  });

  // [what the keys are, level and key of the i-th]
  const KEYS: [string, (i: bigint) => [number, bigint]][] = [
    ['in sequence', i => [0, i]],
    ['in sequence from 2001:db8:: on', i => [0, (0x20010db8n << 88n) + i]],
    ['16 apart', i => [0, i << 4n]],
    ['256 apart: one level up', i => [1, i << 8n]],
    ['2^32 apart', i => [0, i << 32n]],
    ['2^64 apart: the upper halves', i => [0, i << 64n]],
    ['2^88 apart', i => [0, i << 88n]],
    ['each at all levels', i => [Number(i % 16n), i / 16n]],
    ['the longest', i => [0, (1n << 120n) - 1n - i]],
  ];
  for (const [reason, keyOf] of KEYS) {
    test(`the hash spreads keys over table and tags as chance would: ${reason}`, () => {
      const size = 4096;
      const places = new Set<number>();
      const tags = new Set<number>();
      for (let i = 0; i < size; i++) {
        const [level, key] = keyOf(BigInt(i));
        const hash = core.hash(level, ...halves(key)) >>> 0;
        places.add(hash % size);
        if (i % 8 === 0) tags.add(hash >>> 26);
      }
      // By chance 1 - 1/e of the places, 2,589 with a standard deviation of 20, and each of the 64 tags.
      assert.ok(places.size > 2_400, `${places.size} places`);
      assert.ok(tags.size > 56, `${tags.size} tags`);
    });
  }

  const BASES: [bigint, string][] = [
    [0n, 'the first index'],
    [(1n << 64n) - 32n, 'the carry between the halves'],
    [SIZE - 64n, 'the last index'],
  ];
  for (const [base, reason] of BASES) {
    test(`exclusions merge around ${reason}`, () => {
      const tables: [number, number][][] = [
        [[0, 63]],
        [
          [0, 0],
          [63, 63],
        ],
        [
          [10, 20],
          [21, 30], // touches behind
          [5, 9], // touches before
          [7, 25], // inside
          [32, 40],
          [31, 31], // closes a gap of one
          [1, 50], // around all
        ],
      ];
      for (const ranges of tables) checkExclusions(core, base, 64, ranges);
      const range = fc.tuple(fc.nat(63), fc.nat(12)).map(([first, extra]): [number, number] => {
        return [first, Math.min(63, first + extra)];
      });
      fc.assert(
        fc.property(fc.array(range, { maxLength: 16 }), ranges => checkExclusions(core, base, 64, ranges)),
        { seed, numRuns: 60 },
      );
    });
  }

  test('thousands of exclusions, then the gaps between them', () => {
    const random = new Random('exclusions');
    const shuffled = (parity: number) => {
      const singles = Array.from({ length: 2000 }, (_, i): [number, number] => [2 * i + parity, 2 * i + parity]);
      for (let i = singles.length - 1; i > 0; i--) {
        const j = random.below(i + 1);
        [singles[i], singles[j]] = [singles[j]!, singles[i]!];
      }
      return singles;
    };
    checkExclusions(core, (1n << 64n) - 1000n, 4000, [...shuffled(0), ...shuffled(1)], 1000);
  });

  test.run();
}
