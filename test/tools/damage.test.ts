// Damaged stores under the real executable: a check ends by itself, what it calls clean the plugin can use, and a
// repair gives nothing away.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { del, dualStack, type Lease, list, silent } from '../integration/support/ipam.ts';
import { inParallel } from '../integration/support/process.ts';
import { Random } from '../support/random.ts';
import { DAMAGES, damaged } from './damages.ts';
import { grownStore } from './stores.ts';
import { addRepaired, exits, ipam, told } from './support.ts';

const test = suite('damage under the tools');

const OWNERS = 2000;
const CASES_OF_EACH_DAMAGE = 5;
const CONF = dualStack({ 'ipv4-subnet': '10.0.0.0/16' });

const whole = grownStore(OWNERS, new Random('grown'));
const cases = DAMAGES.flatMap(damage =>
  Array.from({ length: CASES_OF_EACH_DAMAGE }, (_, i) => ({ damage, name: `${damage.name} ${i}` })),
);

test('fsck ends with 0, 1 or 2 and never by a signal; a clean store lists what it always did', async () => {
  const path = await whole;
  exits(await ipam(path, 'fsck'), 0, 'clean');
  const leases = await list(path);
  assert.ok(leases.length > OWNERS, `${leases.length} leases`);
  const statuses = await inParallel(cases, 2, async ({ damage, name }) => {
    const { store, what } = damaged(path, damage, new Random(name));
    const reply = await ipam(store, 'fsck');
    assert.ok([0, 1, 2].includes(reply.status ?? -1), `${what}: ${told(reply)}`);
    assert.is(reply.status !== 0, reply.stdout.includes(';') || reply.stderr !== '', `${what}: ${told(reply)}`);
    if (reply.status === 0) assert.equal(await list(store), leases, what);
    else await repairs(store, what, leases);
    return reply.status;
  });
  assert.ok(statuses.filter(status => status === 1).length > cases.length / 5, `${statuses}`);
});

/** Repairs the store: what the damage spared is there, what it took is not given again, and the plugin goes on. */
async function repairs(store: string, what: string, whole: Lease[]): Promise<void> {
  const repair = await ipam(store, 'fsck', '--repair');
  if (repair.status === 2) {
    // Nothing of a store was left, and the file stays as it is.
    assert.match(repair.stderr, /no row of a store/, `${what}: ${told(repair)}`);
    return;
  }
  exits(repair, 1, 'repaired');
  exits(await ipam(store, 'fsck'), 0, 'clean');
  const before = new Map(whole.map(lease => [lease.address, JSON.stringify(lease)]));
  const after = new Map((await list(store)).map(lease => [lease.address, lease]));
  for (const [address, lease] of after) {
    const isAsBefore = before.get(address) === JSON.stringify(lease);
    const isRecovered = String(lease.id).startsWith('recovered by fsck: ') || lease.kind === 'gateway';
    // Without header or free list, what is stale cannot always be told from what is in use.
    const mayBeStale = /^(meta page|free list)/m.test(repair.stdout);
    assert.ok(isAsBefore || isRecovered || mayBeStale, `${what}: ${JSON.stringify(lease)}`);
  }
  const missing = [...before.keys()].filter(address => !after.has(address));
  assert.ok(missing.length === 0 || repair.stdout.includes('without a trace'), `${what}: ${missing}\n${told(repair)}`);
  const given = await addRepaired({ store, conf: CONF, owner: 'new' }, what);
  for (const address of given) assert.not(after.has(address), `${what}: ${address} is given twice`);
  for (const address of given) assert.ok(missing.includes(address) || !before.has(address), `${what}: ${address}`);
  silent(await del({ store, conf: CONF, owner: 'new' }), what);
  exits(await ipam(store, 'fsck'), 0, 'clean');
}

test.run();
