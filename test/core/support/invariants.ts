// What holds of the nodes of any octet tree, and which indexes they say are used.

import * as assert from 'uvu/assert';
import type { Model } from '../model.ts';
import { type CoreNode, hex, larger, type Run, smaller } from './core.ts';

/** Indexes of the first and last bit of each run of ones. */
function bitRuns(bits: Uint8Array): [number, number][] {
  const runs: [number, number][] = [];
  let first = -1;
  for (let bit = 0; bit < 256; bit++) {
    const isOne = ((bits[bit >> 3]! >> (bit & 7)) & 1) !== 0;
    if (isOne && first < 0) first = bit;
    if (!isOne && first >= 0) {
      runs.push([first, bit - 1]);
      first = -1;
    }
  }
  if (first >= 0) runs.push([first, 255]);
  return runs;
}

/** The runs of used indexes that the nodes tell of. Throws unless every invariant of the tree holds. */
export function usedRuns(nodes: readonly CoreNode[], octets: number): Run[] {
  const byLevel = Array.from({ length: octets }, () => new Map<bigint, CoreNode>());
  for (const node of nodes) {
    const name = `node ${hex(node.first)} at level ${node.level}`;
    const atLevel = byLevel[node.level];
    if (atLevel === undefined) throw new Error(`${name}: no such level`);
    const prefix = node.first >> BigInt(8 * (node.level + 1));
    if (prefix << BigInt(8 * (node.level + 1)) !== node.first)
      throw new Error(`${name}: not the first index of a node`);
    if (node.first >> BigInt(8 * octets) !== 0n) throw new Error(`${name}: outside the index space`);
    if (atLevel.has(prefix)) throw new Error(`${name}: exists twice`);
    atLevel.set(prefix, node);
  }
  const runs: Run[] = [];
  for (const node of nodes) {
    const name = `node ${hex(node.first)} at level ${node.level}`;
    const bits = bitRuns(node.bits);
    if (bits.length === 0) throw new Error(`${name}: is empty`);
    if (bits[0]![0] === 0 && bits[0]![1] === 255 && (node.level !== octets - 1 || nodes.length !== 1)) {
      throw new Error(`${name}: is full, and not a root alone`);
    }
    for (let level = node.level + 1; level < octets; level++) {
      const above = byLevel[level]!.get(node.first >> BigInt(8 * (level + 1)));
      if (above === undefined) continue;
      const octet = Number((node.first >> BigInt(8 * level)) & 0xffn);
      if ((above.bits[octet >> 3]! >> (octet & 7)) & 1) throw new Error(`${name}: full according to level ${level}`);
    }
    const shift = BigInt(8 * node.level);
    for (const [first, last] of bits) {
      runs.push({
        first: node.first + (BigInt(first) << shift),
        last: node.first + (BigInt(last + 1) << shift) - 1n,
      });
    }
  }
  return runs;
}

/** The nodes keep the invariants, and tell of exactly the indexes that the model has. */
export function checkNodes(nodes: readonly CoreNode[], octets: number, model: Model): void {
  const { window, windowBytes } = model;
  const bytes = new Uint8Array(windowBytes.length);
  let outsideCount = 0n; // disjoint, as no index has two nodes that call it used
  const addOutside = (first: bigint, last: bigint) => {
    if (first > last) return;
    outsideCount += last - first + 1n;
    if (model.surrounded) return;
    for (let i = first; i <= last; i++)
      if (!model.used.has(i)) throw new Error(`${hex(i)}: used, but only in the tree`);
  };
  for (const { first, last } of usedRuns(nodes, octets)) {
    const from = larger(first, window.first);
    const to = smaller(last, window.last);
    if (from > to) {
      addOutside(first, last);
    } else {
      bytes.fill(1, Number(from - window.first), Number(to - window.first) + 1);
      addOutside(first, window.first - 1n);
      addOutside(window.last + 1n, last);
    }
  }
  if (Buffer.compare(bytes, windowBytes) !== 0) {
    const i = bytes.findIndex((used, offset) => used !== windowBytes[offset]);
    throw new Error(`${hex(window.first + BigInt(i))}: ${bytes[i] ? 'used' : 'free'}, but only in the tree`);
  }
  let insideCount = 0;
  for (const used of windowBytes) insideCount += used;
  const expected = model.surrounded
    ? model.maxIndex + 1n - BigInt(bytes.length)
    : BigInt(model.used.size - insideCount);
  assert.is(hex(outsideCount), hex(expected), 'used indexes outside the window');
}
