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
for (const command of ['ADD', 'DEL', 'CHECK']) {
  defaultPath(`${command} beside the Go plugin's /data/eni-ipam.db, without a store of ours: 105`, async () => {
    const data = new DataDirectory(true);
    const stdin = { ...config(V4), prevResult: { cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24' }] } };
    refused(await data.run(command, stdin), 105, ['/data/eni-ipam.db', /go|bolt/i, /import/i]);
    assert.ok(readFileSync(join(data.path, 'eni-ipam.db')).equals(readFileSync(BOLT)), 'the bolt file has changed');
    assert.not(existsSync(join(data.path, 'ecs-ipam.mdb')), 'an empty store beside live leases');
  });
}
defaultPath("STATUS beside the Go plugin's /data/eni-ipam.db: 50", async () => {
  refused(await new DataDirectory(true).run('STATUS', config(V4)), 50, ['/data/eni-ipam.db']);
});
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
