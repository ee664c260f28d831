// Files and messages that are right, and what can be made of them: mutations drawn from the seed.

import type { Random } from '../../support/random.ts';

/** Where a number lies among bytes. */
export interface Field {
  at: number;
  bytes: 1 | 2 | 4 | 8;
}

/** One of a corpus. */
export interface Sample {
  name: string;
  bytes: Buffer;
  /** The numbers that a reader goes by. */
  fields: readonly Field[];
}

export type ByteOrder = 'big-endian' | 'little-endian';

/** A number's bytes, the lowest last. What it has too many of is left out at the top. */
function bytesOf(value: bigint, { bytes }: Field, order: ByteOrder): Buffer {
  const digits = BigInt.asUintN(8 * bytes, value)
    .toString(16)
    .padStart(2 * bytes, '0');
  const big = Buffer.from(digits, 'hex');
  return order === 'big-endian' ? big : big.reverse();
}

function valueAt(bytes: Buffer, field: Field, order: ByteOrder): bigint {
  const own = Buffer.from(bytes.subarray(field.at, field.at + field.bytes));
  return BigInt(`0x${(order === 'big-endian' ? own : own.reverse()).toString('hex')}`);
}

/** What a number is set to: what lies beside it, beside the length of all, and at the ends of what it can hold. */
function boundary(bytes: Buffer, field: Field, order: ByteOrder, random: Random): bigint {
  const value = valueAt(bytes, field, order);
  const bits = BigInt(random.pick([0, 4, 7, 8, 12, 15, 16, 24, 31, 32, 52, 53, 63, 64]));
  const base = random.pick([0n, value, value, BigInt(bytes.length - field.at), BigInt(bytes.length), 1n << bits]);
  return base + BigInt(random.pick([-16, -2, -1, -1, 0, 1, 1, 2, 16, random.below(1000)]));
}

/** Sets one number of those that are still there. */
export function setNumber(bytes: Buffer, fields: readonly Field[], order: ByteOrder, random: Random): void {
  const there = fields.filter(({ at, bytes: length }) => at + length <= bytes.length);
  if (there.length === 0) return;
  const field = random.pick(there);
  bytesOf(boundary(bytes, field, order, random), field, order).copy(bytes, field.at);
}

const LONGEST_PIECE = 64;

/** A piece of the bytes: half-open. */
function pieceOf(bytes: Buffer, random: Random): [from: number, to: number] {
  const from = random.below(bytes.length + 1);
  return [from, Math.min(bytes.length, from + random.below(random.pick([2, 9, LONGEST_PIECE])))];
}

type Mutation = (bytes: Buffer, other: Buffer, random: Random) => Buffer;

const MUTATIONS: Mutation[] = [
  function flip(bytes, _, random) {
    const at = random.below(bytes.length);
    if (bytes.length > 0) bytes[at]! ^= 1 << random.below(8);
    return bytes;
  },
  function noise(bytes, _, random) {
    const [from, to] = pieceOf(bytes, random);
    for (let i = from; i < to; i++) bytes[i] = random.below(256);
    return bytes;
  },
  function level(bytes, _, random) {
    const [from, to] = pieceOf(bytes, random);
    return bytes.fill(random.pick([0, 0xff, 0x20, 0x7f, 0x80]), from, to);
  },
  function cut(bytes, _, random) {
    const [from, to] = pieceOf(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  function repeat(bytes, _, random) {
    const [from, to] = pieceOf(bytes, random);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  function insert(bytes, other, random) {
    const [at] = pieceOf(bytes, random);
    const [from, to] = pieceOf(other, random);
    return Buffer.concat([bytes.subarray(0, at), other.subarray(from, to), bytes.subarray(at)]);
  },
  function reorder(bytes, _, random) {
    const [from, to] = pieceOf(bytes, random);
    const end = Math.min(bytes.length, to + random.below(LONGEST_PIECE));
    const parts = [bytes.subarray(0, from), bytes.subarray(to, end), bytes.subarray(from, to), bytes.subarray(end)];
    return Buffer.concat(parts);
  },
  function splice(bytes, other, random) {
    return Buffer.concat([
      bytes.subarray(0, random.below(bytes.length + 1)),
      other.subarray(pieceOf(other, random)[0]),
    ]);
  },
  function truncate(bytes, _, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
];

/** A copy of a sample with one to four things done to it: half of them to its numbers. */
export function mutated(sample: Sample, corpus: readonly Sample[], order: ByteOrder, random: Random): Buffer {
  let bytes: Buffer = Buffer.from(sample.bytes);
  for (let count = 1 + random.below(4); count > 0; count--) {
    if (random.chance(0.5)) setNumber(bytes, sample.fields, order, random);
    else bytes = random.pick(MUTATIONS)(bytes, random.pick(corpus).bytes, random);
  }
  return bytes;
}
