// CNI.md 4, DEL: what it releases, what it must leave alone, and that it succeeds for what is not there.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Env } from '../support/plugin.ts';
import { temporaryDirectory } from '../support/plugin.ts';
import { type Config, config, container, HISTORIC, Host, parallel, tolerated, withoutLength } from './harness.ts';

const test = parallel('DEL');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };
const DUAL = { ...V4, ...V6 };
const A4 = '10.0.0.2';
const A6 = '2001:db8::2';
const EXPLICIT4 = { 'ipv4-address': '10.0.0.2/24' };
const EXPLICIT6 = { 'ipv6-address': '2001:db8::2/64' };
const OLD = { cniVersion: '0.3.1' };
const C1 = container('c1');
const C2 = container('c2');

/**
 * ADD with `add`, DEL with `del`, each an ipam section, an environment and keys at the top; what is gone, what stays.
 */
type Row = [name: string, add: [Config, Env, Config?], del: [Config, Env, Config?], gone: string[], stays: string[]];
const ROWS: Row[] = [
  // By owner.
  ['a container its own', [V4, C1], [V4, C1], [A4], []],
  ['a container both families', [DUAL, C1], [DUAL, C1], [A4, A6], []],
  ['a container by another interface', [V4, container('c1', 'eth0')], [V4, container('c1', 'eth1')], [], [A4]],
  ['another container', [V4, C1], [V4, C2], [], [A4]],
  ['the owner through another network', [V4, C1, { name: 'one' }], [V4, C1, { name: 'two' }], [A4], []],
  ['the owner at another version', [V4, C1, { cniVersion: '1.0.0' }], [V4, C1, OLD], [A4], []],
  ['the owner without a namespace', [V4, C1], [V4, { ...C1, CNI_NETNS: '' }], [A4], []],
  ['an id its own, from another container', [{ ...V4, id: 'x' }, C1], [{ ...V4, id: 'x' }, C2], [A4], []],
  ['another id from the same container', [{ ...V4, id: 'x' }, C1], [{ ...V4, id: 'y' }, C1], [], [A4]],
  ['the container of a lease that an id owns', [{ ...V4, id: 'x' }, C1], [V4, C1], [], [A4]],
  ['an id of the text of the container', [V4, C1], [{ ...V4, id: 'c1' }, C1], [], [A4]],
  ['an empty id: the container', [V4, C1], [{ ...V4, id: '' }, C1], [A4], []],
  [
    'an id without a container, historic',
    [{ ...DUAL, id: 'x' }, HISTORIC, OLD],
    [{ ...DUAL, id: 'x' }, HISTORIC, OLD],
    [A4, A6],
    [],
  ],
  // Only the configured subnets.
  ['only IPv4 configured', [DUAL, C1], [V4, C1], [A4], [A6]],
  ['only IPv6 configured', [DUAL, C1], [V6, C1], [A6], [A4]],
  ['another subnet', [V4, C1], [{ 'ipv4-subnet': '10.0.1.0/24' }, C1], [], [A4]],
  ['the subnet grown', [V4, C1], [{ 'ipv4-subnet': '10.0.0.0/23' }, C1], [A4], []],
  ['the subnet shrunk around the address', [V4, C1], [{ 'ipv4-subnet': '10.0.0.0/29' }, C1], [A4], []],
  ['the subnet shrunk away from the address', [V4, C1], [{ 'ipv4-subnet': '10.0.0.128/25' }, C1], [], [A4]],
  ['the gateway changed', [V4, C1], [{ ...V4, 'ipv4-gateway': '10.0.0.254' }, C1], [A4], []],
  // An explicit address with an id: only if this owner holds it.
  ['its id and its address', [{ ...V4, id: 'x' }, C1], [{ ...V4, id: 'x', ...EXPLICIT4 }, C1], [A4], []],
  ['another id and its address', [{ ...V4, id: 'x' }, C1], [{ ...V4, id: 'y', ...EXPLICIT4 }, C1], [], [A4]],
  ['an id and the address of a container', [V4, C1], [{ ...V4, id: 'x', ...EXPLICIT4 }, C1], [], [A4]],
  [
    'an id and the address of an anonymous lease',
    [V4, HISTORIC, OLD],
    [{ ...V4, id: 'x', ...EXPLICIT4 }, C1],
    [],
    [A4],
  ],
  [
    'its id and an address that is free',
    [{ ...V4, id: 'x' }, C1],
    [{ ...V4, id: 'x', 'ipv4-address': '10.0.0.9' }, C1],
    [],
    [A4],
  ],
  // An explicit address without an id: anonymous, an id's, this container's; never another container's.
  ['the address of an anonymous lease', [V4, HISTORIC, OLD], [{ ...V4, ...EXPLICIT4 }, HISTORIC, OLD], [A4], []],
  ['the address of an anonymous lease, from a container', [V4, HISTORIC, OLD], [{ ...V4, ...EXPLICIT4 }, C1], [A4], []],
  [
    'the address that an id holds',
    [{ ...V4, id: 'x' }, HISTORIC, OLD],
    [{ ...V4, ...EXPLICIT4 }, HISTORIC, OLD],
    [A4],
    [],
  ],
  ['the address that an id holds, from a container', [{ ...V4, id: 'x' }, C1], [{ ...V4, ...EXPLICIT4 }, C2], [A4], []],
  ['the address that this container holds', [V4, C1], [{ ...V4, ...EXPLICIT4 }, C1], [A4], []],
  ['the address that another container holds', [V4, C1], [{ ...V4, ...EXPLICIT4 }, C2], [], [A4]],
  ['the address that a container holds, from nobody', [V4, C1], [{ ...V4, ...EXPLICIT4 }, HISTORIC, OLD], [], [A4]],
  ['the address bare', [V4, C1], [{ ...V4, 'ipv4-address': A4 }, C1], [A4], []],
  ['the address with another length', [V4, C1], [{ ...V4, 'ipv4-address': `${A4}/16` }, C1], [A4], []],
  ['the IPv6 address in other text', [V6, C1], [{ ...V6, 'ipv6-address': '2001:0DB8:0::0002/64' }, C1], [A6], []],
  // Both families: the explicit one by its address, the other by its owner.
  ['explicit IPv4, owned IPv6', [DUAL, C1], [{ ...DUAL, ...EXPLICIT4 }, C1], [A4, A6], []],
  [
    'explicit IPv6, owned IPv4, by id',
    [{ ...DUAL, id: 'x' }, C1],
    [{ ...DUAL, id: 'x', ...EXPLICIT6 }, C2],
    [A4, A6],
    [],
  ],
  [
    'explicit in both families, by id',
    [{ ...DUAL, id: 'x' }, C1],
    [{ ...DUAL, id: 'x', ...EXPLICIT4, ...EXPLICIT6 }, C1],
    [A4, A6],
    [],
  ],
  ['explicit IPv4 that is free, owned IPv6', [DUAL, C1], [{ ...DUAL, 'ipv4-address': '10.0.0.9' }, C1], [A6], [A4]],
  [
    'explicit in both families of an anonymous lease',
    [DUAL, HISTORIC, OLD],
    [{ ...DUAL, ...EXPLICIT4, ...EXPLICIT6 }, HISTORIC, OLD],
    [A4, A6],
    [],
  ],
  [
    'explicit IPv4 of an anonymous lease leaves its IPv6',
    [DUAL, HISTORIC, OLD],
    [{ ...DUAL, ...EXPLICIT4 }, HISTORIC, OLD],
    [A4],
    [A6],
  ],
];
for (const [name, [ipam, env, top], [delIpam, delEnv, delTop], gone, stays] of ROWS) {
  test(`${name}: ${gone.length > 0 ? `${gone.join(', ')} released` : 'nothing released'}`, async () => {
    const host = new Host();
    const taken = (await host.take(config(ipam, top), env)).map(withoutLength);
    assert.equal(taken.sort(), [...gone, ...stays].sort());
    await host.succeed('DEL', config(delIpam, delTop), delEnv);
    await host.holds(stays, gone);
    await host.succeed('DEL', config(delIpam, delTop), delEnv);
  });
}

test('releases what the owner holds in this subnet, not what it holds in others', async () => {
  const host = new Host();
  const other = { 'ipv4-subnet': '10.0.1.0/24' };
  await host.take(config({ ...V4, id: 'x' }));
  await host.take(config({ ...other, id: 'x' }));
  await host.succeed('DEL', config({ ...V4, id: 'x' }));
  await host.holds(['10.0.1.2'], ['10.0.0.2']);
});
test('a wide subnet releases all that the owner holds inside it', async () => {
  const host = new Host();
  await host.take(config({ ...V4, id: 'x' }));
  await host.take(config({ 'ipv4-subnet': '10.0.1.0/24', id: 'x' }));
  await host.succeed('DEL', config({ 'ipv4-subnet': '10.0.0.0/16', id: 'x' }));
  await host.holds([], ['10.0.0.2', '10.0.1.2']);
});
test('a late DEL with an id does not free the address that moved on', async () => {
  const host = new Host();
  const old = config({ ...V4, id: 'old', ...EXPLICIT4 });
  await host.take(old);
  await host.succeed('DEL', old);
  await host.take(config({ ...V4, id: 'new', ...EXPLICIT4 }));
  await host.succeed('DEL', old);
  await host.holds([A4]);
});
test('a late DEL of a container does not free the address that moved on', async () => {
  const host = new Host();
  const stdin = config({ ...V4, ...EXPLICIT4 });
  await host.take(stdin, C1);
  await host.succeed('DEL', stdin, C1);
  await host.take(stdin, C2);
  await host.succeed('DEL', stdin, C1);
  await host.holds([A4]);
});
test('released, it can be taken by another, and by the same owner again', async () => {
  const host = new Host();
  await host.take(config(V4), C1);
  await host.succeed('DEL', config(V4), C1);
  assert.equal(await host.take(config({ ...V4, ...EXPLICIT4 }), C2), ['10.0.0.2/24']);
  assert.equal(await host.take(config(V4), C1), ['10.0.0.3/24']);
});
test('releases one of several owners, the others stay', async () => {
  const host = new Host();
  await host.fill(config(DUAL), 4, 'n');
  await host.succeed('DEL', config(DUAL), container('n1'));
  await host.holds(['10.0.0.2', '10.0.0.4', '10.0.0.5', '2001:db8::2', '2001:db8::4'], ['10.0.0.3', '2001:db8::3']);
});

for (const [name, ipam, env] of [
  ['neither id, address nor container id', V4, HISTORIC],
  ['an empty id, no container id', { ...V4, id: '' }, HISTORIC],
  ['both families, no address', DUAL, HISTORIC],
] as [string, Config, Env][]) {
  test(`${name}: 7`, async () => {
    await new Host().refuse('DEL', config(ipam, OLD), 7, [/\bid\b/, /address/], env);
  });
}

test('no store: succeeds and makes none', async () => {
  const host = new Host();
  await host.succeed('DEL', config(DUAL));
  await host.succeed('DEL', config({ ...DUAL, id: 'x', ...EXPLICIT4 }));
  assert.not(existsSync(host.store));
  assert.equal(readdirSync(dirname(host.store)), []);
});
test('no directory for a store: succeeds and makes none', async () => {
  const directory = temporaryDirectory();
  const host = new Host({ store: join(directory, 'a', 'b', 'store.mdb') });
  await host.succeed('DEL', config(DUAL));
  assert.equal(readdirSync(directory), []);
});
test('unknown owner in a store that knows others: succeeds, repeatedly', async () => {
  const host = new Host();
  await host.take(config(V4));
  for (let i = 0; i < 3; i++) await host.succeed('DEL', config(V4), container('unknown'));
  await host.holds([A4]);
});
for (const prevResult of [
  null,
  5,
  'x',
  [],
  {},
  { ips: 'x' },
  { ips: [null] },
  { ips: [{}] },
  { ips: [{ address: 'nonsense' }] },
  { ips: [{ address: '10.0.0.99/24' }] },
  { cniVersion: '9.9.9', ips: [] },
  { cniVersion: 5, ip4: { ip: 5 } },
]) {
  test(`garbage prevResult ${JSON.stringify(prevResult)}: released all the same`, async () => {
    const host = new Host();
    await host.take(config(DUAL));
    await host.succeed('DEL', { ...config(DUAL), prevResult });
    await host.holds([], [A4, A6]);
  });
}

test('the gateway stays reserved when its last container goes', async () => {
  const host = new Host();
  await host.take(config({ ...V4, 'ipv4-gateway': '10.0.0.8' }));
  await host.succeed('DEL', config({ ...V4, 'ipv4-gateway': '10.0.0.8' }));
  await host.holds(['10.0.0.8'], ['10.0.0.1']);
  const wide = { 'ipv4-subnet': '10.0.0.0/16', 'ipv4-address': '10.0.0.8' };
  await host.refuse('ADD', config(wide), [7, 102], ['10.0.0.8'], C2);
});
for (const env of [C1, HISTORIC]) {
  test(`the gateway as an explicit address, from ${env === HISTORIC ? 'nobody' : 'a container'}: it stays`, async () => {
    const host = new Host();
    await host.take(config(V4));
    const reply = await host.run('DEL', config({ ...V4, 'ipv4-address': '10.0.0.1' }, OLD), env);
    tolerated(reply, [7]);
    await host.holds(['10.0.0.1']);
  });
}

test.run();
