// What the core should do, as simple and slow as can be: a set of used indexes, a range, exclusions and a cursor.

import { contains, larger, type Run, smaller } from './support/core.ts';

export interface ModelOptions {
  octets: number;
  /** Where a test's indexes lie, for the most part: at most some ten thousand. */
  window: Run;
  /** Everything outside the window is used and stays so: the nodes above the window then exist at all levels. */
  surrounded: boolean;
}

/** A subnet, and a window in it or around one of its ends in which a history plays. */
export interface WindowCase {
  reason: string;
  octets: number;
  /** The subnet, and what it reserves. */
  subnet: bigint;
  prefixBits: number;
  reserve: number;
  /** Where the window begins, and its length. */
  window: [bigint, number];
  /** All the rest is used. */
  surrounded?: boolean;
}

export class Model {
  readonly used = new Set<bigint>();
  /** The same for the indexes of the window: a byte each, 1 used. To compare them at once. */
  readonly windowBytes: Uint8Array;
  readonly window: Run;
  readonly surrounded: boolean;
  readonly maxIndex: bigint;
  range: Run;
  exclusions: Run[] = [];
  cursor: bigint | undefined;

  constructor({ octets, window, surrounded }: ModelOptions) {
    this.window = window;
    this.surrounded = surrounded;
    this.maxIndex = (1n << BigInt(octets * 8)) - 1n;
    this.range = { first: 0n, last: this.maxIndex };
    this.windowBytes = new Uint8Array(Number(window.last - window.first) + 1);
  }

  setSubnet(index: bigint, prefixBits: number, reserve: number): void {
    const size = (this.maxIndex + 1n) >> BigInt(prefixBits);
    const first = index - (index % size);
    this.range = { first, last: first + size - 1n };
    this.exclusions = [];
    this.cursor = undefined;
    if (reserve & 1) this.exclusions.push({ first, last: first });
    if (reserve & 2) this.exclusions.push({ first: this.range.last, last: this.range.last });
  }

  isUsed(index: bigint): boolean {
    return this.used.has(index) || (this.surrounded && !contains(this.window, index));
  }

  isReserved(index: bigint): boolean {
    return !contains(this.range, index) || this.exclusions.some(exclusion => contains(exclusion, index));
  }

  mark(index: bigint): boolean {
    if (this.isUsed(index)) return false;
    this.#set(index, true);
    return true;
  }

  clear(index: bigint): boolean {
    if (!this.isUsed(index)) return false;
    this.#set(index, false);
    return true;
  }

  markRun(run: Run): void {
    for (let i = run.first; i <= run.last; i++) this.#set(i, true);
  }

  clearRun(run: Run): void {
    for (let i = run.first; i <= run.last; i++) this.#set(i, false);
  }

  #set(index: bigint, used: boolean): void {
    if (contains(this.window, index)) this.windowBytes[Number(index - this.window.first)] = used ? 1 : 0;
    else if (this.surrounded) throw new Error('the surroundings stay used');
    if (used) this.used.add(index);
    else this.used.delete(index);
  }

  find(): bigint | undefined {
    const { first, last } = this.range;
    const { cursor } = this;
    if (cursor === undefined || !contains(this.range, cursor) || cursor === last) return this.#findIn(first, last);
    return this.#findIn(cursor + 1n, last) ?? this.#findIn(first, cursor);
  }

  acquire(): bigint | undefined {
    const index = this.find();
    if (index === undefined) return undefined;
    this.mark(index);
    this.cursor = index;
    return index;
  }

  #findIn(first: bigint, last: bigint): bigint | undefined {
    for (let i = first; i <= last; i++) {
      const exclusion = this.exclusions.find(run => contains(run, i));
      if (exclusion !== undefined) i = exclusion.last;
      else if (this.surrounded && i < this.window.first) i = this.window.first - 1n;
      else if (this.surrounded && i > this.window.last) return undefined;
      else if (!this.used.has(i)) return i;
    }
    return undefined;
  }

  freeRun(from: bigint, max: bigint): Run | undefined {
    const first = this.#findIn(larger(from, this.range.first), this.range.last);
    if (first === undefined) return undefined;
    let last = smaller(this.range.last, first + max - 1n);
    const used = this.#nextUsed(first);
    if (used !== undefined) last = smaller(last, used - 1n);
    for (const exclusion of this.exclusions) if (exclusion.first > first) last = smaller(last, exclusion.first - 1n);
    return { first, last };
  }

  usedRun(from: bigint): Run | undefined {
    const first = this.#nextUsed(larger(from, this.range.first));
    if (first === undefined || first > this.range.last) return undefined;
    let last = first;
    while (last < this.range.last && this.isUsed(last + 1n)) {
      last++;
      if (this.surrounded && last < this.window.first) last = smaller(this.range.last, this.window.first - 1n);
      if (this.surrounded && last > this.window.last) last = this.range.last;
    }
    return { first, last };
  }

  #nextUsed(from: bigint): bigint | undefined {
    let next: bigint | undefined;
    if (this.surrounded) {
      if (!contains(this.window, from)) return from;
      if (this.window.last < this.maxIndex) next = this.window.last + 1n;
    }
    if (this.used.has(from)) return from;
    for (const i of this.used) if (i >= from && (next === undefined || i < next)) next = i;
    return next;
  }

  countUsed(): bigint {
    let count = 0n;
    for (const i of this.used) if (contains(this.range, i)) count++;
    if (this.surrounded) {
      const first = larger(this.range.first, this.window.first);
      const last = smaller(this.range.last, this.window.last);
      const inside = last >= first ? last - first + 1n : 0n;
      count += this.range.last - this.range.first + 1n - inside;
    }
    return count;
  }

  countUsable(): bigint {
    let count = 0n;
    let from = this.range.first;
    for (const { first, last } of this.exclusions.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
      if (last < from || first > this.range.last) continue;
      if (first > from) count += first - from;
      from = last + 1n;
    }
    return from > this.range.last ? count : count + this.range.last - from + 1n;
  }
}
