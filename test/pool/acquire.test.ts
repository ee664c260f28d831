// One address at a time: acquire, acquireInto, request, release, has, and the counts.

import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { AddressPool } from '../../src/index.ts';
import { seed } from '../support/random.ts';
import { suitesOfBuilds } from './support/builds.ts';
import { acquireAll, addressOf, bytesOf, runsText } from './support/text.ts';

const throwsWith = (call: () => unknown, name: string, ...parts: string[]) =>
  assert.throws(call, (error: Error) => {
    assert.is(error.name, name, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    return true;
  });

suitesOfBuilds('acquire', test => {
  test('in order, undefined at the end, and again and again', () => {
    const pool = new AddressPool('10.0.0.0/29');
    assert.equal(acquireAll(pool), ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
    for (let i = 0; i < 3; i++) assert.is(pool.acquire(), undefined);
    assert.is(pool.used, 6n);
    assert.is(pool.capacity, 6n);
  });

  test('released addresses come back only after the cursor has gone round', () => {
    const pool = new AddressPool('10.0.0.0/24', { gateway: '10.0.0.1' });
    assert.equal([pool.acquire(), pool.acquire(), pool.acquire()], ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
    assert.ok(pool.release('10.0.0.2'));
    assert.ok(pool.release('10.0.0.4'));
    for (let i = 5; i <= 254; i++) assert.is(pool.acquire(), `10.0.0.${i}`);
    assert.equal(acquireAll(pool), ['10.0.0.2', '10.0.0.4']);
    // The cursor stands in the middle now: what is behind it comes first.
    for (const text of ['10.0.0.3', '10.0.0.4', '10.0.0.9']) assert.ok(pool.release(text));
    assert.equal(acquireAll(pool), ['10.0.0.9', '10.0.0.3', '10.0.0.4']);
  });

  test('a pool of one address gives it again at once', () => {
    for (const text of ['10.0.0.1/32', '::1/128']) {
      const pool = new AddressPool(text);
      for (let i = 0; i < 3; i++) {
        const address = pool.acquire()!;
        assert.is(pool.acquire(), undefined);
        assert.ok(pool.release(address));
      }
      assert.is(pool.nodeCount, 0);
    }
  });

  test('the cursor wraps at the end of the range, of the subnet, and of all addresses', () => {
    const end = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe';
    const cases: [AddressPool, string[]][] = [
      [new AddressPool('10.0.0.0/8', { range: ['10.0.0.255', '10.0.1.1'] }), ['10.0.0.255', '10.0.1.0', '10.0.1.1']],
      [new AddressPool('255.255.255.254/31'), ['255.255.255.254', '255.255.255.255']],
      [new AddressPool(`${end}/127`), [end, end.replace(/e$/, 'f')]],
      [new AddressPool('::/0', { unit: 2 }), ['::/2', '4000::/2', '8000::/2', 'c000::/2']],
    ];
    for (const [pool, expected] of cases) {
      for (let round = 0; round < 3; round++) {
        const all = acquireAll(pool);
        assert.equal(all, expected);
        assert.is(BigInt(all.length), pool.capacity);
        for (const text of all) assert.ok(pool.release(text));
      }
    }
  });

  test('request takes one that is free, and does not move the cursor', () => {
    const pool = new AddressPool('10.0.0.0/24');
    assert.ok(pool.request('10.0.0.1'));
    assert.ok(pool.request('10.0.0.100'));
    assert.not(pool.request('10.0.0.100'), 'taken');
    assert.is(pool.used, 2n);
    assert.is(pool.acquire(), '10.0.0.2');
    assert.ok(pool.request('10.0.0.3'));
    assert.is(pool.acquire(), '10.0.0.4');
    assert.not(pool.request('10.0.0.2'), 'acquired');
    assert.is(runsText(pool), '10.0.0.1 - 10.0.0.4, 10.0.0.100');
  });

  test('release and has tell what was', () => {
    const pool = new AddressPool('2001:db8::/64');
    assert.not(pool.has('2001:db8::1'));
    assert.not(pool.release('2001:db8::1'), 'was free');
    pool.acquire();
    assert.ok(pool.has('2001:db8::1'));
    assert.ok(pool.has('2001:0db8:0:0::1'), 'any way of writing it');
    assert.ok(pool.release('2001:DB8::0001'));
    assert.not(pool.release('2001:db8::1'), 'was free');
    assert.not(pool.has('2001:db8::1'));
    assert.is(pool.used, 0n);
  });

  test('outside the range: RangeError; what is no address: SyntaxError; neither changes anything', () => {
    const pool = new AddressPool('10.0.0.0/16', { range: ['10.0.1.0', '10.0.1.255'], exclude: ['10.0.1.7'] });
    pool.acquire();
    const calls = [pool.request, pool.release, pool.has];
    for (const call of calls) {
      for (const text of ['10.0.0.255', '10.0.2.0', '0.0.0.0', '255.255.255.255', '::1', '::ffff:10.0.1.1']) {
        throwsWith(() => call.call(pool, text), 'RangeError', text);
      }
      for (const text of [
        '',
        '10.0.1',
        '10.0.1.01',
        ' 10.0.1.1',
        '10.0.1.1 ',
        '::1%eth0',
        '10.0.1.1/33',
        '10.0.1.1/',
      ]) {
        throwsWith(() => call.call(pool, text), 'SyntaxError', JSON.stringify(text));
      }
      throwsWith(() => call.call(pool, '::1'), 'RangeError', '::1: is not IPv4');
      throwsWith(() => call.call(pool, '10.0.1.0/24'), 'RangeError', '10.0.1.0/24');
      assert.not(call.call(pool, '10.0.1.7'), 'reserved: refused, free, not in use');
    }
    assert.is(pool.used, 1n);
    assert.is(runsText(pool), '10.0.1.0');
  });

  test('a pool of prefixes takes them with their length, or by their first address', () => {
    const pool = new AddressPool('2001:db8::/48', { unit: 80, exclude: ['2001:db8:0:0:6::/79'] });
    assert.ok(pool.request('2001:db8:0:0:5::/80'));
    assert.not(pool.request('2001:db8:0:0:5::'));
    assert.ok(pool.has('2001:db8:0:0:5::'));
    for (let i = 0; i < 5; i++) assert.is(pool.acquire(), i === 0 ? '2001:db8::/80' : `2001:db8:0:0:${i}::/80`);
    assert.is(pool.acquire(), '2001:db8:0:0:8::/80', 'what is in use and what is excluded is stepped over');
    assert.not(pool.request('2001:db8:0:0:7::/80'));
    for (const call of [pool.request, pool.release, pool.has]) {
      throwsWith(() => call.call(pool, '2001:db8:0:0:5::1'), 'RangeError', '2001:db8:0:0:5::1');
      throwsWith(() => call.call(pool, '2001:db8:0:0:5::1/80'), 'RangeError', '2001:db8:0:0:5::1/80');
      throwsWith(() => call.call(pool, '2001:db8:0:0:5::/81'), 'RangeError', '/81');
      throwsWith(() => call.call(pool, '2001:db8:1::/80'), 'RangeError', '2001:db8:1::/80');
      throwsWith(() => call.call(pool, '10.0.0.0/28'), 'RangeError', '10.0.0.0/28');
    }
    assert.ok(pool.release('2001:db8:0:0:5::'));
    assert.is(pool.used, 6n);
    assert.is(runsText(pool), '2001:db8::/80 - 2001:db8:0:0:4::/80, 2001:db8:0:0:8::/80');
  });

  test('acquireInto writes 4 or 16 bytes at an offset, and nothing else', () => {
    const cases: [AddressPool, number[], number[]][] = [
      [new AddressPool('10.1.2.0/24'), [10, 1, 2, 1], [10, 1, 2, 2]],
      [new AddressPool('10.1.0.0/16', { unit: 28 }), [10, 1, 0, 0], [10, 1, 0, 16]],
      [
        new AddressPool('2001:db8:0:ff00::/56'),
        [0x20, 1, 0xd, 0xb8, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        [0x20, 1, 0xd, 0xb8, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 2],
      ],
      [
        new AddressPool('2001:db8::/48', { unit: 61 }),
        [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0x20, 1, 0xd, 0xb8, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0],
      ],
    ];
    for (const [pool, first, second] of cases) {
      const { length } = first;
      const bytes = new Uint8Array(length + 9).fill(0xaa);
      assert.ok(pool.acquireInto(bytes));
      assert.equal([...bytes], [...first, ...new Array<number>(9).fill(0xaa)]);
      bytes.fill(0xaa);
      assert.ok(pool.acquireInto(bytes.subarray(2), 3));
      assert.equal([...bytes], [...new Array<number>(5).fill(0xaa), ...second, ...new Array<number>(4).fill(0xaa)]);
      assert.is(pool.used, 2n);
    }
  });

  test('acquireInto throws a RangeError where it does not fit, and takes nothing', () => {
    for (const [pool, length] of [
      [new AddressPool('10.0.0.0/30'), 4],
      [new AddressPool('2001:db8::/126'), 16],
      [new AddressPool('10.0.0.0/24', { unit: 26 }), 4],
    ] as [AddressPool, number][]) {
      const bytes = new Uint8Array(length + 2);
      for (const offset of [3, length + 2, -1, -length, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32]) {
        throwsWith(() => pool.acquireInto(bytes, offset), 'RangeError', `offset ${offset}`);
      }
      throwsWith(() => pool.acquireInto(new Uint8Array(length - 1)), 'RangeError', 'offset 0');
      throwsWith(() => pool.acquireInto(new Uint8Array(0)), 'RangeError', 'offset 0');
      assert.is(pool.used, 0n);
      assert.is(runsText(pool), '');
      assert.ok(bytes.every(byte => byte === 0));
      assert.ok(pool.acquireInto(bytes, 2), 'the last offset that fits');
      acquireAll(pool);
      bytes.fill(0xaa);
      assert.not(pool.acquireInto(bytes));
      assert.ok(
        bytes.every(byte => byte === 0xaa),
        'a pool without a free address writes nothing',
      );
    }
  });

  test('releaseFrom gives back what lies at an offset, and tells whether it was in use', () => {
    const cases: [AddressPool, string][] = [
      [new AddressPool('10.1.2.0/24'), '10.1.2.1'],
      [new AddressPool('240.0.0.0/4', { unit: 29 }), '240.0.0.0/29'],
      [new AddressPool('ff01:db8:0:ff00::/56'), 'ff01:db8:0:ff00::1'],
      [new AddressPool('2001:db8::/48', { unit: 61 }), '2001:db8::/61'],
      [new AddressPool('8000::/1', { unit: 5 }), '8000::/5'],
    ];
    for (const [pool, text] of cases) {
      const length = bytesOf(text).length;
      const bytes = new Uint8Array(length + 7).fill(0xaa);
      assert.is(pool.acquire(), text);
      bytes.set(bytesOf(text), 5);
      assert.ok(pool.releaseFrom(bytes, 5));
      assert.not(pool.releaseFrom(bytes.subarray(5)), 'was free');
      assert.is(pool.used, 0n);
      assert.is(pool.nodeCount, 0);
      assert.equal(bytes.subarray(5, 5 + length), bytesOf(text), 'what it reads from stays');
    }
  });

  test('releaseFrom throws a RangeError for what is not the pool’s, and gives nothing back', () => {
    const range: [string, string] = ['2001:db8::10', '2001:db8::1f'];
    const cases: [AddressPool, string, string][] = [
      [new AddressPool('2001:db8::/48', { range }), '2001:db8::10', '2001:db8::f'],
      [new AddressPool('2001:db8::/48', { range }), '2001:db8::10', '2001:db8::20'],
      [new AddressPool('2001:db8::/48'), '2001:db8::1', '2001:db9::1'],
      [new AddressPool('10.0.0.0/24'), '10.0.0.1', '10.0.1.1'],
      [new AddressPool('10.0.0.0/24'), '10.0.0.1', '9.255.255.255'],
      [new AddressPool('2001:db8::/48', { unit: 61 }), '2001:db8::/61', '2001:db9::'],
      [new AddressPool('2001:db8::/48', { unit: 61 }), '2001:db8::/61', '2001:db8::1'],
      [new AddressPool('2001:db8::/48', { unit: 61 }), '2001:db8::/61', '2001:db8:0:4::'],
    ];
    for (const [pool, first, other] of cases) {
      assert.is(pool.acquire(), first);
      throwsWith(() => pool.releaseFrom(bytesOf(other)), 'RangeError', `${other}: `);
      const within = Uint8Array.of(1, 2, 3, ...bytesOf(other), 4, 5);
      throwsWith(() => pool.releaseFrom(within, 3), 'RangeError', `${other}: `);
      const bytes = new Uint8Array(bytesOf(first).length + 2);
      for (const offset of [3, bytes.length, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32]) {
        throwsWith(() => pool.releaseFrom(bytes, offset), 'RangeError', `offset ${offset}`);
      }
      assert.is(pool.used, 1n);
      assert.ok(pool.releaseFrom(bytesOf(first)));
    }
  });

  test('acquire and acquireInto give the same, whatever the pool', () => {
    const pools = fc.record({
      width: fc.constantFrom(32, 128),
      value: fc.bigInt(0n, (1n << 128n) - 1n),
      bits: fc.nat(128),
      unit: fc.option(fc.nat(128), { nil: undefined }),
      steps: fc.array(fc.boolean(), { maxLength: 600 }),
    });
    fc.assert(
      fc.property(pools, ({ width, value, bits, unit, steps }) => {
        const length = bits % (width + 1);
        const options = unit === undefined ? {} : { unit: length + (unit % (width - length + 1)) };
        const subnet = `${addressOf(value >> BigInt(128 - width), width)}/${length}`;
        const [texts, bytes] = [new AddressPool(subnet, options), new AddressPool(subnet, options)];
        const target = new Uint8Array(width / 8);
        for (const releases of steps) {
          const text = texts.acquire();
          assert.is(bytes.acquireInto(target), text !== undefined);
          if (text === undefined) return;
          const found = addressOf(BigInt(`0x${Buffer.from(target).toString('hex')}`), width);
          assert.is(text.split('/')[0], found);
          if (releases) assert.ok(texts.release(text) && bytes.releaseFrom(target));
        }
        assert.is(runsText(texts), runsText(bytes));
      }),
      { seed, numRuns: 100 },
    );
  });

  test('memory: a sequence of a million takes a handful of nodes', () => {
    const pool = new AddressPool('2001:db8::/48');
    const bytes = new Uint8Array(16);
    for (let i = 0; i < 1_000_000; i++) pool.acquireInto(bytes);
    assert.is(pool.used, 1_000_000n);
    // At the beginning, where ::0 is free, a leaf and the node above it, the same at the end, and one over both.
    assert.is(pool.nodeCount, 5);
    assert.is(pool.memoryBytes, new AddressPool('2001:db8::/48').memoryBytes, 'memory did not grow');
  });

  test('nodes: what is partly in use has one, and it tells of each address', () => {
    const pool = new AddressPool('10.0.0.0/8', { unit: 32 });
    pool.acquireMany(65536 + 256 + 3);
    const [upper, leaf, ...rest] = pool.nodes();
    assert.equal(rest.length, 1);
    assert.equal([upper!.level, upper!.first], [2, '10.0.0.0']);
    assert.equal([leaf!.level, leaf!.first], [1, '10.1.0.0']);
    assert.equal([rest[0]!.level, rest[0]!.first], [0, '10.1.1.0']);
    assert.equal([upper!.bits[0], leaf!.bits[0], rest[0]!.bits[0], upper!.bits.length], [1, 1, 0b111, 32]);
    assert.is(pool.nodeCount, 3);
    const eighths = new AddressPool('0.0.0.0/0', { unit: 8 });
    eighths.acquireMany(256);
    assert.equal(eighths.nodes(), [{ level: 0, first: '0.0.0.0/8', bits: new Uint8Array(32).fill(0xff) }]);
    const units = new AddressPool('2001:db8::/48', { unit: 61 });
    assert.ok(units.request('2001:db8:0:8::/61'));
    assert.equal(
      units.nodes().map(({ level, first, bits }) => [level, first, bits[0]]),
      [[0, '2001:db8::/61', 2]],
    );
  });
});
