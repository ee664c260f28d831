// Subnets at the ends of what there is: the first ADD, the last address, and the step over every boundary inside.

import * as assert from 'uvu/assert';
import { type Config, config, container, Host, parallel, type Subject, withoutLength } from './harness.ts';

const test = parallel('large subnets');

const key = (subnet: string) => (subnet.includes(':') ? 'ipv6' : 'ipv4');
const ipamOf = (subnet: string, address?: string): Config => ({
  [`${key(subnet)}-subnet`]: subnet,
  ...(address === undefined ? {} : { [`${key(subnet)}-address`]: address }),
});

/** In a subnet: the first automatic address; after this explicit one comes that automatic one. */
const STEPS: [string, string, [string, string][]][] = [
  [
    '2001:db8::/48',
    '2001:db8::2',
    [
      ['2001:db8::ff', '2001:db8::100'],
      ['2001:db8::ffff', '2001:db8::1:0'],
      ['2001:db8::ffff:ffff', '2001:db8::1:0:0'],
      ['2001:db8::ffff:ffff:ffff:ffff', '2001:db8:0:1::'],
      ['2001:db8:0:ff:ffff:ffff:ffff:ffff', '2001:db8:0:100::'],
      ['2001:db8:0:ffff:ffff:ffff:ffff:ffff', '2001:db8::3'],
    ],
  ],
  [
    '::/0',
    '::2',
    [
      ['::ffff:ffff:ffff:ffff', '0:0:0:1::'],
      ['7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '8000::'],
      ['fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ffff::'],
      ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '::3'],
    ],
  ],
  [
    '0.0.0.0/0',
    '0.0.0.2',
    [
      ['0.0.0.255', '0.0.1.0'],
      ['0.255.255.255', '1.0.0.0'],
      ['127.255.255.255', '128.0.0.0'],
      ['255.255.255.253', '255.255.255.254'],
      ['254.255.255.255', '255.0.0.0'],
    ],
  ],
  [
    '20.0.0.0/24',
    '20.0.0.2',
    [
      ['20.0.0.127', '20.0.0.128'],
      ['20.0.0.254', '20.0.0.3'],
    ],
  ],
  [
    '169.254.172.0/22',
    '169.254.172.2',
    [
      ['169.254.172.255', '169.254.173.0'],
      ['169.254.174.255', '169.254.175.0'],
      ['169.254.175.254', '169.254.172.3'],
    ],
  ],
  [
    '10.0.0.0/8',
    '10.0.0.2',
    [
      ['10.0.255.255', '10.1.0.0'],
      ['10.255.255.254', '10.0.0.3'],
    ],
  ],
  ['2001:db8::/65', '2001:db8::2', [['2001:db8::7fff:ffff:ffff:ffff', '2001:db8::3']]],
  [
    '2001:db8::/63',
    '2001:db8::2',
    [
      ['2001:db8::ffff:ffff:ffff:ffff', '2001:db8:0:1::'],
      ['2001:db8:0:1:ffff:ffff:ffff:ffff', '2001:db8::3'],
    ],
  ],
  ['172.16.8.0/21', '172.16.8.2', [['172.16.15.254', '172.16.8.3']]],
];
for (const [subnet, first, steps] of STEPS) {
  test(`${subnet}: first ${first}`, async () => {
    const host = new Host();
    const taken = await host.take(config(ipamOf(subnet)));
    assert.equal(taken, [first + subnet.slice(subnet.indexOf('/'))]);
    await host.refuse('ADD', config(ipamOf(subnet)), 103, [first]);
    await host.succeed('DEL', config(ipamOf(subnet)));
    await host.holds([], [first]);
  });
  for (const [asked, next] of steps) {
    test(`${subnet}: after ${asked} comes ${next}`, async () => {
      const host = new Host();
      await host.take(config(ipamOf(subnet)), container('first'));
      const given = await host.take(config(ipamOf(subnet, asked)), container('asked'));
      assert.equal(given.map(withoutLength), [asked]);
      assert.equal((await host.take(config(ipamOf(subnet)), container('next'))).map(withoutLength), [next]);
      await host.refuse('ADD', config(ipamOf(subnet, asked)), 102, [asked, 'asked'], container('late'));
    });
  }
}

for (const [subnet, address, why] of [
  ['0.0.0.0/0', '0.0.0.0', 'network'],
  ['0.0.0.0/0', '255.255.255.255', 'broadcast'],
  ['0.0.0.0/0', '0.0.0.1', 'gateway'],
  ['::/0', '::', 'network'],
  ['::/0', '::1', 'gateway'],
  ['169.254.172.0/22', '169.254.175.255', 'broadcast'],
  ['169.254.172.0/22', '169.254.172.1', 'gateway'],
  ['169.254.172.0/22', '169.254.176.0', 'outside'],
  ['169.254.172.0/22', '169.254.171.255', 'outside'],
  ['2001:db8::/48', '2001:db8:1::', 'outside'],
  ['20.0.0.0/24', '20.0.0.255', 'broadcast'],
] as [string, string, Subject][]) {
  test(`${subnet}: ${address} (${why}): 7`, async () => {
    await new Host().refuse('ADD', config(ipamOf(subnet, address)), 7, [address]);
  });
}

// 64:ff9b::/96 is the well-known NAT64 prefix: RFC 5952 lets its addresses be written with dots as well.
test('64:ff9b::/96: gateway, first address, last address, round', async () => {
  const host = new Host();
  const { ips } = await host.add(config(ipamOf('64:ff9b::/96')));
  assert.ok(['64:ff9b::2/96', '64:ff9b::0.0.0.2/96'].includes(ips?.[0]?.address ?? ''), JSON.stringify(ips));
  assert.ok(['64:ff9b::1', '64:ff9b::0.0.0.1'].includes(ips?.[0]?.gateway ?? ''), JSON.stringify(ips));
  const [last] = await host.take(config(ipamOf('64:ff9b::/96', '64:ff9b::ffff:ffff')), container('last'));
  assert.ok(['64:ff9b::ffff:ffff/96', '64:ff9b::255.255.255.255/96'].includes(last ?? ''), last);
  const [round] = await host.take(config(ipamOf('64:ff9b::/96')), container('round'));
  assert.ok(['64:ff9b::3/96', '64:ff9b::0.0.0.3/96'].includes(round ?? ''), round);
});
test('64:ff9b::/96: an address with dots is understood', async () => {
  const [address] = await new Host().take(config(ipamOf('64:ff9b::/96', '64:ff9b::192.0.2.33')));
  assert.ok(['64:ff9b::c000:221/96', '64:ff9b::192.0.2.33/96'].includes(address ?? ''), address);
});
test('0.0.0.0/0 and ::/0 in one ADD, beside a /24 and a /64', async () => {
  const host = new Host();
  const small = { 'ipv4-subnet': '0.0.0.0/24', 'ipv6-subnet': '::/64' };
  assert.equal(await host.take(config(small), container('a')), ['0.0.0.2/24', '::2/64']);
  const all = { 'ipv4-subnet': '0.0.0.0/0', 'ipv6-subnet': '::/0' };
  assert.equal(await host.take(config(all), container('b')), ['0.0.0.3/0', '::3/0']);
  assert.equal(await host.take(config(small), container('c')), ['0.0.0.4/24', '::4/64']);
});
test('a /16 goes through the end of its first 256 addresses', async () => {
  const host = new Host();
  await host.take(config(ipamOf('10.0.0.0/16', '10.0.0.250')), container('start'));
  const taken = await host.fill(config(ipamOf('10.0.0.0/16')), 10);
  const expected = [251, 252, 253, 254, 255].map(end => `10.0.0.${end}/16`);
  assert.equal(taken, [...expected, ...[0, 1, 2, 3, 4].map(end => `10.0.1.${end}/16`)]);
});

test.run();
