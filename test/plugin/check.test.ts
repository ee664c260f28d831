// CNI.md 4, CHECK: the owner holds an address in every configured subnet, and prevResult's are the ones held.

import * as assert from 'uvu/assert';
import type { Env } from '../support/plugin.ts';
import { type Config, config, container, Host, parallel, type Subject, tolerated } from './harness.ts';

const test = parallel('CHECK');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };
const DUAL = { ...V4, ...V6 };
const ip = (...addresses: string[]) => ({ cniVersion: '1.1.0', ips: addresses.map(address => ({ address })) });

/** After an ADD with `add`: CHECK with `check` and this prevResult; undefined: it passes, else what 104 names. */
type Row = [name: string, add: Config, check: Config, prevResult: object, names: Subject[] | undefined, env?: Env];
const ROWS: Row[] = [
  ['IPv4 held', V4, V4, ip('10.0.0.2/24'), undefined],
  ['both held', DUAL, DUAL, ip('10.0.0.2/24', '2001:db8::2/64'), undefined],
  ['both held, in the other order', DUAL, DUAL, ip('2001:db8::2/64', '10.0.0.2/24'), undefined],
  [
    'the result of a main plugin',
    V4,
    V4,
    {
      cniVersion: '1.1.0',
      interfaces: [
        { name: 'cni0', mac: '02:00:00:00:00:01' },
        { name: 'eth0', sandbox: '/var/run/netns/c1' },
      ],
      ips: [{ interface: 1, address: '10.0.0.2/24', gateway: '10.0.0.1' }],
      routes: [{ dst: '0.0.0.0/0' }],
      dns: {},
    },
    undefined,
  ],
  ['IPv6 in other text', V6, V6, ip('2001:0DB8:0::0002/64'), undefined],
  ['addresses of other plugins beside it', V4, V4, ip('192.0.2.9/24', '10.0.0.2/24', '2001:db8::9/64'), undefined],
  ['by id', { ...V4, id: 'x' }, { ...V4, id: 'x' }, ip('10.0.0.2/24'), undefined],
  [
    'by id, from another container',
    { ...V4, id: 'x' },
    { ...V4, id: 'x' },
    ip('10.0.0.2/24'),
    undefined,
    container('c2'),
  ],
  ['the subnet grown since', V4, { 'ipv4-subnet': '10.0.0.0/23' }, ip('10.0.0.2/24'), undefined],
  ['one of two subnets', DUAL, V4, ip('10.0.0.2/24', '2001:db8::2/64'), undefined],
  ['prevResult has another address', V4, V4, ip('10.0.0.3/24'), [/10\.0\.0\.[23]/]],
  ['prevResult has one more', V4, V4, ip('10.0.0.2/24', '10.0.0.3/24'), ['10.0.0.3']],
  ['prevResult has another IPv6 address', DUAL, DUAL, ip('10.0.0.2/24', '2001:db8::3/64'), [/2001:db8::[23]/]],
  ['prevResult has the gateway', V4, V4, ip('10.0.0.1/24'), [/10\.0\.0\.[12]/]],
  ['IPv6 is not held', V4, DUAL, ip('10.0.0.2/24'), [/2001:db8::|ipv6/]],
  ['IPv4 is not held', V6, DUAL, ip('2001:db8::2/64'), [/10\.0\.0\.|ipv4/]],
  ['held in another subnet', { 'ipv4-subnet': '10.0.1.0/24' }, V4, ip('10.0.1.2/24'), [/10\.0\.0\.0/]],
  ['another container', V4, V4, ip('10.0.0.2/24'), [/10\.0\.0\./], container('c2')],
  ['another interface', V4, V4, ip('10.0.0.2/24'), [/10\.0\.0\./], container('c1', 'eth1')],
  ['another id', { ...V4, id: 'x' }, { ...V4, id: 'y' }, ip('10.0.0.2/24'), [/10\.0\.0\./]],
  ['the container of a lease that an id owns', { ...V4, id: 'x' }, V4, ip('10.0.0.2/24'), [/10\.0\.0\./]],
];
for (const [name, add, check, prevResult, names, env] of ROWS) {
  test(`${name}: ${names === undefined ? 'passes' : 104}`, async () => {
    const host = new Host();
    await host.take(config(add));
    if (names === undefined) await host.succeed('CHECK', { ...config(check), prevResult }, env);
    else await host.refuse('CHECK', { ...config(check), prevResult }, 104, names, env);
  });
}

for (const version of ['0.4.0', '1.0.0', '1.1.0']) {
  test(`with the ADD's own result at ${version}: passes, and 104 after DEL`, async () => {
    const host = new Host();
    const stdin = config(DUAL, { cniVersion: version });
    const prevResult = await host.add(stdin);
    await host.succeed('CHECK', { ...stdin, prevResult });
    await host.succeed('DEL', { ...stdin, prevResult });
    const error = await host.refuse('CHECK', { ...stdin, prevResult }, 104, [/10\.0\.0\.|2001:db8::/]);
    assert.is(error.cniVersion, version);
  });
}
test('no store: 104', async () => {
  const prevResult = ip('10.0.0.2/24');
  await new Host().refuse('CHECK', { ...config(V4), prevResult }, 104, [/10\.0\.0\./]);
});
for (const prevResult of [5, 'x', { ips: 'x' }, { ips: [null] }, { ips: [{ address: 'nonsense' }] }]) {
  test(`garbage prevResult ${JSON.stringify(prevResult)}: a success or an error object, never a crash`, async () => {
    const host = new Host();
    await host.take(config(V4));
    tolerated(await host.run('CHECK', { ...config(V4), prevResult }), [6, 7, 104]);
  });
}
test('changes nothing: neither leases nor cursor', async () => {
  const host = new Host();
  await host.take(config(V4));
  const before = await host.listed();
  await host.succeed('CHECK', { ...config(V4), prevResult: ip('10.0.0.2/24') });
  await host.refuse('CHECK', { ...config(V4), prevResult: ip('10.0.0.9/24') }, 104, [/10\.0\.0\.[29]/]);
  assert.equal(await host.listed(), before);
  assert.equal(await host.take(config(V4), container('c2')), ['10.0.0.3/24']);
});

test.run();
