// Snapshots: what comes back, and what damage is answered with.

import * as assert from 'uvu/assert';
import { AddressPool, type AddressPoolOptions } from '../../src/index.ts';
import { decodeSnapshot, encodeSnapshot, type Snapshot, type SnapshotNode } from '../../src/ipam/snapshot.ts';
import { crc32 } from '../../src/store/crc32.ts';
import { suitesOfBuilds } from './support/builds.ts';
import { acquireAll, runsText } from './support/text.ts';

/** An error, but none of the engine's own: neither a trap of WebAssembly nor a missing property. */
function refuses(snapshot: Uint8Array, message: string | RegExp = /^snapshot: /): void {
  assert.throws(
    () => AddressPool.from(snapshot),
    (error: Error) => {
      assert.ok(error instanceof SyntaxError || error instanceof RangeError, `${error.name}: ${error.message}`);
      if (typeof message === 'string') assert.ok(error.message.includes(message), error.message);
      else assert.match(error.message, message);
      return true;
    },
  );
}

/** A pool with a cursor, exclusions, a range, and nodes at two levels. */
function samplePool(): AddressPool {
  const options: AddressPoolOptions = {
    exclude: ['10.0.0.8/30'],
    range: ['10.0.0.2', '10.0.3.9'],
    gateway: '10.0.0.1',
  };
  const pool = new AddressPool('10.0.0.0/16', options);
  pool.acquireMany(600);
  pool.release('10.0.0.3');
  return pool;
}

/** The body with a checksum that is right. */
function sealed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 4);
  bytes.set(body);
  new DataView(bytes.buffer).setUint32(body.length, crc32(body));
  return bytes;
}

const NODE = (level: number, firstIndex: number[], ...bytes: [number, number][]): SnapshotNode => {
  const bits = new Uint8Array(32);
  for (const [i, byte] of bytes) bits[i] = byte;
  return { level, firstIndex: Uint8Array.from(firstIndex), bits };
};

/** A snapshot of an IPv4 pool with these nodes. */
const crafted = (nodes: SnapshotNode[], parts: Partial<Snapshot> = {}) =>
  encodeSnapshot({ options: ['10.0.0.0/8', {}], cursor: undefined, nodes, ...parts });

suitesOfBuilds('snapshot', test => {
  const ROUND_TRIPS: [string, AddressPoolOptions?][] = [
    ['10.0.0.0/24'],
    ['10.0.0.77/24', { gateway: '10.0.0.1' }],
    ['10.0.0.0/31'],
    ['0.0.0.0/0', { exclude: ['10.0.0.0/8', '255.255.255.255'] }],
    ['2001:db8::/48', { exclude: ['2001:db8::/120'], range: ['2001:db8::', '2001:db8::ffff'] }],
    ['2001:db8::/48', { unit: 61, exclude: ['2001:db8:0:8::/64'] }],
    ['::/0', { unit: 128 }],
    ['10.0.0.0/8', { unit: 8 }],
    ['0.0.0.0/0', { unit: 0 }],
  ];
  for (const [subnet, options] of ROUND_TRIPS) {
    test(`${subnet} ${JSON.stringify(options) ?? ''}: empty, in use, full`, () => {
      const pool = new AddressPool(subnet, options);
      const check = () => {
        const copy = AddressPool.from(pool.snapshot());
        for (const key of ['used', 'capacity', 'nodeCount'] as const) assert.is(copy[key], pool[key], key);
        assert.is(runsText(copy), runsText(pool));
        assert.equal(copy.nodes(), pool.nodes());
        assert.equal(copy.snapshot(), pool.snapshot());
        // Both go on alike, and apart: cursor, exclusions and range are there.
        const next = copy.acquire();
        assert.is(AddressPool.from(pool.snapshot()).acquire(), next);
        if (next === undefined) return;
        assert.not(pool.has(next));
        assert.is(pool.acquire(), next);
        assert.is(runsText(copy), runsText(pool));
      };
      check();
      const taken = pool.acquireMany(20);
      check();
      if (taken.length > 0) assert.ok(pool.release(taken[0]!.first));
      check();
      pool.acquireMany(pool.capacity / 3n);
      check();
      pool.acquireMany(pool.capacity);
      assert.is(pool.used, pool.capacity);
      check();
    });
  }

  test('a copy is a pool of its own', () => {
    const pool = samplePool();
    const before = runsText(pool);
    const copy = AddressPool.from(pool.snapshot());
    copy.acquireMany(copy.capacity);
    for (const text of ['10.0.0.2', '10.0.1.0']) assert.ok(copy.release(text));
    assert.is(runsText(pool), before);
    assert.equal(acquireAll(copy), ['10.0.1.0', '10.0.0.2'], 'its cursor stands at 10.0.0.3');
  });

  test('a snapshot within a larger buffer, or in a Buffer', () => {
    const pool = samplePool();
    const snapshot = pool.snapshot();
    const buffer = new Uint8Array(snapshot.length + 20).fill(0xff);
    buffer.set(snapshot, 7);
    assert.is(runsText(AddressPool.from(buffer.subarray(7, 7 + snapshot.length))), runsText(pool));
    assert.is(runsText(AddressPool.from(Buffer.from(snapshot))), runsText(pool));
    refuses(buffer);
    refuses(buffer.subarray(7));
  });

  test('every flipped bit is noticed', () => {
    const snapshot = samplePool().snapshot();
    for (let bit = 0; bit < snapshot.length * 8; bit++) {
      snapshot[bit >> 3]! ^= 1 << (bit & 7);
      if (bit >= 5 * 8) refuses(snapshot, 'snapshot: checksum mismatch');
      else refuses(snapshot, /^snapshot: (it does not begin as one|version \d+, where 1 is known)$/);
      snapshot[bit >> 3]! ^= 1 << (bit & 7);
    }
    AddressPool.from(snapshot);
  });

  test('every truncation is noticed, and what comes behind the end', () => {
    const snapshot = samplePool().snapshot();
    for (let length = 0; length < snapshot.length; length++) refuses(snapshot.subarray(0, length));
    refuses(Uint8Array.from([...snapshot, 0]));
    refuses(sealed(Uint8Array.from([...snapshot.subarray(0, -4), 0])), 'it goes on behind its end');
  });

  test('every truncation and flipped byte under a checksum that is right throws, or makes a pool that works', () => {
    const pool = samplePool();
    const body = pool.snapshot().subarray(0, -4);
    for (let length = 0; length < body.length; length++) refuses(sealed(body.subarray(0, length)));
    for (let i = 0; i < body.length; i++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = body.slice();
        changed[i]! ^= flip;
        let copy: AddressPool;
        try {
          copy = AddressPool.from(sealed(changed));
        } catch (error) {
          assert.ok(error instanceof SyntaxError || error instanceof RangeError, `byte ${i}: ${error}`);
          continue;
        }
        const { used } = copy;
        if (copy.acquire() !== undefined) assert.is(copy.used, used + 1n, `byte ${i}`);
        copy.acquireMany(100);
        assert.ok(Array.from(copy).length <= 300);
        assert.is(runsText(AddressPool.from(copy.snapshot())), runsText(copy));
      }
    }
  });

  test('another version, another beginning', () => {
    const body = samplePool().snapshot().subarray(0, -4);
    for (const version of [0, 2, 255]) {
      const changed = body.slice();
      changed[4] = version;
      refuses(sealed(changed), `version ${version}`);
    }
    const begins = 'snapshot: it does not begin as one';
    for (let i = 0; i < 4; i++) {
      const changed = body.slice();
      changed[i]! ^= 0x20;
      refuses(sealed(changed), begins);
    }
    const shortest = Uint8Array.of(...body.subarray(0, 5), 0, 0, 0, 0);
    for (let length = 0; length < 9; length++) refuses(sealed(shortest.subarray(0, length)), begins);
    refuses(sealed(shortest), 'snapshot: its options are no JSON');
    refuses(new Uint8Array(0), begins);
    refuses(new Uint8Array(1000), begins);
    refuses(new TextEncoder().encode('{"this": "is no snapshot at all"}'));
  });

  const some: [number, number] = [0, 0b10];
  const full = Array.from({ length: 32 }, (_, i): [number, number] => [i, 0xff]);
  const BAD_NODES: [string, SnapshotNode[]][] = [
    ['a level above the root', [NODE(4, [0, 0, 0, 0], some)]],
    ['a level of 255', [NODE(255, [0, 0, 0, 0], some)]],
    ['levels of 16 and 31', [NODE(31, [0, 0, 0, 0], some), NODE(16, [0, 0, 0, 0], some)]],
    ['an empty node', [NODE(0, [10, 0, 0, 0])]],
    ['a full leaf', [NODE(0, [10, 0, 0, 0], ...full)]],
    ['a full node below the root', [NODE(2, [10, 0, 0, 0], ...full)]],
    ['a node twice', [NODE(0, [10, 0, 0, 0], some), NODE(0, [10, 0, 0, 0], some)]],
    ['a node under a full bit', [NODE(1, [10, 0, 0, 0], some), NODE(0, [10, 0, 1, 0], some)]],
    ['a node under a full bit two levels up', [NODE(2, [10, 0, 0, 0], some), NODE(0, [10, 1, 7, 0], some)]],
    ['a node under a full root', [NODE(3, [0, 0, 0, 0], ...full), NODE(0, [10, 1, 7, 0], some)]],
    ['upper levels last', [NODE(0, [10, 0, 0, 0], some), NODE(1, [10, 0, 0, 0], some)]],
    ['not the first index of a leaf', [NODE(0, [10, 0, 0, 1], some)]],
    ['not the first index of a node', [NODE(2, [10, 0, 1, 0], some)]],
    ['an index beyond the index space', [NODE(0, [1, 10, 0, 0, 0], some)]],
    ['an index of 128 bits', [NODE(0, [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0], some)]],
  ];
  const BAD_NODE = /^snapshot: (a node of level \d+ cannot be part of a tree|its nodes are out of order)$/;
  for (const [reason, nodes] of BAD_NODES) test(`nodes: ${reason}`, () => refuses(crafted(nodes), BAD_NODE));

  test('nodes in another order than upper levels first, wherever', () => {
    const nodes = [NODE(2, [10, 0, 0, 0], some), NODE(1, [11, 0, 0, 0], some), NODE(0, [12, 0, 0, 0], some)];
    AddressPool.from(crafted(nodes, { options: ['0.0.0.0/0', {}] }));
    for (const order of [
      [0, 2, 1],
      [1, 0, 2],
      [2, 1, 0],
    ]) {
      const options = ['0.0.0.0/0', {}];
      refuses(
        crafted(
          order.map(i => nodes[i]!),
          { options },
        ),
        'snapshot: its nodes are out of order',
      );
    }
  });

  test('nodes: an index beyond those of the unit, whose last byte is used in part', () => {
    const ofUnit = (index: number[]) => crafted([NODE(0, index, some)], { options: ['10.0.0.0/8', { unit: 12 }] });
    assert.equal(AddressPool.from(ofUnit([0x0f, 0])).nodes()[0]!.first, '240.0.0.0/12');
    refuses(ofUnit([0x1f, 0]));
    const ofLonger = (index: number[]) => crafted([NODE(0, index, some)], { options: ['10.0.0.0/8', { unit: 20 }] });
    assert.equal(AddressPool.from(ofLonger([0x0f, 0, 0])).nodes()[0]!.first, '240.0.0.0/20');
    refuses(ofLonger([0x1f, 0, 0]));
  });

  test('nodes that can be part of a tree are taken', () => {
    const nodes = [NODE(2, [10, 0, 0, 0], some), NODE(1, [10, 3, 0, 0], some), NODE(0, [10, 3, 0, 0], some)];
    assert.is(runsText(AddressPool.from(crafted(nodes))), '10.1.0.0 - 10.1.255.255, 10.3.0.1, 10.3.1.0 - 10.3.1.255');
    assert.is(AddressPool.from(crafted([NODE(3, [0, 0, 0, 0], ...full)])).used, 1n << 24n);
  });

  test('counts and lengths that are too large, or too small', () => {
    const good = crafted([NODE(0, [10, 0, 0, 0], some), NODE(0, [10, 0, 1, 0], some)]).slice(0, -4);
    const countOffset = good.length - 2 * 49 - 4;
    for (const count of [3, 1000, 0x7fffffff, 0xffffffff]) {
      new DataView(good.buffer).setUint32(countOffset, count);
      refuses(sealed(good), 'it ends too early');
    }
    for (const count of [0, 1]) {
      new DataView(good.buffer).setUint32(countOffset, count);
      refuses(sealed(good), 'it goes on behind its end');
    }
    new DataView(good.buffer).setUint32(countOffset, 2);
    AddressPool.from(sealed(good));
    for (const length of [0, 1, 16, 18, good.length, 0x7fffffff, 0xffffffff]) {
      const changed = good.slice();
      new DataView(changed.buffer).setUint32(5, length);
      refuses(sealed(changed));
    }
  });

  test('options that are no JSON', () => {
    const text = '["10.0.0.0/8",{}]';
    const body = crafted([]).slice(0, -4);
    for (const wrong of ['["10.0.0.0/8",{}', "['10.0.0.0/8',{}]", '', '\u{ff}', '[,]']) {
      const changed = body.slice();
      changed.set(new TextEncoder().encode(wrong.padEnd(text.length, '\0')).subarray(0, text.length), 9);
      refuses(sealed(changed), /./);
    }
  });

  const BAD_OPTIONS: unknown[] = [
    null,
    7,
    'x',
    {},
    [],
    [null, null],
    [7, {}],
    ['10.0.0.0/8', null],
    ['10.0.0.0/8', 7],
    ['10.0.0.0/8', []].concat(['more']),
    ['10.0.0.0/33', {}],
    ['10.0.0.0', {}],
    ['10.0.0.0/8', { unit: '16' }],
    ['10.0.0.0/8', { unit: null }],
    ['10.0.0.0/8', { unit: 1e300 }],
    ['10.0.0.0/8', { unit: [16] }],
    ['10.0.0.0/8', { gateway: 1 }],
    ['10.0.0.0/8', { gateway: null }],
    ['10.0.0.0/8', { gateway: ['10.0.0.1'] }],
    ['10.0.0.0/8', { gateway: '11.0.0.1' }],
    ['10.0.0.0/8', { exclude: {} }],
    ['10.0.0.0/8', { exclude: null }],
    ['10.0.0.0/8', { exclude: [[]] }],
    ['10.0.0.0/8', { exclude: '10.0.0.1' }],
    ['10.0.0.0/8', { range: {} }],
    ['10.0.0.0/8', { range: null }],
    ['10.0.0.0/8', { range: ['10.0.0.1'] }],
    ['10.0.0.0/8', { range: ['10.0.0.1', null] }],
    ['10.0.0.0/8', { range: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] }],
    ['10.0.0.0/8', { range: ['10.0.0.2', '10.0.0.1'] }],
  ];
  for (const options of BAD_OPTIONS) {
    test(`options: ${JSON.stringify(options)}`, () => refuses(crafted([], { options }), /./));
  }

  test('options that are not a pair', () => {
    for (const options of [null, 7, 'xy', {}, [], ['10.0.0.0/8'], ['10.0.0.0/8', {}, {}]]) {
      refuses(crafted([], { options }), /^snapshot: it has no subnet and options$/);
    }
  });

  test('a cursor anywhere at all', () => {
    for (const [cursor, first] of [
      [[10, 0, 0, 7], '10.0.0.8'],
      [[9, 255, 255, 255], '10.0.0.1'],
      [[11, 0, 0, 0], '10.0.0.1'],
      [[10, 255, 255, 255], '10.0.0.1'],
      [[0, 0, 0, 0], '10.0.0.1'],
      [new Array<number>(16).fill(0xff), '10.0.0.1'],
      [[1, 10, 0, 0, 7], '10.0.0.1'],
    ] as [number[], string][]) {
      const snapshot = crafted([], { cursor: Uint8Array.from(cursor) });
      assert.is(AddressPool.from(snapshot).acquire(), first, cursor.join());
      const runs = AddressPool.from(snapshot).acquireMany(3);
      assert.is(runs.length, 1);
      if (cursor.length === 4) assert.is(runs[0]!.first, first);
    }
  });

  test('the encoding is the same both ways', () => {
    const decoded = decodeSnapshot(samplePool().snapshot());
    assert.equal(encodeSnapshot(decoded), samplePool().snapshot());
    assert.is(decoded.cursor?.length, 16);
  });
});
