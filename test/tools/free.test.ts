// `ecs-ipam release` and `ecs-ipam gc`: what an operator frees by hand.

import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  addressesOf,
  addressOf,
  del,
  dualStack,
  held,
  list,
  network,
  silent,
  withId,
} from '../integration/support/ipam.ts';
import { type Env, run } from '../support/plugin.ts';
import { rebooted } from '../support/reboot.ts';
import { testWith } from '../support/requirements.ts';
import { besideDaemon, exits, ipam, temporaryDirectory, temporaryStore, told } from './support.ts';

const test = suite('release and gc');

const V4 = network();
const DUAL = dualStack();
const ECS: Env = { CNI_CONTAINERID: 'container-id' }; // the constant that the ECS agent sends

/** A list for `gc --keep`, written an hour from now: no lease is younger. */
function keepList(content: string | unknown[]): string {
  const file = join(temporaryDirectory(), 'keep');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  const inAnHour = Date.now() / 1000 + 3600;
  utimesSync(file, inAnHour, inAnHour);
  return file;
}

/** Containers c1, c2 and c3, and the task t1 of ECS, with an address each of 10.0.0.2 to 10.0.0.5. */
async function fourLeases(): Promise<string> {
  const store = temporaryStore();
  for (const owner of ['c1', 'c2', 'c3']) addressOf(await add({ store, conf: V4, owner }));
  addressOf(await add({ store, conf: withId(V4, 't1'), env: ECS }));
  return store;
}

test('release of an address frees it, shows whose it was, and lets its owner have another', async () => {
  const store = await fourLeases();
  exits(await ipam(store, 'release', '10.0.0.3'), 0, '10.0.0.3', 'c2', 'freed 1 lease\n');
  assert.equal(await held(store), ['10.0.0.2', '10.0.0.4', '10.0.0.5']);
  assert.is(addressOf(await add({ store, conf: V4, owner: 'c2' })), '10.0.0.6');
  exits(await ipam(store, 'fsck'), 0);
});

test('release of an address in another form of its text', async () => {
  const store = temporaryStore();
  addressesOf(await add({ store, conf: DUAL }));
  exits(await ipam(store, 'release', '2001:DB8:0::0002'), 0, '2001:db8::2');
  assert.equal(await held(store), ['10.0.0.2']);
});

test('release of what is not there: exit 1, and nothing changes', async () => {
  const store = await fourLeases();
  const before = readFileSync(store);
  exits(await ipam(store, 'release', '10.0.0.77'), 1, '10.0.0.77', store);
  exits(await ipam(store, 'release', '--owner', 'nobody'), 1, 'nobody');
  assert.ok(readFileSync(store).equals(before));
  const missing = temporaryStore();
  exits(await ipam(missing, 'release', '10.0.0.2'), 1, missing, 'does not exist');
});

test('release asks for an address or an owner', async () => {
  const store = await fourLeases();
  for (const args of [[], ['10.0.0.2', '--owner', 'c1'], ['10.0.0'], ['10.0.0.2/24'], ['10.0.0.2', '10.0.0.3']]) {
    const reply = await ipam(store, 'release', ...args);
    exits(reply, 2);
    assert.is.not(reply.stderr, '');
  }
  assert.is((await held(store)).length, 4);
});

test('release of an owner frees all it holds: by id, by container, by container and interface', async () => {
  const store = await fourLeases();
  const other = network({ 'ipv4-subnet': '10.1.0.0/24' });
  addressOf(await add({ store, conf: other, owner: 'c1' }));
  addressOf(await add({ store, conf: V4, owner: 'c1', env: { CNI_IFNAME: 'eth1' } }));
  exits(await ipam(store, 'release', '--owner', 'c1/eth1'), 0, '10.0.0.6', 'freed 1 lease\n');
  exits(await ipam(store, 'release', '--owner', 'c1'), 0, '10.0.0.2', '10.1.0.2', 'freed 2 leases\n');
  exits(await ipam(store, 'release', '--owner', 'container-id'), 1); // t1 is the owner, not the container
  exits(await ipam(store, 'release', '--owner', 't1'), 0, '10.0.0.5', 'freed 1 lease\n');
  assert.equal(await held(store), ['10.0.0.3', '10.0.0.4']);
  exits(await ipam(store, 'fsck'), 0);
});

test('an operator frees a gateway, by its address alone; the next ADD reserves it anew', async () => {
  const store = await fourLeases();
  exits(await ipam(store, 'release', '10.0.0.1'), 0, 'gateway', 'freed 1 lease\n');
  assert.ok(!(await list(store)).some(({ kind }) => kind === 'gateway'));
  exits(await ipam(store, 'fsck'), 0);
  addressOf(await add({ store, conf: V4, owner: 'c9' }));
  assert.ok((await list(store)).some(({ address, kind }) => kind === 'gateway' && address === '10.0.0.1'));
});

for (const [form, content] of [
  ['lines', 'c1\r\n\n  c3/eth0  \nt1\n'],
  ['addresses', '10.0.0.2\n10.0.0.4\n10.0.0.5'],
  ['a JSON array of texts', ['c1', 'c3/eth0', 't1']],
  [
    'a JSON array as list prints it',
    [{ address: '10.0.0.2', id: '' }, { address: '10.0.0.4' }, { address: '10.0.0.5' }],
  ],
] as const) {
  test(`gc --keep, ${form}: lists and frees what is not named`, async () => {
    const store = await fourLeases();
    const file = keepList(typeof content === 'string' ? content : [...content]);
    exits(await ipam(store, 'gc', '--keep', file, '--dry-run'), 0, '10.0.0.3', 'c2');
    assert.is((await held(store)).length, 4, 'a dry run frees nothing');
    const { stdout } = exits(await ipam(store, 'gc', '--keep', file), 0);
    assert.match(stdout, /^ADDRESS.*\n10\.0\.0\.3 .*c2.*\nfreed 1 lease\n$/);
    assert.equal(await held(store), ['10.0.0.2', '10.0.0.4', '10.0.0.5']);
    exits(await ipam(store, 'gc', '--keep', file), 0, 'nothing to free');
  });
}

test('gc --keep with what list --json printed frees nothing', async () => {
  const store = await fourLeases();
  const { stdout } = await ipam(store, 'list', '--json');
  exits(await ipam(store, 'gc', '--keep', keepList(stdout)), 0, 'nothing to free');
});

test('gc --keep says which names have no lease: a typing error would free a living container', async () => {
  const store = await fourLeases();
  const { stderr } = exits(await ipam(store, 'gc', '--dry-run', '--keep', keepList('c1\nc3\nc22\nt1\n')), 0, 'c2');
  assert.match(stderr, /"c22" has no lease/);
});

test('gc --keep leaves alone what is younger than the list, by a file and by a pipe', async () => {
  const store = await fourLeases();
  const file = keepList('c1\nc2\nt1\n');
  const now = Date.now() / 1000;
  utimesSync(file, now, now);
  exits(await ipam(store, 'gc', '--keep', file), 0, 'nothing to free', /10\.0\.0\.4: is younger/);
  const piped = await run({ args: ['gc', '--keep', '-'], stdin: 'c1\nc2\nt1\n', env: { IPAM_DB_PATH: store } });
  exits(piped, 0, 'nothing to free', /10\.0\.0\.4: is younger/);
  assert.is((await held(store)).length, 4);
});

for (const [problem, content] of [
  ['is empty', ''],
  ['is blank', ' \n\n'],
  ['is an empty array', '[]'],
  ['is broken JSON', '["c1"'],
  ['is JSON of another shape', '[{"name":"c1"}]'],
] as const) {
  test(`gc refuses a list that ${problem}, and frees nothing`, async () => {
    const store = await fourLeases();
    const file = keepList(content);
    exits(await ipam(store, 'gc', '--keep', file), 1, file);
    assert.is((await held(store)).length, 4);
  });
}

test('gc asks for one way to choose, and a list that exists', async () => {
  const store = await fourLeases();
  exits(await ipam(store, 'gc'), 2);
  exits(await ipam(store, 'gc', '--boot', '--keep', keepList('c1')), 2);
  exits(await ipam(store, 'gc', '--keep', '/no/such/file'), 1, '/no/such/file');
  assert.is((await held(store)).length, 4);
});

testWith(test, ['root', 'unshare'], 'gc --boot frees what a reboot has ended, and no gateway', async () => {
  const store = await fourLeases();
  const env = { IPAM_DB_PATH: store };
  exits(await ipam(store, 'gc', '--boot'), 0, 'nothing to free');
  // After the reboot c1 comes back, and so has a lease of this boot.
  assert.is(addressOf(await add({ store, conf: V4, owner: 'c1', options: rebooted() })), '10.0.0.6');
  exits(await run({ ...rebooted('gc', '--boot', '--dry-run'), env }), 0, '10.0.0.3', '10.0.0.4', '10.0.0.5');
  assert.is((await held(store)).length, 4);
  const { stdout } = exits(await run({ ...rebooted('gc', '--boot'), env }), 0, 'freed 3 leases\n');
  assert.not.match(stdout, /10\.0\.0\.(1|2|6) /);
  const left = (await list(store)).map(({ address }) => address);
  assert.equal(left.sort(), ['10.0.0.1', '10.0.0.6']);
});

test('release and gc beside a daemon: its next answers know of them', async () => {
  await besideDaemon(async env => {
    const store = temporaryStore();
    const tiny = network({ 'ipv4-subnet': '10.0.0.0/29' });
    for (const owner of ['c1', 'c2', 'c3', 'c4', 'c5']) addressOf(await add({ store, conf: tiny, owner, env }));
    const full = await add({ store, conf: tiny, owner: 'new', env });
    assert.ok(full.stdout.includes('"code":101'), told(full));
    exits(await ipam(store, 'release', '10.0.0.4'), 0);
    assert.is(addressOf(await add({ store, conf: tiny, owner: 'new', env })), '10.0.0.4');
    exits(await ipam(store, 'gc', '--keep', keepList('new')), 0, 'freed 4 leases');
    silent(await del({ store, conf: tiny, owner: 'new', env }));
    assert.equal(await held(store), []);
  });
});

test.run();
