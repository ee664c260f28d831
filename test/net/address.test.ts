import { isIP } from 'node:net';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { formatAddress, isIPv4Mapped, parseAddress } from '../../src/net/address.ts';

const test = suite('address');

// [text, canonical text, why]
const VALID: [string, string, string][] = [
  ['0.0.0.0', '0.0.0.0', 'lowest IPv4'],
  ['255.255.255.255', '255.255.255.255', 'highest IPv4'],
  ['10.0.0.1', '10.0.0.1', 'plain'],
  ['::', '::', 'lowest IPv6'],
  ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'highest IPv6'],
  ['2001:0DB8::0001', '2001:db8::1', 'RFC 5952 4.1, 4.3: no leading zeros, lower case'],
  ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1', 'RFC 5952 4.2.1: shorten as much as possible'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1', 'RFC 5952 4.2.2: a single zero group stays'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1', 'RFC 5952 4.2.3: the longest run'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952 4.2.3: the first of equal runs'],
  ['1::', '1::', 'run at the end'],
  ['::1', '::1', 'run at the start'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0', ':: for one group is read, not written'],
  ['::ffff:10.1.2.3', '::ffff:10.1.2.3', 'RFC 5952 5: IPv4-mapped in mixed notation'],
  ['::ffff:a01:203', '::ffff:10.1.2.3', 'IPv4-mapped in hexadecimal'],
  ['64:ff9b::10.1.2.3', '64:ff9b::a01:203', 'RFC 4291 2.2.3: mixed notation of another prefix'],
];

for (const [text, canonical, why] of VALID) {
  test(`${text}: ${why}`, () => assert.is(formatAddress(parseAddress(text)), canonical));
}

const INVALID: [string, string][] = [
  ['', 'empty'],
  ['10.0.0', 'three octets'],
  ['10.0.0.1.2', 'five octets'],
  ['10.0.0.256', 'octet too large'],
  ['10.0.0.01', 'leading zero: octal to some'],
  ['010.0.0.1', 'leading zero'],
  ['10.0.0.1 ', 'blank'],
  ['10.0.0.1\n', 'newline'],
  ['10.0.0.-1', 'sign'],
  ['0x0a.0.0.1', 'hexadecimal'],
  ['10.0.0.1/24', 'a prefix'],
  [':', 'lone colon'],
  [':::', 'three colons'],
  ['1::2::3', 'two runs'],
  ['1:2:3:4:5:6:7', 'seven groups'],
  ['1:2:3:4:5:6:7:8:9', 'nine groups'],
  ['1:2:3:4:5:6:7:8::', ':: for no group'],
  ['::1:2:3:4:5:6:7:8', ':: for no group'],
  ['2001:db8::12345', 'five digits'],
  ['2001:db8::g', 'not hexadecimal'],
  ['fe80::1%eth0', 'zone'],
  ['[::1]', 'brackets'],
  ['::10.0.0.1:1', 'IPv4 not at the end'],
  ['1.2.3.4::', 'IPv4 at the start'],
  ['::ffff:10.0.0.256', 'octet too large'],
  [' ::1', 'blank'],
  ['١.0.0.1', 'a digit that is not ASCII'],
];

for (const [text, why] of INVALID) {
  test(`${JSON.stringify(text)} is refused: ${why}`, () =>
    assert.throws(
      () => parseAddress(text),
      (error: Error) => error instanceof SyntaxError && error.message.includes(JSON.stringify(text)),
    ));
}

test('formatAddress refuses other lengths', () => assert.throws(() => formatAddress(new Uint8Array(5)), RangeError));

test('what is written is read back, and is canonical', () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    // many zero bytes: runs of zero groups
    fc
      .array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
      .map(bytes => Uint8Array.from(bytes)),
  );
  fc.assert(
    fc.property(address, bytes => {
      const text = formatAddress(bytes);
      assert.equal(parseAddress(text), bytes);
      assert.is(formatAddress(parseAddress(text)), text);
    }),
    { numRuns: 2000 },
  );
});

test('IPv6 is written as URLs write it, but for IPv4-mapped addresses', () => {
  const group = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(0xffff), fc.nat(0xff));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), groups => {
      const bytes = Uint8Array.from(groups.flatMap(value => [value >> 8, value & 0xff]));
      const full = groups.map(value => value.toString(16)).join(':');
      const { hostname } = new URL(`http://[${full}]`);
      if (!isIPv4Mapped(bytes)) assert.is(`[${formatAddress(bytes)}]`, hostname);
    }),
    { numRuns: 5000 },
  );
});

test('what Node takes for an address is one, and nothing else', () => {
  const piece = fc.oneof(
    fc.nat(0x1ffff).map(group => group.toString(16)),
    fc.nat(300).map(String),
    fc.constantFrom('', ':', '::', '.', '00', '0x1', 'g', ' ', '/', '-'),
  );
  const text = fc
    .tuple(fc.array(piece, { maxLength: 9 }), fc.constantFrom(':', '.', ''))
    .map(([pieces, between]) => pieces.join(between));
  const mixed = fc.tuple(text, fc.ipV4(), text).map(([head, tail, end]) => `${head}:${tail}${end.slice(0, 1)}`);
  fc.assert(
    fc.property(fc.oneof(text, mixed, fc.ipV4(), fc.ipV6()), candidate => {
      const isAddress = isIP(candidate) !== 0;
      let isTaken = true;
      try {
        parseAddress(candidate);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        isTaken = false;
      }
      assert.is(isTaken, isAddress, JSON.stringify(candidate));
    }),
    { numRuns: 20_000 },
  );
});

test.run();
