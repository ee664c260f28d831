// CNI.md 1 and 4, GC: frees the leases of this network whose container and interface are not listed, nothing else.

import { cpSync } from 'node:fs';
import { dirname } from 'node:path';
import * as assert from 'uvu/assert';
import type { Env } from '../support/plugin.ts';
import { type Config, config, container, HISTORIC, Host, parallel } from './harness.ts';

const test = parallel('GC');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };
const OLD = { cniVersion: '0.3.1' };
const KEY = 'cni.dev/valid-attachments';
const TWIN = 'cni.dev/attachments';
const attached = (...pairs: string[]) =>
  pairs.map(pair => {
    const [containerID, ifname = 'eth0'] = pair.split(':');
    return { containerID, ifname };
  });

// The leases of every case: .2 a, .3 b, .4 b on eth1, .5 c with an id, .6 of another network, .7 of no network,
// .8 by an id without a container, .9 anonymous; 10.0.1.2 a in another subnet; 2001:db8::2 b.
async function populate(): Promise<Host> {
  const host = new Host();
  const leases: [Config, Env, Config?][] = [
    [V4, container('a')],
    [V4, container('b')],
    [V4, container('b', 'eth1')],
    [{ ...V4, id: 'task' }, container('c')],
    [V4, container('d'), { name: 'net2' }],
    [V4, container('e'), { ...OLD, name: undefined }],
    [{ ...V4, id: 'lone' }, HISTORIC, OLD],
    [V4, HISTORIC, OLD],
    [{ 'ipv4-subnet': '10.0.1.0/24' }, container('a')],
    [V6, container('b')],
  ];
  for (const [ipam, env, top] of leases) await host.take(config(ipam, top), env);
  return host;
}
const template = populate();
async function populated(): Promise<Host> {
  const host = new Host();
  cpSync(dirname((await template).store), dirname(host.store), { recursive: true });
  return host;
}
const LEASES = ['.2', '.3', '.4', '.5', '.6', '.7', '.8', '.9']
  .map(end => `10.0.0${end}`)
  .concat('10.0.1.2', '2001:db8::2');
const NEVER = ['10.0.0.6', '10.0.0.7', '10.0.0.8', '10.0.0.9'];

for (const [name, top, gone] of [
  [
    'an empty list frees all of this network',
    { [KEY]: [] },
    ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.1.2', '2001:db8::2'],
  ],
  [
    'null is an empty list',
    { [KEY]: null },
    ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.1.2', '2001:db8::2'],
  ],
  [
    'null under the other key alone',
    { [TWIN]: null },
    ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.1.2', '2001:db8::2'],
  ],
  ['neither key: a no-op', {}, []],
  ['all are listed', { [KEY]: attached('a', 'b', 'b:eth1', 'c') }, []],
  ['one is not listed', { [KEY]: attached('b', 'b:eth1', 'c') }, ['10.0.0.2', '10.0.1.2']],
  ['one interface of two is not listed', { [KEY]: attached('a', 'b', 'c') }, ['10.0.0.4']],
  ['the other interface is not listed', { [KEY]: attached('a', 'b:eth1', 'c') }, ['10.0.0.3', '2001:db8::2']],
  ['a lease with an id carries its container too', { [KEY]: attached('a', 'b', 'b:eth1') }, ['10.0.0.5']],
  ['the other key alone', { [TWIN]: attached('a', 'b', 'c') }, ['10.0.0.4']],
  ['both keys alike', { [KEY]: attached('a', 'b', 'c'), [TWIN]: attached('a', 'b', 'c') }, ['10.0.0.4']],
  ['strangers in the list', { [KEY]: attached('a', 'b', 'b:eth1', 'c', 'x', 'y:net1') }, []],
  ['an entry twice', { [KEY]: attached('a', 'a', 'b', 'b:eth1', 'c') }, []],
  ['ids are told apart by case', { [KEY]: attached('A', 'b', 'b:eth1', 'c') }, ['10.0.0.2', '10.0.1.2']],
  [
    'a listed pair of the other network protects nothing here',
    { [KEY]: attached('a', 'b', 'b:eth1', 'd') },
    ['10.0.0.5'],
  ],
] as [string, Config, string[]][]) {
  test(name, async () => {
    const host = await populated();
    await host.succeed('GC', config(V4, top), container(''));
    await host.holds(
      LEASES.filter(address => !gone.includes(address)),
      gone,
    );
  });
}

test('another network: only its leases', async () => {
  const host = await populated();
  await host.succeed('GC', config(V4, { name: 'net2', [KEY]: [] }));
  await host.holds(
    LEASES.filter(address => address !== '10.0.0.6'),
    ['10.0.0.6'],
  );
});
test('an unknown network: nothing', async () => {
  const host = await populated();
  await host.succeed('GC', config(V4, { name: 'net3', [KEY]: [] }));
  await host.holds(LEASES);
});
test('another subnet configured: the network counts, not the subnet', async () => {
  const host = await populated();
  await host.succeed('GC', config({ 'ipv4-subnet': '192.0.2.0/24' }, { [KEY]: [] }));
  await host.holds(NEVER, ['10.0.0.2', '10.0.0.3', '10.0.1.2', '2001:db8::2']);
});
test('gateways stay', async () => {
  const host = await populated();
  await host.succeed('GC', config(V4, { [KEY]: [] }));
  await host.holds(['10.0.0.1', '10.0.1.1', '2001:db8::1']);
});
test('what was freed can be taken, and the owner is forgotten', async () => {
  const host = await populated();
  await host.succeed('GC', config(V4, { [KEY]: attached('b', 'b:eth1', 'c') }));
  assert.equal(await host.take(config({ ...V4, 'ipv4-address': '10.0.0.2' }), container('a')), ['10.0.0.2/24']);
});
test('repeated: succeeds', async () => {
  const host = await populated();
  await host.succeed('GC', config(V4, { [KEY]: [] }));
  await host.succeed('GC', config(V4, { [KEY]: [] }));
  await host.holds(NEVER);
});
test('no store: succeeds', async () => {
  await new Host().succeed('GC', config(V4, { [KEY]: [] }));
});
for (const list of [[null], [{}], ['a'], 'a', 5, {}, [{ containerID: 5, ifname: 'eth0' }], [{ containerID: 'a' }]]) {
  test(`a malformed list ${JSON.stringify(list)}: an error object, and nothing is freed`, async () => {
    const host = await populated();
    await host.refuse('GC', config(V4, { [KEY]: list }), [6, 7], ['attachments']);
    await host.holds(LEASES);
  });
}
test('many leases at once', async () => {
  const host = new Host();
  await host.fill(config({ ...V4, ...V6 }), 30, 'n');
  await host.succeed('GC', config(V4, { [KEY]: attached('n3', 'n17') }));
  const listed = await host.listed();
  const kept = ['10.0.0.1', '10.0.0.19', '10.0.0.5', '2001:db8::1', '2001:db8::13', '2001:db8::5'];
  assert.equal(listed.sort(), kept);
});

test.run();
