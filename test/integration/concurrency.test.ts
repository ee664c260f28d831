// Many processes on one store.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newestMeta } from '../../src/store/inspect.ts';
import { PageFile } from '../../src/store/page-file.ts';
import { effort, tried } from '../support/effort.ts';
import { EXECUTABLE, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import {
  add,
  addressesOf,
  addressOf,
  begin,
  del,
  distinct,
  dualStack,
  held,
  leasesOf,
  network,
  refused,
  STATUS_ENV,
  silent,
  status,
  withId,
} from './support/ipam.ts';
import { childrenOf, hasOpen, inParallel, sleep, start } from './support/process.ts';
import { storm } from './support/storm.ts';

const test = suite('concurrency');
/** All get their turn, on a busy machine too: how long that takes is not the question. */
const PATIENT = { IPAM_DB_CONNECTION_TIMEOUT: '60s' };
const owners = (count: number, prefix = 'c') => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

test('32 ADDs at once, the first ones ever, get 32 addresses of each family', async () => {
  const store = temporaryStore();
  const conf = dualStack();
  const runs = await Promise.all(owners(32).map(owner => add({ store, conf, owner, env: PATIENT })));
  const addresses = runs.flatMap((run, index) => addressesOf(run, `ADD ${index}`));
  assert.is(addresses.length, 64);
  distinct(addresses, '32 ADDs');
  assert.equal(await held(store), addresses.sort());
});

test('the same owner eight times at once: one succeeds, the others get 103', async () => {
  const store = temporaryStore();
  const runs = await Promise.all(owners(8).map(() => add({ store, conf: dualStack(), owner: 'same' })));
  const successes = runs.filter(run => run.status === 0);
  assert.is(successes.length, 1, `successes: ${successes.map(({ stdout }) => stdout)}`);
  for (const run of runs) if (run.status !== 0) refused(run, 103);
  assert.equal(await held(store), addressesOf(successes[0]!).sort());
});

test('the same requested address eight times at once: one succeeds, the others get 102', async () => {
  const store = temporaryStore();
  const conf = network({ 'ipv4-subnet': '10.0.0.0/24', 'ipv4-address': '10.0.0.9' });
  const runs = await Promise.all(owners(8).map(owner => add({ store, conf, owner })));
  assert.is(runs.filter(run => run.status === 0).length, 1);
  for (const run of runs) if (run.status !== 0) refused(run, 102);
  assert.equal(await held(store), ['10.0.0.9']);
});

test('eight ADDs at once for the last three addresses: three succeed, the others get 101', async () => {
  const store = temporaryStore();
  const conf = network({ 'ipv4-subnet': '10.0.0.0/28' });
  for (const owner of owners(10, 'early')) addressOf(await add({ store, conf, owner }));
  const runs = await Promise.all(owners(8).map(owner => add({ store, conf, owner })));
  const addresses = runs.filter(run => run.status === 0).map(run => addressOf(run));
  assert.equal(addresses.sort(), ['10.0.0.12', '10.0.0.13', '10.0.0.14']);
  for (const run of runs) if (run.status !== 0) refused(run, 101);
});

test('16 ADDs and 16 DELs mixed', async () => {
  const store = temporaryStore();
  const conf = dualStack();
  const before = await inParallel(owners(16, 'old'), 8, owner => add({ store, conf, owner }));
  distinct(
    before.flatMap(run => addressesOf(run)),
    'before',
  );
  const mixed = owners(16).map(async (owner, index) => {
    const [added, deleted] = await Promise.all([
      add({ store, conf, owner, env: PATIENT }),
      del({ store, conf, owner: `old${index}`, env: PATIENT }),
    ]);
    silent(deleted, `DEL of old${index}`);
    return addressesOf(added, `ADD of ${owner}`);
  });
  const addresses = (await Promise.all(mixed)).flat();
  distinct(addresses, 'mixed');
  assert.equal(await held(store), addresses.sort());
});

const lastPageOf = (store: string): number => PageFile.open(store, file => newestMeta(file).lastPage)!;

for (const command of ['ADD', 'CHECK', 'STATUS']) {
  testWith(test, ['strace'], `a slow ${command} is not confused by a store that grows meanwhile`, async () => {
    const store = temporaryStore();
    const conf = network({ 'ipv4-subnet': '10.0.0.0/16', 'ipv6-subnet': '2001:db8::/64' });
    // Each of these takes a few pages more.
    const grow = (number: number) => add({ store, conf: withId(conf, `${number}-`.padEnd(4096, 'x')) });
    addressesOf(await add({ store, conf, owner: 'slow-CHECK' }));
    // Every look at the store's file takes 20 ms.
    const slowed = 'openat,fstat,newfstatat,statx,pread64,read';
    const args = ['-f', '-o', '/dev/null', '-P', store, '-e', `inject=${slowed}:delay_enter=20000`, EXECUTABLE];
    const slow = begin(command, {
      store,
      conf,
      owner: `slow-${command}`,
      env: command === 'STATUS' ? STATUS_ENV : {},
      options: { command: 'strace', args },
    });
    let ended = false;
    slow.done.finally(() => {
      ended = true;
    });
    let grown = 0;
    const before = lastPageOf(store);
    while (!ended) addressesOf(await grow(grown++), `ADD ${grown} beside a slow ${command}`);
    const run = await slow.done;
    assert.ok(lastPageOf(store) > before, 'the store did not grow');
    if (command === 'ADD') addressesOf(run, 'slow ADD');
    else silent(run, `slow ${command}, ${grown} ADDs beside it`);
  });
}

for (const command of ['ADD', 'STATUS']) {
  testWith(test, ['strace'], `the slow close of the last reader does not break ${command}`, async () => {
    const store = temporaryStore();
    const conf = dualStack();
    addressesOf(await add({ store, conf, owner: 'first' }));
    // The last one to close destroys LMDB's mutexes, and then closes the lock file: here, 400 ms later.
    const slowed = ['-f', '-o', '/dev/null', '-P', `${store}-lock`, '-e', 'inject=close:delay_enter=400000'];
    const args = [...slowed, EXECUTABLE, 'list', '--json'];
    const reader = start({ command: 'strace', args, env: { IPAM_DB_PATH: store } });
    const isClosing = () => childrenOf(reader.pid).some(pid => hasOpen(pid, `${store}-lock`) && !hasOpen(pid, store));
    while (!isClosing() && reader.child.exitCode === null) await sleep(5);
    const what = `${command} beside a reader that closes`;
    if (command === 'ADD') addressesOf(await add({ store, conf, owner: 'second' }), what);
    else silent(await status({ store, conf }), what);
    leasesOf(await reader.done, 'the slow reader');
  });
}

test('short writers, eight at a time, with list and STATUS beside them', async () => {
  const writers = effort(200, 3_000);
  const figures = await storm({ store: temporaryStore(), writers, atOnce: 8 });
  assert.equal(figures.wrong, [], JSON.stringify(figures));
  assert.ok(figures.lists >= 5 && figures.statuses >= 5, `too few readers: ${JSON.stringify(figures)}`);
  assert.ok(figures.dels >= 30 && figures.adds >= 30, `too one-sided: ${JSON.stringify(figures)}`);
  tried(`${writers} short writers, ${figures.lists} lists and ${figures.statuses} STATUS beside them`);
});

test.run();
