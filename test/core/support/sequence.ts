// One random sequence of calls of a core and of its model, step by step.

import * as assert from 'uvu/assert';
import { Random } from '../../support/random.ts';
import { Model, type ModelOptions } from '../model.ts';
import { type Build, Core, contains, hex, hexRun, larger, type Run, smaller } from './core.ts';
import { checkNodes } from './invariants.ts';

export interface SequenceOptions extends ModelOptions {
  /** The subnet, and what it reserves. */
  subnet: bigint;
  prefixBits: number;
  reserve: number;
}

export class Sequence {
  readonly #build: Build;
  #core: Core;
  readonly #model: Model;
  readonly #random: Random;
  readonly #options: SequenceOptions;
  /** Whether the sequence is about to use more than it frees. */
  #fills = true;

  constructor(build: Build, name: string, options: SequenceOptions) {
    this.#build = build;
    this.#core = new Core(build, options.octets);
    this.#model = new Model(options);
    this.#random = new Random(name);
    this.#options = options;
    if (options.surrounded) for (const run of this.#surroundings()) this.#core.markRun(run);
    this.#setPool();
  }

  /** What lies before and behind the window. */
  #surroundings(): Run[] {
    const { window, maxIndex } = this.#model;
    const runs = [
      { first: 0n, last: window.first - 1n },
      { first: window.last + 1n, last: maxIndex },
    ];
    return runs.filter(run => run.first <= run.last);
  }

  #setPool(): void {
    const { subnet, prefixBits, reserve } = this.#options;
    this.#core.setSubnet(subnet, prefixBits, reserve);
    this.#model.setSubnet(subnet, prefixBits, reserve);
  }

  /** An index of the window, often one where something begins or ends. */
  #index(): bigint {
    const { window, cursor, range } = this.#model;
    const random = this.#random;
    const any = random.between(window.first, window.last);
    if (random.chance(0.5)) return any;
    const edge = random.pick([
      window.first,
      window.last,
      range.first,
      range.last,
      cursor ?? any,
      (any >> 8n) << 8n,
      (any >> 16n) << 16n,
      ((any >> 16n) + 1n) << 16n,
    ]);
    return larger(window.first, smaller(window.last, edge + BigInt(random.below(5)) - 2n));
  }

  /** Where a search for a run may begin: mostly in the pool's range, now and then before or behind it. */
  #indexForRun(): bigint {
    return this.#random.chance(0.1) ? this.#random.between(0n, this.#model.maxIndex) : this.#indexOfRange();
  }

  /** Any index of the pool's range, in the window or not. */
  #indexOfRange(): bigint {
    const { range } = this.#model;
    const index = this.#index();
    if (this.#random.chance(0.1) || !contains(range, index)) return this.#random.between(range.first, range.last);
    return index;
  }

  /** Part of what a run has in the window, often one that begins or ends where a leaf or a level-1 node does. */
  #partOf(run: Run | undefined): Run | undefined {
    const { window } = this.#model;
    const random = this.#random;
    if (run === undefined || run.last < window.first || run.first > window.last) return undefined;
    const first = larger(run.first, window.first);
    const last = smaller(run.last, window.last);
    if (random.chance(0.3)) return { first, last };
    const a = random.between(first, last);
    const b = random.chance(0.5) ? random.between(first, last) : smaller(last, a + BigInt(random.below(600)));
    const shift = random.pick([0n, 0n, 8n, 8n, 16n]);
    return {
      first: larger(first, (smaller(a, b) >> shift) << shift),
      last: smaller(last, (((larger(a, b) >> shift) + 1n) << shift) - 1n),
    };
  }

  step(): void {
    const random = this.#random;
    if (random.chance(0.02)) this.#fills = !this.#fills;
    const changes = this.#fills
      ? [this.#acquire, this.#mark, this.#markRun]
      : [this.#clear, this.#release, this.#clearRun];
    const reads = [this.#test, this.#find, this.#setCursor];
    const rarely = [this.#usedRuns, this.#count, this.#exclude, this.#changePool, this.#reload];
    const call = random.chance(0.1) ? random.pick(rarely) : random.pick(random.chance(0.6) ? changes : reads);
    call.call(this);
    this.check();
  }

  check(): void {
    const nodes = this.#core.nodes();
    assert.is(nodes.length, this.#core.nodeCount);
    checkNodes(nodes, this.#options.octets, this.#model);
  }

  #find(): void {
    assert.is(hex(this.#core.find()), hex(this.#model.find()), 'find');
  }

  #acquire(): void {
    for (let count = this.#random.pick([1, 1, 2, 10, 300]); count > 0; count--) {
      const index = this.#core.acquire();
      assert.is(hex(index), hex(this.#model.acquire()), 'acquire');
      if (index === undefined) break;
    }
    assert.is(hex(this.#core.cursor()), hex(this.#model.cursor), 'cursor after acquire');
  }

  #test(): void {
    for (let i = 0; i < 5; i++) {
      const index = i < 4 ? this.#index() : this.#random.between(0n, this.#model.maxIndex);
      assert.is(this.#core.isUsed(index), this.#model.isUsed(index), `test ${hex(index)}`);
      assert.is(this.#core.isInRange(index), contains(this.#model.range, index), `isInRange ${hex(index)}`);
      assert.is(this.#core.isReserved(index), this.#model.isReserved(index), `isReserved ${hex(index)}`);
    }
  }

  #mark(): void {
    for (let count = this.#random.pick([1, 1, 10]); count > 0; count--) {
      const index = this.#index();
      assert.is(this.#core.mark(index), this.#model.mark(index), `mark ${hex(index)}`);
    }
  }

  #clear(): void {
    for (let count = this.#random.pick([1, 1, 10]); count > 0; count--) {
      const index = this.#index();
      assert.is(this.#core.clear(index), this.#model.clear(index), `clear ${hex(index)}`);
    }
  }

  #release(): void {
    const { range } = this.#model;
    for (let count = this.#random.pick([1, 1, 10]); count > 0; count--) {
      const index = this.#index();
      const expected = contains(range, index) ? this.#model.clear(index) : undefined;
      assert.is(this.#core.release(index), expected, `release ${hex(index)}`);
    }
  }

  #markRun(): void {
    const from = this.#indexForRun();
    const max = this.#random.pick([1n, 2n, 256n, 600n, 65536n, 1n << 20n, this.#model.maxIndex]);
    const run = this.#core.freeRun(from, max);
    assert.is(hexRun(run), hexRun(this.#model.freeRun(from, max)), `freeRun ${hex(from)}, ${hex(max)}`);
    const part = this.#partOf(run);
    if (part === undefined) return;
    this.#core.markRun(part);
    this.#model.markRun(part);
  }

  #clearRun(): void {
    const from = this.#indexForRun();
    const run = this.#core.usedRun(from);
    assert.is(hexRun(run), hexRun(this.#model.usedRun(from)), `usedRun ${hex(from)}`);
    const part = this.#partOf(run);
    if (part === undefined) return;
    this.#core.clearRun(part);
    this.#model.clearRun(part);
  }

  /** Up to a hundred used runs, one after the other. */
  #usedRuns(): void {
    const { range } = this.#model;
    let from = range.first;
    for (let i = 0; i < 100 && from <= range.last; i++) {
      const run = this.#core.usedRun(from);
      assert.is(hexRun(run), hexRun(this.#model.usedRun(from)), `usedRun ${hex(from)}`);
      if (run === undefined) break;
      from = run.last + 1n;
    }
  }

  #count(): void {
    assert.is(hex(this.#core.countUsed()), hex(this.#model.countUsed()), 'countUsed');
    assert.is(hex(this.#core.countUsable()), hex(this.#model.countUsable()), 'countUsable');
  }

  /** Goes on in a new core, into which the nodes are put. */
  #reload(): void {
    const nodes = this.#core.nodes().sort((a, b) => b.level - a.level);
    this.#core = new Core(this.#build, this.#options.octets);
    for (const node of nodes) assert.ok(this.#core.putNode(node), `node ${hex(node.first)} at level ${node.level}`);
    this.#setPool();
  }

  #setCursor(): void {
    const index = this.#random.chance(0.1) ? this.#random.between(0n, this.#model.maxIndex) : this.#index();
    if (this.#random.chance(0.1)) {
      this.#core.exports.clearCursor();
      this.#model.cursor = undefined;
    } else {
      this.#core.setCursor(index);
      this.#model.cursor = index;
    }
    this.#find();
  }

  #exclude(): void {
    const { range, exclusions } = this.#model;
    if (exclusions.length > 20) {
      this.#setPool();
      return;
    }
    const first = this.#indexOfRange();
    const length = this.#random.chance(0.1) ? 1n << BigInt(this.#random.below(40)) : BigInt(1 + this.#random.below(20));
    const run = { first, last: smaller(range.last, first + length - 1n) };
    this.#core.exclude(run);
    exclusions.push(run);
    this.#find();
  }

  /** The whole subnet again, or part of it. */
  #changePool(): void {
    this.#setPool();
    if (this.#random.chance(0.7)) return;
    const { range } = this.#model;
    const [a, b] = [this.#indexOfRange(), this.#indexOfRange()];
    const run = { first: smaller(a, b), last: larger(a, b) };
    this.#core.setRange(run);
    this.#model.range = { first: larger(range.first, run.first), last: smaller(range.last, run.last) };
  }

  /** Uses everything in the window, then releases everything there is. */
  finish(): void {
    const core = this.#core;
    const model = this.#model;
    core.setSubnet(0n, 0);
    model.setSubnet(0n, 0, 0);
    core.setRange(model.window);
    model.range = model.window;
    for (let run = core.freeRun(model.window.first, 1000n); run !== undefined; run = core.freeRun(run.last, 1000n)) {
      core.markRun(run);
      model.markRun(run);
    }
    this.check();
    assert.is(core.find(), undefined, 'nothing is left');
    if (this.#options.surrounded) assert.is(core.nodeCount, 1, 'the full root');
    core.clearRun(model.window);
    model.clearRun(model.window);
    this.check();
    for (const index of [...model.used]) {
      assert.ok(core.clear(index));
      model.clear(index);
    }
    this.check();
    if (this.#options.surrounded) for (const run of this.#surroundings()) core.clearRun(run);
    assert.is(core.nodeCount, 0);
    assert.is(core.exports.nodeAt(0), -1);
  }
}
