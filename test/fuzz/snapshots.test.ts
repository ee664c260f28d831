// Snapshots of pools, changed in many places, most of them under a checksum that is right: refused with an error that
// says why, or a pool that keeps every rule.

import * as assert from 'uvu/assert';
import { AddressPool, type AddressPoolOptions } from '../../src/index.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from '../../src/ipam/snapshot.ts';
import { crc32 } from '../../src/store/crc32.ts';
import { suitesOfBuilds } from '../pool/support/builds.ts';
import { effort, tried } from '../support/effort.ts';
import { Random, seed } from '../support/random.ts';
import { liveBytes, MemoryFloors } from './support/memory.ts';
import { type Field, mutated, type Sample } from './support/mutation.ts';
import { checkPool } from './support/pool.ts';

/** Longer than any of these takes: who reaches it hangs. */
const HANG_MS = 5_000;
/** Three hundred bytes kept of each case are more, in the long form. */
const MEMORY_BYTES = 6 << 20;
const LOOKS = 40;

const POOLS: [subnet: string, options?: AddressPoolOptions][] = [
  ['10.0.0.0/16', { gateway: '10.0.0.1', exclude: ['10.0.0.8/30'], range: ['10.0.0.2', '10.0.3.9'] }],
  ['10.0.0.0/31'],
  ['0.0.0.0/0', { exclude: ['10.0.0.0/8', '255.255.255.255'] }],
  ['2001:db8::/48', { exclude: ['2001:db8::/120'], range: ['2001:db8::', '2001:db8::ffff'] }],
  ['2001:db8::/48', { unit: 61, exclude: ['2001:db8:0:8::/64'] }],
  ['::/0', { unit: 128 }],
];

/** Pools with holes, of one node and of many, and one that is full. */
function samples(random: Random): Sample[] {
  return POOLS.flatMap(([subnet, options], number) =>
    [0, 40, 3000].map((count): Sample => {
      const pool = new AddressPool(subnet, options);
      const taken = pool.acquireMany(count);
      for (const { first, last } of taken) if (random.chance(0.7)) pool.release(random.pick([first, last]));
      for (let i = random.below(count + 1) / 10; i > 0; i--) pool.release(pool.acquire() ?? taken[0]!.first);
      const bytes = Buffer.from(pool.snapshot());
      return { name: `pool ${number} with ${count}`, bytes, fields: fieldsOf(bytes) };
    }),
  );
}

/** Version, length, cursor, count; level, index and bits of each node. */
function fieldsOf(bytes: Buffer): Field[] {
  const afterOptions = 9 + bytes.readUInt32BE(5);
  const cursor = [1, 9].map((at): Field => ({ at: afterOptions + at, bytes: 8 }));
  const head: Field[] = [{ at: 4, bytes: 1 }, { at: 5, bytes: 4 }, { at: afterOptions, bytes: 1 }, ...cursor];
  const count: Field = { at: afterOptions + 17, bytes: 4 };
  const nodes = Array.from({ length: bytes.readUInt32BE(count.at) }, (_, i) => count.at + 4 + 49 * i);
  return [
    ...head,
    count,
    ...nodes.flatMap(at => [
      { at, bytes: 1 } as const,
      ...[1, 9, 17, 25, 33, 41].map(offset => ({ at: at + offset, bytes: 8 }) as const),
    ]),
  ];
}

/** What some of two snapshots makes together. */
function recombined(a: Snapshot, b: Snapshot, random: Random): Buffer {
  const nodes = [...a.nodes, ...b.nodes]
    .filter(() => random.chance(0.6))
    .map(node => (random.chance(0.05) ? { ...node, level: random.below(17) } : node));
  if (random.chance(0.9)) nodes.sort((x, y) => y.level - x.level);
  const { options } = random.pick([a, a, b]);
  return Buffer.from(encodeSnapshot({ options, cursor: random.pick([a, b]).cursor, nodes }));
}

/** With a checksum that is right. */
function sealed(bytes: Buffer): Buffer {
  if (bytes.length < 4) return bytes;
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

function changed(corpus: readonly Sample[], random: Random): Buffer {
  const sample = random.pick(corpus);
  const kind = random.below(10);
  if (kind < 3) return recombined(decodeSnapshot(sample.bytes), decodeSnapshot(random.pick(corpus).bytes), random);
  const bytes = mutated(sample, corpus, 'big-endian', random);
  return kind < 9 ? sealed(bytes) : bytes;
}

/** What an error about a snapshot or one of its options begins with. */
const NAMED = /^(snapshot|subnet|options|gateway|exclude|range|unit)\b.*: ?./s;

/** The pool, or undefined if the snapshot was refused as is documented. */
function read(bytes: Uint8Array): AddressPool | undefined {
  try {
    return AddressPool.from(bytes);
  } catch (error) {
    assert.ok(error instanceof SyntaxError || error instanceof RangeError, (error as Error).stack);
    assert.match((error as Error).message, NAMED);
    return undefined;
  }
}

suitesOfBuilds('changed snapshots', test => {
  test('each is refused with a reason, or makes a pool that keeps the rules; no memory is kept', () => {
    const cases = effort(1_500, 60_000);
    const corpus = samples(new Random('corpus'));
    const floors = new MemoryFloors(cases, liveBytes);
    let made = 0;
    for (let i = 0; i < cases; i++) {
      const bytes = changed(corpus, new Random(`snapshot ${i}`));
      const startMs = performance.now();
      try {
        const pool = read(bytes);
        if (pool !== undefined) {
          made++;
          const { options, nodes } = decodeSnapshot(bytes);
          assert.is(pool.nodeCount, nodes.length, 'all that is in the snapshot is in the pool');
          checkPool(pool, new AddressPool(...(options as [string, AddressPoolOptions])));
        }
      } catch (error) {
        throw new Error(`seed ${seed}, case ${i}: ${bytes.toString('hex')}\n${(error as Error).stack}`);
      }
      const ms = performance.now() - startMs;
      assert.ok(ms < HANG_MS, `seed ${seed}, case ${i}: ${ms} ms`);
      if (i % Math.ceil(cases / LOOKS) === 0) floors.look(i);
    }
    tried(`${cases} changed snapshots, of which ${made} made pools; least memory ${floors}`);
    assert.ok(made > cases / 20 && made < (cases * 19) / 20, `${made} of ${cases} made pools`);
    floors.check(MEMORY_BYTES);
  });
});
