// What the plugin makes in the file system.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXECUTABLE, temporaryDirectory, temporaryStore } from '../support/plugin.ts';
import { add, addressOf, check, del, dualStack, errorOf, held, listRun, network, silent } from './support/ipam.ts';

const test = suite('files');
const conf = dualStack();

for (const umask of ['0', '022', '777']) {
  test(`the store and its lock files are 0600 under umask ${umask}`, async () => {
    const store = temporaryStore();
    const options = { command: 'sh', args: ['-c', `umask ${umask}; exec "$0"`, EXECUTABLE] };
    addressOf(await add({ store, conf, options }));
    addressOf(await add({ store, conf, options, owner: 'c2' }));
    const modes = readdirSync(dirname(store)).map(name => {
      const { mode } = statSync(join(dirname(store), name));
      return `${name} ${(mode & 0o7777).toString(8)}`;
    });
    assert.equal(modes.sort(), ['store.mdb 600', 'store.mdb-lock 600', 'store.mdb.flock 600']);
  });
}

test('missing directories are made', async () => {
  const store = join(temporaryDirectory(), 'a', 'b', 'c', 'store.mdb');
  assert.is(addressOf(await add({ store, conf })), '10.0.0.2');
  assert.equal(await held(store), ['10.0.0.2', '2001:db8::2']);
});

test('DEL, CHECK and list without a store make none', async () => {
  const directory = temporaryDirectory();
  const store = join(directory, 'a', 'store.mdb');
  silent(await del({ store, conf }), 'DEL');
  errorOf(await check({ store, conf }), 'CHECK');
  await listRun(store);
  assert.not(existsSync(store), 'a store was made');
  assert.equal(readdirSync(directory), [], 'files made');
});

test('a path with spaces, and one relative to nothing in particular', async () => {
  const store = join(temporaryDirectory(), 'with space', 'stör.mdb');
  assert.is(addressOf(await add({ store, conf: network() })), '10.0.0.2');
  assert.equal(await held(store), ['10.0.0.2']);
});

test.run();
