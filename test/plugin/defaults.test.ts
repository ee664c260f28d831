// The default path: /data/ecs-ipam.mdb, and the Go plugin's /data/eni-ipam.db, which is never ignored. Each case runs
// in a root of its own, an overlay in a mount namespace: this machine's /data is neither read nor made.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { cniEnv, EXECUTABLE, type Run, run, temporaryDirectory } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { addressesOf, config, container, parallel, refused, result, silent } from './harness.ts';

const test = parallel('default path');
const BOLT = fileURLToPath(new URL('../fixtures/bolt/agent-v4.db', import.meta.url));
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };

const SCRIPT = `set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mkdir -p /mnt/root/data
mount --rbind /proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount --bind "$1" /mnt/root/data
exec chroot /mnt/root "$0"`;

/** A directory that its processes see as /data. */
class DataDirectory {
  readonly path = join(temporaryDirectory(), 'data');

  constructor(bolt: boolean) {
    mkdirSync(this.path);
    if (bolt) cpSync(BOLT, join(this.path, 'eni-ipam.db'));
  }

  run(command: string, stdin: unknown, id = 'c1'): Promise<Run> {
    const env = { ...cniEnv(command, '', container(id)), IPAM_DB_PATH: undefined };
    return run({ command: 'unshare', args: ['-m', 'sh', '-c', SCRIPT, EXECUTABLE, this.path], env, stdin });
  }
}

const overlay = spawnSync('unshare', ['-m', 'sh', '-c', SCRIPT, 'true', temporaryDirectory()]);
const defaultPath = (name: string, body: () => Promise<void>): void => {
  if (overlay.status === 0) testWith(test, ['root', 'unshare'], name, body);
  else if (process.env.ECS_IPAM_TEST_ALL === '1') test(name, () => assert.unreachable(`no overlay: ${overlay.stderr}`));
  else test.skip(name);
};
if (overlay.status !== 0) console.log(`skipped: default path (cannot mount an overlay: ${overlay.stderr})`);

defaultPath('without IPAM_DB_PATH the store is /data/ecs-ipam.mdb', async () => {
  const data = new DataDirectory(false);
  assert.equal(addressesOf(result(await data.run('ADD', config(V4), 'a'))), ['10.0.0.2/24']);
  assert.equal(addressesOf(result(await data.run('ADD', config(V4), 'b'))), ['10.0.0.3/24']);
  assert.ok(existsSync(join(data.path, 'ecs-ipam.mdb')));
  for (const file of readdirSync(data.path)) assert.match(file, /^ecs-ipam\.mdb/);
});
defaultPath('DEL without any store succeeds and makes none', async () => {
  const data = new DataDirectory(false);
  silent(await data.run('DEL', config(V4)));
  assert.equal(readdirSync(data.path), []);
});
const agent = (id: string) => config({ 'ipv4-subnet': '169.254.172.0/22', id });
const AGENT = agent('/host/proc/1000/ns/net');
const KEPT = 'eni-ipam.db.bolt';
for (const [command, code] of [
  ['ADD', 103],
  ['DEL', 0],
  ['CHECK', 0],
  ['STATUS', 0],
] as const) {
  defaultPath(`${command} beside the Go plugin's /data/eni-ipam.db, without a store of ours: moves in`, async () => {
    const data = new DataDirectory(true);
    const stdin = { ...AGENT, prevResult: { cniVersion: '1.1.0', ips: [{ address: '169.254.172.2' }] } };
    const reply = await data.run(command, stdin);
    if (code === 0) silent(reply);
    else refused(reply, code, ['169.254.172.2']);
    const files = ['ecs-ipam.mdb', 'ecs-ipam.mdb-lock', 'ecs-ipam.mdb.flock', 'eni-ipam.db', KEPT];
    assert.equal(readdirSync(data.path).sort(), files);
    assert.match(
      readFileSync(join(data.path, 'eni-ipam.db'), 'utf8'),
      /^The leases .* are in \/data\/ecs-ipam\.mdb now/,
    );
    assert.ok(readFileSync(join(data.path, KEPT)).equals(readFileSync(BOLT)), 'the old file is kept');
    const next = await data.run('ADD', agent('new'));
    assert.equal(addressesOf(result(next)), ['169.254.172.14/22']);
  });
}
defaultPath('a damaged /data/eni-ipam.db: 105, untouched, and no store beside it', async () => {
  const data = new DataDirectory(true);
  const path = join(data.path, 'eni-ipam.db');
  writeFileSync(path, readFileSync(path).subarray(0, 3 * 4096));
  const before = readFileSync(path);
  refused(await data.run('ADD', AGENT), 105, ['/data/eni-ipam.db', /bolt/]);
  assert.ok(readFileSync(path).equals(before), 'the bolt file has changed');
  assert.not(existsSync(join(data.path, 'ecs-ipam.mdb')), 'an empty store beside live leases');
});
defaultPath(
  'killed before the old file was shut: the next call makes up for it, if it is the one that is kept',
  async () => {
    const data = new DataDirectory(true);
    silent(await data.run('STATUS', AGENT));
    const path = join(data.path, 'eni-ipam.db');
    cpSync(join(data.path, KEPT), path);
    silent(await data.run('STATUS', AGENT));
    assert.match(readFileSync(path, 'utf8'), /^The leases/);
    const other = readFileSync(join(data.path, KEPT));
    other[other.length - 1]! ^= 1;
    writeFileSync(path, other);
    silent(await data.run('STATUS', AGENT));
    assert.ok(readFileSync(path).equals(other), 'another file is none of our business');
  },
);
defaultPath('once our store exists, the bolt file beside it does not matter', async () => {
  const data = new DataDirectory(false);
  result(await data.run('ADD', config(V4), 'a'));
  cpSync(BOLT, join(data.path, 'eni-ipam.db'));
  assert.equal(addressesOf(result(await data.run('ADD', config(V4), 'b'))), ['10.0.0.3/24']);
});
defaultPath('a file at /data/eni-ipam.db that is no boltdb file does not stop us', async () => {
  const data = new DataDirectory(false);
  writeFileSync(join(data.path, 'eni-ipam.db'), 'not bolt');
  const reply = await data.run('ADD', config(V4));
  // CNI.md names boltdb files alone; to refuse another file there is a caution that it does not forbid.
  if (reply.status !== 0) refused(reply, 105, ['/data/eni-ipam.db']);
});

test.run();
