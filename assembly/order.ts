// The nodes in address order, for whoever walks over what is used: a sorted list of slot numbers behind the arena.
//
// A node begins at its first index. Of nodes that begin at the same index either may come first.
// The list is derived: it is made when asked for, and again after the set of nodes has changed.

import { ABSENT, arenaEnd, arenaGeneration, ensureMemory, keyHiOf, keyLoOf, levelOf, slotPtr, slots } from './arena';
import { lessThan, shlHi, shlLo } from './u128';

let madeAt: u32 = u32.MAX_VALUE;
let listPtr: usize = 0;

/** First index of a node. */
export function startHiOf(node: usize): u64 {
  return shlHi(keyHiOf(node), keyLoOf(node), (levelOf(node) + 1) * 8);
}

export function startLoOf(node: usize): u64 {
  return shlLo(keyLoOf(node), (levelOf(node) + 1) * 8);
}

/** Number, in address order, of the first node that begins at or after the index. */
export function firstNodeFrom(hi: u64, lo: u64): u32 {
  makeOrder();
  let low: u32 = 0;
  let high = slots();
  while (low < high) {
    const middle = (low + high) >> 1;
    const node = slotPtr(load<u32>(listPtr + (usize(middle) << 2)));
    if (lessThan(startHiOf(node), startLoOf(node), hi, lo)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Node number i in the order that `firstNodeFrom` has made; ABSENT past the end. */
export function nodeInOrder(i: u32): usize {
  return i < slots() ? slotPtr(load<u32>(listPtr + (usize(i) << 2))) : ABSENT;
}

function makeOrder(): void {
  if (madeAt == arenaGeneration()) return;
  const count = slots();
  listPtr = arenaEnd(); // a multiple of 4, as all is before it
  ensureMemory(listPtr + (usize(count) << 2));
  for (let i: u32 = 0; i < count; i++) store<u32>(listPtr + (usize(i) << 2), i + 1);
  sort(count);
  madeAt = arenaGeneration();
}

/** Whether node a begins before node b. */
function before(a: u32, b: u32): bool {
  const aPtr = slotPtr(a);
  const bPtr = slotPtr(b);
  return lessThan(startHiOf(aPtr), startLoOf(aPtr), startHiOf(bPtr), startLoOf(bPtr));
}

/** Heapsort: in place, and n log n whatever comes. */
function sort(count: u32): void {
  for (let i = count >> 1; i > 0; i--) sink(i - 1, count);
  for (let end = count; end > 1; end--) {
    const lastPtr = listPtr + (usize(end - 1) << 2);
    const largest = load<u32>(listPtr);
    store<u32>(listPtr, load<u32>(lastPtr));
    store<u32>(lastPtr, largest);
    sink(0, end - 1);
  }
}

function sink(i: u32, count: u32): void {
  const slot = load<u32>(listPtr + (usize(i) << 2));
  while (true) {
    let child: u32 = 2 * i + 1;
    if (child >= count) break;
    let childSlot = load<u32>(listPtr + (usize(child) << 2));
    if (child + 1 < count) {
      const right = load<u32>(listPtr + (usize(child + 1) << 2));
      if (before(childSlot, right)) {
        child++;
        childSlot = right;
      }
    }
    if (!before(slot, childSlot)) break;
    store<u32>(listPtr + (usize(i) << 2), childSlot);
    i = child;
  }
  store<u32>(listPtr + (usize(i) << 2), slot);
}
