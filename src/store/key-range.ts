// Keys in byte order, and ranges of them.

/** from <= key < to; undefined: no end. */
export interface KeyRange {
  from: Uint8Array;
  to: Uint8Array | undefined;
}

export const ALL_KEYS: KeyRange = { from: new Uint8Array(0), to: undefined };

export const compareKeys = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b);

/** The next key: nothing lies between the two. */
export function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** The range of one key alone. */
export const only = (key: Uint8Array): KeyRange => ({ from: key, to: successor(key) });

export const isWithin = ({ from, to }: KeyRange, key: Uint8Array): boolean =>
  compareKeys(from, key) <= 0 && (to === undefined || compareKeys(key, to) < 0);

/** The range, stretched up to the nearest of the keys on both sides of it. `keys` ascend. */
export function widened({ from, to }: KeyRange, keys: readonly Uint8Array[]): KeyRange {
  const before = keys[placeOf(from, keys) - 1];
  return {
    from: before === undefined ? ALL_KEYS.from : successor(before),
    to: to && keys[placeOf(to, keys)],
  };
}

/** How many of the keys, which ascend, lie before one. */
function placeOf(key: Uint8Array, keys: readonly Uint8Array[]): number {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareKeys(keys[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Ranges in order that touch or overlap as one. */
export function joined(ranges: readonly KeyRange[]): KeyRange[] {
  const sorted = [...ranges].sort((a, b) => compareKeys(a.from, b.from));
  const result: KeyRange[] = [];
  for (const range of sorted) {
    const last = result.at(-1);
    if (last === undefined || (last.to !== undefined && compareKeys(last.to, range.from) < 0))
      result.push({ ...range });
    else if (last.to !== undefined && (range.to === undefined || compareKeys(last.to, range.to) < 0))
      last.to = range.to;
  }
  return result;
}
