// What has to hold of calls on a damaged store, whatever the damage is.

import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import {
  add,
  addressesOf,
  check,
  del,
  dualStack,
  leasesOf,
  listRun,
  type Network,
  status,
  withId,
} from '../integration/support/ipam.ts';
import type { Env, Run } from '../support/plugin.ts';
import type { Random } from '../support/random.ts';
import { ipam, told } from '../tools/support.ts';
import { type Command, type Ending, endingOf } from './calls.ts';
import { type Diagnosis, diagnose, type Whole } from './whole.ts';

export const CONF = dualStack({ 'ipv4-subnet': '10.0.0.0/16' });
const NEW = 'new owner';

export interface Case {
  whole: Whole;
  /** The damaged copy. */
  store: string;
  what: string;
  random: Random;
  /** Leads the calls to a daemon; undefined: one-shot processes. */
  daemon: Env | undefined;
}

/** How one case ended. */
export interface Verdict {
  /** Exit status of `fsck`. */
  fsck: 0 | 1 | 2;
  endings: Ending[];
  /** Addresses of leases that were given again, and leases gone: of what `fsck` had found before. */
  givenAgain: number;
  gone: number;
}

export async function judgeCase({ whole, store, what, random, daemon }: Case): Promise<Verdict> {
  const found = diagnose(store);
  const fsck = await ipam(store, 'fsck');
  assert.is(fsck.status, found.status, `${what}: ${told(fsck)}`);
  if (found.status === 0) assert.equal(found.rows, whole.rows, `${what}: fsck calls it clean`);
  const endings: Ending[] = [];
  const judged = async (command: Command, owner: string, call: (conf: Network) => Promise<Run>) => {
    const where = `${what}: ${command} of ${owner.slice(0, 20)}, ${found.status} by fsck`;
    const before = readFileSync(store);
    const { leases } = diagnose(store);
    const run = await call(withId(CONF, owner));
    const ending = endingOf(run, command, store, daemon !== undefined, where);
    if (found.status === 0) assert.is(ending, 'done', `${where}: ${told(run)}`);
    const isRead = command === 'CHECK' || command === 'STATUS';
    if (isRead || (ending !== 'done' && daemon !== undefined)) isAsBefore(store, before, where);
    else if (ending !== 'done') keepsLeases(store, leases, where);
    endings.push(ending);
    return run;
  };

  const env = daemon ?? {};
  const [checked, leaving] = [random.pick(whole.owners), random.pick(whole.owners)];
  await judged('CHECK', checked, conf => check({ store, conf, env }));
  await judged('STATUS', NEW, conf => status({ store, conf, env }));
  await listsInOrder(store, found, whole, what);
  let given: string[] = [];
  const adds = async () => {
    const run = await judged('ADD', NEW, conf => add({ store, conf, env }));
    if (run.status === 0) given = addressesOf(run, what);
  };
  let freed: string | undefined;
  const dels = async () => {
    const run = await judged('DEL', leaving, conf => del({ store, conf, env }));
    if (run.status === 0) freed = leaving;
  };
  for (const write of random.chance(0.5) ? [adds, dels] : [dels, adds]) await write();

  const givenAgain = given.filter(address => whole.addresses.has(address)).length;
  const after = diagnose(store);
  const gone = [...whole.leases].filter(
    ([key, { id }]) => id !== freed && !found.mayBeLost(key) && after.rows.get(key) !== whole.rows.get(key),
  );
  if (found.status === 0) {
    assert.is(givenAgain, 0, `${what}: ${given} given twice`);
    const size = whole.leases.size + given.length - (freed === undefined ? 0 : 2);
    assert.equal([after.status, after.leases.size], [0, size], `${what}: fsck and leases after the calls`);
  }
  const keys = gone.map(([key]) => key);
  if (daemon !== undefined || after.status === 0) assert.equal(keys, [], `${what}: leases lost without a word`);
  return { fsck: found.status, endings, givenAgain, gone: gone.length };
}

/** What has not been written to holds what it held; zeros may have been allocated behind it. */
function isAsBefore(store: string, before: Buffer, what: string): void {
  const after = readFileSync(store);
  const isKept = after.subarray(0, before.length).equals(before);
  const isLonger = after.subarray(before.length).some(byte => byte !== 0);
  assert.ok(isKept && !isLonger, `${what}: the file has changed`);
}

/** A process of one call learns of wrong pages from LMDB, which may have written to free ones by then. */
function keepsLeases(store: string, before: Diagnosis['leases'], what: string): void {
  const after = diagnose(store).leases;
  const gone = [...before.keys()].filter(key => !after.has(key));
  assert.equal(gone, [], `${what}: leases gone, though the call was refused`);
}

/** The command line has no launcher that turns a signal into an error. */
async function listsInOrder(store: string, found: Diagnosis, whole: Whole, what: string): Promise<void> {
  const run = await listRun(store);
  assert.is(run.signal, null, `${what}: list: ${told(run)}`);
  if (found.status === 0) assert.equal(leasesOf(run), whole.listed, `${what}: list`);
  else if (run.status !== 0) assert.ok(run.stderr.includes(store), `${what}: list: ${told(run)}`);
}
