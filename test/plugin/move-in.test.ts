// A host of the Go plugin: its bolt file lies where the store belongs. The first call moves in.

import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { expected, FIXTURES, fixture } from '../bolt/support.ts';
import { run, temporaryDirectory } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { config, container, Host, parallel, refused, silent, withoutLength } from './harness.ts';

const test = parallel('moving in');

/** A host that the Go plugin has served until a moment ago. */
function goHost(name: string, bytes: Uint8Array = fixture(name)): Host & { log: string; kept: string } {
  const directory = temporaryDirectory();
  const log = join(directory, 'log');
  const store = join(directory, 'eni-ipam.db');
  const host = new Host({ store, env: { ECS_CNI_LOG_FILE: log } });
  writeFileSync(host.store, bytes, { mode: 0o644 });
  return Object.assign(host, { log, kept: `${host.store}.bolt` });
}
function networkOf(name: string, ipam: Record<string, unknown> = {}) {
  const { subnet4, subnet6 } = expected(name);
  return config({
    ...(subnet4 && { 'ipv4-subnet': subnet4 }),
    ...(subnet6 && { 'ipv6-subnet': subnet6 }),
    ...ipam,
  });
}
const allOf = (name: string): string[] => {
  const { leases, gateways } = expected(name);
  return [...leases.map(({ address }) => address), ...gateways];
};
/** Everything is there, the old file is kept byte for byte, and the log says so once. */
async function movedIn(host: ReturnType<typeof goHost>, name: string, changed: string[] = []): Promise<void> {
  const listed = await host.listed();
  assert.equal(
    listed.filter(address => !changed.includes(address)).sort(),
    allOf(name)
      .filter(address => !changed.includes(address))
      .sort(),
  );
  assert.ok(readFileSync(host.kept).equals(fixture(name)), 'the file that is kept');
  const lines = readFileSync(host.log, 'utf8').split('\n');
  const told = lines.filter(line => line.includes('[INFO]') && line.includes(host.kept));
  assert.is(told.length, 1, lines.join('\n'));
  assert.match(
    told[0]!,
    new RegExp(`${expected(name).leases.length} leases and ${expected(name).gateways.length} gate`),
  );
  const beside = readdirSync(dirname(host.store)).sort();
  assert.equal(beside, ['eni-ipam.db', 'eni-ipam.db-lock', 'eni-ipam.db.bolt', 'eni-ipam.db.flock', 'log']);
}

const NEXT: Record<string, string[]> = {
  'agent-v4': ['169.254.172.14'], // lastKnownIP is .9, and .10 to .13 are taken
  dual: ['10.0.0.201', '2001:db8::8'],
  'large-v4': ['10.0.23.114'],
};
for (const name of FIXTURES) {
  test(`${name}: ADD moves in, and goes on where the Go plugin was`, async () => {
    const host = goHost(name);
    const given = (await host.take(networkOf(name, { id: 'new' }))).map(withoutLength);
    assert.equal(given, NEXT[name]);
    await movedIn(host, name, given);
  });
}
test('DEL by id, DEL by address, and of an anonymous lease by its address', async () => {
  const host = goHost('dual');
  await host.succeed('DEL', networkOf('dual', { id: 'task-1' }));
  await movedIn(host, 'dual', ['10.0.0.3', '2001:db8::3']);
  await host.succeed('DEL', networkOf('dual', { 'ipv4-address': '10.0.0.4' }), { CNI_CONTAINERID: 'container-id' });
  await host.succeed('DEL', networkOf('dual', { 'ipv4-address': '10.0.0.200' }), { CNI_CONTAINERID: 'container-id' });
  await host.succeed('DEL', networkOf('dual', { id: 'task-5', 'ipv4-address': '10.0.0.5' }));
  await host.holds(['2001:db8::4', '10.0.0.5', '10.0.0.7'], ['10.0.0.3', '2001:db8::3', '10.0.0.4', '10.0.0.200']);
});
test('an owner that holds an address is refused another one, and what is held is not given', async () => {
  const host = goHost('agent-v4');
  const id = '/host/proc/1004/ns/net';
  await host.refuse('ADD', networkOf('agent-v4', { id }), 103, ['169.254.172.6']);
  const wanted = networkOf('agent-v4', { id: 'x', 'ipv4-address': '169.254.172.6' });
  await host.refuse('ADD', wanted, 102, ['169.254.172.6', id]);
  await movedIn(host, 'agent-v4');
});
test('CHECK, STATUS and GC move in too', async () => {
  for (const [command, extra] of [
    ['CHECK', { prevResult: { cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24' }] } }],
    ['STATUS', {}],
    ['GC', { 'cni.dev/valid-attachments': [] }],
  ] as const) {
    const host = goHost('dual');
    await host.succeed(command, { ...networkOf('dual', { id: 'task-0' }), ...extra });
    await movedIn(host, 'dual');
  }
});
test("the operator's list does not move in, and says how to", async () => {
  const host = goHost('dual');
  const { status, stderr } = await run({ args: ['list'], env: { IPAM_DB_PATH: host.store } });
  assert.is(status, 1);
  assert.match(stderr, /ecs-ipam import/);
  assert.ok(readFileSync(host.store).equals(fixture('dual')));
});
test('a subnet that is not of the leases: they are kept, and do not disturb it', async () => {
  const host = goHost('dual');
  assert.equal(await host.take(config({ 'ipv4-subnet': '172.20.0.0/24' })), ['172.20.0.2/24']);
  assert.equal(await host.take(networkOf('dual', { id: 'new' })), ['10.0.0.201/24', '2001:db8::8/64']);
  await movedIn(host, 'dual', ['172.20.0.1', '172.20.0.2', '10.0.0.201', '2001:db8::8']);
});
test('through a symbolic link: the store takes the place of the file itself', async () => {
  const host = goHost('dual');
  const link = join(temporaryDirectory(), 'link.db');
  symlinkSync(host.store, link);
  const linked = new Host({ store: link, env: host.env });
  assert.equal(await linked.take(networkOf('dual', { id: 'new' })), ['10.0.0.201/24', '2001:db8::8/64']);
  await movedIn(host, 'dual', ['10.0.0.201', '2001:db8::8']);
});
test('16 calls at once: one moves in, and no address is given twice', async () => {
  const host = goHost('large-v4');
  const stdin = networkOf('large-v4');
  const given = await Promise.all(Array.from({ length: 16 }, (_, i) => host.take(stdin, container(`c${i}`))));
  const addresses = given.flat().map(withoutLength);
  assert.is(new Set(addresses).size, 16);
  assert.equal(
    addresses.filter(address => allOf('large-v4').includes(address)),
    [],
  );
  await movedIn(host, 'large-v4', addresses);
});
test('an operator who goes back and comes again: the newest file counts', async () => {
  const host = goHost('agent-v4');
  await host.take(networkOf('agent-v4', { id: 'new' }));
  writeFileSync(`${host.store}.back`, fixture('dual')); // what the Go plugin would have made of it
  renameSync(`${host.store}.back`, host.store);
  assert.equal(await host.take(networkOf('dual', { id: 'new' })), ['10.0.0.201/24', '2001:db8::8/64']);
  assert.ok(readFileSync(host.kept).equals(fixture('dual')));
  await host.holds(allOf('dual'), allOf('agent-v4'));
});

const DAMAGED: [string, (file: Buffer) => Buffer][] = [
  ['cut off', file => file.subarray(0, 4 * 4096)],
  ['cut within its first page', file => file.subarray(0, 100)],
  ['with both meta pages damaged', file => flipped(flipped(file, 70), 4096 + 70)],
  ['with a page that says it is another one', file => flipped(flipped(file, 2 * 4096), 4 * 4096)],
];
function flipped(file: Buffer, at: number): Buffer {
  const copy = Buffer.from(file);
  copy[at]! ^= 0x40;
  return copy;
}
for (const [name, damage] of DAMAGED) {
  test(`a bolt file ${name}: 105, untouched`, async () => {
    const host = goHost('dual', damage(fixture('dual')));
    const before = readFileSync(host.store);
    const stdin = networkOf('dual', { id: 'task-0' });
    const previous = { ...stdin, prevResult: { ips: [{ address: '10.0.0.2/24' }] } };
    for (const [command, input] of [
      ['ADD', stdin],
      ['DEL', stdin],
      ['CHECK', previous],
    ] as const) {
      await host.refuse(command, input, 105, [host.store, /bolt/]);
    }
    await host.refuse('STATUS', stdin, 50, [host.store, /bolt/]);
    assert.ok(readFileSync(host.store).equals(before), 'the file has changed');
    assert.not(existsSync(host.kept));
  });
}

/** Runs `body` while a Go plugin has the file open, as bbolt would. */
async function whileInUse(path: string, body: () => Promise<void>): Promise<void> {
  const holder = spawn('flock', ['-x', path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise(resolve => holder.on('close', resolve));
  try {
    await new Promise(resolve => holder.stdout.once('data', resolve));
    await body();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
testWith(test, ['flock'], 'while a Go plugin has it open: 11 at the time limit, untouched; then it works', async () => {
  const host = goHost('dual');
  await whileInUse(host.store, async () => {
    const env = { IPAM_DB_CONNECTION_TIMEOUT: '300ms' };
    await host.refuse('ADD', networkOf('dual', { id: 'new' }), 11, [host.store], env);
    assert.ok(readFileSync(host.store).equals(fixture('dual')));
    assert.not(existsSync(host.kept));
  });
  await host.take(networkOf('dual', { id: 'new' }));
  await movedIn(host, 'dual', ['10.0.0.201', '2001:db8::8']);
});
testWith(test, ['flock'], 'an ADD waits for the Go plugin that has it open', async () => {
  const host = goHost('dual');
  let adding: Promise<string[]> | undefined;
  await whileInUse(host.store, async () => {
    adding = host.take(networkOf('dual', { id: 'new' }));
    await new Promise(resolve => setTimeout(resolve, 400));
    assert.ok(readFileSync(host.store).equals(fixture('dual')));
  });
  assert.equal(await adding, ['10.0.0.201/24', '2001:db8::8/64']);
});
testWith(
  test,
  ['flock'],
  'a Go plugin that had opened it before, and waits for it, finds nothing usable in it',
  async () => {
    const host = goHost('dual');
    // Opens the old file now; looks into it when we are done with it.
    const script = 'exec 9<"$0"; echo open; read go; flock 9; head -c 4096 <&9 | od -An -tx1 -v | tr -d " \\n"';
    const waiter = spawn('sh', ['-c', script, host.store], { stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    waiter.stdout.on('data', chunk => {
      output += chunk;
    });
    const ended = new Promise(resolve => waiter.on('close', resolve));
    await new Promise(resolve => waiter.stdout.once('data', resolve));
    await host.take(networkOf('dual', { id: 'new' }));
    waiter.stdin.end('go\n');
    await ended;
    assert.is(output, `open\n${'0'.repeat(2 * 4096)}`);
  },
);
test('what a killed process has left beside it does not matter', async () => {
  const host = goHost('dual');
  writeFileSync(`${host.kept}.new`, '');
  chmodSync(`${host.kept}.new`, 0o400); // what a killed process may have left
  silent(await host.run('DEL', networkOf('dual', { id: 'nobody' })));
  await movedIn(host, 'dual');
  refused(await host.run('ADD', networkOf('dual', { id: 'task-0' })), 103, ['10.0.0.2']);
});

test.run();
