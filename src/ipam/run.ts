// Indexes, big-endian, as numbers, and runs of them.

import { INDEX_BYTES } from '../core/scratch.ts';

/** A run of indexes, both ends included. */
export interface IndexRun {
  first: Uint8Array;
  last: Uint8Array;
}

/** The longest run that can be asked for: its length has to fit into 128 bits. */
const LONGEST_RUN = (1n << 128n) - 1n;

export const askable = (length: bigint): bigint => (length < LONGEST_RUN ? length : LONGEST_RUN);

export const lengthOf = ({ first, last }: IndexRun): bigint => number(last) - number(first) + 1n;

/** Once around, the last run may end where the first began: they are one. */
export function joinEnds(runs: IndexRun[]): IndexRun[] {
  const [first, last] = [runs[0], runs.at(-1)];
  if (first === undefined || last === undefined || number(last.last) + 1n !== number(first.first)) return runs;
  return [{ first: last.first, last: first.last }, ...runs.slice(1, -1)];
}

/** A big-endian number of at most 16 bytes. */
export function number(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** The number after this one; undefined after the largest. */
export function successor(index: Uint8Array): Uint8Array | undefined {
  const next = index.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    next[i]!++;
    if (next[i] !== 0) return next;
  }
  return undefined;
}

/** All 16 bytes of an index. */
export function widened(index: Uint8Array): Uint8Array {
  const whole = new Uint8Array(INDEX_BYTES);
  whole.set(index, INDEX_BYTES - index.length);
  return whole;
}
