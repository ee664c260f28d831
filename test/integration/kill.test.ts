// SIGKILL at any moment leaves both families or none, and the next command works at once.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Run, temporaryStore } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import {
  add,
  addressesOf,
  begin,
  del,
  distinct,
  dualStack,
  type Lease,
  list,
  refused,
  silent,
} from './support/ipam.ts';
import { inParallel, type Started, sleep } from './support/process.ts';

const test = suite('kill');

const KILLS = 60;
const NEXT_MS = 2_000;
const CAPACITY = 125; // 2 ** 7 - network - broadcast - gateway
const conf = dualStack({ 'ipv4-subnet': '10.0.0.0/25', 'ipv6-subnet': '2001:db8::/64' });

/** Container leases of each owner. */
function byOwner(leases: Lease[], owners: string[]): Map<string, string[]> {
  const addresses = new Map<string, string[]>(owners.map(owner => [owner, []]));
  for (const lease of leases) {
    if (lease.kind !== 'container') continue;
    const owner = owners.find(name => JSON.stringify(lease).includes(`"${name}"`));
    assert.ok(owner, `list: a lease of nobody: ${JSON.stringify(lease)}`);
    addresses.get(owner)?.push(lease.address);
  }
  return addresses;
}

/** Both families or none, and what was acknowledged is there. */
function bothOrNone(leases: Lease[], runs: Map<string, Run>, seed: number): void {
  distinct(
    leases.map(({ address }) => address),
    `seed ${seed}: list`,
  );
  for (const [owner, addresses] of byOwner(leases, [...runs.keys()])) {
    const families = addresses.map(address => (address.includes(':') ? 6 : 4)).sort();
    assert.ok(['', '4,6'].includes(String(families)), `seed ${seed}: ${owner} holds ${addresses}`);
    const run = runs.get(owner)!;
    if (run.stdout.trimEnd().endsWith('}')) {
      const acknowledged = (JSON.parse(run.stdout) as { ips: { address: string }[] }).ips;
      assert.equal(
        acknowledged.map(({ address }) => address.replace(/\/.*/, '')).sort(),
        addresses.sort(),
        `seed ${seed}: acknowledged to ${owner}`,
      );
    }
  }
}

async function killAfter({ child, done }: Started, ms: number): Promise<Run> {
  await sleep(ms);
  child.kill('SIGKILL');
  return await done;
}

/** Fills the pool, and fails unless it takes exactly what is not held. */
async function fill(store: string, seed: number): Promise<void> {
  const free =
    CAPACITY - (await list(store)).filter(({ kind, address }) => kind === 'container' && !address.includes(':')).length;
  const owners = Array.from({ length: free }, (_, index) => `fill${index}`);
  const runs = await inParallel(owners, 8, owner => add({ store, conf, owner }));
  distinct(
    runs.flatMap((run, index) => addressesOf(run, `seed ${seed}: ADD ${index} of ${free} that must fit`)),
    `seed ${seed}: fill`,
  );
  refused(await add({ store, conf, owner: 'too-many' }), 101, `seed ${seed}: ADD in the full pool`);
  const leases = await list(store);
  const families = [4, 6].map(
    family =>
      leases.filter(({ kind, address }) => kind === 'container' && (family === 6) === address.includes(':')).length,
  );
  assert.equal(families, [CAPACITY, CAPACITY], `seed ${seed}: leases of IPv4 and IPv6 in the full pool`);
}

test(`${KILLS} ADDs killed at random moments: both families or none, no address leaks`, async () => {
  const random = new Random('killed ADDs');
  const store = temporaryStore();
  // How long one takes here and now; the moments cover all of it.
  const { ms } = await add({ store, conf, owner: 'measure' });
  silent(await del({ store, conf, owner: 'measure' }));
  const spanMs = Math.max(25, Math.min(1.2 * ms, 100));
  const runs = new Map<string, Run>();
  for (let index = 0; index < KILLS; index++) {
    const killed = begin('ADD', { store, conf, owner: `killed${index}` });
    runs.set(`killed${index}`, await killAfter(killed, ((index + random.fraction()) * spanMs) / KILLS));
    const next = await add({ store, conf, owner: 'next' });
    addressesOf(next, `seed ${seed}: ADD after kill ${index}`);
    assert.ok(next.ms < NEXT_MS, `seed ${seed}: ADD after kill ${index} took ${Math.round(next.ms)} ms`);
    silent(await del({ store, conf, owner: 'next' }), `seed ${seed}: DEL after kill ${index}`);
  }
  const leases = await list(store);
  bothOrNone(leases, runs, seed);
  const acknowledged = [...runs.values()].filter(run => run.stdout.trimEnd().endsWith('}')).length;
  const holding = leases.filter(({ kind }) => kind === 'container').length / 2;
  console.log(`${KILLS} killed within ${spanMs.toFixed(0)} ms: ${holding} hold leases, ${acknowledged} were told so`);
  await fill(store, seed);
  await inParallel([...runs.keys()], 8, async owner =>
    silent(await del({ store, conf, owner }), `seed ${seed}: DEL of ${owner}`),
  );
});

test('ADDs and DELs killed four at a time: both families or none, no address leaks', async () => {
  const random = new Random('killed ADDs and DELs');
  const store = temporaryStore();
  const kept = Array.from({ length: 16 }, (_, index) => `kept${index}`);
  const before = await inParallel(kept, 4, owner => add({ store, conf, owner }));
  for (const run of before) addressesOf(run);
  const runs = new Map<string, Run>();
  await inParallel(
    Array.from({ length: 32 }, (_, index) => index),
    4,
    async index => {
      const isDel = index % 2 === 1;
      const owner = isDel ? `kept${(index - 1) / 2}` : `killed${index}`;
      const run = await killAfter(begin(isDel ? 'DEL' : 'ADD', { store, conf, owner }), random.fraction() * 60);
      runs.set(owner, run);
      const next = await add({ store, conf, owner: `next${index}` });
      runs.set(`next${index}`, next);
      addressesOf(next, `seed ${seed}: ADD after kill ${index}`);
      assert.ok(next.ms < NEXT_MS, `seed ${seed}: ADD after kill ${index} took ${Math.round(next.ms)} ms`);
    },
  );
  const leases = await list(store);
  bothOrNone(leases, runs, seed);
  for (const [owner, addresses] of byOwner(leases, [...runs.keys()])) {
    const run = runs.get(owner)!;
    if (owner.startsWith('kept') && run.status === 0) assert.equal(addresses, [], `seed ${seed}: ${owner} was deleted`);
  }
  await fill(store, seed);
});

test.run();
