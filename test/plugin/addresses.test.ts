// CNI.md 4: which subnets, gateways and addresses there are, which are never handed out, and how they are written.

import * as assert from 'uvu/assert';
import { type Config, config, container, Host, parallel, refused, type Subject } from './harness.ts';

const test = parallel('addresses');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };

// What an empty store gives: address with length, and gateway.
const FIRST: [string, Config, string, string | undefined][] = [
  ['the gateway is reserved first', V4, '10.0.0.2/24', '10.0.0.1'],
  ['a gateway that is not the first address', { ...V4, 'ipv4-gateway': '10.0.0.8' }, '10.0.0.1/24', '10.0.0.8'],
  ['a gateway at the end', { ...V4, 'ipv4-gateway': '10.0.0.254' }, '10.0.0.1/24', '10.0.0.254'],
  ['a subnet that is not masked', { 'ipv4-subnet': '10.0.0.5/24' }, '10.0.0.2/24', '10.0.0.1'],
  ['a subnet that is not masked, its last address', { 'ipv4-subnet': '10.0.0.255/24' }, '10.0.0.2/24', '10.0.0.1'],
  ['an unmasked /22', { 'ipv4-subnet': '10.0.7.9/22' }, '10.0.4.2/22', '10.0.4.1'],
  ['/0', { 'ipv4-subnet': '0.0.0.0/0' }, '0.0.0.2/0', '0.0.0.1'],
  ['/1, upper half', { 'ipv4-subnet': '128.0.0.0/1' }, '128.0.0.2/1', '128.0.0.1'],
  ['/8', { 'ipv4-subnet': '10.0.0.0/8' }, '10.0.0.2/8', '10.0.0.1'],
  ['/9, unmasked', { 'ipv4-subnet': '10.200.1.2/9' }, '10.128.0.2/9', '10.128.0.1'],
  ['/16', { 'ipv4-subnet': '172.16.0.0/16' }, '172.16.0.2/16', '172.16.0.1'],
  ['/17', { 'ipv4-subnet': '172.16.128.0/17' }, '172.16.128.2/17', '172.16.128.1'],
  ['/23', { 'ipv4-subnet': '10.0.2.0/23' }, '10.0.2.2/23', '10.0.2.1'],
  ['/25, upper half', { 'ipv4-subnet': '10.0.0.128/25' }, '10.0.0.130/25', '10.0.0.129'],
  ['/29', { 'ipv4-subnet': '10.0.0.248/29' }, '10.0.0.250/29', '10.0.0.249'],
  ['/30', { 'ipv4-subnet': '10.0.0.4/30' }, '10.0.0.6/30', '10.0.0.5'],
  ['/30, gateway .6', { 'ipv4-subnet': '10.0.0.4/30', 'ipv4-gateway': '10.0.0.6' }, '10.0.0.5/30', '10.0.0.6'],
  ['/31, RFC 3021: the first is the gateway', { 'ipv4-subnet': '10.0.0.4/31' }, '10.0.0.5/31', '10.0.0.4'],
  ['/31, unmasked', { 'ipv4-subnet': '10.0.0.5/31' }, '10.0.0.5/31', '10.0.0.4'],
  ['/31, gateway .5', { 'ipv4-subnet': '10.0.0.4/31', 'ipv4-gateway': '10.0.0.5' }, '10.0.0.4/31', '10.0.0.5'],
  ['/31, gateway .4 named', { 'ipv4-subnet': '10.0.0.4/31', 'ipv4-gateway': '10.0.0.4' }, '10.0.0.5/31', '10.0.0.4'],
  ['/31, last of all', { 'ipv4-subnet': '255.255.255.254/31' }, '255.255.255.255/31', '255.255.255.254'],
  ['/32: one address, no gateway', { 'ipv4-subnet': '10.0.0.5/32' }, '10.0.0.5/32', undefined],
  ['IPv6 /64', V6, '2001:db8::2/64', '2001:db8::1'],
  ['IPv6 /64, unmasked', { 'ipv6-subnet': '2001:db8::5:5/64' }, '2001:db8::2/64', '2001:db8::1'],
  ['IPv6 gateway ::8', { ...V6, 'ipv6-gateway': '2001:db8::8' }, '2001:db8::1/64', '2001:db8::8'],
  [
    'IPv6 gateway, the last address',
    { ...V6, 'ipv6-gateway': '2001:db8::ffff:ffff:ffff:ffff' },
    '2001:db8::1/64',
    '2001:db8::ffff:ffff:ffff:ffff',
  ],
  ['IPv6 /0', { 'ipv6-subnet': '::/0' }, '::2/0', '::1'],
  ['IPv6 /1, upper half', { 'ipv6-subnet': '8000::/1' }, '8000::2/1', '8000::1'],
  ['IPv6 /48', { 'ipv6-subnet': '2001:db8:1::/48' }, '2001:db8:1::2/48', '2001:db8:1::1'],
  ['IPv6 /56, unmasked', { 'ipv6-subnet': '2001:db8:0:12ff::/56' }, '2001:db8:0:1200::2/56', '2001:db8:0:1200::1'],
  ['IPv6 /63, unmasked', { 'ipv6-subnet': '2001:db8:0:1::/63' }, '2001:db8::2/63', '2001:db8::1'],
  [
    'IPv6 /65, upper half',
    { 'ipv6-subnet': '2001:db8:0:0:8000::/65' },
    '2001:db8::8000:0:0:2/65',
    '2001:db8::8000:0:0:1',
  ],
  ['IPv6 /96', { 'ipv6-subnet': '2001:db8::5:0:0/96' }, '2001:db8::5:0:2/96', '2001:db8::5:0:1'],
  ['IPv6 /120', { 'ipv6-subnet': '2001:db8::ff00/120' }, '2001:db8::ff02/120', '2001:db8::ff01'],
  ['IPv6 /126', { 'ipv6-subnet': '2001:db8::4/126' }, '2001:db8::6/126', '2001:db8::5'],
  ['IPv6 /127, RFC 6164', { 'ipv6-subnet': '2001:db8::4/127' }, '2001:db8::5/127', '2001:db8::4'],
  [
    'IPv6 /127, gateway the second',
    { 'ipv6-subnet': '2001:db8::4/127', 'ipv6-gateway': '2001:db8::5' },
    '2001:db8::4/127',
    '2001:db8::5',
  ],
  ['IPv6 /128: one address, no gateway', { 'ipv6-subnet': '2001:db8::5/128' }, '2001:db8::5/128', undefined],
];
for (const [name, ipam, address, gateway] of FIRST) {
  test(`${name}: ${address} via ${gateway}`, async () => {
    const { ips } = await new Host().add(config(ipam, { cniVersion: '1.0.0' }));
    assert.equal(ips, [gateway === undefined ? { address } : { address, gateway }]);
  });
}

// How many addresses the smallest subnets have, and that the next ADD is refused at once.
for (const [ipam, expected] of [
  [{ 'ipv4-subnet': '10.0.0.4/30' }, ['10.0.0.6/30']],
  [{ 'ipv4-subnet': '10.0.0.4/31' }, ['10.0.0.5/31']],
  [{ 'ipv4-subnet': '10.0.0.4/32' }, ['10.0.0.4/32']],
  [{ 'ipv4-subnet': '10.0.0.0/29' }, [2, 3, 4, 5, 6].map(host => `10.0.0.${host}/29`)],
  [{ 'ipv6-subnet': '2001:db8::4/126' }, ['2001:db8::6/126', '2001:db8::7/126']],
  [{ 'ipv6-subnet': '2001:db8::4/127' }, ['2001:db8::5/127']],
  [{ 'ipv6-subnet': '2001:db8::4/128' }, ['2001:db8::4/128']],
] as [Config, string[]][]) {
  const subnet = Object.values(ipam)[0] as string;
  test(`${subnet} holds ${expected.length} containers, then 101`, async () => {
    const host = new Host();
    assert.equal(await host.fill(config(ipam), expected.length), expected);
    await host.refuse('ADD', config(ipam), 101, [subnet], container('late'));
  });
}

const INVALID: [string, Config, Subject[]][] = [
  ...[
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/24x',
    '10.0.0/24',
    '10.0.0.256/24',
    '10.0.0.0.0/24',
    'x',
    '/24',
    '10.0.0.0/24/24',
    ' 10.0.0.0/24',
    '10.0.0.0 /24',
    '2001:db8::/64',
    '10.0.0.0/1e1',
  ].map((value): [string, Config, Subject[]] => [
    `ipv4-subnet ${value}`,
    { 'ipv4-subnet': value },
    ['ipv4-subnet', value],
  ]),
  ...[
    '2001:db8::',
    '2001:db8::/129',
    '2001:db8::/-1',
    '2001:db8:::/64',
    '2001:db8/64',
    '2001::db8::/64',
    '2001:db8::g/64',
    '2001:db8::12345/64',
    'fe80::%eth0/64',
    '1:2:3:4:5:6:7:8:9/64',
    '10.0.0.0/24',
    ':/64',
    '2001:db8::/64 ',
  ].map((value): [string, Config, Subject[]] => [
    `ipv6-subnet ${value}`,
    { 'ipv6-subnet': value },
    ['ipv6-subnet', value],
  ]),
  ...['10.0.1.1', '10.0.0.0', '10.0.0.255', '9.255.255.255', 'x', '10.0.0', '2001:db8::1'].map(
    (value): [string, Config, Subject[]] => [
      `ipv4-gateway ${value}`,
      { ...V4, 'ipv4-gateway': value },
      ['ipv4-gateway', value],
    ],
  ),
  ...['2001:db8:0:1::1', '2001:db8::', '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', '10.0.0.1', 'x'].map(
    (value): [string, Config, Subject[]] => [
      `ipv6-gateway ${value}`,
      { ...V6, 'ipv6-gateway': value },
      ['ipv6-gateway', value],
    ],
  ),
  [
    'ipv4-gateway outside a /31',
    { 'ipv4-subnet': '10.0.0.4/31', 'ipv4-gateway': '10.0.0.6' },
    ['ipv4-gateway', '10.0.0.6'],
  ],
  [
    'ipv4-gateway outside a /32',
    { 'ipv4-subnet': '10.0.0.4/32', 'ipv4-gateway': '10.0.0.5' },
    ['ipv4-gateway', '10.0.0.5'],
  ],
  ['the one bad subnet of two', { ...V4, 'ipv6-subnet': 'x/64' }, ['ipv6-subnet', 'x/64']],
];
for (const [name, ipam, subjects] of INVALID) {
  test(`${name}: 7`, async () => {
    await new Host().refuse('ADD', config(ipam), 7, subjects);
  });
}

const REFUSED: [string, Config, string, string, Subject[]][] = [
  ['the network', V4, 'ipv4-address', '10.0.0.0', []],
  ['the broadcast', V4, 'ipv4-address', '10.0.0.255', []],
  ['the default gateway', V4, 'ipv4-address', '10.0.0.1', []],
  ['the default gateway with a length', V4, 'ipv4-address', '10.0.0.1/24', []],
  ['a gateway of its own', { ...V4, 'ipv4-gateway': '10.0.0.8' }, 'ipv4-address', '10.0.0.8', []],
  ['outside, above', V4, 'ipv4-address', '10.0.1.0', ['10.0.0.0/24']],
  ['outside, below', V4, 'ipv4-address', '9.255.255.255', ['10.0.0.0/24']],
  ['outside, with a length that would hold it', V4, 'ipv4-address', '10.0.1.5/16', ['10.0.0.0/24']],
  ['a length of 33', V4, 'ipv4-address', '10.0.0.5/33', []],
  ['no length after the slash', V4, 'ipv4-address', '10.0.0.5/', []],
  ['no address', V4, 'ipv4-address', 'x', []],
  ['three octets', V4, 'ipv4-address', '10.0.5', []],
  ['of the other family', V4, 'ipv4-address', '2001:db8::5', []],
  ['without a subnet', V6, 'ipv4-address', '10.0.0.5/24', []],
  ['of /31, its gateway', { 'ipv4-subnet': '10.0.0.4/31' }, 'ipv4-address', '10.0.0.4', []],
  ['of /32, another', { 'ipv4-subnet': '10.0.0.4/32' }, 'ipv4-address', '10.0.0.5', []],
  ['IPv6: the network', V6, 'ipv6-address', '2001:db8::', []],
  ['IPv6: the default gateway', V6, 'ipv6-address', '2001:db8::1', []],
  ['IPv6: the gateway in other text', V6, 'ipv6-address', '2001:db8:0:0::0001/64', []],
  ['IPv6: outside, above', V6, 'ipv6-address', '2001:db8:0:1::', ['2001:db8::/64']],
  ['IPv6: outside, below', V6, 'ipv6-address', '2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', ['2001:db8::/64']],
  ['IPv6: a length of 129', V6, 'ipv6-address', '2001:db8::5/129', []],
  ['IPv6: a zone', V6, 'ipv6-address', '2001:db8::5%eth0', []],
  ['IPv6: of the other family', V6, 'ipv6-address', '10.0.0.5', []],
  ['IPv6: without a subnet', V4, 'ipv6-address', '2001:db8::5/64', []],
];
for (const [name, ipam, key, value, subjects] of REFUSED) {
  test(`requested ${name} (${value}): 7`, async () => {
    const reply = await new Host().run('ADD', config({ ...ipam, [key]: value }));
    refused(reply, 7, [key, ...subjects]);
    // The value may be named as it was given, without its length, or in canonical text.
    const bare = value.replace(/\/.*/, '');
    const texts = [value, ...(bare === '' ? [] : [bare]), bare.replace('0:0::0001', ':1')];
    assert.ok(
      texts.some(text => JSON.parse(reply.stdout).msg.includes(text)),
      reply.stdout,
    );
  });
}

// What a request is answered with: canonical text, its own length where it has one, else the subnet's.
const ECHOED: [string, Config, string][] = [
  ['bare: the length of the subnet', { ...V4, 'ipv4-address': '10.0.0.9' }, '10.0.0.9/24'],
  ['CIDR: its own length', { ...V4, 'ipv4-address': '10.0.0.9/24' }, '10.0.0.9/24'],
  ['a wider length is echoed', { ...V4, 'ipv4-address': '10.0.0.9/8' }, '10.0.0.9/8'],
  ['a longer length is echoed', { ...V4, 'ipv4-address': '10.0.0.9/32' }, '10.0.0.9/32'],
  ['a length of 0 is echoed', { ...V4, 'ipv4-address': '10.0.0.9/0' }, '10.0.0.9/0'],
  ['the last host', { ...V4, 'ipv4-address': '10.0.0.254' }, '10.0.0.254/24'],
  ['the only address of a /32', { 'ipv4-subnet': '10.0.0.9/32', 'ipv4-address': '10.0.0.9' }, '10.0.0.9/32'],
  ['the second of a /31', { 'ipv4-subnet': '10.0.0.8/31', 'ipv4-address': '10.0.0.9' }, '10.0.0.9/31'],
  ['IPv6 bare', { ...V6, 'ipv6-address': '2001:db8::9' }, '2001:db8::9/64'],
  ['IPv6 CIDR', { ...V6, 'ipv6-address': '2001:db8::9/48' }, '2001:db8::9/48'],
  ['IPv6 /128', { ...V6, 'ipv6-address': '2001:db8::9/128' }, '2001:db8::9/128'],
  [
    'the last IPv6 address: there is no broadcast',
    { ...V6, 'ipv6-address': '2001:db8::ffff:ffff:ffff:ffff' },
    '2001:db8::ffff:ffff:ffff:ffff/64',
  ],
  [
    'the first of all but the gateway',
    { ...V6, 'ipv6-gateway': '2001:db8::8', 'ipv6-address': '2001:db8::1' },
    '2001:db8::1/64',
  ],
  ['upper case', { ...V6, 'ipv6-address': '2001:DB8::ABCD' }, '2001:db8::abcd/64'],
  ['leading zeros', { ...V6, 'ipv6-address': '2001:0db8:0000:0000:0000:0000:0000:000a' }, '2001:db8::a/64'],
  ['one zero group is not shortened', { ...V6, 'ipv6-address': '2001:db8::0:1:0:1:1' }, '2001:db8::1:0:1:1/64'],
  [
    'the longest run of zeros is shortened',
    { 'ipv6-subnet': '2001:0:0:1::/64', 'ipv6-address': '2001:0:0:1:0:0:0:9' },
    '2001:0:0:1::9/64',
  ],
  [
    'of equal runs the first',
    { 'ipv6-subnet': '2001:db8::/32', 'ipv6-address': '2001:db8:0:0:1:0:0:1' },
    '2001:db8::1:0:0:1/32',
  ],
  [
    'a lone zero group stays',
    { 'ipv6-subnet': '2001:db8::/32', 'ipv6-address': '2001:db8::1:1:1:1:1' },
    '2001:db8:0:1:1:1:1:1/32',
  ],
  [
    'a run at the end',
    { 'ipv6-subnet': '2001:db8::/32', 'ipv6-address': '2001:db8:1:2:3:4:0:0' },
    '2001:db8:1:2:3:4::/32',
  ],
  [
    'no zero group',
    { 'ipv6-subnet': '2001:db8::/32', 'ipv6-address': '2001:db8:1:2:3:4:5:6' },
    '2001:db8:1:2:3:4:5:6/32',
  ],
];
for (const [name, ipam, expected] of ECHOED) {
  test(`${name}: ${expected}`, async () => {
    assert.equal(await new Host().take(config(ipam)), [expected]);
  });
}
test('an explicit IPv6 gateway is written canonically', async () => {
  const { ips } = await new Host().add(config({ ...V6, 'ipv6-gateway': '2001:0DB8:0::00FE' }));
  assert.equal(ips, [{ address: '2001:db8::1/64', gateway: '2001:db8::fe' }]);
});

test('10.0.0.255 is the broadcast of a /24 and a host of the /16 around it', async () => {
  const host = new Host();
  const wide = { 'ipv4-subnet': '10.0.0.0/16' };
  assert.equal(await host.take(config({ ...wide, 'ipv4-address': '10.0.0.255' }), container('a')), ['10.0.0.255/16']);
  assert.equal(
    await host.take(config(wide), container('b')),
    ['10.0.1.0/16'],
    'the network of a /24 is a host as well',
  );
  await host.refuse('ADD', config({ ...V4, 'ipv4-address': '10.0.0.255' }), 7, ['10.0.0.255'], container('c'));
});

test.run();
