// The rules that any pool keeps, whatever it was made from.

import * as assert from 'uvu/assert';
import { AddressPool, type Run } from '../../../src/index.ts';
import { type Run as IndexRun, larger, smaller } from '../../core/support/core.ts';
import { checkTree } from '../../pool/support/invariants.ts';
import { numberOf, widthOf } from '../../pool/support/text.ts';

/** So many are acquired one by one. */
const SINGLES = 20;

const lengthOf = ({ first, last }: IndexRun): bigint => last - first + 1n;
const sum = (runs: readonly IndexRun[]): bigint => runs.reduce((total, run) => total + lengthOf(run), 0n);

/** What two lists have in common; both in order, and without overlaps. */
function common(a: readonly IndexRun[], b: readonly IndexRun[]): IndexRun[] {
  const shared: IndexRun[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [x, y] = [a[i]!, b[j]!];
    const first = larger(x.first, y.first);
    const last = smaller(x.last, y.last);
    if (first <= last) shared.push({ first, last });
    if (x.last < y.last) i++;
    else j++;
  }
  return shared;
}

/** The bits of what the pool hands out: those of an address, or of its unit. */
const bitsOf = (text: string): number => Number(text.split('/')[1] ?? widthOf(text));

/** The number of an address; of a prefix as many bits of it as the prefix has. */
const indexOf = (text: string): bigint => numberOf(text) >> BigInt(widthOf(text) - bitsOf(text));

const indexes = (runs: Iterable<Run>): IndexRun[] =>
  Array.from(runs, ({ first, last }) => ({ first: indexOf(first), last: indexOf(last) })).sort((a, b) =>
    a.first < b.first ? -1 : 1,
  );

/** The tree is a tree, and counts and tells the same. What is in use, in order. */
function checkUse(pool: AddressPool): IndexRun[] {
  const nodes = pool.nodes();
  const levels = Math.ceil(bitsOf(nodes[0]?.first ?? '0.0.0.0') / 8);
  checkTree(
    nodes.map(({ first, ...node }) => ({ ...node, first: indexOf(first) })),
    levels,
  );
  const used = indexes(pool);
  for (const [i, run] of used.entries()) {
    assert.ok(run.first <= run.last && (i === 0 || used[i - 1]!.last + 1n < run.first), 'runs in order, with gaps');
  }
  assert.is(sum(used), pool.used, 'used');
  return used;
}

function checkCopy(pool: AddressPool): void {
  const snapshot = pool.snapshot();
  assert.equal(AddressPool.from(snapshot).snapshot(), snapshot, 'the snapshot of what was read from it');
}

/**
 * Fails unless a pool gives what is free, all of that, each once, and nothing else, and takes it back.
 *
 * @param empty a pool of the same options with nothing in use, which is filled
 */
export function checkPool(pool: AddressPool, empty: AddressPool): void {
  assert.is(pool.capacity, empty.capacity);
  const usable = indexes(empty.acquireMany(empty.capacity));
  const before = checkUse(pool);
  checkCopy(pool);
  const usedBefore = pool.used;
  const free = pool.capacity - sum(common(before, usable));
  const singles: string[] = [];
  for (let text = pool.acquire(); text !== undefined; text = pool.acquire()) {
    singles.push(text);
    if (singles.length === SINGLES) break;
  }
  const given = indexes([...singles.map(text => ({ first: text, last: text })), ...pool.acquireMany(pool.capacity)]);
  assert.is(sum(given), free, 'all that is free was given');
  assert.is(sum(common(given, usable)), free, 'what was given may be');
  assert.is(sum(common(given, before)), 0n, 'what was given was not in use');
  assert.ok(
    given.every(({ first }, i) => i === 0 || given[i - 1]!.last < first),
    'each was given once',
  );
  assert.is(pool.acquire(), undefined, 'full');
  assert.is(pool.used, usedBefore + free);
  checkUse(pool);
  for (const text of singles) assert.ok(pool.release(text), `${text} was given back`);
  assert.is(pool.used, usedBefore + free - BigInt(singles.length));
  checkUse(pool);
  checkCopy(pool);
}
