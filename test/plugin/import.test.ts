// `ecs-ipam import` and `export`: in from the Go plugin, from host-local and from an export; out as JSON and as a bolt
// file. All of it, or nothing.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { writeGoStore } from '../../src/bolt/plugin.ts';
import { checkFile } from '../bolt/oracle.ts';
import { expected, expectedContent, FIXTURES, fixture, fixturePath, readContent } from '../bolt/support.ts';
import { type Run, temporaryDirectory } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { start } from '../support/start.ts';
import { config, container, Host, parallel } from './harness.ts';

const test = parallel('import and export');
/** 100,000 leases on a machine that has other things to do. */
const LIMIT_MS = 90_000;
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };

class Operator extends Host {
  cli(...args: string[]): Promise<Run> {
    return start({ args, env: { ...this.env, IPAM_DB_PATH: this.store }, limitMs: LIMIT_MS }).done;
  }

  async does(...args: string[]): Promise<Run> {
    const done = await this.cli(...args);
    assert.is(done.status, 0, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
    return done;
  }

  async fails(status: number, why: RegExp, ...args: string[]): Promise<void> {
    const done = await this.cli(...args);
    assert.is(done.status, status, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
    assert.is(done.stdout, '');
    assert.match(done.stderr, why);
    assert.not.match(done.stderr, /\n\s+at /, 'a stack trace');
  }

  async rows(): Promise<Record<string, string>[]> {
    return JSON.parse((await this.does('list', '--json')).stdout);
  }
}
const subnetsOf = (name: string): string[] => {
  const { subnet4, subnet6 } = expected(name);
  return [subnet4, subnet6].filter(Boolean).flatMap(subnet => ['--subnet', subnet!]);
};
const fileOf = (name: string, content: string | Uint8Array): string => {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, content);
  return path;
};
const newPath = (name: string): string => join(temporaryDirectory(), name);

for (const name of FIXTURES) {
  test(`${name}: bolt file, store, bolt file: the same rows`, async () => {
    for (const subnets of [subnetsOf(name), []]) {
      const operator = new Operator();
      const dryRun = await operator.does('import', fixturePath(name), ...subnets, '--dry-run');
      const { leases, gateways } = expected(name);
      for (const { address, id } of leases) {
        assert.ok(dryRun.stdout.includes(`${address} `) && dryRun.stdout.includes(id || address), address);
      }
      const counts = new RegExp(`${leases.length} leases and ${gateways.length} gateways?`);
      assert.match(dryRun.stdout, counts);
      assert.not(existsSync(operator.store), 'a dry run has made a store');
      assert.match((await operator.does('import', fixturePath(name), ...subnets)).stdout, counts);
      const path = newPath('out.db');
      const { stderr } = await operator.does('export', '--format', 'bolt', '--output', path);
      assert.is(stderr, '');
      const file = readFileSync(path);
      assert.equal(readContent(file), expectedContent(name));
      assert.is(checkFile(file).size, leases.length + gateways.length + (name === 'dual' ? 2 : 1));
      assert.is(statSync(path).mode & 0o777, 0o600);
      assert.ok(readFileSync(fixturePath(name)).equals(fixture(name)));
    }
  });
  test(`${name}: JSON and back: the same store`, async () => {
    const operator = new Operator();
    await operator.does('import', fixturePath(name), ...subnetsOf(name));
    const path = newPath('out.json');
    await operator.does('export', '--output', path);
    const other = new Operator();
    await other.does('import', path);
    assert.equal(await other.rows(), await operator.rows());
    assert.is((await other.does('export')).stdout, readFileSync(path, 'utf8'));
  });
}

test('leases of containers: JSON keeps them as they are, the Go plugin gets them as anonymous ones', async () => {
  const operator = new Operator();
  const stdin = config({ ...V4, 'ipv6-subnet': '2001:db8::/64' });
  await operator.fill(stdin, 3);
  await operator.take(config({ ...V4, id: 'GateWay' }));
  await operator.take(config({ ...V4, id: 'with id' }), container('c9'));
  const json = newPath('out.json');
  await operator.does('export', '--format', 'json', '--output', json);
  const other = new Operator();
  await other.does('import', json);
  assert.equal(await other.rows(), await operator.rows());
  await other.refuse('ADD', stdin, 103, ['10.0.0.2'], container('fill0'));
  await other.succeed('DEL', stdin, container('fill0'));
  const path = newPath('out.db');
  const { stderr } = await operator.does('export', '--format', 'bolt', '--output', path);
  assert.match(stderr, /6 leases are held by container and interface.*anonymous/);
  assert.match(stderr, /1 leases have an id that the Go plugin keeps for gateways/);
  const { leases, gateways, lastKnownIP } = readContent(readFileSync(path));
  const byId = Object.fromEntries(leases.map(({ address, id }) => [address, id]));
  assert.equal([byId['10.0.0.2'], byId['2001:db8::2'], byId['10.0.0.5'], byId['10.0.0.6']], ['', '', '', 'with id']);
  assert.is(leases.length, 8);
  assert.equal([gateways, lastKnownIP], [['10.0.0.1', '2001:db8::1'], '10.0.0.6']);
  checkFile(readFileSync(path));
});
test('several subnets: the Go plugin begins anew, and no lease is lost', async () => {
  const operator = new Operator();
  await operator.take(config({ ...V4, id: 'a' }));
  await operator.take(config({ 'ipv4-subnet': '10.1.0.0/24', id: 'a' }));
  const path = newPath('out.db');
  const { stderr } = await operator.does('export', '--format', 'bolt', '--output', path);
  assert.match(stderr, /IPv4: the Go plugin knows one subnet for each file.*10\.0\.0\.0\/24, 10\.1\.0\.0\/24/);
  const { leases, lastKnownIP } = readContent(readFileSync(path));
  assert.equal([leases.map(({ address }) => address), lastKnownIP], [['10.0.0.2', '10.1.0.2'], undefined]);
});
test('conflicts: all are shown by a dry run, nothing is imported, exit 1', async () => {
  const operator = new Operator();
  await operator.take(config({ ...V4, id: 'mine', 'ipv4-address': '10.0.0.200' }));
  await operator.take(config({ ...V4, id: 'task-3', 'ipv4-address': '10.0.0.100' }), container('c2'));
  const before = await operator.rows();
  const args = ['import', fixturePath('dual'), '--subnet', '10.0.0.0/24'];
  const { stdout } = await operator.does(...args, '--dry-run');
  assert.match(stdout, /conflict: 10\.0\.0\.200: is to be of an anonymous lease, and is of id "mine" here/);
  assert.match(stdout, /conflict: 10\.0\.0\.5: is to be of id "task-3", which holds 10\.0\.0\.100/);
  assert.match(stdout, /would import nothing: 2 of 15/);
  await operator.fails(1, /2 of 15 leases are in conflict.*nothing is imported.*10\.0\.0\.200.*code 102/, ...args);
  assert.equal(await operator.rows(), before);
});
test('import of the file in the place of the store moves in, with the subnets that are named', async () => {
  const operator = new Operator({ store: fileOf('eni-ipam.db', fixture('agent-v4')) });
  const args = ['import', operator.store, '--subnet', '169.254.172.0/22'];
  assert.match((await operator.does(...args, '--dry-run')).stdout, /would import 10 leases and 1 gateway/);
  assert.ok(readFileSync(operator.store).equals(fixture('agent-v4')));
  assert.match((await operator.does(...args)).stdout, /kept as .*eni-ipam\.db\.bolt: 10 leases and 1 gateway/);
  assert.is((await operator.rows())[1]!.subnet, '169.254.172.0/22');
  assert.ok(readFileSync(`${operator.store}.bolt`).equals(fixture('agent-v4')));
  assert.match((await operator.does(...args)).stdout, /nothing to be moved in/);
  assert.equal(await operator.take(config({ 'ipv4-subnet': '169.254.172.0/22', id: 'new' })), ['169.254.172.14/22']);
});
test('100,000 leases: in, out as JSON and as bolt, and an ADD behind them', async () => {
  const leases = Array.from({ length: 100_000 }, (_, i) => ({
    address: Uint8Array.of(10, (i + 2) >> 16, (i + 2) >> 8, i + 2),
    id: `task-${i}`,
    isGateway: false,
  }));
  const path = fileOf('huge.db', writeGoStore({ leases, cursors: [leases.at(-1)!.address] }));
  const operator = new Operator();
  assert.match((await operator.does('import', path, '--subnet', '10.0.0.0/8')).stdout, /100000 leases/);
  assert.equal(await operator.take(config({ 'ipv4-subnet': '10.0.0.0/8' })), ['10.1.134.162/8']);
  const out = newPath('out.db');
  await operator.does('export', '--format', 'bolt', '--output', out);
  assert.is(readContent(readFileSync(out)).leases.length, 100_001);
  const other = new Operator();
  const json = newPath('out.json');
  await operator.does('export', '--output', json);
  assert.match((await other.does('import', json)).stdout, /100001 leases and 1 gateway/);
});
testWith(test, ['flock'], 'a bolt file that a Go plugin has open: code 11 at the time limit', async () => {
  const path = fileOf('eni-ipam.db', fixture('dual'));
  const holder = spawn('flock', ['-x', path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise(resolve => holder.on('close', resolve));
  await new Promise(resolve => holder.stdout.once('data', resolve));
  const operator = new Operator({ env: { IPAM_DB_CONNECTION_TIMEOUT: '200ms' } });
  await operator.fails(1, /in use by another program.*code 11/, 'import', path);
  holder.stdin.end();
  await ended;
  await operator.does('import', path);
});

const NOT_IMPORTED: [string, string | Uint8Array, RegExp][] = [
  ['text', 'leases', /neither a boltdb file nor JSON.*code 6/],
  ['nothing', '', /neither a boltdb file nor JSON.*code 6/],
  ['other JSON', '{"leases":[]}', /not an export of ecs-ipam.*code 6/],
  ['a later version', '{"format":"ecs-ipam","version":2,"leases":[],"pools":[]}', /version.*code 6/],
  ['a bolt file cut off', fixture('dual').subarray(0, 9000), /a boltdb file, and damaged.*truncated.*code 105/],
];
for (const [name, content, why] of NOT_IMPORTED) {
  test(`${name}: refused, and no store is made`, async () => {
    const operator = new Operator();
    const path = fileOf('file', content);
    await operator.fails(1, why, 'import', path);
    await operator.fails(1, why, 'import', path, '--dry-run');
    assert.not(existsSync(operator.store));
  });
}
const exported = (lease: object, pools: object[] = []) => {
  const usual = { address: '10.0.0.2', kind: 'container', subnet: '10.0.0.0/24', id: 'a', containerId: '', ifname: '' };
  const rest = { network: '', since: '2026-01-01T00:00:00.000Z', bootId: '' };
  return JSON.stringify({ format: 'ecs-ipam', version: 1, leases: [{ ...usual, ...rest, ...lease }], pools });
};
test('a JSON file that somebody has edited', async () => {
  const operator = new Operator();
  for (const [lease, pools, why] of [
    [{ address: 'x' }, [], /"x" is not an IP address/],
    [{ address: '10.0.1.2' }, [], /10\.0\.1\.2 is outside of 10\.0\.0\.0\/24/],
    [{ subnet: '10.0.0.0' }, [], /is not a prefix/],
    [{ subnet: '2001:db8::/64' }, [], /outside/],
    [{ kind: 'router' }, [], /leases\.0\.kind/],
    [{ since: 'yesterday' }, [], /leases\.0\.since/],
    [{ colour: 'red' }, [], /colour/],
    [{}, [{ subnet: '10.0.0.0/24', lastAddress: '10.1.0.0', gateways: [] }], /10\.1\.0\.0 is outside/],
  ] as const) {
    await operator.fails(1, why, 'import', fileOf('x.json', exported(lease, [...pools])));
  }
  await operator.does('import', fileOf('x.json', exported({})));
});
test('usage: exit 2', async () => {
  const operator = new Operator();
  await operator.fails(2, /--output/, 'export', '--format', 'bolt');
  await operator.fails(2, /json, bolt/, 'export', '--format', 'xml');
  await operator.fails(2, /not a prefix/, 'import', fixturePath('dual'), '--subnet', '10.0.0.0');
  await operator.fails(1, /no such file.*code 5/, 'import', '/nonexistent/file');
  await operator.fails(1, /does not exist.*code 5/, 'export');
});
test('an export replaces no file, and leaves none behind that is not whole', async () => {
  const operator = new Operator();
  await operator.take(config(V4));
  const path = fileOf('there', 'mine');
  await operator.fails(1, /is there already/, 'export', '--format', 'bolt', '--output', path);
  assert.is(readFileSync(path, 'utf8'), 'mine');
  await operator.fails(1, /nonexistent.*code 5/, 'export', '--output', '/nonexistent/out.json');
  assert.not(existsSync(`${path}.new`));
});

/** A directory of host-local with these files. */
function hostLocal(files: Record<string, string>): string {
  const directory = join(temporaryDirectory(), 'networks');
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}
const HOST_LOCAL = {
  'net/10.0.0.5': 'c1\r\neth0',
  'net/10.0.0.6': 'c2\r\neth1',
  'net/10.0.0.7': 'c3',
  'net/10.0.0.9': '',
  'net/2001:db8::5': 'c1\r\neth0',
  'net/last_reserved_ip.0': '10.0.0.9',
  'net/last_reserved_ip.1': '2001:db8::5',
  'net/lock': '',
  'other/192.168.7.3': 'c1\r\neth0',
};
test('a directory of host-local: its networks, containers and interfaces', async () => {
  const operator = new Operator();
  const directory = hostLocal(HOST_LOCAL);
  const { stdout, stderr } = await operator.does('import', directory, '--subnet', '10.0.0.0/24');
  assert.match(stdout, /6 leases and 0 gateways/);
  assert.match(stderr, /net\/10\.0\.0\.9: names no container, its lease is anonymous/);
  const rows = (await operator.rows()).map(({ address, subnet, id, containerId, ifname, network, bootId }) =>
    [address, subnet, id, containerId, ifname, network, bootId].join(' '),
  );
  assert.equal(rows, [
    '10.0.0.5 10.0.0.0/24  c1 eth0 net ',
    '10.0.0.6 10.0.0.0/24  c2 eth1 net ',
    '10.0.0.7 10.0.0.0/24  c3 eth0 net ',
    '10.0.0.9 10.0.0.0/24    net ',
    '192.168.7.3 192.168.7.3/32  c1 eth0 other ',
    '2001:db8::5 2001:db8::5/128  c1 eth0 net ',
  ]);
  const stdin = { ...config({ ...V4, 'ipv6-subnet': '2001:db8::/64' }), name: 'net' };
  assert.equal(await operator.take(stdin, container('new')), ['10.0.0.10/24', '2001:db8::6/64']);
  await operator.refuse('ADD', stdin, 103, ['10.0.0.5'], container('c1'));
  await operator.succeed('CHECK', { ...stdin, prevResult: { ips: [{ address: '10.0.0.5/24' }] } }, container('c1'));
  await operator.succeed('DEL', stdin, container('c1'));
  await operator.succeed('DEL', stdin, container('c3'));
  await operator.succeed('GC', { ...stdin, 'cni.dev/valid-attachments': [{ containerID: 'new', ifname: 'eth0' }] });
  await operator.holds(['10.0.0.9', '10.0.0.10', '192.168.7.3'], ['10.0.0.5', '10.0.0.6', '10.0.0.7', '2001:db8::5']);
});
test('the folder of one network alone, and what is not of host-local in it', async () => {
  const operator = new Operator();
  const directory = hostLocal({ ...HOST_LOCAL, 'net/README': 'x', 'net/last_reserved_ip.2': 'nowhere' });
  const { stdout, stderr } = await operator.does('import', join(directory, 'net'), '--dry-run');
  assert.match(stdout, /would import 5 leases/);
  assert.match(stderr, /README: is not of host-local, and is left out/);
  assert.match(stderr, /last_reserved_ip\.2: holds no address/);
  assert.not(existsSync(operator.store));
  await operator.fails(1, /holds no network/, 'import', temporaryDirectory());
});

test.run();
