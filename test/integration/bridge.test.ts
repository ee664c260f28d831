// Debian's `bridge` and `ptp` delegate to the executable. Everything happens in network namespaces of the test's own,
// the plugins' host side included, so nothing of this machine's network is touched.

import { readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXECUTABLE, type Run, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { type Requirement, testWith } from '../support/requirements.ts';
import { held, list, network, refused, resultOf, silent } from './support/ipam.ts';
import { execute, inParallel, sleep, tool } from './support/process.ts';

const test = suite('main plugins');
const needs: Requirement[] = ['root', 'ip', 'ping', 'cniPlugins'];
const PLUGINS = '/usr/lib/cni';
const FIXTURE = new URL('../fixtures/bridge-dual-stack.conflist', import.meta.url);
const TENTATIVE_MS = 5_000;

interface Host {
  /** Namespace that plays the host. */
  host: string;
  /** Namespaces that play containers; the name is the container id, too. */
  containers: [string, string];
}

let hosts = 0;

/** Makes three namespaces, and removes them and all that is in them whatever happens. */
async function onHost(use: (host: Host) => Promise<void>): Promise<void> {
  const prefix = `ecsipam${process.pid}n${hosts++}`;
  const host: Host = { host: `${prefix}h`, containers: [`${prefix}a`, `${prefix}b`] };
  const made: string[] = [];
  try {
    for (const name of [host.host, ...host.containers]) {
      await tool('ip', 'netns', 'add', name);
      made.push(name);
      await tool('ip', '-n', name, 'link', 'set', 'lo', 'up');
    }
    await use(host);
  } finally {
    for (const name of made.reverse()) await tool('ip', 'netns', 'del', name);
  }
}

interface Delegation {
  conf: { cniVersion: string; name: string; type: string; [key: string]: unknown };
  store: string;
  cniPath: string;
}

/** Runs the main plugin on the host as a runtime would. */
function delegate(
  command: string,
  { conf, store, cniPath }: Delegation,
  { host }: Host,
  container: string,
  prevResult?: unknown,
): Promise<Run> {
  return execute({
    command: 'ip',
    args: ['netns', 'exec', host, join(PLUGINS, conf.type)],
    stdin: { ...conf, ...(prevResult === undefined ? {} : { prevResult }) },
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: container,
      CNI_NETNS: `/var/run/netns/${container}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: cniPath,
      IPAM_DB_PATH: store,
    },
  });
}

/** Waits for the end of duplicate address detection in these namespaces. */
async function settled(namespaces: string[]): Promise<void> {
  const deadlineMs = performance.now() + TENTATIVE_MS;
  for (const name of namespaces) {
    for (;;) {
      const tentative = await tool('ip', '-n', name, '-6', '-o', 'addr', 'show', 'tentative');
      if (tentative === '') break;
      assert.ok(performance.now() < deadlineMs, `${name}: still tentative after ${TENTATIVE_MS} ms: ${tentative}`);
      await sleep(50);
    }
  }
}

const ping = (from: string, to: string) =>
  tool('ip', 'netns', 'exec', from, 'ping', '-n', '-c', '1', '-i', '0.2', '-w', '5', to);

function configuration(type: string, cniVersion: string): Delegation['conf'] {
  const { name, plugins } = JSON.parse(readFileSync(FIXTURE, 'utf8'));
  return { ...plugins[0], cniVersion, name, type };
}

interface MainResult {
  cniVersion: string;
  ips: { address: string; gateway: string; version?: string }[];
  routes: { dst: string; gw?: string }[];
}

async function lifeOfTwo(delegation: Delegation): Promise<void> {
  const { conf, store } = delegation;
  await onHost(async host => {
    const [first, second] = host.containers;
    // One after the other: how Debian's plugins get on with each other is not tested here.
    const runs = await inParallel(host.containers, 1, container => delegate('ADD', delegation, host, container));
    const results = runs.map((run, index) => resultOf(run, `ADD ${index}`) as unknown as MainResult);
    for (const result of results) {
      assert.is(result.cniVersion, conf.cniVersion);
      const shown = JSON.stringify(result);
      assert.equal(
        result.ips.map(({ version, gateway }) => ({ version, gateway })),
        conf.cniVersion === '1.0.0'
          ? [
              { version: undefined, gateway: '10.22.0.1' },
              { version: undefined, gateway: '2001:db8:22::1' },
            ]
          : [
              { version: '4', gateway: '10.22.0.1' },
              { version: '6', gateway: '2001:db8:22::1' },
            ],
        `versions and gateways of ${shown}`,
      );
      assert.equal(
        result.routes.map(({ dst, gw }) => `${dst} via ${gw}`),
        ['0.0.0.0/0 via 10.22.0.1', '::/0 via 2001:db8:22::1'],
        `routes of ${shown}`,
      );
    }
    const [ipsOfFirst, ipsOfSecond] = results.map(({ ips }) => ips.map(({ address }) => address));
    assert.equal([ipsOfFirst, ipsOfSecond].map(String).sort(), [
      '10.22.0.2/16,2001:db8:22::2/48',
      '10.22.0.3/16,2001:db8:22::3/48',
    ]);
    const bare = (ips: string[] | undefined) => (ips ?? []).map(ip => ip.replace(/\/.*/, ''));
    assert.equal(await held(store), [...bare(ipsOfFirst), ...bare(ipsOfSecond)].sort(), 'leases held');

    await settled([host.host, first, second]);
    for (const address of bare(ipsOfSecond)) await ping(first, address);
    for (const address of bare(ipsOfFirst)) await ping(second, address);
    for (const gateway of ['10.22.0.1', '2001:db8:22::1']) await ping(first, gateway);

    for (const [index, container] of host.containers.entries()) {
      const prevResult = conf.cniVersion === '0.3.1' ? undefined : results[index];
      if (prevResult !== undefined) {
        silent(await delegate('CHECK', delegation, host, container, prevResult), `CHECK ${container}`);
      }
      silent(await delegate('DEL', delegation, host, container, prevResult), `DEL ${container}`);
      silent(await delegate('DEL', delegation, host, container, prevResult), `second DEL ${container}`);
      if (prevResult !== undefined && conf.type === 'bridge') {
        refused(await delegate('CHECK', delegation, host, container, prevResult), [104, 999, 7], 'CHECK after DEL');
      }
    }
    const left = await list(store);
    assert.equal(
      left.map(({ address, kind }) => `${kind} ${address}`).sort(),
      ['gateway 10.22.0.1', 'gateway 2001:db8:22::1'],
      'leases after DEL',
    );
  });
}

for (const cniVersion of ['0.3.1', '0.4.0', '1.0.0']) {
  testWith(test, needs, `bridge at ${cniVersion}: two namespaces ping each other, CHECK, DEL twice`, () =>
    lifeOfTwo({
      conf: configuration('bridge', cniVersion),
      store: temporaryStore(),
      cniPath: `${dirname(EXECUTABLE)}:${PLUGINS}`,
    }),
  );

  testWith(test, needs, `ptp at ${cniVersion} finds the executable through a link: the same`, () => {
    const linkDir = temporaryDirectory();
    symlinkSync(EXECUTABLE, join(linkDir, 'ecs-ipam'));
    return lifeOfTwo({
      conf: configuration('ptp', cniVersion),
      store: temporaryStore(),
      cniPath: `${linkDir}:${PLUGINS}`,
    });
  });
}

testWith(test, needs, 'bridge passes on our refusal and keeps nothing', async () => {
  const conf = {
    ...network({ 'ipv4-subnet': '10.22.0.0/30' }),
    cniVersion: '1.0.0',
    name: 'tiny',
    type: 'bridge',
    bridge: 'cni0',
  };
  const delegation: Delegation = { conf, store: temporaryStore(), cniPath: `${dirname(EXECUTABLE)}:${PLUGINS}` };
  await onHost(async host => {
    const [first, second] = host.containers;
    const { ips } = resultOf(await delegate('ADD', delegation, host, first), 'first ADD');
    assert.is(ips[0]?.address, '10.22.0.2/30');
    const { msg } = refused(await delegate('ADD', delegation, host, second), 101, 'ADD in a full pool');
    assert.match(msg, '10.22.0.0/30');
    silent(await delegate('DEL', delegation, host, second), 'DEL after the refusal');
    assert.equal(await held(delegation.store), ['10.22.0.2'], 'the DEL of the refused freed nothing');
    silent(await delegate('DEL', delegation, host, first), 'DEL');
    assert.is(
      resultOf(await delegate('ADD', delegation, host, second), 'ADD afterwards').ips[0]?.address,
      '10.22.0.2/30',
    );
    silent(await delegate('DEL', delegation, host, second), 'DEL');
    assert.equal(await held(delegation.store), []);
  });
});

test.run();
