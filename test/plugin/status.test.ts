// CNI.md 4, STATUS: 50 when the store cannot be used or a configured pool has no free address for a container.

import { writeFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { type Config, config, container, Host, parallel, type Subject } from './harness.ts';

const test = parallel('STATUS');
const TINY = { 'ipv4-subnet': '10.0.0.0/30' };
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };
const TINY6 = { 'ipv6-subnet': '2001:db8::/127' };

/** After `count` ADDs with `add`, STATUS with `status`: undefined: ready, else what 50 names. */
const ROWS: [string, Config, number, Config, Subject[] | undefined][] = [
  ['no store yet', V4, 0, V4, undefined],
  ['no store yet, a /30', TINY, 0, TINY, undefined],
  ['no store yet, a /31', {}, 0, { 'ipv4-subnet': '10.0.0.0/31' }, undefined],
  ['no store yet, a /32', {}, 0, { 'ipv4-subnet': '10.0.0.0/32' }, undefined],
  ['no store yet, a /128', {}, 0, { 'ipv6-subnet': '2001:db8::5/128' }, undefined],
  ['some used', V4, 3, V4, undefined],
  ['some used, both families', { ...V4, ...V6 }, 2, { ...V4, ...V6 }, undefined],
  ['a pool not used so far', V4, 1, { 'ipv4-subnet': '10.9.0.0/24' }, undefined],
  ['all but one used', { 'ipv4-subnet': '10.0.0.0/29' }, 4, { 'ipv4-subnet': '10.0.0.0/29' }, undefined],
  ['a full /29', { 'ipv4-subnet': '10.0.0.0/29' }, 5, { 'ipv4-subnet': '10.0.0.0/29' }, ['10.0.0.0/29']],
  ['a full /30', TINY, 1, TINY, ['10.0.0.0/30']],
  ['a full /31', { 'ipv4-subnet': '10.0.0.0/31' }, 1, { 'ipv4-subnet': '10.0.0.0/31' }, ['10.0.0.0/31']],
  ['a full /32', { 'ipv4-subnet': '10.0.0.9/32' }, 1, { 'ipv4-subnet': '10.0.0.9/32' }, ['10.0.0.9/32']],
  ['a full /127', TINY6, 1, TINY6, ['2001:db8::/127']],
  ['a full /128', { 'ipv6-subnet': '2001:db8::5/128' }, 1, { 'ipv6-subnet': '2001:db8::5/128' }, ['2001:db8::5/128']],
  ['IPv4 full, IPv6 free', { ...TINY, ...V6 }, 1, { ...TINY, ...V6 }, ['10.0.0.0/30']],
  ['IPv6 full, IPv4 free', { ...V4, ...TINY6 }, 1, { ...V4, ...TINY6 }, ['2001:db8::/127']],
  ['another pool is full', TINY, 1, { 'ipv4-subnet': '10.0.1.0/30' }, undefined],
  ['full, filled through the subnet around it', V4, 5, { 'ipv4-subnet': '10.0.0.0/29' }, ['10.0.0.0/29']],
  ['the subnet around a full one', { 'ipv4-subnet': '10.0.0.0/29' }, 5, V4, undefined],
  ['full, statusWhenFull unavailable', TINY, 1, { ...TINY, statusWhenFull: 'unavailable' }, ['10.0.0.0/30']],
  ['full, statusWhenFull ready', TINY, 1, { ...TINY, statusWhenFull: 'ready' }, undefined],
  ['free, statusWhenFull unavailable', V4, 1, { ...V4, statusWhenFull: 'unavailable' }, undefined],
  [
    'both full, statusWhenFull ready',
    { ...TINY, ...TINY6 },
    1,
    { ...TINY, ...TINY6, statusWhenFull: 'ready' },
    undefined,
  ],
];
for (const [name, add, count, status, names] of ROWS) {
  test(`${name}: ${names === undefined ? 'ready' : 50}`, async () => {
    const host = new Host();
    await host.fill(config(add), count);
    if (names === undefined) await host.succeed('STATUS', config(status));
    else await host.refuse('STATUS', config(status), 50, names);
  });
}

test('ready again after a DEL', async () => {
  const host = new Host();
  await host.take(config(TINY));
  await host.refuse('STATUS', config(TINY), 50, ['10.0.0.0/30']);
  await host.succeed('DEL', config(TINY));
  await host.succeed('STATUS', config(TINY));
});
test('changes nothing: neither leases nor cursor', async () => {
  const host = new Host();
  await host.take(config(V4));
  const before = await host.listed();
  for (let i = 0; i < 3; i++) await host.succeed('STATUS', config(V4));
  assert.equal(await host.listed(), before);
  assert.equal(await host.take(config(V4), container('c2')), ['10.0.0.3/24']);
});
for (const statusWhenFull of ['unavailable', 'ready']) {
  test(`a store that cannot be used, statusWhenFull ${statusWhenFull}: 50`, async () => {
    const host = new Host();
    writeFileSync(host.store, 'no store\n'.repeat(5000));
    await host.refuse('STATUS', config({ ...V4, statusWhenFull }), 50, [host.store]);
  });
}
for (const value of ['Ready', 'quiet']) {
  test(`statusWhenFull ${JSON.stringify(value)}: 7`, async () => {
    await new Host().refuse('STATUS', config({ ...V4, statusWhenFull: value }), 7, ['statusWhenFull', value]);
  });
}
test('an invalid configuration: 7', async () => {
  await new Host().refuse('STATUS', config({ 'ipv4-subnet': '10.0.0.0/33' }), 7, ['ipv4-subnet', '10.0.0.0/33']);
});

test.run();
