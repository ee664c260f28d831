// Bolt files, and what can be made of them: bytes, the numbers that a reader goes by, whole pages.

import { checksumOf, META_END } from '../../../src/bolt/format.ts';
import { writeGoStore } from '../../../src/bolt/plugin.ts';
import { parseAddress } from '../../../src/net/address.ts';
import { FIXTURES, fixture } from '../../bolt/support.ts';
import type { Random } from '../../support/random.ts';
import { type Field, mutated, type Sample, setNumber } from './mutation.ts';

const PAGE_BYTES = 4096;
const LARGE_BYTES = 256 << 10;
const META_FIELDS: readonly Field[] = [
  { at: 16, bytes: 4 },
  { at: 20, bytes: 4 },
  { at: 24, bytes: 4 },
  ...[32, 48, 56, 64].map((at): Field => ({ at, bytes: 8 })),
];
const HEADER_FIELDS: readonly Field[] = [
  { at: 0, bytes: 8 },
  { at: 8, bytes: 2 },
  { at: 10, bytes: 2 },
  { at: 12, bytes: 4 },
];
const [BRANCH, LEAF, FREELIST] = [1, 2, 16];
/** So many elements of a page are among the fields: more would drown the rest. */
const MOST_ELEMENTS = 8;

const from = (offset: number, fields: readonly Field[]): Field[] =>
  fields.map(({ at, bytes }) => ({ at: offset + at, bytes }));

/** Numbers of a page's elements. */
function elementFields(bytes: Buffer, page: number): Field[] {
  const [flags, count] = [bytes.readUInt16LE(page + 8), bytes.readUInt16LE(page + 10)];
  return Array.from({ length: Math.min(count, MOST_ELEMENTS) }, (_, i) => i).flatMap(i => {
    const at = page + 16 + 16 * i;
    if (flags === FREELIST) return from(page + 16 + 8 * i, [{ at: 0, bytes: 8 }]);
    if (flags === BRANCH)
      return from(at, [
        { at: 0, bytes: 4 },
        { at: 4, bytes: 4 },
        { at: 8, bytes: 8 },
      ]);
    if (flags !== LEAF) return [];
    const element = [0, 4, 8, 12].map((offset): Field => ({ at: at + offset, bytes: 4 }));
    if (bytes.readUInt32LE(at) === 0) return element;
    // A bucket: its root and, if it is inline, the page that follows.
    const value = at + bytes.readUInt32LE(at + 4) + bytes.readUInt32LE(at + 8);
    const isInline = bytes.readBigUInt64LE(value) === 0n;
    const inner = isInline ? [...from(value + 16, HEADER_FIELDS), ...elementFields(bytes, value + 16)] : [];
    return [...element, { at: value, bytes: 8 }, ...inner];
  });
}

function sampleOf(name: string, bytes: Buffer): Sample {
  const pages = Array.from({ length: bytes.length / PAGE_BYTES }, (_, i) => i * PAGE_BYTES);
  const fields = pages.flatMap((page, number) => [
    ...from(page, HEADER_FIELDS),
    ...(number < 2 ? from(page, META_FIELDS) : elementFields(bytes, page)),
  ]);
  return { name, bytes, fields };
}

/** Files that the Go plugin has written, and our own: of no branch page, of one, and with rows longer than a page. */
export function boltCorpus(random: Random): Sample[] {
  const written = [3, 70, 300].map(count => {
    const leases = Array.from({ length: count }, (_, i) => ({
      address: parseAddress(i % 3 === 0 ? `2001:db8::${i + 2}` : `10.0.${i >> 8}.${i & 255}`),
      id: random.chance(0.02) ? 'x'.repeat(5000) : `/host/proc/${random.below(30_000)}/ns/net`,
      isGateway: false,
    }));
    const bytes = Buffer.from(writeGoStore({ leases, cursors: [leases[1]!.address] }));
    return sampleOf(`${count} leases of our own`, bytes);
  });
  return [...FIXTURES.map(name => sampleOf(name, fixture(name))), ...written];
}

type PageChange = (bytes: Buffer, a: Buffer, b: Buffer, random: Random) => Buffer;

/** What is done to whole pages; a and b are two of them. */
const PAGE_CHANGES: PageChange[] = [
  function swap(bytes, a, b) {
    const copy = Buffer.from(a);
    b.copy(a);
    copy.copy(b);
    return bytes;
  },
  function swapUnderTheirNumbers(bytes, a, b) {
    const [copy, numbers] = [Buffer.from(a), [a, b].map(page => page.readBigUInt64LE())];
    b.copy(a);
    copy.copy(b);
    for (const [i, page] of [a, b].entries()) page.writeBigUInt64LE(numbers[i]!);
    return bytes;
  },
  function copyUnderItsNumber(bytes, a, b) {
    const number = b.readBigUInt64LE();
    a.copy(b);
    b.writeBigUInt64LE(number);
    return bytes;
  },
  function lose(bytes, a) {
    a.fill(0);
    return bytes;
  },
  function truncate(bytes, a, _, random) {
    return bytes.subarray(0, a.byteOffset - bytes.byteOffset + random.pick([0, 1, 16, random.below(PAGE_BYTES)]));
  },
];

function withPagesChanged(bytes: Buffer, random: Random): Buffer {
  const page = () => {
    const start = random.below(bytes.length / PAGE_BYTES) * PAGE_BYTES;
    return bytes.subarray(start, start + PAGE_BYTES);
  };
  return random.pick(PAGE_CHANGES)(bytes, page(), page(), random);
}

/** Gives meta pages that were changed checksums that are right. */
function sealed(bytes: Buffer, original: Buffer): Buffer {
  for (const start of [0, PAGE_BYTES]) {
    const page = bytes.subarray(start, start + META_END);
    if (page.length < META_END || page.equals(original.subarray(start, start + META_END))) continue;
    page.writeBigUInt64LE(checksumOf(page), META_END - 8);
  }
  return bytes;
}

/** A copy of one of the corpus with something done to it. */
export function changedBolt(corpus: readonly Sample[], random: Random): { what: string; bytes: Buffer } {
  // A large one takes as long as a hundred small ones.
  const small = corpus.filter(({ bytes }) => bytes.length < LARGE_BYTES);
  const sample = random.pick(random.chance(0.03) ? corpus : small);
  const kind = random.pick(['numbers', 'numbers', 'bytes', 'pages'] as const);
  let bytes: Buffer = Buffer.from(sample.bytes);
  if (kind === 'bytes') bytes = mutated(sample, corpus, 'little-endian', random);
  for (let count = random.below(4); kind === 'numbers' && count >= 0; count--) {
    setNumber(bytes, sample.fields, 'little-endian', random);
  }
  for (let count = random.below(3); kind === 'pages' && count >= 0 && bytes.length >= PAGE_BYTES; count--) {
    bytes = withPagesChanged(bytes, random);
  }
  if (random.chance(0.8)) bytes = sealed(bytes, sample.bytes);
  return { what: `${sample.name}, ${kind} changed`, bytes };
}
