// What holds of the nodes of any tree, checked fast enough to be checked after every step. (test/core has the same,
// slowly, with the runs that the nodes tell of.)

import { type CoreNode, hex } from '../../core/support/core.ts';

function bitCount(bits: Uint8Array): number {
  const words = new Uint32Array(bits.buffer, bits.byteOffset, bits.length / 4);
  let count = 0;
  for (let word of words) {
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

const broken = ({ level, first }: CoreNode, what: string) => new Error(`node ${hex(first)} at level ${level}: ${what}`);

/** How many indexes the nodes say are used. Throws unless every invariant of the tree holds. */
export function checkTree(nodes: readonly CoreNode[], levels: number): bigint {
  const byLevel: (Map<bigint, CoreNode> | undefined)[] = [];
  const counts = new Array<number>(levels).fill(0);
  for (const node of nodes) {
    const { level, first, bits } = node;
    if (level >= levels) throw broken(node, 'no such level');
    byLevel[level] ??= new Map();
    if (BigInt.asUintN(8 * (level + 1), first) !== 0n) throw broken(node, 'not the first index of a node');
    if (byLevel[level].has(first)) throw broken(node, 'exists twice');
    byLevel[level].set(first, node);
    const count = bitCount(bits);
    if (count === 0) throw broken(node, 'is empty');
    if (count === 256 && (level !== levels - 1 || nodes.length !== 1))
      throw broken(node, 'is full, and not a root alone');
    counts[level]! += count;
  }
  for (const node of nodes) {
    const { level, first } = node;
    for (let above = level + 1; above < levels; above++) {
      const nodesAbove = byLevel[above];
      if (nodesAbove === undefined) continue;
      const child = BigInt.asUintN(8 * (above + 1), first);
      const parent = nodesAbove.get(first - child);
      if (parent === undefined) continue;
      const octet = Number(child >> BigInt(8 * above));
      if ((parent.bits[octet >> 3]! >> (octet & 7)) & 1) {
        throw broken(node, `full according to level ${above}`);
      }
    }
  }
  let used = 0n;
  for (const [level, count] of counts.entries()) if (count > 0) used += BigInt(count) << BigInt(8 * level);
  return used;
}
