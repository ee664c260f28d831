// A store's file or directory that cannot be written to, as a read-only mount makes it even for root: calls that write
// are refused, and change nothing; a daemon goes on to serve what it can write.

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NOBODY, PROGRAM, startDaemon, stopDaemon } from '../daemon/support/daemon.ts';
import { EXECUTABLE, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { exits, ipam } from '../tools/support.ts';
import {
  add,
  addressesOf,
  type Call,
  check,
  complained,
  del,
  dualStack,
  held,
  listRun,
  refused,
  silent,
  status,
} from './support/ipam.ts';

const test = suite('read-only');

const conf = dualStack();

const SCRIPT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
/** Runs a program where this path is read-only. */
const readOnly = (path: string, ...program: string[]) => ['unshare', '-m', 'sh', '-c', SCRIPT, path, ...program];

for (const [what, pathOf] of [
  ['file', (store: string) => store],
  ['directory', dirname],
] as const) {
  /** What has to hold of calls on a store with one lease, which is c1's. */
  const refusesWrites = async (parameters: Call) => {
    const { store } = parameters;
    const before = readFileSync(store);
    refused(await add({ ...parameters, owner: 'c2' }), 5, 'ADD');
    refused(await del(parameters), 5, 'DEL');
    refused(await status(parameters), 50, 'STATUS');
    const checked = await check(parameters);
    if (checked.status !== 0) refused(checked, 5, 'CHECK');
    assert.ok(readFileSync(store).equals(before), 'the file has changed');
  };
  const worksAgain = async (store: string) => {
    assert.equal(addressesOf(await add({ store, conf, owner: 'c2' })), ['10.0.0.3', '2001:db8::3']);
    silent(await del({ store, conf }), 'DEL');
    assert.equal(await held(store), ['10.0.0.3', '2001:db8::3']);
    exits(await ipam(store, 'fsck'), 0, 'clean');
  };

  testWith(test, ['root', 'unshare'], `one-shot processes and a read-only ${what}`, async () => {
    const store = temporaryStore();
    addressesOf(await add({ store, conf }));
    const [command, ...args] = readOnly(pathOf(store), EXECUTABLE);
    await refusesWrites({ store, conf, env: NOBODY, options: { command: command!, args } });
    const listed = await listRun(store, {}, { command: command!, args: [...args, 'list', '--json'] });
    if (listed.status !== 0) complained(listed, 'list');
    await worksAgain(store);
  });

  testWith(test, ['root', 'unshare'], `a daemon and a read-only ${what}`, async () => {
    const [store, other] = [temporaryStore(), temporaryStore()];
    addressesOf(await add({ store, conf }));
    const daemon = await startDaemon({ command: readOnly(pathOf(store), PROGRAM, 'serve') });
    const { env } = daemon;
    for (let round = 0; round < 2; round++) await refusesWrites({ store, conf, env });
    assert.equal(addressesOf(await add({ store: other, conf, env })), ['10.0.0.2', '2001:db8::2']);
    await stopDaemon(daemon);
    await worksAgain(store);
  });
}

test.run();
