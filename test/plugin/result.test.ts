// CNI.md 2: what an ADD prints at each version, and that everything else prints nothing.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXECUTABLE, temporaryDirectory } from '../support/plugin.ts';
import { type Config, config, Host, parallel, type Route, VERSIONS } from './harness.ts';

const test = parallel('results');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };
const ROUTES = {
  'ipv4-routes': [{ dst: '169.254.170.2/32' }, { dst: '0.0.0.0/0', gw: '10.0.0.9' }],
  'ipv6-routes': [{ dst: 'fd00:ec2::254/128' }],
};
const ROUTES4 = [
  { dst: '169.254.170.2/32', gw: '10.0.0.1' },
  { dst: '0.0.0.0/0', gw: '10.0.0.9' },
];
const ROUTES6 = [{ dst: 'fd00:ec2::254/128', gw: '2001:db8::1' }];
const HISTORIC_VERSIONS: string[] = ['0.1.0', '0.2.0'];
const LISTS_WITH_VERSION: string[] = ['0.3.0', '0.3.1', '0.4.0'];

// An absent list of routes and an empty one mean the same: compare without the empty one.
function trimmed(value: object): object {
  const entries = Object.entries(value).filter(([key, list]) => key !== 'routes' || list.length > 0);
  return Object.fromEntries(
    entries.map(([key, inner]) => [key, key === 'ip4' || key === 'ip6' ? trimmed(inner as object) : inner]),
  );
}

function expectedResult(version: string, families: (4 | 6)[], withRoutes: boolean): object {
  const four = families.includes(4);
  const six = families.includes(6);
  if (HISTORIC_VERSIONS.includes(version)) {
    const routes4 = withRoutes ? { routes: ROUTES4 } : {};
    const routes6 = withRoutes ? { routes: ROUTES6 } : {};
    return {
      cniVersion: version,
      ...(four ? { ip4: { ip: '10.0.0.2/24', gateway: '10.0.0.1', ...routes4 } } : {}),
      ...(six ? { ip6: { ip: '2001:db8::2/64', gateway: '2001:db8::1', ...routes6 } } : {}),
      dns: {},
    };
  }
  const tagged = LISTS_WITH_VERSION.includes(version);
  const routes = [...(four ? ROUTES4 : []), ...(six ? ROUTES6 : [])];
  return {
    cniVersion: version,
    ips: [
      ...(four ? [{ ...(tagged ? { version: '4' } : {}), address: '10.0.0.2/24', gateway: '10.0.0.1' }] : []),
      ...(six ? [{ ...(tagged ? { version: '6' } : {}), address: '2001:db8::2/64', gateway: '2001:db8::1' }] : []),
    ],
    ...(withRoutes ? { routes } : {}),
    ...(tagged ? { dns: {} } : {}),
  };
}

for (const version of VERSIONS) {
  for (const [name, families, withRoutes] of [
    ['dual-stack with routes', [4, 6], true],
    ['dual-stack without routes', [4, 6], false],
    ['IPv4 with routes', [4], true],
    ['IPv6 without routes', [6], false],
  ] as [string, (4 | 6)[], boolean][]) {
    test(`${version}, ${name}`, async () => {
      const subnets = { ...(families.includes(6) ? V6 : {}), ...(families.includes(4) ? V4 : {}) };
      const routes = Object.entries(ROUTES).filter(
        ([key]) => withRoutes && families.some(f => key.startsWith(`ipv${f}`)),
      );
      const ipam = { ...subnets, ...Object.fromEntries(routes) };
      const answer = await new Host().add(config(ipam, { cniVersion: version }));
      assert.equal(trimmed(answer), expectedResult(version, families, withRoutes));
    });
  }
}
for (const version of ['', undefined]) {
  test(`cniVersion ${JSON.stringify(version)} means 0.1.0`, async () => {
    const answer = await new Host().add(config({ ...V4, ...V6, ...ROUTES }, { cniVersion: version }));
    assert.equal(answer, expectedResult('0.1.0', [4, 6], true));
  });
}

const EVERY = { mtu: 1400, advmss: 1360, priority: 100, table: 50, scope: 253 };
for (const version of VERSIONS) {
  test(`${version}: route attributes ${HISTORIC_VERSIONS.includes(version) ? 'are dropped' : 'pass through'}`, async () => {
    const ipam = {
      ...V4,
      'ipv4-routes': [
        { dst: '192.0.2.0/24', ...EVERY },
        { dst: '198.51.100.0/24', table: 0, scope: 0 },
      ],
    };
    const answer = await new Host().add(config(ipam, { cniVersion: version }));
    const historic = HISTORIC_VERSIONS.includes(version);
    assert.equal(historic ? answer.ip4?.routes : answer.routes, [
      { dst: '192.0.2.0/24', gw: '10.0.0.1', ...(historic ? {} : EVERY) },
      { dst: '198.51.100.0/24', gw: '10.0.0.1', ...(historic ? {} : { table: 0, scope: 0 }) },
    ]);
  });
}
for (const [name, value] of Object.entries(EVERY)) {
  test(`the route attribute ${name} alone, on an IPv6 route`, async () => {
    const ipam = { ...V6, 'ipv6-routes': [{ dst: '2001:db8:1::/48', gw: '2001:db8::5', [name]: value }] };
    const { routes } = await new Host().add(config(ipam));
    assert.equal(routes, [{ dst: '2001:db8:1::/48', gw: '2001:db8::5', [name]: value }]);
  });
}

const ROUTE_ROWS: [string, Config, Route[]][] = [
  [
    'a default route gets the gateway',
    { ...V4, 'ipv4-routes': [{ dst: '0.0.0.0/0' }] },
    [{ dst: '0.0.0.0/0', gw: '10.0.0.1' }],
  ],
  [
    'an explicit gateway is taken',
    { ...V4, 'ipv4-gateway': '10.0.0.8', 'ipv4-routes': [{ dst: '0.0.0.0/0' }] },
    [{ dst: '0.0.0.0/0', gw: '10.0.0.8' }],
  ],
  [
    'a gw of its own stays',
    { ...V4, 'ipv4-routes': [{ dst: '0.0.0.0/0', gw: '10.0.0.77' }] },
    [{ dst: '0.0.0.0/0', gw: '10.0.0.77' }],
  ],
  [
    'IPv6: the gateway of its family',
    { ...V4, ...V6, 'ipv6-routes': [{ dst: '::/0' }] },
    [{ dst: '::/0', gw: '2001:db8::1' }],
  ],
  [
    'IPv6: canonical text',
    { ...V6, 'ipv6-routes': [{ dst: '2001:0DB8:00A0:0:0::/48', gw: '2001:DB8:0::00FE' }] },
    [{ dst: '2001:db8:a0::/48', gw: '2001:db8::fe' }],
  ],
  [
    '/32 has no gateway to give',
    { 'ipv4-subnet': '10.0.0.5/32', 'ipv4-routes': [{ dst: '0.0.0.0/0' }] },
    [{ dst: '0.0.0.0/0' }],
  ],
  [
    '/128 has no gateway to give',
    { 'ipv6-subnet': '2001:db8::5/128', 'ipv6-routes': [{ dst: '::/0' }] },
    [{ dst: '::/0' }],
  ],
  [
    '/32 with a gw on the route',
    { 'ipv4-subnet': '10.0.0.5/32', 'ipv4-routes': [{ dst: '0.0.0.0/0', gw: '10.0.0.1' }] },
    [{ dst: '0.0.0.0/0', gw: '10.0.0.1' }],
  ],
  [
    '/31: the first address',
    { 'ipv4-subnet': '10.0.0.4/31', 'ipv4-routes': [{ dst: '0.0.0.0/0' }] },
    [{ dst: '0.0.0.0/0', gw: '10.0.0.4' }],
  ],
  [
    'order is kept',
    { ...V4, 'ipv4-routes': [{ dst: '192.0.2.0/24' }, { dst: '0.0.0.0/0' }, { dst: '10.9.0.0/16' }] },
    [
      { dst: '192.0.2.0/24', gw: '10.0.0.1' },
      { dst: '0.0.0.0/0', gw: '10.0.0.1' },
      { dst: '10.9.0.0/16', gw: '10.0.0.1' },
    ],
  ],
  ['a host route', { ...V4, 'ipv4-routes': [{ dst: '192.0.2.1/32' }] }, [{ dst: '192.0.2.1/32', gw: '10.0.0.1' }]],
];
for (const [name, ipam, expected] of ROUTE_ROWS) {
  test(`routes: ${name}`, async () => {
    const { routes } = await new Host().add(config(ipam));
    assert.equal(routes, expected);
  });
}

for (const [key, route, named] of [
  ['ipv4-routes', { dst: '192.0.2.0' }, '192.0.2.0'],
  ['ipv4-routes', { dst: '169.254.170.2', gw: '10.0.0.1' }, '169.254.170.2'],
  ['ipv4-routes', { dst: '192.0.2.0/33' }, '192.0.2.0/33'],
  ['ipv4-routes', { dst: '192.0.2/24' }, '192.0.2/24'],
  ['ipv4-routes', { dst: 'default' }, 'default'],
  ['ipv4-routes', { dst: '' }, 'dst'],
  ['ipv4-routes', { dst: '0.0.0.0/0', gw: 'x.y' }, 'x.y'],
  ['ipv4-routes', { dst: '0.0.0.0/0', gw: '10.0.0.256' }, '10.0.0.256'],
  ['ipv6-routes', { dst: '2001:db8:1::' }, '2001:db8:1::'],
  ['ipv6-routes', { dst: '2001:db8:1::/129' }, '2001:db8:1::/129'],
  ['ipv6-routes', { dst: '::/0', gw: '2001:db8::g' }, '2001:db8::g'],
] as const) {
  test(`${key} ${JSON.stringify(route)}: 7, nothing taken`, async () => {
    const host = new Host();
    await host.refuse('ADD', config({ ...V4, ...V6, [key]: [route] }), 7, [key, named]);
    assert.equal(await host.take(config({ ...V4, ...V6 })), ['10.0.0.2/24', '2001:db8::2/64']);
  });
}

for (const version of VERSIONS) {
  test(`${version}: DEL prints nothing, and CHECK, GC and STATUS where there are such`, async () => {
    const host = new Host();
    const stdin = config(V4, { cniVersion: version });
    const prevResult = await host.add(stdin);
    if (version >= '0.4.0') await host.succeed('CHECK', { ...stdin, prevResult });
    if (version >= '1.1.0') {
      await host.succeed('STATUS', stdin);
      await host.succeed('GC', { ...stdin, 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }] });
    }
    await host.succeed('DEL', { ...stdin, ...(version >= '0.4.0' ? { prevResult } : {}) });
    await host.holds([], ['10.0.0.2']);
  });
}
test("dns of the configuration is the main plugin's: ours stays {}", async () => {
  const stdin = config(V4, { cniVersion: '0.3.1', dns: { nameservers: ['10.0.0.1'] } });
  assert.equal((await new Host().add(stdin)).dns, {});
});
test('logging at its loudest keeps stdout to one JSON object', async () => {
  const host = new Host({ env: { ECS_CNI_LOGLEVEL: 'debug' } });
  assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
  await host.succeed('DEL', config(V4));
});
for (const level of ['constructor', '__proto__', 'toString', 'loud', '']) {
  test(`log level ${JSON.stringify(level)}, which is none: info`, async () => {
    const log = join(temporaryDirectory(), 'log');
    const host = new Host({ env: { ECS_CNI_LOGLEVEL: level, ECS_CNI_LOG_FILE: log } });
    assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
    assert.match(readFileSync(log, 'utf8'), /^\S+ \[INFO\] ADD: 10\.0\.0\.2 given to .*\n$/);
  });
}
test('a pipe that nobody reads as log file fails no command, and keeps none waiting', async () => {
  const log = join(temporaryDirectory(), 'log');
  assert.is(spawnSync('mkfifo', [log]).status, 0);
  const host = new Host({ env: { ECS_CNI_LOG_FILE: log } });
  assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
});
test('a log file that cannot be written fails no command', async () => {
  const host = new Host({ env: { ECS_CNI_LOGLEVEL: 'debug', ECS_CNI_LOG_FILE: '/proc/no/such/directory/log' } });
  assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
  await host.refuse('ADD', config(V4), 103, ['10.0.0.2']);
  await host.succeed('DEL', config(V4));
});

for (const stream of ['1', '2']) {
  for (const command of ['DEL', 'CHECK', 'STATUS', 'GC', 'ADD']) {
    test(`${command} with file descriptor ${stream} appended to a file: what the file held before stays`, async () => {
      const host = new Host();
      const stdin = config(V4);
      if (command === 'CHECK') await host.take(stdin);
      const file = join(temporaryDirectory(), 'output');
      writeFileSync(file, 'what was there before\n');
      const args = ['-c', `exec "$0" ${stream}>> "$1"`, EXECUTABLE, file];
      const reply = await host.run(command, { ...stdin, 'cni.dev/valid-attachments': [] }, {}, { command: 'sh', args });
      assert.is(reply.status, 0, reply.stdout + reply.stderr);
      assert.match(readFileSync(file, 'utf8'), /^what was there before\n/);
    });
  }
}

test.run();
