// What a pool hands out, by its options: capacity, runs, what is refused; and what bad options are answered with.

import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { AddressPool, type AddressPoolOptions } from '../../src/index.ts';
import { named } from '../../src/ipam/option.ts';
import { seed } from '../support/random.ts';
import { suitesOfBuilds } from './support/builds.ts';
import { CASES } from './support/options.ts';
import { acquireAll, addressOf, numberOf, runsText } from './support/text.ts';

// [subnet, options, error, what its message has, the option's name first]
const BAD: [string, AddressPoolOptions, 'SyntaxError' | 'RangeError', string[]][] = [
  ['', {}, 'SyntaxError', ['subnet', '""']],
  ['10.0.0.0', {}, 'SyntaxError', ['subnet', '10.0.0.0']],
  ['10.0.0.0/33', {}, 'SyntaxError', ['subnet', '10.0.0.0/33']],
  ['10.0.0.0/08', {}, 'SyntaxError', ['subnet', '10.0.0.0/08']],
  ['10.0.0.0/-1', {}, 'SyntaxError', ['subnet', '10.0.0.0/-1']],
  ['10.0.0/24', {}, 'SyntaxError', ['subnet', '10.0.0/24']],
  ['10.0.0.0/24 ', {}, 'SyntaxError', ['subnet', '10.0.0.0/24 ']],
  ['fe80::%1/64', {}, 'SyntaxError', ['subnet', 'fe80::%1/64']],
  ['::/129', {}, 'SyntaxError', ['subnet', '::/129']],
  [24 as never, {}, 'SyntaxError', ['subnet 24: is not a text']],
  ['10.0.0.0/24', { gateway: '10.0.0.256' }, 'SyntaxError', ['gateway', '10.0.0.256']],
  ['10.0.0.0/24', { gateway: '' }, 'SyntaxError', ['gateway', '""']],
  ['10.0.0.0/24', { gateway: '10.0.1.1' }, 'RangeError', ['gateway', '10.0.1.1', '10.0.0.0/24']],
  ['10.0.0.0/24', { gateway: '10.0.0.1/24' }, 'RangeError', ['gateway', '10.0.0.1/24']],
  ['10.0.0.0/24', { gateway: '2001:db8::1' }, 'RangeError', ['gateway', '2001:db8::1']],
  ['10.0.0.0/24', { gateway: 1 as never }, 'SyntaxError', ['gateway 1: is not a text']],
  ['10.0.0.0/24', { gateway: '10.0.0.1', unit: 28 }, 'RangeError', ['gateway', '10.0.0.1', 'unit']],
  ['10.0.0.0/24', { exclude: ['10.0.0.x'] }, 'SyntaxError', ['exclude', '10.0.0.x']],
  ['10.0.0.0/24', { exclude: ['10.0.0.1', '10.0.0.0/40'] }, 'SyntaxError', ['exclude', '10.0.0.0/40']],
  ['10.0.0.0/24', { exclude: ['10.0.1.1'] }, 'RangeError', ['exclude', '10.0.1.1', '10.0.0.0/24']],
  ['10.0.0.0/24', { exclude: ['10.0.1.0/24'] }, 'RangeError', ['exclude', '10.0.1.0/24']],
  ['10.0.0.0/24', { exclude: ['::/0'] }, 'RangeError', ['exclude', '::/0']],
  ['10.0.0.0/24', { exclude: [7 as never] }, 'SyntaxError', ['exclude', '7']],
  ['10.0.0.0/24', { exclude: 7 as never }, 'SyntaxError', ['exclude 7: is not a list of texts']],
  ['10.0.0.0/24', { exclude: '10.0.0.1' as never }, 'SyntaxError', ['exclude', '10.0.0.1']],
  [
    '10.0.0.0/24',
    { range: ['10.0.0.9', '10.0.0.8'] },
    'RangeError',
    ['range 10.0.0.9 to 10.0.0.8: ends before it begins'],
  ],
  ['10.0.0.0/24', { range: ['10.0.0.9', '10.0.1.0'] }, 'RangeError', ['range', '10.0.1.0']],
  ['10.0.0.0/24', { range: ['9.255.255.255', '10.0.0.9'] }, 'RangeError', ['range', '9.255.255.255']],
  ['10.0.0.0/24', { range: ['10.0.0.9', '::1'] }, 'RangeError', ['range', '::1']],
  ['10.0.0.0/24', { range: ['10.0.0.09', '10.0.0.10'] }, 'SyntaxError', ['range', '10.0.0.09']],
  ['10.0.0.0/24', { range: ['10.0.0.9', 10 as never] }, 'SyntaxError', ['range', '10']],
  ['10.0.0.0/24', { range: ['10.0.0.9'] as never }, 'SyntaxError', ['range ["10.0.0.9"]: is not a list of two texts']],
  ['10.0.0.0/24', { range: '10.0.0.9' as never }, 'SyntaxError', ['range', '10.0.0.9']],
  ['10.0.0.0/24', { range: ['10.0.0.0/27', '10.0.0.32/27'], unit: 28 }, 'RangeError', ['range', '10.0.0.0/27', '28']],
  ['10.0.0.0/24', { range: ['10.0.0.1/28', '10.0.0.32/28'], unit: 28 }, 'RangeError', ['range', '10.0.0.1/28']],
  ['10.0.0.0/24', { range: ['10.0.0.1', '10.0.0.32'], unit: 28 }, 'RangeError', ['range', '10.0.0.1']],
  ['10.0.0.0/24', { unit: 23 }, 'RangeError', ['unit', '23']],
  ['10.0.0.0/24', { unit: 33 }, 'RangeError', ['unit', '33']],
  ['10.0.0.0/24', { unit: -1 }, 'RangeError', ['unit', '-1']],
  ['10.0.0.0/24', { unit: 28.5 }, 'RangeError', ['unit', '28.5']],
  ['10.0.0.0/24', { unit: Number.NaN }, 'RangeError', ['unit', 'NaN']],
  ['10.0.0.0/24', { unit: '28' as never }, 'RangeError', ['unit', '28']],
  ['::/0', { unit: 129 }, 'RangeError', ['unit', '129']],
  ['10.0.0.0/24', 5 as never, 'SyntaxError', ['options 5: is not an object']],
  ['10.0.0.0/24', null as never, 'SyntaxError', ['options', 'null']],
];

/** Whatever the call throws. */
function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

const optionsText = (options: unknown) => JSON.stringify(options)?.replace(/(.{80}).*/, '$1…');

suitesOfBuilds('options', test => {
  for (const { reason, subnet, options, capacity, runs, reserved = [] } of CASES) {
    test(`${subnet} ${optionsText(options) ?? ''}: ${reason}`, () => {
      const pool = new AddressPool(subnet, options);
      assert.is(pool.capacity, capacity);
      assert.is(pool.used, 0n);
      assert.is(pool.nodeCount, 0);
      for (const text of reserved) {
        assert.not(pool.request(text), `${text} was given`);
        assert.not(pool.has(text), `${text} is in use`);
        assert.not(pool.release(text), `${text} was released`);
      }
      if (capacity <= 300n) {
        const all = acquireAll(pool);
        assert.is(BigInt(all.length), capacity);
        assert.is(runsText(pool), runs, 'acquired one by one');
        for (const text of all) assert.ok(pool.release(text), `release ${text}`);
        assert.is(pool.used, 0n);
        assert.is(pool.nodeCount, 0, 'nothing is left');
      }
      const fresh = new AddressPool(subnet, options);
      assert.is(runsText(fresh.acquireMany(capacity + 1n)), runs, 'acquired at once');
      assert.is(fresh.used, capacity);
      assert.is(runsText(fresh), runs);
      assert.is(fresh.acquire(), undefined);
      for (const text of reserved) assert.not(fresh.has(text));
    });
  }

  for (const [subnet, options, type, parts] of BAD) {
    test(`${subnet} ${optionsText(options)}: ${type} names ${parts.join(', ')}`, () => {
      const error = thrownBy(() => new AddressPool(subnet, options));
      assert.is(error.name, type, error.message);
      assert.ok(error.message.startsWith(parts[0]!), error.message);
      for (const part of parts) assert.ok(error.message.includes(part), error.message);
    });
  }

  test('an error that is not about an option stays what it is', () => {
    const wrong = new TypeError('of another kind');
    assert.is(
      thrownBy(() =>
        named('range', () => {
          throw wrong;
        }),
      ),
      wrong,
    );
  });

  test('an option given as undefined is not given', () => {
    const options = { gateway: undefined, exclude: undefined, range: undefined, unit: undefined };
    const pool = new AddressPool('10.0.0.0/24', options as unknown as AddressPoolOptions);
    assert.is(pool.capacity, 254n);
    assert.is(AddressPool.from(pool.snapshot()).capacity, 254n);
  });

  test('what the caller does to its options afterwards changes nothing', () => {
    const options: AddressPoolOptions = { exclude: ['10.0.0.1'], range: ['10.0.0.1', '10.0.0.4'] };
    const pool = new AddressPool('10.0.0.0/24', options);
    options.exclude!.push('10.0.0.2');
    options.range![1] = '10.0.0.2';
    assert.is(AddressPool.from(pool.snapshot()).capacity, 3n);
    assert.equal(acquireAll(pool), ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
  });

  const randomPool = fc
    .constantFrom(32, 128)
    .chain(width =>
      fc
        .tuple(fc.bigInt(0n, (1n << BigInt(width)) - 1n), fc.nat(width), fc.nat(width))
        .map(([value, a, b]) => ({ width, value, bits: Math.min(a, b), unit: Math.max(a, b) })),
    );

  test('any unit of any subnet: first, second and last, by arithmetic', () => {
    fc.assert(
      fc.property(randomPool, ({ width, value, bits, unit }) => {
        const pool = new AddressPool(`${addressOf(value, width)}/${bits}`, { unit });
        const size = 1n << BigInt(width - unit);
        const count = 1n << BigInt(unit - bits);
        const first = (value >> BigInt(width - bits)) << BigInt(width - bits);
        const text = (i: bigint) => `${addressOf(first + i * size, width)}${unit === width ? '' : `/${unit}`}`;
        assert.is(pool.capacity, count);
        assert.is(pool.acquire(), text(0n));
        assert.is(pool.acquire(), count > 1n ? text(1n) : undefined);
        if (count > 2n) {
          assert.ok(pool.request(text(count - 1n)));
          assert.ok(pool.has(text(count - 1n)));
          const bytes = new Uint8Array(width / 8);
          if (count > 3n) {
            assert.ok(pool.acquireInto(bytes));
            assert.is(addressOf(BigInt(`0x${Buffer.from(bytes).toString('hex')}`), width), text(2n).split('/')[0]);
          }
          for (const i of [0n, 1n, count - 1n]) assert.ok(pool.release(text(i)));
        }
        const middle = count / 2n;
        const runs = Array.from(new AddressPool(`${addressOf(value, width)}/${bits}`, { unit }).acquireMany(middle));
        assert.is(runs.length, middle === 0n ? 0 : 1);
        if (middle > 0n) assert.is(numberOf(runs[0]!.last), first + (middle - 1n) * size);
      }),
      { seed, numRuns: 300 },
    );
  });
});
