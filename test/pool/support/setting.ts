// A random pool, and its model.

import type { AddressPoolOptions } from '../../../src/index.ts';
import { larger, type Run, smaller } from '../../core/support/core.ts';
import type { Random } from '../../support/random.ts';
import { PoolModel } from './model.ts';
import { addressOf } from './text.ts';

/** How a pool's size is bounded, so that its model can follow. */
export type Kind = 'small' | 'ranged' | 'large' | 'filled';

export interface Setting {
  kind: Kind;
  subnet: string;
  options: AddressPoolOptions;
  model: PoolModel;
  /** Where a history's indexes lie: at most some thousands. */
  window: Run;
  /** Levels of the tree. */
  levels: number;
  /** Text of an index. */
  format(index: bigint): string;
}

/** Most indexes of a window. */
const WINDOW = 5000;

export function randomSetting(random: Random, kind: Kind): Setting {
  const width = random.pick([32, 128]);
  const isUnit = random.chance(0.5);
  // Of prefixes there may be fewer than of addresses: from /13 on there are enough for all kinds.
  const unit = isUnit ? 13 + random.below(width - 12) : width;
  const countBits = kind === 'small' ? random.below(13) : 13 + random.below(unit - 12);
  const bits = unit - countBits;
  const shift = BigInt(width - unit);
  const first = (random.between(0n, (1n << BigInt(unit)) - 1n) >> BigInt(countBits)) << BigInt(countBits);
  const pool = { first, last: first + (1n << BigInt(countBits)) - 1n };
  const window = kind === 'small' ? pool : windowOf(random, kind, pool);

  const cached = new Map<bigint, string>();
  const format = (index: bigint): string => {
    let text = cached.get(index);
    if (text === undefined) {
      text = `${addressOf(index << shift, width)}${unit < width ? `/${unit}` : ''}`;
      cached.set(index, text);
    }
    return text;
  };

  const options: AddressPoolOptions = {};
  const excluded: Run[] = [];
  let range = pool;
  if (isUnit) options.unit = unit;
  if (unit === width && options.unit === undefined && countBits >= 2) {
    excluded.push({ first: pool.first, last: pool.first });
    if (width === 32) excluded.push({ first: pool.last, last: pool.last });
  }
  if (kind === 'ranged' || (kind === 'small' && random.chance(0.3))) {
    const [a, b] = kind === 'ranged' ? [window.first, window.last] : [inRun(random, pool), inRun(random, pool)];
    range = { first: smaller(a, b), last: larger(a, b) };
    options.range = [format(range.first), format(range.last)];
  }
  if (!isUnit && random.chance(0.5)) {
    const gateway = inRun(random, random.pick([pool, window]));
    options.gateway = format(gateway);
    excluded.push({ first: gateway, last: gateway });
  }
  const names: string[] = [];
  for (let count = random.pick([0, 0, 1, 2, 5]); count > 0; count--) {
    // An address, or a prefix of a single address up to a good part of the window, with its host bits set.
    const index = inRun(random, window);
    const address = (index << shift) + random.between(0n, (1n << shift) - 1n);
    const hostBits = random.pick([
      0,
      random.below(width - unit + 1),
      width - unit + random.below(Math.min(10, countBits + 1)),
    ]);
    const host = (1n << BigInt(hostBits)) - 1n;
    names.push(`${addressOf(address, width)}${hostBits > 0 || random.chance(0.5) ? `/${width - hostBits}` : ''}`);
    excluded.push({ first: (address & ~host) >> shift, last: (address | host) >> shift });
  }
  if (names.length > 0 || random.chance(0.2)) options.exclude = names;
  const host = random.between(0n, (1n << BigInt(width - bits)) - 1n);
  const subnet = `${addressOf((first << shift) + host, width)}/${bits}`;
  return { kind, subnet, options, model: new PoolModel(range, excluded), window, levels: Math.ceil(unit / 8), format };
}

const inRun = (random: Random, { first, last }: Run): bigint => random.between(first, last);

/** Some thousands of indexes of a large pool, often over a boundary between nodes. */
function windowOf(random: Random, kind: Kind, pool: Run): Run {
  const length = BigInt(1 + random.below(random.pick([40, 700, WINDOW])));
  if (kind === 'large') return { first: pool.first, last: smaller(pool.last, pool.first + length) };
  if (kind === 'filled') return { first: larger(pool.first + 1n, pool.last - length), last: pool.last };
  const step = BigInt(8 * (1 + random.below(9)));
  const boundary = ((inRun(random, pool) >> step) + 1n) << step;
  const first = larger(pool.first, smaller(pool.last, boundary - random.between(0n, length)));
  return { first, last: smaller(pool.last, first + length - 1n) };
}
