// CNI.md 1 and 2: what of stdin cannot be decoded (6), is invalid (7), unreadable (5) or of another version (1).

import * as assert from 'uvu/assert';
import { EXECUTABLE } from '../support/plugin.ts';
import { type Config, config, Host, parallel, refused, type Subject, silent, tolerated, VERSIONS } from './harness.ts';

const test = parallel('decoding');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const JSON_PROBLEM = /json|decode|parse|object|stdin|configuration/i;

const UNDECODABLE: [string, string, Subject[]][] = [
  ['nothing', '', [JSON_PROBLEM]],
  ['white space', ' \n', [JSON_PROBLEM]],
  ['no JSON', 'ipam', [JSON_PROBLEM]],
  ['an open object', '{"cniVersion":"1.0.0"', [JSON_PROBLEM]],
  ['a trailing comma', '{"cniVersion":"1.0.0",}', [JSON_PROBLEM]],
  ['two objects', '{}{}', [JSON_PROBLEM]],
  ['an object and more', `${JSON.stringify(config(V4))} x`, [JSON_PROBLEM]],
  ['an array', '[]', [JSON_PROBLEM]],
  ['an array around the configuration', `[${JSON.stringify(config(V4))}]`, [JSON_PROBLEM]],
  ['a string', '"ipam"', [JSON_PROBLEM]],
  ['a number', '1', [JSON_PROBLEM]],
  ['null', 'null', [JSON_PROBLEM]],
  ['true', 'true', [JSON_PROBLEM]],
  ['name: a number', JSON.stringify(config(V4, { name: 5 })), [/\bname\b/]],
  ['name: an object', JSON.stringify(config(V4, { name: {} })), [/\bname\b/]],
  ['name: an array', JSON.stringify(config(V4, { name: ['net1'] })), [/\bname\b/]],
  ['name: a boolean', JSON.stringify(config(V4, { name: true })), [/\bname\b/]],
  ['cniVersion: a number', JSON.stringify(config(V4, { cniVersion: 1 })), ['cniVersion']],
  ['cniVersion: an object', JSON.stringify(config(V4, { cniVersion: {} })), ['cniVersion']],
  ['cniVersion: a boolean', JSON.stringify(config(V4, { cniVersion: false })), ['cniVersion']],
  ['cniVersion: an array', JSON.stringify(config(V4, { cniVersion: ['1.0.0'] })), ['cniVersion']],
];
for (const [name, stdin, subjects] of UNDECODABLE) {
  test(`ADD, stdin is ${name}: 6`, async () => {
    await new Host().refuse('ADD', stdin, 6, subjects);
  });
}
for (const command of ['DEL', 'CHECK', 'GC', 'STATUS']) {
  test(`${command}, stdin is no JSON: 6`, async () => {
    await new Host().refuse(command, '{', 6, [JSON_PROBLEM]);
  });
}

test('stdin is a directory: 5', async () => {
  const host = new Host();
  const reply = await host.run('ADD', '', {}, { command: 'sh', args: ['-c', `exec "${EXECUTABLE}" < /`] });
  refused(reply, 5, [/stdin|read|input/i]);
});

const INVALID: [string, Config, Subject[]][] = [
  ['no ipam', { cniVersion: '1.0.0', name: 'net1' }, ['ipam']],
  ['ipam without a subnet', config({}), [/subnet/]],
  ['ipam with a gateway only', config({ 'ipv4-gateway': '10.0.0.1' }), [/subnet/]],
  ['ipam with empty subnets', config({ 'ipv4-subnet': '', 'ipv6-subnet': '' }), [/subnet/]],
  ['statusWhenFull: an unknown word', config({ ...V4, statusWhenFull: 'perhaps' }), ['statusWhenFull', 'perhaps']],
  ['id of 4097 bytes', config({ ...V4, id: 'x'.repeat(4097) }), [/\bid\b/]],
  ['id of 4098 bytes in 2049 characters', config({ ...V4, id: 'é'.repeat(2049) }), [/\bid\b/]],
];
for (const [name, stdin, subjects] of INVALID) {
  test(`${name}: 7`, async () => {
    await new Host().refuse('ADD', stdin, 7, subjects);
  });
}

const NESTED = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
for (const key of ['id', 'ipv4-routes', 'ipam', 'name']) {
  test(`${key}: nested 200,000 times: refused, and shown in part`, async () => {
    const { ipam, ...top } = config(V4) as { ipam: Config };
    const stdin = key in { ipam, name: '' } ? { ...top, ipam, [key]: 0 } : { ...top, ipam: { ...ipam, [key]: 0 } };
    const text = JSON.stringify(stdin).replace(`"${key}":0`, `"${key}":${NESTED}`);
    const { msg } = await new Host().refuse('ADD', text, [6, 7], [key]);
    assert.ok(msg.length < 300, msg);
  });
}
test('a number that would come out as another one, or in another form: 7', async () => {
  for (const mtu of ['1e300', '9007199254740993', '1e21']) {
    const stdin = config({ ...V4, 'ipv4-routes': [{ dst: '0.0.0.0/0', mtu: 0 }] });
    const text = JSON.stringify(stdin).replace('"mtu":0', `"mtu":${mtu}`);
    await new Host().refuse('ADD', text, 7, ['ipv4-routes[0].mtu']);
  }
});

// Of a wrong JSON type, CNI.md fixes code 6 for `name` and `cniVersion` alone; elsewhere it may count as invalid.
for (const [key, value] of [
  ['ipam', 'ecs-ipam'],
  ['ipam', []],
  ['ipam', null],
  ['ipam', 5],
] as const) {
  test(`ipam: ${JSON.stringify(value)}: refused`, async () => {
    await new Host().refuse('ADD', { ...config(V4), [key]: value }, [6, 7], [key]);
  });
}
for (const [key, value] of [
  ['id', 5],
  ['id', {}],
  ['ipv4-subnet', 5],
  ['ipv4-subnet', ['10.0.0.0/24']],
  ['ipv6-subnet', true],
  ['ipv4-address', 5],
  ['ipv4-address', ['10.0.0.7']],
  ['ipv4-gateway', {}],
  ['ipv6-gateway', 1],
  ['ipv6-address', 1],
  ['ipv4-routes', 'default'],
  ['ipv4-routes', {}],
  ['ipv4-routes', [null]],
  ['ipv4-routes', ['0.0.0.0/0']],
  ['ipv4-routes', [[]]],
  ['ipv4-routes', [{}]],
  ['ipv4-routes', [{ dst: 5 }]],
  ['ipv4-routes', [{ dst: null }]],
  ['ipv4-routes', [{ dst: '0.0.0.0/0', gw: 5 }]],
  ['ipv4-routes', [{ dst: '0.0.0.0/0', mtu: 'big' }]],
  ['ipv6-routes', [null]],
  ['statusWhenFull', true],
] as const) {
  test(`${key}: ${JSON.stringify(value)}: refused, nothing taken`, async () => {
    const host = new Host();
    const ipam = { ...V4, 'ipv6-subnet': '2001:db8::/64' };
    await host.refuse('ADD', config({ ...ipam, [key]: value }), [6, 7], [key]);
    assert.equal(await host.take(config(ipam)), ['10.0.0.2/24', '2001:db8::2/64']);
  });
}
for (const [name, top] of [
  ['args: null', { args: null }],
  ['args.cni: null', { args: { cni: null } }],
  ['args.cni.ips: null', { args: { cni: { ips: null } } }],
  ['args: a string', { args: 'x' }],
  ['args.cni.ips: a string', { args: { cni: { ips: '10.0.0.7' } } }],
  ['runtimeConfig: null', { runtimeConfig: null }],
  ['runtimeConfig.ips: null', { runtimeConfig: { ips: null } }],
  ['runtimeConfig.ips: a number', { runtimeConfig: { ips: 5 } }],
  ['prevResult: null', { prevResult: null }],
  ['name: null at 0.3.1', { name: null, cniVersion: '0.3.1' }],
] as [string, Config][]) {
  test(`${name}: a success or an error object, never a crash`, async () => {
    tolerated(await new Host().run('ADD', config(V4, top)), [6, 7]);
  });
}

test('unknown keys are ignored, and the type at the top is not ours', async () => {
  const stdin = config(
    { ...V4, subnet: '10.9.0.0/16', rangeStart: 'x', ranges: [[null]], dataDir: 5 },
    { type: 'macvlan', master: 'eth1', mode: 7, capabilities: { ips: true }, ips: [null], dns: 'none', routes: 5 },
  );
  assert.equal(await new Host().take(stdin), ['10.0.0.2/24']);
});
// A process that answers many calls remembers what it has read.
test('what is written like something absent, behind a configuration in which that is absent: 7', async () => {
  const host = new Host();
  await host.take(config({ ...V4, 'ipv4-gateway': null, 'ipv4-routes': null }));
  for (const [key, value] of [
    ['ipv4-gateway', 'null'],
    ['ipv4-gateway', 'undefined'],
    ['ipv4-gateway', ' '],
    ['ipv4-subnet', '10.0.0.0/24 '],
    ['ipv4-subnet', '10.0.0.0/24  '],
  ] as const) {
    await host.refuse('ADD', config({ ...V4, [key]: value }), 7, [key]);
  }
});
test('an id of 4096 bytes is held and found again', async () => {
  const host = new Host();
  const stdin = config({ ...V4, id: `${'é'.repeat(2047)}ab` });
  await host.take(stdin);
  await host.refuse('ADD', stdin, 103, ['10.0.0.2']);
  await host.succeed('DEL', stdin);
  await host.holds([], ['10.0.0.2']);
});
test('ids that differ in their last byte of 4096 are different', async () => {
  const host = new Host();
  await host.take(config({ ...V4, id: `${'x'.repeat(4095)}a` }));
  assert.equal(await host.take(config({ ...V4, id: `${'x'.repeat(4095)}b` })), ['10.0.0.3/24']);
});
test('stdin that arrives in two parts is read to its end', async () => {
  const text = JSON.stringify(config(V4));
  const script = `(printf %s "$1"; sleep 0.2; printf %s "$2") | "$0"`;
  const args = ['-c', script, EXECUTABLE, text.slice(0, 30), text.slice(30)];
  const reply = await new Host().run('ADD', '', {}, { command: 'sh', args });
  assert.is(reply.status, 0, reply.stdout);
});
test('200 KiB of unknown keys before ipam', async () => {
  const stdin = config(V4, { padding: 'x'.repeat(200 * 1024) });
  assert.equal(await new Host().take(stdin), ['10.0.0.2/24']);
});

for (const version of [
  '0.0.9',
  '0.3.2',
  '0.5.0',
  '1.0.1',
  '1.2.0',
  '2.0.0',
  '1.0',
  '1',
  'v1.0.0',
  'abc',
  ' 1.0.0',
  '1.1.0\n',
]) {
  test(`cniVersion ${JSON.stringify(version)}: 1, details with theirs and ours`, async () => {
    const error = await new Host().refuse('ADD', config(V4, { cniVersion: version }), 1, []);
    const details = typeof error.details === 'string' ? error.details : JSON.stringify(error.details);
    const theirs = [version, JSON.stringify(version).slice(1, -1)];
    assert.ok(
      theirs.some(text => details.includes(text)),
      `${details} does not name theirs`,
    );
    for (const ours of VERSIONS) assert.ok(details.includes(ours), `${details} does not name ${ours}`);
  });
}
for (const [command, version] of [
  ['DEL', '9.9.9'],
  ['GC', '9.9.9'],
  ['STATUS', '9.9.9'],
  ['CHECK', '9.9.9'],
  ['CHECK', '0.1.0'],
  ['CHECK', '0.2.0'],
  ['CHECK', '0.3.0'],
  ['CHECK', '0.3.1'],
  ['GC', '0.4.0'],
  ['GC', '1.0.0'],
  ['STATUS', '0.3.1'],
  ['STATUS', '1.0.0'],
] as const) {
  test(`${command} at ${version}: 1`, async () => {
    await new Host().refuse(command, config(V4, { cniVersion: version }), 1, [version]);
  });
}
for (const command of ['CHECK', 'GC', 'STATUS']) {
  test(`${command} without a version: 1`, async () => {
    await new Host().refuse(command, config(V4, { cniVersion: undefined }), 1, [/version/i]);
  });
}

for (const version of ['0.4.0', '1.0.0', '1.1.0']) {
  test(`CHECK at ${version} is supported`, async () => {
    const host = new Host();
    const stdin = config(V4, { cniVersion: version });
    const prevResult = await host.add(stdin);
    silent(await host.run('CHECK', { ...stdin, prevResult }));
  });
}

test.run();
