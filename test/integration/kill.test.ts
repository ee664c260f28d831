// SIGKILL at any moment leaves both families or none, nothing leaks, and the next command works at once. Killed is the
// launcher, with which its child goes, or the child alone.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { effort, tried } from '../support/effort.ts';
import { type Run, temporaryStore } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { exits, ipam } from '../tools/support.ts';
import {
  add,
  addressesOf,
  begin,
  call,
  del,
  distinct,
  dualStack,
  type Lease,
  list,
  network,
  refused,
  silent,
} from './support/ipam.ts';
import { childrenOf, inParallel, type Started, sleep } from './support/process.ts';

const test = suite('kill');

const NEXT_MS = 2_000;
const KILLS = effort(24, 40);
const ROUNDS = effort(1, 10);
// 2 ** 7, without network, broadcast and gateway, and without network and gateway.
const CAPACITY = { 4: 125, 6: 126 };
const SUBNET6 = '2001:db8::/121';
const conf = dualStack({ 'ipv4-subnet': '10.0.0.0/25', 'ipv6-subnet': SUBNET6 });

interface Counts {
  killed: number;
  children: number;
  holding: number;
  told: number;
}

/** Addresses of containers, by owner. */
function byOwner(leases: Lease[]): Map<string, string[]> {
  const addresses = new Map<string, string[]>();
  for (const { kind, containerId, address } of leases) {
    if (kind !== 'container') continue;
    const owner = containerId as string;
    addresses.set(owner, [...(addresses.get(owner) ?? []), address].sort());
  }
  return addresses;
}

/**
 * The addresses that an ADD, killed or not, has told of; undefined if it has not come so far. What exits with a failure
 * has told of none: a child that is killed after its last word leaves a launcher that calls it one.
 */
function toldOf({ status, stdout }: Run): string[] | undefined {
  if ((status !== null && status !== 0) || !stdout.trimEnd().endsWith('}')) return undefined;
  const { ips } = JSON.parse(stdout) as { ips?: { address: string }[] };
  return ips?.map(({ address }) => address.replace(/\/.*/, '')).sort();
}

/** Both families or none, and what was acknowledged is there. `adds` are the ADDs that nobody has undone. */
function bothOrNone(leases: Lease[], adds: Map<string, Run>, what: string): void {
  distinct(
    leases.map(({ address }) => address),
    `${what}: list`,
  );
  const held = byOwner(leases);
  for (const [owner, addresses] of held) {
    const families = addresses.map(address => (address.includes(':') ? 6 : 4)).sort();
    assert.is(String(families), '4,6', `${what}: ${owner} holds ${addresses}`);
  }
  for (const [owner, run] of adds) {
    const told = toldOf(run);
    if (told !== undefined) assert.equal(held.get(owner), told, `${what}: acknowledged to ${owner}`);
  }
}

/** Kills the launcher, or its child, which the launcher outlives. */
async function killAfter({ child, pid, done }: Started, ms: number, isChild: boolean, counts: Counts): Promise<Run> {
  await sleep(ms);
  const [target] = isChild ? childrenOf(pid) : [];
  counts.killed++;
  if (target === undefined) child.kill('SIGKILL');
  else {
    counts.children++;
    killUnlessGone(target);
  }
  return await done;
}

function killUnlessGone(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Fills both pools, and fails unless they take exactly what is not held. Then everything is given back. */
async function fillAndEmpty(store: string, what: string): Promise<void> {
  exits(await ipam(store, 'fsck'), 0, 'clean');
  const owners = byOwner(await list(store)).size;
  const free = Array.from({ length: CAPACITY[4] - owners }, (_, index) => `fill${index}`);
  const only6 = network({ 'ipv6-subnet': SUBNET6 });
  const given = await inParallel(free, 8, owner => add({ store, conf, owner }));
  given.push(await add({ store, conf: only6, owner: 'last' }));
  distinct(
    given.flatMap((run, index) => addressesOf(run, `${what}: ADD ${index} of ${free.length} that must fit`)),
    `${what}: fill`,
  );
  refused(await add({ store, conf, owner: 'too-many' }), 101, `${what}: ADD in full pools`);
  refused(await add({ store, conf: only6, owner: 'too-many' }), 101, `${what}: ADD in a full pool`);
  const containers = (await list(store)).filter(({ kind }) => kind === 'container');
  const of6 = containers.filter(({ address }) => address.includes(':')).length;
  assert.equal({ 4: containers.length - of6, 6: of6 }, CAPACITY, `${what}: leases in full pools`);
  silent(await call('GC', { store, conf: { ...conf, 'cni.dev/valid-attachments': [] } }), what);
  assert.equal(byOwner(await list(store)), new Map(), `${what}: when everything is given back`);
  exits(await ipam(store, 'fsck'), 0, 'clean');
}

async function nextWorks(store: string, owner: string, what: string): Promise<Run> {
  const next = await add({ store, conf, owner });
  addressesOf(next, what);
  assert.ok(next.ms < NEXT_MS, `${what} took ${Math.round(next.ms)} ms`);
  return next;
}

const say = (what: string, { killed, children, holding, told }: Counts) =>
  tried(`${what}: ${killed} killed, ${children} of them the child alone; ${holding} had leases, ${told} were told so`);

test('ADDs killed at random moments: both families or none, no address leaks', async () => {
  const random = new Random('killed ADDs');
  const counts: Counts = { killed: 0, children: 0, holding: 0, told: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const store = temporaryStore();
    // How long one takes here and now; the moments cover all of it.
    let { ms } = await nextWorks(store, 'next', `round ${round}: the first ADD`);
    silent(await del({ store, conf, owner: 'next' }));
    const adds = new Map<string, Run>();
    for (let index = 0; index < KILLS; index++) {
      const what = `seed ${seed}, round ${round}, after kill ${index}`;
      const killed = begin('ADD', { store, conf, owner: `killed${index}` });
      const afterMs = ((index + random.fraction()) * 1.2 * ms) / KILLS;
      adds.set(`killed${index}`, await killAfter(killed, afterMs, random.chance(0.5), counts));
      ms = (await nextWorks(store, 'next', `${what}: ADD`)).ms;
      silent(await del({ store, conf, owner: 'next' }), `${what}: DEL`);
    }
    const what = `seed ${seed}, round ${round}`;
    const leases = await list(store);
    bothOrNone(leases, adds, what);
    counts.holding += byOwner(leases).size;
    counts.told += [...adds.values()].filter(toldOf).length;
    await fillAndEmpty(store, what);
  }
  assert.ok(counts.holding < counts.killed, 'every kill came too late');
  say('ADDs one after another', counts);
});

test('ADDs and DELs killed four at a time: both families or none, no address leaks', async () => {
  const random = new Random('killed ADDs and DELs');
  const counts: Counts = { killed: 0, children: 0, holding: 0, told: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const what = `seed ${seed}, round ${round}`;
    const store = temporaryStore();
    const adds = new Map<string, Run>();
    const dels = new Map<string, Run>();
    const kept = Array.from({ length: KILLS / 2 }, (_, index) => `kept${index}`);
    let ms = 0;
    await inParallel(kept, 4, async owner => {
      const run = await nextWorks(store, owner, `${what}: ADD of ${owner}`);
      adds.set(owner, run);
      ms = run.ms;
    });
    const numbers = Array.from({ length: KILLS }, (_, index) => index);
    await inParallel(numbers, 4, async index => {
      const isDel = index % 2 === 1;
      const owner = isDel ? `kept${(index - 1) / 2}` : `killed${index}`;
      if (isDel) adds.delete(owner);
      const started = begin(isDel ? 'DEL' : 'ADD', { store, conf, owner });
      const run = await killAfter(started, random.fraction() * 1.2 * ms, random.chance(0.5), counts);
      (isDel ? dels : adds).set(owner, run);
      const next = await nextWorks(store, `next${index}`, `${what}: ADD after kill ${index}`);
      adds.set(`next${index}`, next);
      ms = next.ms;
    });
    const leases = await list(store);
    bothOrNone(leases, adds, what);
    const held = byOwner(leases);
    for (const [owner, { status }] of dels) {
      if (status === 0) assert.not(held.has(owner), `${what}: ${owner} was deleted`);
    }
    counts.holding += [...adds.keys(), ...dels.keys()].filter(o => !o.startsWith('next') && held.has(o)).length;
    counts.told += [...adds].filter(([owner, run]) => owner.startsWith('killed') && toldOf(run)).length;
    await fillAndEmpty(store, what);
  }
  say('ADDs and DELs four at a time', counts);
});

test.run();
