// A limit on the size of files (setrlimit(2), RLIMIT_FSIZE), which comes with a signal: for the caller, a full disk.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cniEnv, EXECUTABLE, type Run, run, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { exits, ipam } from '../tools/support.ts';
import { addressesOf, distinct, dualStack, held, refused, silent, withId } from './support/ipam.ts';

const test = suite('file size');

const LIMIT_BYTES = 900_000;

const conf = dualStack({ 'ipv4-subnet': '10.0.0.0/16' });

/** A call of one owner under the limit. A long id takes pages of its own. */
const callAs = (command: 'ADD' | 'DEL', store: string, owner: number): Promise<Run> =>
  run({
    command: 'prlimit',
    args: [`--fsize=${LIMIT_BYTES}`, EXECUTABLE],
    env: cniEnv(command, store),
    stdin: withId(conf, `${owner} `.padEnd(3000, 'x')),
  });

testWith(test, ['prlimit'], 'ADDs are refused, nothing is lost, and every lease can be given back', async () => {
  const store = temporaryStore();
  const addresses: string[] = [];
  let owners = 0;
  for (; ; owners++) {
    const result = await callAs('ADD', store, owners);
    if (result.status !== 0) {
      assert.match(refused(result, 5, `ADD ${owners}`).msg, /file too large/i);
      break;
    }
    addresses.push(...addressesOf(result));
    assert.ok(owners < 200, 'the limit does not bite');
  }
  distinct(addresses, 'under the limit');
  assert.ok(owners > 20, `only ${owners} ADDs before the limit`);
  assert.is((await held(store)).length, addresses.length);
  for (let owner = 0; owner < owners; owner++) silent(await callAs('DEL', store, owner), `DEL ${owner}`);
  assert.equal(await held(store), []);
  exits(await ipam(store, 'fsck'), 0);
  addressesOf(await callAs('ADD', store, owners));
});

test.run();
