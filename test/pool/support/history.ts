// One random history of a pool and its model.

import * as assert from 'uvu/assert';
import { AddressPool } from '../../../src/index.ts';
import type { Run } from '../../core/support/core.ts';
import { Random } from '../../support/random.ts';
import { checkTree } from './invariants.ts';
import { poolWithCore, type RawCore } from './raw.ts';
import { type Kind, randomSetting, type Setting } from './setting.ts';
import { bytesOf, numberOf, runsText, widthOf } from './text.ts';

/** Steps between two comparisons of everything. */
const COMPARISON_STEPS = 100;

export class History {
  readonly #random: Random;
  readonly #setting: Setting;
  #pool: AddressPool;
  #core: RawCore;
  /** What was handed out, and may be in use still. */
  readonly #handedOut: bigint[] = [];
  /** Whether the history is about to take more than it gives back. */
  #fills = true;
  #done = 'made';

  constructor(kind: Kind, name: string) {
    this.#random = new Random(name);
    this.#setting = randomSetting(this.#random, kind);
    const { subnet, options } = this.#setting;
    const { pool, core } = poolWithCore(() => new AddressPool(subnet, options));
    this.#pool = pool;
    this.#core = core;
  }

  run(steps: number): void {
    const { subnet, options, model, kind } = this.#setting;
    let step = 0;
    try {
      assert.is(this.#pool.capacity, model.capacity);
      if (kind === 'filled') this.#fill();
      this.#compare();
      while (step < steps) {
        step++;
        this.#step();
        this.#check();
        if (step % COMPARISON_STEPS === 0) this.#compare();
      }
      this.#compare();
      this.#finish();
    } catch (error) {
      const where = `new AddressPool('${subnet}', ${JSON.stringify(options)}), step ${step}, ${this.#done}`;
      (error as Error).message = `${where}: ${(error as Error).message}`;
      throw error;
    }
  }

  /** Takes all but the window, in one go. */
  #fill(): void {
    const { model, window } = this.#setting;
    const filled = { first: model.range.first, last: window.first - 1n };
    model.fill(filled);
    this.#pool.acquireMany(model.usedCount);
    // The cursor stands on what was taken last, which an exclusion may part from the window.
    model.cursor = model.runs().at(-1)?.last;
  }

  #index(): bigint {
    const { window, model } = this.#setting;
    const random = this.#random;
    if (random.chance(0.1)) return random.between(model.range.first, model.range.last);
    const { cursor } = model;
    const near = cursor !== undefined && random.chance(0.3) ? cursor + BigInt(random.below(7)) - 3n : undefined;
    const index = near ?? random.between(window.first, window.last);
    if (index < model.range.first) return model.range.first;
    return index > model.range.last ? model.range.last : index;
  }

  #step(): void {
    const random = this.#random;
    if (random.chance(0.004)) this.#fills = !this.#fills;
    const chance = random.below(100);
    if (chance < 2) this.#acquireMany();
    else if (chance < 3) this.#copy();
    else if (chance < 4) this.#iterate();
    else if (chance < 14) this.#has();
    else if (random.chance(this.#fills ? 0.25 : 0.8)) this.#release();
    else if (random.chance(0.25)) this.#request();
    else if (random.chance(0.5)) this.#acquireInto();
    else this.#acquire();
  }

  #text(index: bigint | undefined): string | undefined {
    return index === undefined ? undefined : this.#setting.format(index);
  }

  #acquire(): void {
    const index = this.#setting.model.acquire();
    this.#done = `acquire ${this.#text(index)}`;
    assert.is(this.#pool.acquire(), this.#text(index));
    if (index !== undefined) this.#handedOut.push(index);
  }

  #acquireInto(): void {
    const index = this.#setting.model.acquire();
    const text = this.#text(index);
    this.#done = `acquireInto ${text}`;
    const length = widthOf(this.#setting.subnet) / 8;
    const bytes = Buffer.alloc(length + 5, 0xaa);
    const offset = this.#random.below(6);
    assert.is(this.#pool.acquireInto(bytes, offset), index !== undefined);
    const expected = Buffer.alloc(length + 5, 0xaa);
    if (text !== undefined) {
      expected.write(
        numberOf(text)
          .toString(16)
          .padStart(length * 2, '0'),
        offset,
        'hex',
      );
      this.#handedOut.push(index!);
    }
    assert.is(bytes.toString('hex'), expected.toString('hex'));
  }

  #acquireMany(): void {
    const random = this.#random;
    const { model, kind } = this.#setting;
    const most = random.pick([3, 3, 40, this.#fills ? 600 : 40]);
    const takesAll = kind !== 'large' && random.chance(0.02);
    const count = takesAll ? Number(model.capacity - model.usedCount) + random.below(2) : random.below(most);
    this.#done = `acquireMany ${count}`;
    const expected = model.acquireMany(count);
    assert.is(runsText(this.#pool.acquireMany(random.chance(0.5) ? count : BigInt(count))), this.#runsText(expected));
    for (const { first, last } of expected) for (let i = first; i <= last; i++) this.#handedOut.push(i);
  }

  #request(): void {
    const index = this.#index();
    this.#done = `request ${this.#text(index)}`;
    const granted = this.#setting.model.request(index);
    assert.is(this.#pool.request(this.#text(index)!), granted);
    if (granted) this.#handedOut.push(index);
  }

  /** Mostly of what was handed out; now and then of anything. */
  #release(): void {
    const { model } = this.#setting;
    const random = this.#random;
    const list = this.#handedOut;
    let index = this.#index();
    if (list.length > 0 && random.chance(0.9)) {
      const i = random.below(list.length);
      index = list[i]!;
      list[i] = list.at(-1)!;
      list.pop();
    } else if (model.isUsed(index) && !model.used.has(index)) {
      return; // what fills the pool stays
    }
    this.#done = `release ${this.#text(index)}`;
    const text = this.#text(index)!;
    const released = random.chance(0.5) ? this.#pool.release(text) : this.#pool.releaseFrom(bytesOf(text));
    assert.is(released, model.release(index));
  }

  #has(): void {
    const index = this.#index();
    this.#done = `has ${this.#text(index)}`;
    assert.is(this.#pool.has(this.#text(index)!), this.#setting.model.isUsed(index));
  }

  /** The history goes on in the copy. */
  #copy(): void {
    this.#done = 'snapshot';
    const snapshot = this.#pool.snapshot();
    const { pool, core } = poolWithCore(() => AddressPool.from(snapshot));
    assert.is(pool.used, this.#pool.used);
    assert.is(pool.capacity, this.#pool.capacity);
    assert.is(pool.nodeCount, this.#pool.nodeCount);
    this.#pool = pool;
    this.#core = core;
  }

  #iterate(): void {
    this.#done = 'iteration';
    this.#compare();
  }

  #runsText(runs: Iterable<Run>): string {
    return runsText(Array.from(runs, ({ first, last }) => ({ first: this.#text(first)!, last: this.#text(last)! })));
  }

  #compare(): void {
    assert.is(runsText(this.#pool), this.#runsText(this.#setting.model.runs()));
  }

  #check(): void {
    const nodes = this.#core.nodes();
    const counted = checkTree(nodes, this.#setting.levels);
    const expected = this.#setting.model.usedCount;
    if (counted !== expected) throw new Error(`${counted} used of the nodes, ${expected} of the model`);
    if (this.#pool.used !== expected) throw new Error(`${this.#pool.used} used of the pool, ${expected} of the model`);
    if (nodes.length !== this.#pool.nodeCount)
      throw new Error(`${nodes.length} nodes, ${this.#pool.nodeCount} counted`);
  }

  /** Releases everything. */
  #finish(): void {
    const { model, kind } = this.#setting;
    this.#done = 'the end';
    for (const index of [...model.used]) {
      assert.ok(this.#pool.release(this.#text(index)!));
      model.release(index);
    }
    this.#check();
    this.#compare();
    if (kind === 'filled') for (const run of model.runs()) this.#core.clearRun(run);
    else assert.is(this.#pool.used, 0n);
    assert.is(this.#pool.nodeCount, 0);
    assert.equal([...this.#pool], []);
    assert.equal(this.#pool.nodes(), []);
  }
}
