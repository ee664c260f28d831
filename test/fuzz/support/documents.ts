// JSON texts that may say what no parsed value can: keys twice, `__proto__`, numbers past all bounds.

import fc from 'fast-check';

/** A text that stands for itself. */
export class Raw {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An object in the order in which it is written, keys twice included. */
export class Pairs {
  readonly pairs: [key: string, value: Tree][];

  constructor(pairs: [key: string, value: Tree][]) {
    this.pairs = pairs;
  }
}

export type Tree = Raw | Pairs | Tree[];

export function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return value.map(treeOf);
  if (typeof value !== 'object' || value === null) return new Raw(JSON.stringify(value));
  return new Pairs(Object.entries(value).map(([key, part]) => [key, treeOf(part)]));
}

export function textOf(tree: Tree): string {
  if (tree instanceof Raw) return tree.text;
  if (Array.isArray(tree)) return `[${tree.map(textOf).join(',')}]`;
  return `{${tree.pairs.map(([key, value]) => `${JSON.stringify(key)}:${textOf(value)}`).join(',')}}`;
}

const nested = (open: string, close: string, depth: number) => `${open.repeat(depth)}0${close.repeat(depth)}`;

/** Texts within which something may go wrong. */
const STRINGS = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ufeff',
  '\ufeffid',
  '\ud800',
  'a\udfff',
  '\udc00\ud800',
  '\u{10ffff}',
  '\n',
  '\u2028',
  '\x1b[31m',
  '\u202e',
  '__proto__',
  'constructor',
  'toString',
  'null',
  '10.0.0.0/8',
  '10.0.0.0/033',
  '010.0.0.1/24',
  '10.0.0.1/ 24',
  '10.0.0/24',
  '10.0.0.1/33',
  '10.0.0.1/-1',
  '256.0.0.1/8',
  '１０.0.0.1/24',
  '::/0',
  '::ffff:10.0.0.0/120',
  '2001:db8::/129',
  '2001:db8:::/64',
  'fe80::1%eth0/64',
  '1:2:3:4:5:6:7::/64',
  '::1:2:3:4:5:6:7:8/64',
  '2001:db8::10.0.0.1/64',
  'x'.repeat(4096),
  'x'.repeat(4097),
  'é'.repeat(3000),
  '9'.repeat(5000),
];

const RAWS = [
  'null',
  'true',
  '0',
  '-0',
  '-1',
  '1.5',
  '1e2',
  '1e999',
  '-1e999',
  '4294967296',
  '9007199254740993',
  '1e300',
  '123456789012345678901234567890',
  '[]',
  '{}',
  '[[]]',
  '[null]',
  '{"__proto__":{"polluted":1}}',
  '{"__proto__":null}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '{"length":1e9}',
  nested('[', ']', 50),
  nested('[', ']', 20_000),
  nested('{"a":', '}', 20_000),
  nested('{"__proto__":', '}', 500),
];

/** A value in which something may go wrong, as JSON text. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...STRINGS).map(text => JSON.stringify(text)) },
  { weight: 4, arbitrary: fc.constantFrom(...RAWS) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary' }).map(text => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.json() },
);

/** A text in which something may go wrong, as a variable or a line holds it. */
export const hostileString: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...STRINGS),
  fc.string({ unit: 'binary' }),
  fc.string(),
);

/** What is done to one place of a document. Places are counted as they are written, and around. */
export interface Change {
  kind: 'replace' | 'remove' | 'repeat before' | 'repeat behind' | 'add';
  at: number;
  key: string;
  text: string;
}

/** `keys`: those that the reader of the documents knows. */
export const changes = (keys: readonly string[]): fc.Arbitrary<Change[]> =>
  fc.array(
    fc.record<Change>({
      kind: fc.constantFrom('replace', 'replace', 'remove', 'repeat before', 'repeat behind', 'add'),
      at: fc.nat(1000),
      key: fc.oneof(fc.constantFrom(...keys, '__proto__', 'constructor', 'prototype', 'toJSON', ''), fc.string()),
      text: hostileText,
    }),
    { maxLength: 3 },
  );

type Place = { pairs: Pairs['pairs']; index: number } | { list: Tree[]; index: number };

/** Every member of every object and list. */
function placesOf(tree: Tree): Place[] {
  if (tree instanceof Raw) return [];
  if (Array.isArray(tree)) return tree.flatMap((item, index): Place[] => [{ list: tree, index }, ...placesOf(item)]);
  const { pairs } = tree;
  return pairs.flatMap(([, value], index): Place[] => [{ pairs, index }, ...placesOf(value)]);
}

/** Changes a tree in place. */
export function change(tree: Tree, { kind, at, key, text }: Change): void {
  const places = placesOf(tree);
  const place = places[at % places.length];
  if (place === undefined) return;
  const value = new Raw(text);
  const [removed, offset] = kind === 'replace' || kind === 'remove' ? [1, 0] : [0, kind === 'repeat before' ? 0 : 1];
  if ('list' in place) {
    place.list.splice(place.index + offset, removed, ...(kind === 'remove' ? [] : [value]));
    return;
  }
  const name = kind === 'add' ? key : place.pairs[place.index]![0];
  const added: Pairs['pairs'] = kind === 'remove' ? [] : [[name, value]];
  place.pairs.splice(place.index + offset, removed, ...added);
}

/** What is done to bytes. `at` is a place among them, 0 to 1. */
export interface Patch {
  kind: 'flip' | 'cut' | 'double' | 'insert' | 'truncate';
  at: number;
  length: number;
  bytes: Uint8Array;
}

const utf8 = (text: string) => new Uint8Array(Buffer.from(text));
const TOKENS = [
  utf8('\ufeff'),
  utf8('\0'),
  utf8('"'),
  utf8('\\'),
  utf8('\\ud800'),
  utf8('\\u0000'),
  utf8('{"'),
  utf8('}{'),
  utf8(','),
  utf8('"__proto__":{"a":1},'),
  utf8('1e400'),
  utf8('NaN'),
  utf8('/**/'),
  Uint8Array.of(0xff, 0xfe),
  Uint8Array.of(0xc0, 0x80),
  Uint8Array.of(0xed, 0xa0, 0x80), // a surrogate, encoded
  Uint8Array.of(0xf4, 0x90, 0x80, 0x80), // past the last code point
];

export const patches = (most: number): fc.Arbitrary<Patch[]> =>
  fc.array(
    fc.record<Patch>({
      kind: fc.constantFrom('flip', 'cut', 'double', 'insert', 'insert', 'truncate'),
      at: fc.oneof(fc.constant(0), fc.constant(0.9999999), fc.double({ min: 0, max: 0.9999999, noNaN: true })),
      length: fc.nat(20),
      bytes: fc.oneof(fc.constantFrom(...TOKENS), fc.uint8Array({ maxLength: 8 })),
    }),
    { maxLength: most },
  );

export function patched(original: Uint8Array, { kind, at, length, bytes }: Patch): Uint8Array {
  const offset = Math.floor(at * (original.length + 1));
  const [head, tail] = [original.subarray(0, offset), original.subarray(offset)];
  switch (kind) {
    case 'flip': {
      const flipped = original.slice();
      if (offset < flipped.length) flipped[offset]! ^= 1 << (length % 8);
      return flipped;
    }
    case 'cut':
      return Buffer.concat([head, tail.subarray(length)]);
    case 'double':
      return Buffer.concat([head, tail.subarray(0, length), tail]);
    case 'insert':
      return Buffer.concat([head, bytes, tail]);
    case 'truncate':
      return head;
  }
}
