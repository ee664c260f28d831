// What a pool should do, as simple and slow as can be: a set of numbers in use, a range, exclusions and a cursor.

import { larger, type Run, smaller } from '../../core/support/core.ts';

const contains = ({ first, last }: Run, index: bigint) => first <= index && index <= last;

export class PoolModel {
  readonly used = new Set<bigint>();
  cursor: bigint | undefined;
  readonly range: Run;
  readonly capacity: bigint;
  /** Never handed out: in order, none overlaps another. */
  readonly #excluded: Run[];
  /** In use, and stays so: too much for a set. */
  #filled: Run | undefined;
  #filledCount = 0n;

  constructor(range: Run, excluded: readonly Run[]) {
    this.range = range;
    this.#excluded = merged(excluded).filter(({ first, last }) => last >= range.first && first <= range.last);
    this.capacity = range.last - range.first + 1n;
    for (const { first, last } of this.#excluded) {
      const [from, to] = [larger(first, range.first), smaller(last, range.last)];
      this.capacity -= to - from + 1n;
    }
  }

  fill(run: Run): void {
    this.#filled = run;
    this.#filledCount = new PoolModel(run, this.#excluded).capacity;
    this.cursor = run.last;
  }

  get usedCount(): bigint {
    return BigInt(this.used.size) + this.#filledCount;
  }

  isReserved(index: bigint): boolean {
    return this.#excluded.some(run => contains(run, index));
  }

  isUsed(index: bigint): boolean {
    return (
      this.used.has(index) || (this.#filled !== undefined && contains(this.#filled, index) && !this.isReserved(index))
    );
  }

  request(index: bigint): boolean {
    if (this.isReserved(index) || this.isUsed(index)) return false;
    this.used.add(index);
    return true;
  }

  release(index: bigint): boolean {
    return this.used.delete(index);
  }

  acquire(): bigint | undefined {
    const index = this.#next();
    if (index === undefined) return undefined;
    this.used.add(index);
    this.cursor = index;
    return index;
  }

  /** Each as if it were acquired alone; what is adjacent is one run. */
  acquireMany(count: number): Run[] {
    const runs: Run[] = [];
    for (let i = 0; i < count; i++) {
      const index = this.acquire();
      if (index === undefined) break;
      const before = runs.at(-1);
      if (before !== undefined && before.last + 1n === index) before.last = index;
      else runs.push({ first: index, last: index });
    }
    // All the way round: the last run may end where the first one begins.
    if (runs.length > 1 && runs.at(-1)!.last + 1n === runs[0]!.first) runs[0]!.first = runs.pop()!.first;
    return runs;
  }

  #next(): bigint | undefined {
    if (this.usedCount === this.capacity) return undefined;
    const { first, last } = this.range;
    const { cursor } = this;
    if (cursor === undefined || cursor === last) return this.#nextIn(first, last);
    return this.#nextIn(cursor + 1n, last) ?? this.#nextIn(first, cursor);
  }

  #nextIn(first: bigint, last: bigint): bigint | undefined {
    for (let i = first; i <= last; i++) {
      if (this.used.has(i)) continue;
      const blocked = [this.#filled, ...this.#excluded].find(run => run !== undefined && contains(run, i));
      if (blocked === undefined) return i;
      i = blocked.last;
    }
    return undefined;
  }

  /** What is in use, in runs. */
  runs(): Run[] {
    const filled = this.#filled === undefined ? [] : less(this.#filled, this.#excluded);
    const sorted = [...this.used].sort((a, b) => (a < b ? -1 : 1)).map(index => ({ first: index, last: index }));
    return merged([...filled, ...sorted]);
  }
}

/** The runs in order, those that overlap or touch made one. */
function merged(runs: readonly Run[]): Run[] {
  const result: Run[] = [];
  for (const { first, last } of runs.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = result.at(-1);
    if (before === undefined || before.last + 1n < first) result.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return result;
}

/** What is left of a run; the holes are in order. */
function less({ first, last }: Run, holes: readonly Run[]): Run[] {
  const rest: Run[] = [];
  let from = first;
  for (const hole of holes) {
    if (hole.last < from || hole.first > last) continue;
    if (hole.first > from) rest.push({ first: from, last: hole.first - 1n });
    from = hole.last + 1n;
  }
  if (from <= last) rest.push({ first: from, last });
  return rest;
}
