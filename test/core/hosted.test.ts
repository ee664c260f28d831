// The class Tree over nodes that a Map keeps: random histories, with a new Tree at random moments, which knows only
// what the changes have left in the Map.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../support/random.ts';
import { Model, type WindowCase } from './model.ts';
import { BUILDS, type Build, Core, hex, larger, type Run, smaller } from './support/core.ts';
import { HostedTree, Rows } from './support/hosted.ts';
import { checkNodes } from './support/invariants.ts';

const DB8 = 0x20010db8n << 96n;
const V4 = { octets: 4, reserve: 3 };
const V6 = { octets: 16, reserve: 1 };
/** Nodes of one scan: up from a leaf to the root, and down again. */
const SCAN_NODES = 31;
const STEPS = 1500;

// The core's own answers, and where a node's bits lie in its scratch memory.
const OK = 0;
const NO = 1;
const NEED = 2;
const BITS = 48;

const CASES: WindowCase[] = [
  { ...V4, reason: '10.0.1.0/29', subnet: 0x0a000100n, prefixBits: 29, window: [0x0a0000f8n, 24] },
  { ...V4, reason: '10.0.252.0/22', subnet: 0x0a00fc00n, prefixBits: 22, window: [0x0a00fc00n, 1024] },
  {
    ...V4,
    reason: '0.0.0.0/0: its end, the rest used',
    subnet: 0n,
    prefixBits: 0,
    window: [(1n << 32n) - 700n, 700],
    surrounded: true,
  },
  {
    ...V4,
    reason: '0.0.0.0/0: around 128.0.0.0, the rest used',
    subnet: 0n,
    prefixBits: 0,
    window: [(1n << 31n) - 300n, 600],
    surrounded: true,
  },
  { ...V6, reason: '2001:db8::/48: its beginning', subnet: DB8, prefixBits: 48, window: [DB8, 1000] },
  {
    ...V6,
    reason: '2001:db8::/48: where the lower half overflows, the rest used',
    subnet: DB8,
    prefixBits: 48,
    window: [DB8 + (1n << 64n) - 300n, 600],
    surrounded: true,
  },
  { ...V6, reason: '2001:db8::ff00/120', subnet: DB8 + 0xff00n, prefixBits: 120, window: [DB8 + 0xfe80n, 400] },
  { ...V6, reason: '::/0: its beginning', subnet: 0n, prefixBits: 0, window: [0n, 600] },
  {
    ...V6,
    reason: '::/0: its end, the rest used',
    subnet: 0n,
    prefixBits: 0,
    window: [(1n << 128n) - 600n, 600],
    surrounded: true,
  },
];

/** A random history of one tree, its rows, and its model. */
class History {
  readonly #build: Build;
  readonly #case: WindowCase;
  readonly #random: Random;
  readonly #model: Model;
  readonly #rows: Rows;
  #tree: HostedTree;
  /** Whether the tree has changes that have not been taken. */
  #dirty = false;
  #fills = true;

  constructor(build: Build, options: WindowCase) {
    const { octets, reason, surrounded = false } = options;
    const [first, size] = options.window;
    const window = { first, last: first + BigInt(size) - 1n };
    this.#build = build;
    this.#case = options;
    this.#random = new Random(reason);
    this.#model = new Model({ octets, window, surrounded });
    this.#rows = new Rows(octets);
    if (surrounded) this.#rows.addAll(surroundings(build, octets, window));
    this.#tree = this.#newTree();
  }

  /** A tree that knows nothing, with the same pool as ever. */
  #newTree(): HostedTree {
    const { octets, subnet, prefixBits, reserve } = this.#case;
    const { cursor } = this.#model;
    const tree = new HostedTree(this.#build, octets, this.#rows);
    tree.setSubnet(subnet, prefixBits, reserve);
    this.#model.setSubnet(subnet, prefixBits, reserve);
    if (cursor !== undefined) {
      tree.setCursor(cursor);
      this.#model.cursor = cursor;
    }
    if (this.#random.chance(0.3)) {
      const first = this.#indexOfPool();
      const last = smaller(this.#model.range.last, first + BigInt(this.#random.below(10)));
      tree.exclude(first, last);
      this.#model.exclusions.push({ first, last });
    }
    return tree;
  }

  #index(): bigint {
    const { window, range, cursor } = this.#model;
    const random = this.#random;
    const any = random.between(window.first, window.last);
    if (random.chance(0.5)) return any;
    const edge = random.pick([window.first, window.last, range.first, range.last, cursor ?? any, (any >> 8n) << 8n]);
    return larger(window.first, smaller(window.last, edge + BigInt(random.below(5)) - 2n));
  }

  #indexOfPool(): bigint {
    const { range } = this.#model;
    return larger(range.first, smaller(range.last, this.#index()));
  }

  /** How many nodes `call` asks for. */
  #asked(call: () => void): number {
    this.#rows.askedCount = 0;
    call();
    return this.#rows.askedCount;
  }

  #takeChanges(): void {
    const changes = this.#tree.tree.takeChanges();
    if (!this.#dirty) assert.is(changes.length, 0, 'no changes without mark or clear');
    this.#rows.apply(changes);
    this.#dirty = false;
    assert.is(this.#tree.tree.takeChanges().length, 0, 'changes are taken once');
    checkNodes(this.#rows.nodes(), this.#case.octets, this.#model);
  }

  /** Marks or clears what a find or a test has just looked at: they asked for all the nodes that this needs. */
  #change(index: bigint): void {
    const used = this.#model.isUsed(index);
    const asked = this.#asked(() => {
      if (this.#random.chance(0.1)) {
        // What fails changes nothing.
        if (used) assert.not(this.#tree.mark(index), `mark ${hex(index)}`);
        else assert.not(this.#tree.clear(index), `clear ${hex(index)}`);
        return;
      }
      assert.ok(used ? this.#tree.clear(index) : this.#tree.mark(index), `change ${hex(index)}`);
      if (used) this.#model.clear(index);
      else this.#model.mark(index);
      this.#dirty = true;
    });
    assert.is(asked, 0, `nodes asked for after a look at ${hex(index)}`);
  }

  step(): void {
    const random = this.#random;
    if (random.chance(0.02)) this.#fills = !this.#fills;
    if (random.chance(0.2)) {
      this.#takeChanges();
      if (random.chance(0.4)) this.#tree = this.#newTree();
    }
    if (random.chance(0.1)) {
      const index = this.#index();
      this.#tree.setCursor(index);
      this.#model.cursor = index;
    }
    if (random.chance(this.#fills ? 0.7 : 0.2)) this.#findAndMark();
    else if (random.chance(0.7)) this.#testAndChange();
    else this.#changeUnseen();
  }

  #findAndMark(): void {
    if (!this.#dirty) this.#takeChanges();
    let found: bigint | undefined;
    const asked = this.#asked(() => {
      found = this.#tree.find();
    });
    assert.is(hex(found), hex(this.#model.find()), 'find');
    const scans = 2 + this.#model.exclusions.length;
    assert.ok(asked <= scans * SCAN_NODES, `${asked} nodes asked for one find`);
    if (!this.#dirty) this.#takeChanges();
    if (found === undefined || this.#random.chance(0.2)) return;
    this.#change(found);
    if (this.#model.isUsed(found)) {
      this.#tree.setCursor(found);
      this.#model.cursor = found;
    }
  }

  #testAndChange(): void {
    const index = this.#pickByMood();
    assert.is(this.#tree.isUsed(index), this.#model.isUsed(index), `isUsed ${hex(index)}`);
    assert.is(this.#tree.isReserved(index), this.#model.isReserved(index), `isReserved ${hex(index)}`);
    if (!this.#dirty) this.#takeChanges();
    if (this.#random.chance(0.8)) this.#change(index);
  }

  /** Marks or clears without a look first. */
  #changeUnseen(): void {
    const index = this.#index();
    if (this.#fills) assert.is(this.#tree.mark(index), this.#model.mark(index), `mark ${hex(index)}`);
    else assert.is(this.#tree.clear(index), this.#model.clear(index), `clear ${hex(index)}`);
    this.#dirty = true;
  }

  /** An index that is rather free when the window is to fill, rather used when it is to empty. */
  #pickByMood(): bigint {
    let index = this.#index();
    for (let i = 0; i < 5 && this.#model.isUsed(index) === this.#fills; i++) index = this.#index();
    return index;
  }

  /** Fills the window and empties it again. */
  finish(): void {
    const { window, surrounded } = this.#model;
    for (const used of [true, false]) {
      for (let i = window.first; i <= window.last; i++) {
        if (used) assert.is(this.#tree.mark(i), this.#model.mark(i));
        else assert.is(this.#tree.clear(i), this.#model.clear(i));
        this.#dirty = true;
        if (this.#random.chance(0.05)) {
          this.#takeChanges();
          if (this.#random.chance(0.1)) this.#tree = this.#newTree();
        }
      }
      this.#takeChanges();
      if (used && surrounded) assert.is(this.#rows.size, 1, 'the full root');
    }
    for (const index of [...this.#model.used]) {
      assert.ok(this.#tree.clear(index));
      this.#model.clear(index);
    }
    this.#dirty = true;
    this.#takeChanges();
    if (!surrounded) assert.is(this.#rows.size, 0);
  }
}

/** A tree with everything used outside the window. */
function surroundings(build: Build, octets: number, window: Run): Core {
  const core = new Core(build, octets);
  if (window.first > 0n) core.markRun({ first: 0n, last: window.first - 1n });
  if (window.last < core.maxIndex) core.markRun({ first: window.last + 1n, last: core.maxIndex });
  return core;
}

for (const build of BUILDS) {
  const test = suite(`hosted tree, ${build.name}`);

  test('configure forgets what it was given, and what was to be written', () => {
    const { exports } = new Core(build, 1);
    for (let i = 0; i < 3; i++) {
      exports.configure(1, 1);
      assert.is(exports.popDirty(), -1);
      assert.is(exports.nodeCount(), 0);
      assert.is(exports.mark(), NEED);
      exports.supply(0);
      assert.is(exports.mark(), OK);
      assert.is(exports.nodeCount(), 1);
    }
    assert.is(exports.popDirty(), 0);
    assert.is(exports.popDirty(), -1);
  });

  test('a node that it is given counts, until it is gone', () => {
    const { exports } = new Core(build, 1);
    exports.configure(1, 1);
    assert.is(exports.clear(), NEED);
    new Uint8Array(exports.memory.buffer, exports.scratch() + BITS)[0] = 0b11;
    exports.supply(1);
    assert.is(exports.nodeCount(), 1);
    assert.is(exports.clear(), OK);
    assert.is(exports.clear(), NO);
    assert.is(exports.nodeCount(), 1);
    assert.is(exports.popDirty(), 0);
    new Uint8Array(exports.memory.buffer, exports.scratch())[0] = 1;
    assert.is(exports.clear(), OK);
    assert.is(exports.nodeCount(), 0);
    assert.is(exports.popDirty(), 256, 'gone');
    assert.is(exports.popDirty(), -1);
  });

  test('acquire of a hosted tree notes each of its changes', () => {
    const { exports } = new Core(build, 1);
    exports.configure(1, 1);
    assert.is(exports.acquire(), NEED);
    exports.supply(0);
    for (let i = 0; i < 5; i++) {
      assert.is(exports.acquire(), OK);
      assert.is(new Uint8Array(exports.memory.buffer, exports.scratch())[0], i);
      assert.is(exports.popDirty(), 0);
      assert.is(exports.popDirty(), -1);
    }
  });

  test('a tree that is not hosted has nothing to write', () => {
    const core = new Core(build, 4);
    for (const index of [5n, 6n, 0x100n]) assert.ok(core.mark(index));
    assert.ok(core.clear(5n));
    assert.is(core.exports.popDirty(), -1);
  });

  for (const options of CASES) {
    test(options.reason, () => {
      const history = new History(build, options);
      for (let i = 0; i < STEPS; i++) history.step();
      history.finish();
    });
  }

  test.run();
}
