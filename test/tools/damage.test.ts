// Damaged stores under the real executable: a check ends by itself, and what it calls clean the plugin can use.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { list } from '../integration/support/ipam.ts';
import { inParallel } from '../integration/support/process.ts';
import { Random } from '../support/random.ts';
import { DAMAGES, damaged, grownStore } from './stores.ts';
import { exits, ipam, told } from './support.ts';

const test = suite('damage under the tools');

const OWNERS = 2000;
const CASES_OF_EACH_DAMAGE = 8;

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
    assert.is(reply.status === 1, reply.stdout.includes(';'), `${what}: ${told(reply)}`);
    if (reply.status === 0) assert.equal(await list(store), leases, what);
    return reply.status;
  });
  assert.ok(statuses.filter(status => status === 1).length > cases.length / 5, `${statuses}`);
});

test.run();
