// CNI.md 3, code 105: what is no sound store of ours is named and left alone, byte for byte; and the files that are
// made.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXECUTABLE, temporaryDirectory } from '../support/plugin.ts';
import { config, container, Host, parallel, refused, tolerated } from './harness.ts';

const test = parallel('store errors');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const PAGE = 4096;

/** The bytes of a sound store with two leases. */
async function soundStore(): Promise<Buffer> {
  const host = new Host();
  await host.fill(config(V4), 2);
  return readFileSync(host.store);
}
const sound = soundStore();
const patched = (bytes: Buffer, at: number, value: number[]): Buffer => {
  const copy = Buffer.from(bytes);
  copy.set(value, at);
  return copy;
};
/** Bytes without any pattern, the same in each run. */
const noise = (length: number): Buffer => {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
    createHash('sha256').update(`noise ${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
};

const DAMAGED: [string, (store: Buffer) => Buffer][] = [
  ['a line of text', () => Buffer.from('not a store\n')],
  ['one byte', () => Buffer.from([0])],
  ['100 bytes of noise', () => noise(100)],
  ['a page of noise', () => noise(PAGE)],
  ['64 KiB of noise', () => noise(16 * PAGE)],
  ['JSON', () => Buffer.from(JSON.stringify({ leases: [] }))],
  ['an SQLite file', () => Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(2 * PAGE)])],
  ['one empty page', () => Buffer.alloc(PAGE)],
  ['empty meta pages', () => Buffer.alloc(2 * PAGE)],
  ['empty meta pages and data', store => Buffer.concat([Buffer.alloc(2 * PAGE), store.subarray(2 * PAGE)])],
  ['the meta pages overwritten by noise', store => Buffer.concat([noise(2 * PAGE), store.subarray(2 * PAGE)])],
  ['truncated in its first page', store => store.subarray(0, 100)],
  ['truncated to one page', store => store.subarray(0, PAGE)],
  ['truncated in its second page', store => store.subarray(0, PAGE + 100)],
  ['truncated to its meta pages', store => store.subarray(0, 2 * PAGE)],
  ['truncated in its third page', store => store.subarray(0, 2 * PAGE + 1000)],
  ['a bad magic in both meta pages', store => patched(patched(store, 16, [1, 2, 3, 4]), PAGE + 16, [1, 2, 3, 4])],
];
for (const [name, make] of DAMAGED) {
  test(`${name}: 105 from every command that needs it, and nothing of it is changed`, async () => {
    const host = new Host();
    const bytes = make(await sound);
    writeFileSync(host.store, bytes, { mode: 0o600 });
    const stdin = config({ ...V4, id: 'x' });
    await host.refuse('ADD', stdin, 105, [host.store]);
    await host.refuse('DEL', stdin, 105, [host.store]);
    await host.refuse('CHECK', { ...stdin, prevResult: { ips: [{ address: '10.0.0.2/24' }] } }, 105, [host.store]);
    await host.refuse('GC', { ...stdin, 'cni.dev/valid-attachments': [] }, 105, [host.store]);
    await host.refuse('STATUS', stdin, 50, [host.store]);
    assert.ok(readFileSync(host.store).equals(bytes), 'the file has changed');
  });
}
test('an empty file: an error object or a store, never a crash', async () => {
  const host = new Host();
  writeFileSync(host.store, '');
  tolerated(await host.run('ADD', config(V4)), [105]);
});
test('a directory in its place: 105, and nothing is put into it', async () => {
  const host = new Host();
  mkdirSync(host.store);
  await host.refuse('ADD', config(V4), 105, [host.store]);
  await host.refuse('STATUS', config(V4), 50, [host.store]);
  assert.equal(readdirSync(host.store), []);
});
test('a file where its directory should be: 5 or 105', async () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, 'x');
  const host = new Host({ store: join(file, 'store.mdb') });
  await host.refuse('ADD', config(V4), [5, 105], [file]);
  assert.is(readFileSync(file, 'utf8'), 'x');
});
test('a lease with a flipped bit is never a wrong answer: 105', async () => {
  const bytes = Buffer.from(await sound);
  let flipped = 0;
  for (let at = bytes.indexOf('fill1'); at >= 0; at = bytes.indexOf('fill1', at + 1)) {
    bytes[at + 4] = '9'.charCodeAt(0);
    flipped++;
  }
  assert.ok(flipped > 0, 'the store does not hold a container id as text: this test needs another way');
  const host = new Host();
  writeFileSync(host.store, bytes, { mode: 0o600 });
  await host.refuse('ADD', config({ ...V4, 'ipv4-address': '10.0.0.3' }), 105, [host.store], container('late'));
  await host.refuse('ADD', config(V4), 105, [host.store], container('fill1'));
});
test('after 105 the sound store put back works on', async () => {
  const host = new Host();
  writeFileSync(host.store, noise(5000));
  await host.refuse('ADD', config(V4), 105, [host.store]);
  writeFileSync(host.store, await sound);
  assert.equal(await host.take(config(V4)), ['10.0.0.4/24']);
});

for (const value of ['5', '5 s', 'abc', '1d', '5S', 's', '1.2.3s', 'PT5S', '--1s', '5s;', '1,5s']) {
  test(`IPAM_DB_CONNECTION_TIMEOUT ${value} (no Go duration): 4`, async () => {
    const host = new Host({ env: { IPAM_DB_CONNECTION_TIMEOUT: value } });
    await host.refuse('ADD', config(V4), 4, ['IPAM_DB_CONNECTION_TIMEOUT', value]);
  });
}
for (const value of [
  '5s',
  '500ms',
  '1.5s',
  '1m30s',
  '1h',
  '2000000us',
  '2000000µs',
  '5000000000ns',
  '.5s',
  '1h1m1s1ms',
  '+5s',
]) {
  test(`IPAM_DB_CONNECTION_TIMEOUT ${value}: accepted`, async () => {
    const host = new Host({ env: { IPAM_DB_CONNECTION_TIMEOUT: value } });
    assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
  });
}

test('directories are made on demand', async () => {
  const host = new Host({ store: join(temporaryDirectory(), 'a', 'b', 'c', 'store.mdb') });
  assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
  assert.equal(await host.take(config(V4), container('b')), ['10.0.0.3/24']);
});
for (const umask of ['000', '022', '077']) {
  test(`umask ${umask}: every file of the store is 0600`, async () => {
    const host = new Host();
    const reply = await host.run(
      'ADD',
      config(V4),
      {},
      { command: 'sh', args: ['-c', `umask ${umask}; exec "$0"`, EXECUTABLE] },
    );
    assert.is(reply.status, 0, reply.stdout);
    await host.listed();
    const files = readdirSync(dirname(host.store));
    assert.ok(files.includes('store.mdb'), `${files}`);
    for (const file of files) {
      const { mode } = statSync(join(dirname(host.store), file));
      assert.is((mode & 0o777).toString(8), '600', file);
    }
  });
}
test('a store path with spaces and letters that are not ASCII', async () => {
  const directory = join(temporaryDirectory(), 'with space', 'ü');
  const host = new Host({ store: join(directory, 'leases of this host.db') });
  assert.equal(await host.take(config(V4)), ['10.0.0.2/24']);
  refused(await host.run('ADD', config(V4)), 103, ['10.0.0.2']);
});
test("nothing but the store's own files appears beside it", async () => {
  const host = new Host();
  await host.fill(config(V4), 2);
  for (const file of readdirSync(dirname(host.store))) assert.match(file, /^store\.mdb/);
});

test.run();
