// Which addresses of a subnet are usable, at every length where the rule changes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Subnet } from '../../src/ipam/subnet.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { parsePrefix } from '../../src/net/prefix.ts';

const test = suite('subnet');

const NETWORK = 1;
const BROADCAST = 2;

// [as written, network, last, number of addresses, reserve, default gateway, why]
const SUBNETS: [string, string, string, bigint, number, string | undefined, string][] = [
  [
    '10.0.0.7/24',
    '10.0.0.0',
    '10.0.0.255',
    256n,
    NETWORK | BROADCAST,
    '10.0.0.1',
    'bits behind the length do not count',
  ],
  ['10.0.0.0/30', '10.0.0.0', '10.0.0.3', 4n, NETWORK | BROADCAST, '10.0.0.1', 'the smallest with a broadcast address'],
  ['10.0.0.2/31', '10.0.0.2', '10.0.0.3', 2n, 0, '10.0.0.2', 'RFC 3021: both usable'],
  ['10.0.0.3/32', '10.0.0.3', '10.0.0.3', 1n, 0, undefined, 'one address, and no gateway beside it'],
  ['0.0.0.0/0', '0.0.0.0', '255.255.255.255', 1n << 32n, NETWORK | BROADCAST, '0.0.0.1', 'all of IPv4'],
  ['2001:db8::7/64', '2001:db8::', '2001:db8::ffff:ffff:ffff:ffff', 1n << 64n, NETWORK, '2001:db8::1', 'no broadcast'],
  ['2001:db8::4/126', '2001:db8::4', '2001:db8::7', 4n, NETWORK, '2001:db8::5', 'the smallest with an anycast address'],
  ['2001:db8::4/127', '2001:db8::4', '2001:db8::5', 2n, 0, '2001:db8::4', 'RFC 6164: both usable'],
  ['2001:db8::4/128', '2001:db8::4', '2001:db8::4', 1n, 0, undefined, 'one address'],
  ['::/0', '::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 1n << 128n, NETWORK, '::1', 'all of IPv6'],
];

for (const [text, network, last, size, reserve, gateway, why] of SUBNETS) {
  test(`${text}: ${why}`, () => {
    const subnet = new Subnet(parsePrefix(text));
    const bits = Number(text.split('/')[1]);
    assert.is(formatAddress(subnet.network), network);
    assert.is(formatAddress(subnet.last), last);
    assert.is(subnet.bits, bits);
    assert.is(subnet.family, text.includes(':') ? 6 : 4);
    assert.is(subnet.size, size);
    assert.is(subnet.reserve, reserve);
    assert.is(subnet.defaultGateway && formatAddress(subnet.defaultGateway), gateway);
    assert.is(String(subnet), `${network}/${bits}`);
    assert.is(subnet.reservedAs(parseAddress(network)), reserve & NETWORK ? 'network address' : undefined);
    if (last !== network) {
      assert.is(subnet.reservedAs(parseAddress(last)), reserve & BROADCAST ? 'broadcast address' : undefined);
    }
    if (gateway !== undefined && gateway !== network) {
      assert.is(subnet.reservedAs(parseAddress(gateway)), undefined, 'the gateway is reserved by its pool alone');
    }
    for (const address of [network, last]) assert.ok(subnet.contains(parseAddress(address)));
  });
}

test('what lies around a subnet, or is of the other family, is not in it', () => {
  const subnet = new Subnet(parsePrefix('10.0.1.0/24'));
  for (const text of ['10.0.0.255', '10.0.2.0', '::10.0.1.1', '::']) {
    assert.not(subnet.contains(parseAddress(text)), text);
    assert.is(subnet.reservedAs(parseAddress(text)), undefined, text);
  }
});

test.run();
