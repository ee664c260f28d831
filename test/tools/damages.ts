// What happens to files: in memory, on disk, or by somebody who copies them.

import { readFileSync, writeFileSync } from 'node:fs';
import { PAGE_HEADER_BYTES } from '../../src/store/pages.ts';
import { temporaryStore } from '../support/plugin.ts';
import type { Random } from '../support/random.ts';
import { PAGE_BYTES } from './stores.ts';

export interface Damage {
  name: string;
  /** Makes it; gives what it has done, for messages. */
  make(bytes: Buffer, random: Random): [damaged: Buffer, what: string];
}

const pagesOf = (bytes: Buffer) => Math.floor(bytes.length / PAGE_BYTES);
const pageOf = (bytes: Buffer, random: Random) => random.below(pagesOf(bytes));
const page = (bytes: Buffer, number: number) => bytes.subarray(number * PAGE_BYTES, (number + 1) * PAGE_BYTES);
const metaPage = (random: Random) => random.below(2);

const flip = (bytes: Buffer, at: number, random: Random) => {
  const bit = random.below(8);
  bytes[at]! ^= 1 << bit;
  return `bit ${bit} of byte ${at % PAGE_BYTES} of page ${Math.floor(at / PAGE_BYTES)}`;
};

const garbage = (bytes: Buffer, random: Random) => {
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256);
};

const SECTOR_BYTES = 512;

/** What of a meta page means something. */
const META_BYTES = 168;

const SINGLE: readonly Damage[] = [
  {
    name: 'a flipped bit',
    make: (bytes, random) => [bytes, flip(bytes, random.below(bytes.length), random)],
  },
  {
    name: 'a flipped bit where a page describes itself',
    make: (bytes, random) => [bytes, flip(bytes, pageOf(bytes, random) * PAGE_BYTES + random.below(100), random)],
  },
  {
    name: 'a flipped bit in the header',
    make: (bytes, random) => [bytes, flip(bytes, metaPage(random) * PAGE_BYTES + random.below(META_BYTES), random)],
  },
  {
    name: 'a page of zeros',
    make(bytes, random) {
      const number = pageOf(bytes, random);
      page(bytes, number).fill(0);
      return [bytes, `page ${number}`];
    },
  },
  {
    name: 'a sector of zeros',
    make(bytes, random) {
      const at = random.below(Math.ceil(bytes.length / SECTOR_BYTES)) * SECTOR_BYTES;
      bytes.fill(0, at, Math.min(at + SECTOR_BYTES, bytes.length)); // a cut may have left a part of it
      return [bytes, `${at % PAGE_BYTES} in page ${Math.floor(at / PAGE_BYTES)}`];
    },
  },
  {
    name: 'a page of garbage',
    make(bytes, random) {
      const number = pageOf(bytes, random);
      garbage(page(bytes, number), random);
      return [bytes, `page ${number}`];
    },
  },
  {
    name: 'a page written to the wrong place',
    make(bytes, random) {
      const [from, to] = [pageOf(bytes, random), pageOf(bytes, random)];
      page(bytes, from).copy(page(bytes, to));
      return [bytes, `page ${from} at ${to}`];
    },
  },
  {
    name: "two pages in each other's place",
    make(bytes, random) {
      const [one, other] = [pageOf(bytes, random), pageOf(bytes, random)];
      const before = Buffer.from(page(bytes, one));
      page(bytes, other).copy(page(bytes, one));
      before.copy(page(bytes, other));
      return [bytes, `pages ${one} and ${other}`];
    },
  },
  {
    name: 'a cut',
    make(bytes, random) {
      const at = random.below(bytes.length);
      return [bytes.subarray(0, at), `at ${at} of ${bytes.length}`];
    },
  },
];

/** Both meta pages at once, each in a way of its own. */
const BOTH_HEADERS: Damage = {
  name: 'both meta pages',
  make(bytes, random) {
    const whats = [0, 1].map(number => {
      switch (random.below(3)) {
        case 0:
          page(bytes, number).fill(0);
          return `zeros on page ${number}`;
        case 1:
          garbage(page(bytes, number), random);
          return `garbage on page ${number}`;
        default:
          return flip(bytes, number * PAGE_BYTES + random.below(META_BYTES), random);
      }
    });
    return [bytes, whats.join('; ')];
  },
};

const SEVERAL: Damage = {
  name: 'several damages',
  make(bytes, random) {
    const whats: string[] = [];
    for (let i = 2 + random.below(3), left = bytes; ; i--) {
      if (i === 0 || left.length < 2 * PAGE_BYTES) return [left, whats.join('; ')];
      const damage = random.pick(SINGLE);
      const [damaged, what] = damage.make(left, random);
      whats.push(`${damage.name}: ${what}`);
      left = damaged;
    }
  },
};

export const DAMAGES: readonly Damage[] = [...SINGLE, BOTH_HEADERS, SEVERAL];

/** The file ends before a page. */
export const cutBefore = (number: number): Damage => ({
  name: 'a cut between pages',
  make: bytes => [bytes.subarray(0, number * PAGE_BYTES), `before page ${number} of ${pagesOf(bytes)}`],
});

/** A page that still says what it is, and of which nothing else is true: who follows it ends up anywhere. */
export const scrambled = (number: number): Damage => ({
  name: 'a page of garbage behind a sound beginning',
  make(bytes, random) {
    garbage(page(bytes, number).subarray(PAGE_HEADER_BYTES), random);
    return [bytes, `page ${number}`];
  },
});

/** A damaged copy of a store, in a file of its own. */
export function damaged(path: string, damage: Damage, random: Random): { store: string; what: string } {
  const [bytes, what] = damage.make(Buffer.from(readFileSync(path)), random);
  const store = temporaryStore();
  writeFileSync(store, bytes, { mode: 0o600 });
  return { store, what: `${damage.name}: ${what}` };
}
