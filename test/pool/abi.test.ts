// Drives build/core.wasm from the text of assembly/README.md alone, through a bare WebAssembly.instantiate.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../support/random.ts';
import {
  DONE,
  FUNCTIONS,
  Host,
  HostedHost,
  NO_MORE,
  NOT,
  OUTSIDE,
  RESERVE_FIRST,
  RESERVE_LAST,
} from './support/abi.ts';

const test = suite('abi');

const NET = 0x0a000000n; // 10.0.0.0
const DB8 = 0x20010db8n << 96n; // 2001:db8::
const BOTH = RESERVE_FIRST | RESERVE_LAST;

test('the page names every export, with its parameters and whether it has a result', async () => {
  const { exports } = await Host.load();
  const { memory, ...functions } = exports;
  assert.instance(memory, WebAssembly.Memory);
  assert.equal(FUNCTIONS.map(({ name }) => name).sort(), Object.keys(functions).sort());
  for (const { name, parameterCount } of FUNCTIONS)
    assert.is((functions[name] as () => void).length, parameterCount, name);
});

test('an allocator of a /24 with a gateway', async () => {
  const host = await Host.load();
  host.call('configure', 4, 0);
  host.write('A', NET + 77n);
  host.call('setSubnet', 24, BOTH);
  host.onRun('exclude', NET + 1n, NET + 1n);
  assert.is(host.call('countUsable'), 0);
  assert.is(host.read('B'), 253n);
  assert.is(host.call('getCursor'), 0);

  for (let i = 2n; i < 255n; i++) {
    assert.is(host.call('find'), DONE);
    assert.is(host.read('A'), NET + i);
    assert.is(host.call('acquire'), DONE);
    assert.is(host.read('A'), NET + i);
  }
  assert.is(host.call('acquire'), NOT);
  assert.is(host.call('find'), NOT);
  assert.is(host.call('getCursor'), 1);
  assert.is(host.read('A'), NET + 254n);

  assert.is(host.on('clear', NET + 9n), DONE);
  assert.is(host.on('clear', NET + 9n), NOT);
  assert.is(host.on('test', NET + 9n), 0);
  assert.is(host.on('test', NET + 10n), 1);
  assert.is(host.on('mark', NET + 9n), DONE);
  assert.is(host.on('mark', NET + 9n), NOT);
  assert.is(host.on('clear', NET + 9n), DONE);
  assert.is(host.release(NET + 10n), DONE);
  assert.is(host.release(NET + 10n), NOT);
  assert.is(host.on('mark', NET + 10n), DONE);
  for (const outside of [NET - 1n, NET + 256n, NET + (1n << 32n) + 10n, NET + (1n << 96n) + 10n]) {
    assert.is(host.release(outside), OUTSIDE);
  }
  for (const [index, inRange, reserved] of [
    [NET - 1n, 0, 1],
    [NET, 1, 1],
    [NET + 1n, 1, 1],
    [NET + 2n, 1, 0],
    [NET + 255n, 1, 1],
    [NET + 256n, 0, 1],
  ] as const) {
    assert.is(host.on('isInRange', index), inRange);
    assert.is(host.on('isReserved', index), reserved);
  }

  // What is in use, in order.
  const runs: string[] = [];
  for (let from = NET; host.on('usedRun', from) === DONE; from = host.read('B') + 1n) {
    runs.push(`${host.read('A') - NET}..${host.read('B') - NET}`);
  }
  assert.equal(runs, ['2..8', '10..254']);
  assert.is(host.call('countUsed'), 0);
  assert.is(host.read('B'), 252n);
  assert.is(host.call('acquire'), DONE);
  assert.is(host.read('A'), NET + 9n, 'once around');
  for (let i = 2n; i < 255n; i++) assert.is(host.on('clear', NET + i), DONE);
  assert.is(host.call('nodeCount'), 0);
});

test('where the search begins, and a narrower range', async () => {
  const host = await Host.load();
  host.call('configure', 16, 0);
  host.write('A', DB8);
  host.call('setSubnet', 48, RESERVE_FIRST);
  host.on('setCursor', DB8 + (1n << 64n) - 1n);
  host.call('acquire');
  assert.is(host.read('A'), DB8 + (1n << 64n), 'over the lower half');
  host.call('clearCursor');
  host.call('acquire');
  assert.is(host.read('A'), DB8 + 1n);
  host.onRun('setRange', DB8 + 1n, DB8 + 3n);
  host.call('acquire');
  host.call('acquire');
  assert.is(host.read('A'), DB8 + 3n);
  assert.is(host.call('acquire'), NOT);
  host.write('A', DB8);
  host.call('setSubnet', 48, 0);
  host.call('acquire');
  assert.is(host.read('A'), DB8, 'setSubnet forgets range, exclusions and cursor; the tree stays');
  host.call('acquire');
  assert.is(host.read('A'), DB8 + 4n);
});

test('runs: a million /80 prefixes at once', async () => {
  const host = await Host.load();
  const net = 0x20010db8n << 48n; // leading 80 bits of 2001:db8::
  host.call('configure', 10, 0);
  host.write('A', net);
  host.call('setSubnet', 48, 0);
  assert.is(host.onRun('freeRun', net, 1_000_000n), DONE);
  assert.equal([host.read('A'), host.read('B')], [net, net + 999_999n]);
  host.onRun('markRun', net, net + 999_999n);
  host.call('countUsed');
  assert.is(host.read('B'), 1_000_000n);
  assert.is(host.onRun('freeRun', net, 5n), DONE);
  assert.equal([host.read('A'), host.read('B')], [net + 1_000_000n, net + 1_000_004n]);

  // Its nodes make it again, in another instance.
  const nodes: { level: number; key: bigint; bits: Uint8Array }[] = [];
  for (let i = 0, level = host.call('nodeAt', 0); level !== NO_MORE; level = host.call('nodeAt', ++i)) {
    nodes.push({ level, key: host.read('KEY'), bits: host.bits });
  }
  assert.is(nodes.length, host.call('nodeCount'));
  // 1,000,000 is 15 * 65,536 + 66 * 256 + 64: bits of three nodes, as the page numbers them.
  assert.equal(
    nodes
      .sort((a, b) => b.level - a.level)
      .map(({ level, key, bits }) => [level, key - net, bits.findIndex(b => b !== 255)]),
    [
      [2, 0n, 1],
      [1, 15n << 16n, 8],
      [0, (15n << 16n) + (66n << 8n), 8],
    ],
  );
  assert.equal([nodes[0]!.bits[1], nodes[1]!.bits[8], nodes[2]!.bits[8]], [0x7f, 0b11, 0]);
  const copy = await Host.load();
  copy.call('configure', 10, 0);
  for (const { level, key, bits } of nodes) {
    copy.write('KEY', key);
    copy.bits = bits;
    assert.is(copy.call('putNode', level), 0);
    copy.write('KEY', key);
    assert.is(copy.call('putNode', level), 1, 'not twice');
  }
  assert.is(copy.on('usedRun', 0n), DONE);
  assert.equal([copy.read('A'), copy.read('B')], [net, net + 999_999n]);
  copy.onRun('clearRun', net, net + 999_999n);
  assert.is(copy.call('nodeCount'), 0);
});

test('all 2^128 indexes: the count has a bit more', async () => {
  const host = await Host.load();
  host.call('configure', 16, 0);
  assert.is(host.call('countUsable'), 1);
  assert.is(host.read('B'), 0n);
  host.onRun('markRun', 0n, (1n << 128n) - 1n);
  assert.is(host.call('countUsed'), 1);
  assert.is(host.read('B'), 0n);
  assert.is(host.call('nodeCount'), 1, 'the full root');
  assert.is(host.call('acquire'), NOT);
});

test('the memory grows, and the scratch memory stays where it is', async () => {
  const host = await Host.load();
  host.call('configure', 16, 0);
  const [address, { byteLength }] = [host.call('scratch'), (host.exports.memory as WebAssembly.Memory).buffer];
  for (let i = 0n; i < 20_000n; i++) assert.is(host.on('mark', i << 80n), DONE);
  assert.ok((host.exports.memory as WebAssembly.Memory).buffer.byteLength > byteLength);
  assert.is(host.call('scratch'), address);
  assert.is(host.call('nodeCount'), 20_000);
  for (let i = 0n; i < 20_000n; i++) assert.is(host.on('clear', i << 80n), DONE);
  assert.is(host.call('nodeCount'), 0);
});

for (const { octets, subnet, bits, reserve, name } of [
  { octets: 4, subnet: NET + 0xfc00n, bits: 22, reserve: BOTH, name: '10.0.252.0/22' },
  {
    octets: 16,
    subnet: DB8 + (1n << 64n) - (1n << 10n),
    bits: 118,
    reserve: RESERVE_FIRST,
    name: '2001:db8::ffff:ffff:ffff:fc00/118',
  },
]) {
  test(`a hosted tree of ${name}, its rows in a map`, async () => {
    const random = new Random(`abi ${octets}`);
    const rows = new Map<string, Uint8Array>();
    let most = 0;
    /** An instance that knows nothing but the rows. */
    const open = async (cursor?: bigint) => {
      const hosted = new HostedHost(await Host.load(), octets, rows);
      hosted.host.write('A', subnet);
      hosted.host.call('setSubnet', bits, reserve);
      hosted.host.onRun('exclude', subnet + 5n, subnet + 9n);
      if (cursor !== undefined) hosted.host.on('setCursor', cursor);
      return hosted;
    };
    // The same without a host's help.
    const plain = await Host.load();
    plain.call('configure', octets, 0);
    plain.write('A', subnet);
    plain.call('setSubnet', bits, reserve);
    plain.onRun('exclude', subnet + 5n, subnet + 9n);

    let hosted = await open();
    const used = new Set<bigint>();
    let fills = true;
    for (let step = 0; step < 6000; step++) {
      if (random.chance(0.002)) fills = !fills;
      if (random.chance(fills ? 0.8 : 0.2)) {
        const status = plain.call('acquire');
        const expected = plain.read('A');
        if (random.chance(0.5)) {
          assert.is(hosted.complete('find'), status);
          if (status === DONE) {
            const found = hosted.host.read('A');
            assert.is(hosted.complete('mark', found), DONE);
            hosted.host.on('setCursor', found);
          }
        } else {
          assert.is(hosted.complete('acquire'), status);
        }
        if (status === DONE) {
          assert.is(hosted.host.read('A'), expected);
          used.add(expected);
        }
      } else {
        const index = subnet + BigInt(random.below(1024));
        assert.is(hosted.complete('test', index), plain.on('test', index));
        const expected = plain.on('clear', index);
        assert.is(random.chance(0.5) ? hosted.complete('clear', index) : hosted.release(index), expected);
        used.delete(index);
      }
      if (random.chance(0.05)) {
        hosted.save();
        assert.is(rows.size, plain.call('nodeCount'), 'a row for each node');
        most = Math.max(most, hosted.mostAsked);
        const cursor = plain.call('getCursor') === 1 ? plain.read('A') : undefined;
        if (random.chance(0.5)) hosted = await open(cursor);
      }
    }
    for (const index of used) assert.is(hosted.complete('clear', index), DONE);
    hosted.save();
    assert.is(rows.size, 0);
    // One excluded range in the middle, and those at the ends that are reserved: a search more for each.
    assert.ok(most > 0 && most <= 62 + 3 * 31, `${most} nodes asked for by one call`);
  });
}

test.run();
