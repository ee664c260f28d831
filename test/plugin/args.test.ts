// CNI.md 1: CNI_ARGS, and the four sources of requested addresses.

import * as assert from 'uvu/assert';
import { type Config, config, container, Host, parallel, refused, type Subject } from './harness.ts';

const test = parallel('requested addresses');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const DUAL = { ...V4, 'ipv6-subnet': '2001:db8::/64' };

const ACCEPTED: [string, string, string[]][] = [
  ['IP=10.0.0.7', 'a bare address', ['10.0.0.7/24']],
  ['IP=10.0.0.7/24', 'with the length of the subnet', ['10.0.0.7/24']],
  ['IP=10.0.0.7/8', 'its length is ignored', ['10.0.0.7/24']],
  ['IP=10.0.0.7/32', 'its length is ignored', ['10.0.0.7/24']],
  ['IgnoreUnknown=1;IP=10.0.0.7', 'after an unknown key', ['10.0.0.7/24']],
  ['IP=10.0.0.7;IgnoreUnknown=1', 'before an unknown key', ['10.0.0.7/24']],
  [';;IP=10.0.0.7;;', 'empty parts are skipped', ['10.0.0.7/24']],
  [';', 'nothing but empty parts', ['10.0.0.2/24']],
  ['A=b=c=d;IP=10.0.0.7', 'split at the first =', ['10.0.0.7/24']],
  ['FOO=bar', 'unknown keys need no IgnoreUnknown', ['10.0.0.2/24']],
  ['ip=10.0.0.7', 'keys are told apart by case', ['10.0.0.2/24']],
  ['FOO=', 'an unknown key with an empty value', ['10.0.0.2/24']],
  [
    'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2',
    'as containerd sends it',
    ['10.0.0.2/24'],
  ],
  ['K8S_POD_NAME=web;IP=10.0.0.9', 'as podman sends it', ['10.0.0.9/24']],
];
for (const [args, why, expected] of ACCEPTED) {
  test(`CNI_ARGS ${args.slice(0, 40)} (${why}): ${expected}`, async () => {
    assert.equal(await new Host().take(config(V4), { CNI_ARGS: args }), expected);
  });
}
test('CNI_ARGS IP= in IPv6: the subnet gives the length', async () => {
  const ipam = { 'ipv6-subnet': '2001:db8::/64' };
  assert.equal(await new Host().take(config(ipam), { CNI_ARGS: 'IP=2001:DB8::0:7/128' }), ['2001:db8::7/64']);
});
test('CNI_ARGS with one IP= a family', async () => {
  const env = { CNI_ARGS: 'IP=10.0.0.7;IP=2001:db8::9' };
  assert.equal(await new Host().take(config(DUAL), env), ['10.0.0.7/24', '2001:db8::9/64']);
});
test('CNI_ARGS in a historic version', async () => {
  assert.equal(await new Host().take(config(V4, { cniVersion: '0.2.0' }), { CNI_ARGS: 'IP=10.0.0.7' }), [
    '10.0.0.7/24',
  ]);
});

for (const [args, why, subjects] of [
  ['FOO', 'no =', ['FOO']],
  ['IP=10.0.0.7;FOO', 'a part without =', ['FOO']],
  ['IgnoreUnknown=1;FOO', 'IgnoreUnknown does not excuse it', ['FOO']],
  ['10.0.0.7', 'a bare address', ['10.0.0.7']],
] as [string, string, Subject[]][]) {
  test(`CNI_ARGS ${args} (${why}): 4`, async () => {
    const host = new Host();
    await host.refuse('ADD', config(V4), 4, ['CNI_ARGS', ...subjects], { CNI_ARGS: args });
    assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
  });
}
for (const args of ['IP=10.0.0', 'IP=nonsense', 'IP=10.0.0.256']) {
  test(`CNI_ARGS ${args} (no address): refused, and the value named`, async () => {
    // CNI.md does not say whether a bad value is one of the environment (4) or of the configuration (7).
    await new Host().refuse('ADD', config(V4), [4, 7], [args.slice('IP='.length)], { CNI_ARGS: args });
  });
}

const REFUSED: [string, Config, Config, string | undefined, Subject[]][] = [
  ['CNI_ARGS outside its subnet', V4, {}, 'IP=10.0.1.7', ['10.0.1.7', '10.0.0.0/24']],
  ['CNI_ARGS of a family without a subnet', V4, {}, 'IP=2001:db8::7', ['2001:db8::7']],
  ['CNI_ARGS the gateway', V4, {}, 'IP=10.0.0.1', ['10.0.0.1']],
  ['CNI_ARGS the network', V4, {}, 'IP=10.0.0.0', ['10.0.0.0']],
  ['CNI_ARGS the broadcast', V4, {}, 'IP=10.0.0.255', ['10.0.0.255']],
  ['CNI_ARGS two of one family', V4, {}, 'IP=10.0.0.7;IP=10.0.0.8', [/10\.0\.0\.[78]/]],
  ['ipv4-address and CNI_ARGS differ', { ...V4, 'ipv4-address': '10.0.0.8/24' }, {}, 'IP=10.0.0.7', [/10\.0\.0\.[78]/]],
  ['runtimeConfig.ips outside', V4, { runtimeConfig: { ips: ['10.9.0.7/24'] } }, undefined, ['10.9.0.7']],
  ['runtimeConfig.ips without a subnet', V4, { runtimeConfig: { ips: ['2001:db8::7'] } }, undefined, ['2001:db8::7']],
  [
    'runtimeConfig.ips two of one family',
    DUAL,
    { runtimeConfig: { ips: ['2001:db8::7', '2001:db8::8'] } },
    undefined,
    [/2001:db8::[78]/],
  ],
  ['runtimeConfig.ips no address', V4, { runtimeConfig: { ips: ['x.y'] } }, undefined, ['x.y']],
  ['args.cni.ips outside', V4, { args: { cni: { ips: ['10.9.0.7'] } } }, undefined, ['10.9.0.7']],
  [
    'args.cni.ips of a family without a subnet',
    V4,
    { args: { cni: { ips: ['2001:db8::7'] } } },
    undefined,
    ['2001:db8::7'],
  ],
  ['args.cni.ips no address', V4, { args: { cni: { ips: ['x.y'] } } }, undefined, ['x.y']],
  [
    'args.cni.ips and runtimeConfig.ips differ',
    V4,
    { args: { cni: { ips: ['10.0.0.7'] } }, runtimeConfig: { ips: ['10.0.0.8'] } },
    undefined,
    [/10\.0\.0\.[78]/],
  ],
];
for (const [name, ipam, top, args, subjects] of REFUSED) {
  test(`${name}: 7`, async () => {
    const host = new Host();
    await host.refuse('ADD', config(ipam, top), 7, subjects, { CNI_ARGS: args });
    assert.equal((await host.take(config(ipam['ipv4-address'] ? V4 : ipam)))[0], '10.0.0.2/24', 'nothing was taken');
  });
}

const SOURCES: [string, Config, Config, string | undefined, string[]][] = [
  ['args.cni.ips', V4, { args: { cni: { ips: ['10.0.0.7'] } } }, undefined, ['10.0.0.7/24']],
  ['args.cni.ips with a length, ignored', V4, { args: { cni: { ips: ['10.0.0.7/16'] } } }, undefined, ['10.0.0.7/24']],
  ['runtimeConfig.ips', V4, { runtimeConfig: { ips: ['10.0.0.7'] } }, undefined, ['10.0.0.7/24']],
  [
    'runtimeConfig.ips with a length, ignored',
    V4,
    { runtimeConfig: { ips: ['10.0.0.7/9'] } },
    undefined,
    ['10.0.0.7/24'],
  ],
  [
    'runtimeConfig.ips, both families, IPv6 first',
    DUAL,
    { runtimeConfig: { ips: ['2001:db8::9/64', '10.0.0.7/24'] } },
    undefined,
    ['10.0.0.7/24', '2001:db8::9/64'],
  ],
  [
    'one source a family',
    DUAL,
    { args: { cni: { ips: ['2001:db8::9'] } } },
    'IP=10.0.0.7',
    ['10.0.0.7/24', '2001:db8::9/64'],
  ],
  [
    'one family requested, the other automatic',
    DUAL,
    { runtimeConfig: { ips: ['2001:db8::9'] } },
    undefined,
    ['10.0.0.2/24', '2001:db8::9/64'],
  ],
  [
    'the same value in all four sources',
    { ...V4, 'ipv4-address': '10.0.0.7' },
    { args: { cni: { ips: ['10.0.0.7/8'] } }, runtimeConfig: { ips: ['10.0.0.7/16'] } },
    'IP=10.0.0.7/32',
    ['10.0.0.7/24'],
  ],
  [
    'the same IPv6 value in other text',
    { 'ipv6-subnet': '2001:db8::/64', 'ipv6-address': '2001:0DB8:0::0007/64' },
    { runtimeConfig: { ips: ['2001:db8::7', '2001:DB8:0:0:0:0:0:7/64'] } },
    undefined,
    ['2001:db8::7/64'],
  ],
  [
    'ipv4-address shows its own length, whatever the others say',
    { ...V4, 'ipv4-address': '10.0.0.7/16' },
    { runtimeConfig: { ips: ['10.0.0.7/24'] } },
    'IP=10.0.0.7',
    ['10.0.0.7/16'],
  ],
  [
    'empty lists request nothing',
    V4,
    { args: { cni: { ips: [] } }, runtimeConfig: { ips: [] } },
    undefined,
    ['10.0.0.2/24'],
  ],
  [
    'other keys of args and runtimeConfig are ignored',
    V4,
    { args: { cni: { labels: [{ key: 'a' }] }, x: 1 }, runtimeConfig: { portMappings: [{ hostPort: 1 }] } },
    undefined,
    ['10.0.0.2/24'],
  ],
];
for (const [name, ipam, top, args, expected] of SOURCES) {
  test(`${name}: ${expected}`, async () => {
    assert.equal(await new Host().take(config(ipam, top), { CNI_ARGS: args }), expected);
  });
}

for (const [name, top] of [
  ['runtimeConfig.ips with a null', { runtimeConfig: { ips: [null] } }],
  ['runtimeConfig.ips with a null after an address', { runtimeConfig: { ips: ['10.0.0.7', null] } }],
  ['args.cni.ips with a null', { args: { cni: { ips: [null] } } }],
  ['runtimeConfig.ips with a number', { runtimeConfig: { ips: [10] } }],
] as [string, Config][]) {
  test(`${name}: an error, never a crash`, async () => {
    const host = new Host();
    refused(await host.run('ADD', config(V4, top)), [6, 7], ['ips']);
    assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
  });
}

test('a requested address that somebody holds: 102 with address and owner', async () => {
  const host = new Host();
  await host.take(config(V4), { ...container('holder'), CNI_ARGS: 'IP=10.0.0.7' });
  const env = { ...container('other'), CNI_ARGS: 'IP=10.0.0.7' };
  await host.refuse('ADD', config(V4), 102, ['10.0.0.7', 'holder'], env);
});
test('DEL with the CNI_ARGS of its ADD releases the address', async () => {
  const host = new Host();
  await host.take(config(V4), { CNI_ARGS: 'IP=10.0.0.7' });
  await host.succeed('DEL', config(V4), { CNI_ARGS: 'IP=10.0.0.7' });
  await host.holds([], ['10.0.0.7']);
});

test.run();
