// CNI.md 4: who an owner is, one address per owner and subnet (103), addresses in use (102), subnets side by side.

import * as assert from 'uvu/assert';
import type { Env } from '../support/plugin.ts';
import { type Config, config, container, HISTORIC, Host, parallel, type Subject, withoutLength } from './harness.ts';

const test = parallel('ownership');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };
const DUAL = { ...V4, ...V6 };
const WIDE = { 'ipv4-subnet': '10.0.0.0/16' };
const OLD = { cniVersion: '0.3.1' };

// Two ADDs in 10.0.0.0/24: the same owner (the second is refused) or two owners (it gets .3).
const PAIRS: [string, 'same' | 'other', Config, Env, Config, Env][] = [
  ['one container and interface', 'same', {}, {}, {}, {}],
  ['two containers', 'other', {}, container('a'), {}, container('b')],
  ['two interfaces of one container', 'other', {}, container('a', 'eth0'), {}, container('a', 'eth1')],
  ['one container, another namespace', 'same', {}, {}, {}, { CNI_NETNS: '/proc/1/ns/net' }],
  ['one container, other CNI_ARGS', 'same', {}, { CNI_ARGS: 'K8S_POD_NAME=a' }, {}, { CNI_ARGS: 'K8S_POD_NAME=b' }],
  ['container ids that differ by case', 'other', {}, container('a'), {}, container('A')],
  ['container a.b with c, a with b.c', 'other', {}, container('a.b', 'c'), {}, container('a', 'b.c')],
  ['one id, two containers', 'same', { id: 'x' }, container('a'), { id: 'x' }, container('b')],
  ['one id, two interfaces', 'same', { id: 'x' }, container('a', 'eth0'), { id: 'x' }, container('a', 'eth1')],
  ['two ids, one container', 'other', { id: 'x' }, {}, { id: 'y' }, {}],
  ['ids that differ by case', 'other', { id: 'x' }, {}, { id: 'X' }, {}],
  ['ids that differ by a trailing space', 'other', { id: 'x' }, {}, { id: 'x ' }, {}],
  ['ids of which one begins the other', 'other', { id: 'x' }, {}, { id: 'xy' }, {}],
  ['id and container of the same text', 'other', { id: 'c1' }, {}, {}, {}],
  ['id that spells container/interface', 'other', { id: 'c1/eth0' }, {}, {}, {}],
  ['id that spells container\\0interface', 'other', { id: 'c1\u0000eth0' }, {}, {}, {}],
  ['a path as id', 'same', { id: '/host/proc/4711/ns/net' }, {}, { id: '/host/proc/4711/ns/net' }, {}],
  ['a free text as id', 'same', { id: 'Zoë\'s "pod"\n№ 1;=' }, {}, { id: 'Zoë\'s "pod"\n№ 1;=' }, {}],
  ['an id that begins with a byte order mark', 'same', { id: '\ufeffx' }, {}, { id: '\ufeffx' }, {}],
  ['an id with a byte order mark, and without', 'other', { id: '\ufeffx' }, {}, { id: 'x' }, {}],
  ['an id with half a surrogate pair', 'same', { id: 'x\ud800' }, {}, { id: 'x\ud800' }, {}],
  ['an empty id equals none', 'same', { id: '' }, {}, {}, {}],
  ['two containers with an empty id', 'other', { id: '' }, container('a'), { id: '' }, container('b')],
];
for (const [name, owners, first, firstEnv, second, secondEnv] of PAIRS) {
  test(`${name}: ${owners} owner`, async () => {
    const host = new Host();
    assert.equal(await host.take(config({ ...V4, ...first }), firstEnv), ['10.0.0.2/24']);
    if (owners === 'other') {
      assert.equal(await host.take(config({ ...V4, ...second }), secondEnv), ['10.0.0.3/24']);
    } else {
      await host.refuse('ADD', config({ ...V4, ...second }), 103, ['10.0.0.2'], secondEnv);
      await host.holds(['10.0.0.2'], ['10.0.0.3']);
    }
  });
}
test('one owner through two networks: still one address in the subnet', async () => {
  const host = new Host();
  await host.take(config(V4, { name: 'one' }));
  await host.refuse('ADD', config(V4, { name: 'two' }), 103, ['10.0.0.2']);
});
test('one owner at two versions: still one address', async () => {
  const host = new Host();
  await host.take(config(V4, OLD));
  await host.refuse('ADD', config(V4), 103, ['10.0.0.2']);
});
test('anonymous leases: each ADD gets an address of its own', async () => {
  const host = new Host();
  for (const expected of ['10.0.0.2/24', '10.0.0.3/24', '10.0.0.4/24']) {
    assert.equal(await host.take(config(V4, OLD), HISTORIC), [expected]);
  }
});

// A repeated ADD is refused whatever it asks for, and changes nothing.
const REPEATED: [string, Config, Config, Subject[]][] = [
  ['the address that it holds', V4, { ...V4, 'ipv4-address': '10.0.0.2/24' }, ['10.0.0.2']],
  ['another address', V4, { ...V4, 'ipv4-address': '10.0.0.77/24' }, ['10.0.0.2']],
  ['both families, holding IPv4', V4, DUAL, ['10.0.0.2']],
  ['both families, holding IPv6', V6, DUAL, ['2001:db8::2']],
  ['both families, holding both', DUAL, DUAL, [/10\.0\.0\.2|2001:db8::2/]],
  ['IPv4 alone, holding both', DUAL, V4, ['10.0.0.2']],
  ['the same subnet, written unmasked', V4, { 'ipv4-subnet': '10.0.0.9/24' }, ['10.0.0.2']],
  ['the wider subnet around it', V4, WIDE, ['10.0.0.2']],
  ['the narrower subnet in which its address lies', WIDE, V4, ['10.0.0.2']],
  ['a half in which its address lies', V4, { 'ipv4-subnet': '10.0.0.0/25' }, ['10.0.0.2']],
];
for (const [name, first, second, subjects] of REPEATED) {
  for (const ipam of [{}, { id: 'task' }]) {
    test(`repeated ADD for ${name}, by ${'id' in ipam ? 'id' : 'container'}: 103, nothing changed`, async () => {
      const host = new Host();
      await host.take(config({ ...first, ...ipam }));
      const before = await host.listed();
      await host.refuse('ADD', config({ ...second, ...ipam }), 103, subjects);
      assert.equal((await host.listed()).sort(), before.sort());
    });
  }
}
test('holding an address of the wide subnet that lies outside the narrow one is no obstacle there', async () => {
  const host = new Host();
  await host.take(config({ ...WIDE, 'ipv4-address': '10.0.5.5/16' }));
  assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
});
test('one owner may hold one address in each of several subnets', async () => {
  const host = new Host();
  for (const third of [0, 1, 2]) {
    const ipam = { 'ipv4-subnet': `10.0.${third}.0/24`, id: 'task' };
    assert.equal(await host.take(config(ipam)), [`10.0.${third}.2/24`]);
  }
  await host.refuse('ADD', config({ 'ipv4-subnet': '10.0.1.0/24', id: 'task' }), 103, ['10.0.1.2']);
});
test('an id is refused alike under 1.0.0.0 and 20.0.0.0: the first digit does not matter', async () => {
  const host = new Host();
  for (const subnet of ['1.0.0.0/24', '20.0.0.0/24', '99.0.0.0/24', '2001:db8::/64', 'fd00::/64']) {
    const stdin = config({ [subnet.includes(':') ? 'ipv6-subnet' : 'ipv4-subnet']: subnet, id: 'task' });
    const [address = ''] = await host.take(stdin);
    await host.refuse('ADD', stdin, 103, [withoutLength(address)]);
    await host.succeed('DEL', stdin);
    await host.holds([], [withoutLength(address)]);
  }
});

// 102: address and owner are named, and a dual-stack ADD leaves nothing of its other family.
const IN_USE: [string, Config, Env, Config, Subject[]][] = [
  ['held by a container', V4, container('holder'), { ...V4, 'ipv4-address': '10.0.0.2/24' }, ['10.0.0.2', 'holder']],
  ['held by an id', { ...V4, id: 'task-7' }, {}, { ...V4, 'ipv4-address': '10.0.0.2' }, ['10.0.0.2', 'task-7']],
  [
    'IPv6, in other text',
    V6,
    container('holder'),
    { ...V6, 'ipv6-address': '2001:0DB8:0::0002/64' },
    ['2001:db8::2', 'holder'],
  ],
  ['through a wider subnet', V4, container('holder'), { ...WIDE, 'ipv4-address': '10.0.0.2' }, ['10.0.0.2', 'holder']],
  [
    'through a narrower subnet',
    WIDE,
    container('holder'),
    { ...V4, 'ipv4-address': '10.0.0.2' },
    ['10.0.0.2', 'holder'],
  ],
  [
    'the gateway that a container holds',
    { ...V4, 'ipv4-gateway': '10.0.0.8' },
    container('holder'),
    V4,
    ['10.0.0.1', 'holder'],
  ],
  [
    'an explicit gateway that a container holds',
    V4,
    container('holder'),
    { ...V4, 'ipv4-gateway': '10.0.0.2' },
    ['10.0.0.2', 'holder'],
  ],
  [
    'an IPv6 gateway that a container holds',
    V6,
    container('holder'),
    { ...V6, 'ipv6-gateway': '2001:db8::2' },
    ['2001:db8::2', 'holder'],
  ],
  ['IPv4 of two families', DUAL, container('holder'), { ...DUAL, 'ipv4-address': '10.0.0.2' }, ['10.0.0.2', 'holder']],
  [
    'IPv6 of two families',
    DUAL,
    container('holder'),
    { ...DUAL, 'ipv6-address': '2001:db8::2' },
    ['2001:db8::2', 'holder'],
  ],
];
for (const [name, first, firstEnv, second, subjects] of IN_USE) {
  test(`in use, ${name}: 102, nothing changed`, async () => {
    const host = new Host();
    await host.take(config(first), firstEnv);
    const before = await host.listed();
    await host.refuse('ADD', config(second), 102, subjects, container('late'));
    assert.equal((await host.listed()).sort(), before.sort());
  });
}
test('in use, held anonymously: 102', async () => {
  const host = new Host();
  await host.take(config(V4, OLD), HISTORIC);
  await host.refuse('ADD', config({ ...V4, 'ipv4-address': '10.0.0.2' }), 102, ['10.0.0.2']);
});
test("another subnet's gateway cannot be requested through an overlapping subnet", async () => {
  const host = new Host();
  await host.take(config({ 'ipv4-subnet': '10.0.5.0/24' }), container('a'));
  await host.refuse('ADD', config({ ...WIDE, 'ipv4-address': '10.0.5.1' }), [7, 102], ['10.0.5.1'], container('b'));
});

test('overlapping subnets never give the same address twice', async () => {
  const host = new Host();
  const given: string[] = [];
  const subnets = ['10.0.0.0/24', '10.0.0.0/26', '10.0.0.0/16', '10.0.0.0/27', '10.0.0.0/8'];
  for (let i = 0; i < 20; i++) {
    const [address = ''] = await host.take(config({ 'ipv4-subnet': subnets[i % 5] }), container(`c${i}`));
    given.push(withoutLength(address));
  }
  assert.is(new Set(given).size, given.length, `${given}`);
  assert.not(given.includes('10.0.0.1'), 'the gateway that they share');
});
test('an automatic choice steps over the gateway of a subnet inside', async () => {
  const host = new Host();
  await host.take(config({ ...V4, 'ipv4-gateway': '10.0.0.3' }), container('a'));
  const wide = config({ ...WIDE, 'ipv4-gateway': '10.0.255.254' });
  assert.equal(await host.fill(wide, 2), ['10.0.0.2/16', '10.0.0.4/16']);
});
test('networks share a subnet without giving an address twice', async () => {
  const host = new Host();
  assert.equal(await host.take(config(V4, { name: 'one' }), container('a')), ['10.0.0.2/24']);
  assert.equal(await host.take(config(V4, { name: 'two' }), container('b')), ['10.0.0.3/24']);
});
test('several subnets in one store do not disturb each other', async () => {
  const host = new Host();
  for (const i of [0, 1, 2]) {
    for (const subnet of ['10.1.0.0/24', '10.2.0.0/24', '192.168.7.0/24']) {
      const expected = subnet.replace('.0/24', `.${i + 2}/24`);
      assert.equal(await host.take(config({ 'ipv4-subnet': subnet }), container(`c${i}`)), [expected]);
    }
  }
});

// One commit: whatever fails in one family leaves nothing in the other.
const HALF: [string, Config, number, Subject[], string[]][] = [
  ['IPv6 exhausted', { ...V4, 'ipv6-subnet': '2001:db8::/126' }, 101, ['2001:db8::/126'], ['10.0.0.4']],
  ['IPv4 exhausted', { ...V6, 'ipv4-subnet': '10.0.0.0/30' }, 101, ['10.0.0.0/30'], ['2001:db8::3', '2001:db8::4']],
];
for (const [name, ipam, code, subjects, free] of HALF) {
  test(`${name}: ${code}, and nothing of the other family is left`, async () => {
    const host = new Host();
    await host.fill(config(ipam), ipam['ipv4-subnet'] === '10.0.0.0/30' ? 1 : 2);
    await host.refuse('ADD', config(ipam), code, subjects, container('late'));
    await host.holds([], free);
    // The owner was not recorded either.
    const open = 'ipv6-subnet' in ipam && ipam['ipv4-subnet'] === '10.0.0.0/30' ? V6 : V4;
    assert.equal((await host.take(config(open), container('late'))).map(withoutLength), [free[0]]);
  });
}

test.run();
