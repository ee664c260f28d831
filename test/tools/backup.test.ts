// `ecs-ipam backup` and `ecs-ipam restore`.

import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { surveyStore } from '../../src/store/survey.ts';
import { fillDisk, onSmallDisk } from '../integration/support/disk.ts';
import {
  add,
  addressesOf,
  addressOf,
  check,
  del,
  distinct,
  dualStack,
  held,
  list,
  network,
  silent,
  withId,
} from '../integration/support/ipam.ts';
import { inParallel, printed, sleep, tool } from '../integration/support/process.ts';
import { run, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { start } from '../support/start.ts';
import { DAMAGES, damaged } from './damages.ts';
import { grownStore, leafPageOf, zeroPage } from './stores.ts';
import { besideDaemon, exits, ipam } from './support.ts';

const test = suite('backup and restore');
const DUAL = dualStack();
const V4 = network();

const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const backupPath = () => join(temporaryDirectory(), 'backup');
const nameless = (path: string) => readdirSync(dirname(path)).filter(name => name.includes('.new'));
const keptOf = (store: string) => readdirSync(dirname(store)).filter(name => name.includes('.before-restore-'));

async function storeOf(containers: number): Promise<string> {
  const store = temporaryStore();
  for (let i = 0; i < containers; i++) addressesOf(await add({ store, conf: DUAL, owner: `c${i}` }));
  return store;
}

async function backedUp(store: string): Promise<string> {
  const file = backupPath();
  exits(await ipam(store, 'backup', file), 0, file);
  return file;
}

test('a backup is a whole store, for the owner alone', async () => {
  const store = await storeOf(5);
  const file = backupPath();
  exits(await ipam(store, 'backup', file), 0, `backup ${file}: 12 leases of store ${store}`);
  assert.is(statSync(file).mode & 0o7777, 0o600);
  assert.equal(readdirSync(dirname(file)), ['backup']);
  exits(await ipam(file, 'fsck'), 0, 'clean');
  assert.equal(await list(file), await list(store));
  addressesOf(await add({ store, conf: DUAL, owner: 'later' }));
  assert.is((await list(file)).length, 12, 'the backup does not follow the store');
});

test('an existing file is replaced by --force alone, and never the store itself', async () => {
  const store = await storeOf(2);
  const file = backupPath();
  writeFileSync(file, 'mine');
  chmodSync(file, 0o644);
  exits(await ipam(store, 'backup', file), 1, file, 'exists');
  assert.is(readFileSync(file, 'utf8'), 'mine');
  exits(await ipam(store, 'backup', '--force', file), 0);
  exits(await ipam(file, 'fsck'), 0, 'clean');
  assert.is(statSync(file).mode & 0o7777, 0o600);
  const link = join(temporaryDirectory(), 'link');
  await tool('ln', '-s', store, link);
  const { ino } = statSync(store);
  for (const path of [store, link]) exits(await ipam(store, 'backup', '--force', path), 1, 'is the store itself');
  assert.is(statSync(store).ino, ino);
  assert.equal([...nameless(file), ...nameless(store), ...nameless(link)], []);
});

test('what cannot be backed up: exit 1, and no file is left', async () => {
  const file = backupPath();
  const missing = temporaryStore();
  exits(await ipam(missing, 'backup', file), 1, missing, 'does not exist');
  const store = await storeOf(1);
  exits(await ipam(store, 'backup', '/no/such/directory/backup'), 1, '/no/such/directory/backup');
  mkdirSync(`${file}.directory`);
  exits(await ipam(store, 'backup', '--force', `${file}.directory`), 1, `${file}.directory`);
  zeroPage(store, leafPageOf(store, Uint8Array.of(4, 10)));
  exits(await ipam(store, 'backup', file), 1, store, 'fsck');
  assert.equal(readdirSync(dirname(file)), ['backup.directory']);
});

testWith(test, ['flock'], 'a store that stays locked: exit 1 at its time limit', async () => {
  const store = await storeOf(1);
  const file = backupPath();
  const args = [`${store}.flock`, 'sh', '-c', 'echo held; cat'];
  const holder = start({ command: 'flock', args, stdin: null });
  await printed(holder, 'held');
  const env = { IPAM_DB_PATH: store, IPAM_DB_CONNECTION_TIMEOUT: '300ms' };
  exits(await run({ args: ['backup', file], env }), 1, store, 'locked');
  holder.child.stdin?.end();
  await holder.done;
  assert.not(existsSync(file));
});

test('beside writers, one-shot and through a daemon: each backup is clean, and has what was given before it', async () => {
  await besideDaemon(async env => {
    const store = await storeOf(1);
    const live = new Set(await held(store));
    let isWriting = true;
    const writing = inParallel([0, 1, 2], 3, async writer => {
      for (let i = 0; i < 50; i++) {
        const call = { store, conf: withId(DUAL, `w${writer}-${i}`), env: writer === 0 ? {} : env };
        const addresses = addressesOf(await add(call));
        for (const address of addresses) live.add(address);
        if (i % 3 !== 0) continue;
        for (const address of addresses) live.delete(address);
        silent(await del(call));
      }
    }).finally(() => {
      isWriting = false;
    });
    let backups = 0;
    for (; isWriting; backups++) {
      const before = [...live];
      const file = await backedUp(store);
      exits(await ipam(file, 'fsck'), 0, 'clean');
      const saved = new Set(await held(file));
      for (const address of before.filter(address => live.has(address))) assert.ok(saved.has(address), address);
    }
    await writing;
    assert.ok(backups >= 5, `${backups} backups`);
    distinct(await held(store), 'held');
    exits(await ipam(store, 'fsck'), 0, 'clean');
  });
});

test('killed at any moment: no backup, or a whole one', async () => {
  const store = await grownStore(800, new Random('backed up'));
  const random = new Random('kills');
  const { ms } = await ipam(store, 'backup', backupPath());
  let whole = 0;
  await inParallel(
    Array.from({ length: 30 }, (_, i) => i),
    2,
    async () => {
      const file = backupPath();
      const backup = start({ args: ['backup', file], env: { IPAM_DB_PATH: store } });
      await sleep(random.fraction() * ms * 1.2);
      backup.child.kill('SIGKILL');
      await backup.done;
      if (!existsSync(file)) return;
      whole++;
      assert.is(hash(file), hash(store));
    },
  );
  assert.ok(whole < 30, 'every kill came too late');
});

testWith(test, ['root'], 'on a full disk no backup is left', () =>
  onSmallDisk('size=2m', async directory => {
    const store = await grownStore(800, new Random('full'));
    const free = fillDisk(directory, 20);
    exits(await ipam(store, 'backup', join(directory, 'backup')), 1, 'backup');
    assert.equal(readdirSync(directory), ['filler']);
    free();
    exits(await ipam(store, 'backup', join(directory, 'backup')), 0);
  }),
);

// Restore

const settingOf = (store: string, name: string): string => {
  const key = Buffer.from(`m${name}`);
  return Buffer.from(
    surveyStore(store)
      .rows.find(row => key.equals(row.key))!
      .value.subarray(4, -4),
  ).toString();
};

test('restore puts back what the backup holds, as another store, and keeps the one of before', async () => {
  const store = await storeOf(4);
  const file = await backedUp(store);
  const [saved, created, hashOfBackup] = [await list(store), settingOf(file, 'created'), hash(file)];
  silent(await del({ store, conf: DUAL, owner: 'c1' }));
  const before = hash(store);
  const { stdout } = exits(await ipam(store, 'restore', file), 0, `${store}: 10 leases restored from ${file}`);
  const [kept = ''] = keptOf(store);
  assert.match(kept, /^store\.mdb\.before-restore-\d{8}T\d{6}Z$/);
  assert.ok(stdout.includes(kept), stdout);
  assert.is(hash(join(dirname(store), kept)), before);
  assert.equal(await list(store), saved);
  assert.is(statSync(store).mode & 0o7777, 0o600);
  assert.is.not(settingOf(store, 'store'), settingOf(file, 'store'));
  assert.is(settingOf(store, 'created'), created);
  exits(await ipam(store, 'fsck'), 0, 'clean');
  assert.is(hash(file), hashOfBackup);
  assert.equal(readdirSync(dirname(file)), ['backup'], 'the backup has been read, and nothing more');
  silent(await check({ store, conf: DUAL, owner: 'c1' }));
  assert.equal(addressesOf(await add({ store, conf: DUAL, owner: 'new' })), ['10.0.0.6', '2001:db8::6']);
});

test('restore where there is no store, nor a directory for one', async () => {
  const file = await backedUp(await storeOf(2));
  const store = join(temporaryDirectory(), 'a', 'b', 'store.mdb');
  exits(await ipam(store, 'restore', file), 0, store);
  assert.equal(await list(store), await list(file));
  assert.equal(keptOf(store), []);
});

test('leases that the backup does not know are listed first, and forgotten by --force alone', async () => {
  const store = await storeOf(2);
  const file = await backedUp(store);
  addressesOf(await add({ store, conf: DUAL, owner: 'later' }));
  silent(await del({ store, conf: DUAL, owner: 'c0' }));
  const asked = dualStack({ 'ipv4-address': '10.0.0.2', 'ipv6-address': '2001:db8::2' });
  addressesOf(await add({ store, conf: asked, owner: 'successor' })); // at the addresses that c0 had
  const before = hash(store);
  const { stdout } = exits(await ipam(store, 'restore', file), 1, 'restore --force');
  for (const text of ['10.0.0.4', '2001:db8::4', 'later', '10.0.0.2', 'successor', '4 leases are not in the backup']) {
    assert.ok(stdout.includes(text), `${text} in ${stdout}`);
  }
  assert.not(stdout.includes('c1'), stdout);
  assert.is(hash(store), before);
  assert.equal(keptOf(store), []);
  exits(await ipam(store, 'restore', '--force', file), 0, '10.0.0.4', 'restored');
  assert.equal(await list(store), await list(file));
});

test('a damaged backup is refused, and so is what is none', async () => {
  const store = await storeOf(1);
  const before = hash(store);
  const whole = await grownStore(200, new Random('to be damaged'));
  const refused = ['', 'a text'].map(content => {
    const file = backupPath();
    writeFileSync(file, content);
    return file;
  });
  for (const damage of DAMAGES) {
    for (let i = 0; i < 6 && refused.length < 12; i++) {
      const { store: file } = damaged(whole, damage, new Random(`${damage.name} ${i}`));
      if ((await ipam(file, 'fsck')).status !== 0) refused.push(file);
    }
  }
  for (const file of [...refused, '/no/such/file', store]) {
    exits(await ipam(store, 'restore', file), 1, file);
    exits(await ipam(store, 'restore', '--force', file), 1, file);
  }
  assert.is(hash(store), before);
  assert.equal(keptOf(store), []);
});

test('over a damaged store: what is known to be lost is named, and it takes --force', async () => {
  const whole = await grownStore(300, new Random('damaged'));
  const file = await backedUp(whole);
  const store = temporaryStore();
  copyFileSync(whole, store);
  addressOf(await add({ store, conf: network({ 'ipv4-subnet': '10.0.0.0/16' }), owner: 'later' }));
  for (const header of [0, 1]) zeroPage(store, header);
  exits(await ipam(store, 'restore', file), 1, 'later', 'may hold more leases', 'restore --force');
  writeFileSync(store, 'nothing of a store');
  exits(await ipam(store, 'restore', file), 1, 'cannot be listed', 'restore --force');
  exits(await ipam(store, 'restore', '--force', file), 0);
  assert.is(readFileSync(join(dirname(store), keptOf(store)[0]!), 'utf8'), 'nothing of a store');
  assert.equal(await list(store), await list(file));
});

test('a daemon goes over to the restored store', async () => {
  await besideDaemon(async env => {
    const store = temporaryStore();
    for (const owner of ['c0', 'c1']) addressOf(await add({ store, conf: V4, owner, env }));
    const file = await backedUp(store);
    silent(await del({ store, conf: V4, owner: 'c0', env }));
    exits(await ipam(store, 'restore', file), 0);
    silent(await check({ store, conf: V4, owner: 'c0', env }));
    assert.is(addressOf(await add({ store, conf: V4, owner: 'c2', env })), '10.0.0.4');
    assert.equal(await held(store), ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
  });
});

test.run();
