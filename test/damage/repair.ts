// A damaged store is repaired: it is clean then, has what was sound before, and gives addresses.

import * as assert from 'uvu/assert';
import { formatAddress } from '../../src/net/address.ts';
import { addRepaired, ipam, told } from '../tools/support.ts';
import { CONF } from './judge.ts';
import { diagnose } from './whole.ts';

/** False if nothing of a store was left, and the file stays as it is. */
export async function repairs(store: string, what: string): Promise<boolean> {
  const before = diagnose(store);
  const repair = await ipam(store, 'fsck', '--repair');
  const message = `${what}: ${told(repair)}`;
  if (repair.status === 2) {
    assert.match(repair.stderr, /no row of a store/, message);
    assert.is(before.leases.size, 0, message);
    return false;
  }
  assert.is(repair.status, before.status === 0 ? 0 : 1, message);
  const after = diagnose(store);
  assert.is(after.status, 0, `${message}\nfsck after the repair`);
  const lost = [...before.leases.keys()].filter(key => !after.leases.has(key));
  assert.equal(lost, [], `${message}\nsound leases lost by the repair`);
  const taken = [...after.leases.values()].map(({ address }) => formatAddress(address));
  const given = await addRepaired({ store, conf: CONF, owner: 'after-the-repair' }, what);
  assert.equal(
    given.filter(address => taken.includes(address)),
    [],
    `${what}: given twice after the repair`,
  );
  return true;
}
