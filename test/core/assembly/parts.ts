// What arithmetic.test.ts calls: parts of the core that it does not export. Compiled by the test itself.

import { hash, resetArena } from '../../../assembly/arena';
import * as exclude from '../../../assembly/exclude';

export {
  addHi,
  equal,
  lessThan,
  onesHi,
  onesLo,
  shlHi,
  shlLo,
  shrHi,
  shrLo,
  subHi,
} from '../../../assembly/u128';
export {
  fill,
  isEmpty,
  isFull,
  isUsed,
  nextFreeBit,
  nextUsedBit,
  setBits,
  usedCount,
} from '../../../assembly/node';
export { hash };
export { addExclusion, isExcluded, seekExclusion } from '../../../assembly/exclude';

// A node with 32 bytes on either side, which nothing may write to.
const NODE: usize = memory.data(96, 16) + 32;

export function node(): usize {
  return NODE;
}

export function resetExclusions(): void {
  resetArena(false);
  exclude.clearExclusions();
}

export function firstHi(): u64 {
  return exclude.firstHi;
}

export function firstLo(): u64 {
  return exclude.firstLo;
}

export function lastHi(): u64 {
  return exclude.lastHi;
}

export function lastLo(): u64 {
  return exclude.lastLo;
}
