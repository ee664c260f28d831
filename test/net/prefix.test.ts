import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { contains, firstAddress, formatPrefix, lastAddress, parsePrefix } from '../../src/net/prefix.ts';

const test = suite('prefix');

// [prefix, first, last]
const RANGES: [string, string, string][] = [
  ['10.1.2.3/0', '0.0.0.0', '255.255.255.255'],
  ['10.1.2.3/1', '0.0.0.0', '127.255.255.255'],
  ['10.1.2.3/22', '10.1.0.0', '10.1.3.255'],
  ['10.1.2.3/24', '10.1.2.0', '10.1.2.255'],
  ['10.1.2.3/31', '10.1.2.2', '10.1.2.3'],
  ['10.1.2.3/32', '10.1.2.3', '10.1.2.3'],
  ['2001:db8::5/0', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['2001:db8::5/63', '2001:db8::', '2001:db8:0:1:ffff:ffff:ffff:ffff'],
  ['2001:db8::5/64', '2001:db8::', '2001:db8::ffff:ffff:ffff:ffff'],
  ['2001:db8::5/65', '2001:db8::', '2001:db8::7fff:ffff:ffff:ffff'],
  ['2001:db8::5/127', '2001:db8::4', '2001:db8::5'],
  ['2001:db8::5/128', '2001:db8::5', '2001:db8::5'],
];

for (const [text, first, last] of RANGES) {
  test(`${text} spans ${first} to ${last}`, () => {
    const prefix = parsePrefix(text);
    assert.is(formatAddress(firstAddress(prefix)), first);
    assert.is(formatAddress(lastAddress(prefix)), last);
    assert.is(formatPrefix(prefix), text);
  });
}

for (const text of [
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/33',
  '::/129',
  '10.0.0.0/024',
  '10.0.0.0/-1',
  '/24',
  '10.0.0.0/2 4',
]) {
  test(`${text} is refused`, () => assert.throws(() => parsePrefix(text), SyntaxError));
}

test('contains agrees with the numbers', () => {
  const value = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const sized = fc
    .constantFrom(4, 16)
    .chain(length =>
      fc.tuple(fc.uint8Array({ minLength: length, maxLength: length }), fc.nat(length * 8), fc.nat(length * 8)),
    );
  fc.assert(
    fc.property(sized, ([address, bits, flipped]) => {
      const other = address.slice();
      if (flipped < address.length * 8) other[flipped >> 3]! ^= 0x80 >> (flipped & 7);
      const shift = BigInt(address.length * 8 - bits);
      assert.is(contains({ address, bits }, other), value(address) >> shift === value(other) >> shift);
    }),
    { numRuns: 2000 },
  );
});

test('another family is never contained', () => {
  assert.not(contains(parsePrefix('::/0'), parseAddress('10.0.0.1')));
});

test.run();
