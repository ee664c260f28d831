// CNI.md 4: a reboot ends leases.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Env, type Run, temporaryDirectory } from '../support/plugin.ts';
import { rebooted } from '../support/reboot.ts';
import { testWith } from '../support/requirements.ts';
import {
  addressesOf,
  type Config,
  config,
  container,
  HISTORIC,
  Host,
  parallel,
  refused,
  result,
  type Subject,
  withoutLength,
} from './harness.ts';

const test = parallel('reboot');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const V6 = { 'ipv6-subnet': '2001:db8::/64' };
const DUAL = { ...V4, ...V6 };
const TINY = { 'ipv4-subnet': '10.0.0.0/30' };

/** The host after its next boot. */
class Rebooted extends Host {
  override run(command: string, stdin: unknown, env: Env = {}): Promise<Run> {
    return super.run(command, stdin, env, rebooted());
  }
}
function across(name: string, body: (before: Host, after: Rebooted) => Promise<void>): void {
  testWith(test, ['root', 'unshare'], name, () => {
    const before = new Host();
    return body(before, new Rebooted({ store: before.store }));
  });
}

// Each owner's lease of the earlier boot is replaced; how the owner is known does not matter.
for (const [name, ipam, env, top] of [
  ['a namespace path as id', { ...V4, id: '/host/proc/4711/ns/net' }, {}, {}],
  ['a container', V4, container('a'), {}],
  ['an id, historic', { ...V4, id: 'x' }, HISTORIC, { cniVersion: '0.3.0' }],
  ['both families', { ...DUAL, id: 'x' }, {}, {}],
  ['both families by container', DUAL, container('a'), {}],
  ['IPv6', { ...V6, id: 'x' }, {}, {}],
] as [string, Config, Env, Config][]) {
  across(`ADD by the owner, ${name}: replaces its lease, and then is refused as ever`, async (before, after) => {
    const stdin = config(ipam, top);
    const old = (await before.take(stdin, env)).map(withoutLength);
    const now = (await after.take(stdin, env)).map(withoutLength);
    await after.holds(
      now,
      old.filter(address => !now.includes(address)),
    );
    const reserved = Object.keys(ipam).filter(key => key.endsWith('subnet')).length;
    assert.is((await after.listed()).length, now.length + reserved, 'one lease a family, and its gateway');
    await after.refuse('ADD', stdin, 103, [new RegExp(now.join('|').replaceAll('.', '\\.'))], env);
    await after.succeed('DEL', stdin, env);
    await after.holds([], now);
  });
}
across('the same boot refuses: 103', async before => {
  await before.take(config(V4));
  await before.refuse('ADD', config(V4), 103, ['10.0.0.2']);
});
across('the owner asks for its old address: it gets it', async (before, after) => {
  const stdin = config({ ...DUAL, id: 'x', 'ipv4-address': '10.0.0.9/24', 'ipv6-address': '2001:db8::9/64' });
  await before.take(stdin);
  assert.equal(await after.take(stdin), ['10.0.0.9/24', '2001:db8::9/64']);
  await after.refuse('ADD', stdin, 103, [/10\.0\.0\.9|2001:db8::9/]);
});
across('the owner asks for another address: the old one is free', async (before, after) => {
  await before.take(config({ ...V4, id: 'x', 'ipv4-address': '10.0.0.9' }));
  assert.equal(await after.take(config({ ...V4, id: 'x', 'ipv4-address': '10.0.0.20' })), ['10.0.0.20/24']);
  await after.holds(['10.0.0.20'], ['10.0.0.9']);
});
across("a pool that is full of the owner's own old lease", async (before, after) => {
  await before.take(config({ ...TINY, id: 'x' }));
  assert.equal(await after.take(config({ ...TINY, id: 'x' })), ['10.0.0.2/30']);
});
across('an old lease found through the subnet around it', async (before, after) => {
  await before.take(config({ ...V4, id: 'x' }));
  const [now = ''] = await after.take(config({ 'ipv4-subnet': '10.0.0.0/16', id: 'x' }));
  assert.is((await after.listed()).length, 2, `the gateway and ${now}`);
});

across("other owners' old leases stay: 102 and 101 as ever", async (before, after) => {
  await before.take(config(TINY), container('holder'));
  await after.refuse('ADD', config(TINY), 101, ['10.0.0.0/30'], container('b'));
  await after.refuse(
    'ADD',
    config({ ...TINY, 'ipv4-address': '10.0.0.2' }),
    102,
    ['10.0.0.2', 'holder'],
    container('b'),
  );
  await after.holds(['10.0.0.2']);
});
across("an ADD replaces its owner's lease alone", async (before, after) => {
  await before.fill(config(V4), 3, 'n');
  await after.take(config(V4), container('n1'));
  await after.holds(['10.0.0.2', '10.0.0.4']);
  assert.is((await after.listed()).length, 4, 'three containers and the gateway');
});
across('anonymous old leases stay', async (before, after) => {
  const stdin = config(V4, { cniVersion: '0.3.1' });
  await before.take(stdin, HISTORIC);
  assert.equal(await after.take(stdin, HISTORIC), ['10.0.0.3/24']);
  await after.holds(['10.0.0.2', '10.0.0.3']);
});
across('gateways of an earlier boot stay reserved', async (before, after) => {
  await before.take(config({ ...V4, 'ipv4-gateway': '10.0.0.3' }), container('a'));
  const wide = config({ 'ipv4-subnet': '10.0.0.0/16', 'ipv4-gateway': '10.0.255.254' });
  assert.equal(await after.take(wide, container('b')), ['10.0.0.2/16']);
  assert.equal(await after.take(wide, container('c')), ['10.0.0.4/16']);
});
across('the cursor goes on where it stood', async (before, after) => {
  await before.fill(config(V4), 3, 'n');
  assert.equal(await after.take(config(V4), container('new')), ['10.0.0.5/24']);
});
across('DEL by the owner releases an old lease', async (before, after) => {
  await before.take(config(DUAL));
  await after.succeed('DEL', config(DUAL));
  await after.holds([], ['10.0.0.2', '2001:db8::2']);
});
across('GC frees the old leases that are not listed, and keeps those that are', async (before, after) => {
  await before.fill(config(V4), 2, 'n');
  const attachments = [{ containerID: 'n1', ifname: 'eth0' }];
  await after.succeed('GC', config(V4, { 'cni.dev/valid-attachments': attachments }));
  await after.holds(['10.0.0.3'], ['10.0.0.2']);
});
across("STATUS counts other owners' old leases", async (before, after) => {
  await before.take(config(TINY));
  await after.refuse('STATUS', config(TINY), 50, ['10.0.0.0/30']);
});

// A refused ADD changes nothing, the old lease of its owner included.
for (const [name, ipam, code, subjects] of [
  ['IPv6 exhausted', { ...V4, 'ipv6-subnet': '2001:db8:1::/127' }, 101, ['2001:db8:1::/127']],
  ['an address in use', { ...V4, 'ipv4-address': '10.0.0.3' }, 102, ['10.0.0.3', 'other']],
  ['the gateway requested', { ...V4, 'ipv4-address': '10.0.0.1' }, 7, ['10.0.0.1']],
] as [string, Config, number, Subject[]][]) {
  across(`a refused ADD (${name}) leaves its owner's old lease`, async (before, after) => {
    await before.take(config({ ...V4, id: 'x' }), container('a'));
    await before.take(config({ ...V4, 'ipv6-subnet': '2001:db8:1::/127' }), container('other'));
    await after.refuse('ADD', config({ ...ipam, id: 'x' }), code, subjects, container('a'));
    await after.holds(['10.0.0.2', '10.0.0.3']);
  });
}
across('the replacement is logged, with the address that it ends', async (before, after) => {
  await before.take(config({ ...V4, 'ipv4-address': '10.0.0.123' }));
  const log = join(temporaryDirectory(), 'log');
  const reply = await after.run('ADD', config(V4), { ECS_CNI_LOG_FILE: log, ECS_CNI_LOGLEVEL: 'debug' });
  assert.not.equal(addressesOf(result(reply)), ['10.0.0.123/24']);
  const text = reply.stderr + (existsSync(log) ? readFileSync(log, 'utf8') : '');
  assert.match(text, /10\.0\.0\.123/);
});
across('two reboots: a lease of this boot, then of the other again', async (before, after) => {
  // Boot ids are compared, not ordered: whatever is not this boot is an earlier one.
  await before.take(config(V4));
  await after.take(config(V4));
  await before.take(config(V4));
  refused(await before.run('ADD', config(V4)), 103, ['10.0.0.']);
  assert.is((await before.listed()).length, 2);
});

test.run();
