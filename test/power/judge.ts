// What has to hold of a store after a power failure, whatever the failure has left of its files.

import * as assert from 'uvu/assert';
import { examine } from '../../src/cli/examine.ts';
import { acquire, release } from '../../src/ipam/allocator.ts';
import { formatAddress } from '../../src/net/address.ts';
import type { FileLocks } from '../../src/store/flock.ts';
import { nodeFileLocks } from '../../src/store/flock-node.ts';
import { openLocked } from '../../src/store/guard.ts';
import type { Holder, Lease } from '../../src/store/lease.ts';
import type { LmdbStore } from '../../src/store/lmdb.ts';
import { deadlineOf } from '../../src/store/lock.ts';
import type { Access } from '../../src/store/transaction.ts';
import { ledgerOf, pool, readLedgerOf, sha256, surroundings } from '../ipam/support.ts';
import type { Promised, State } from './states.ts';

/** Nobody else is there: the lock is not what is tested, and flock(1) would take longer than all the rest. */
const ALONE: FileLocks = { ...nodeFileLocks, tryFlock: () => true };

export const SUBNETS = ['10.0.0.0/23', '2001:db8::/64'];
const requests = SUBNETS.map(subnet => pool(subnet));
const FAMILIES = [4, 6] as const;

/** Opens the store as the product does, and does with it what a host does next. */
export async function judge(path: string, { promised }: State): Promise<void> {
  const before = await onStore(path, 'read', store => leasesIn(store));
  keepsPromises(before ?? [], promised);
  if (before !== undefined) isSound(path, before);
  const holder: Holder = { id: '', containerId: 'after', interfaceName: 'eth0', network: 'net' };
  const given = await onStore(path, 'create', store =>
    store.commit(transaction => acquire(ledgerOf(transaction), holder, requests, surroundings())),
  );
  const addresses = given!.map(({ address }) => formatAddress(address));
  const taken = (before ?? []).map(({ address }) => formatAddress(address));
  for (const address of addresses) assert.not(taken.includes(address), `${address} was given twice`);
  const leaving = (before ?? []).find(({ kind }) => kind === 'container');
  if (leaving !== undefined) {
    const freed = await onStore(path, 'write', store =>
      store.commit(transaction =>
        release(ledgerOf(transaction), leaving, requests, warning => assert.unreachable(warning)),
      ),
    );
    assert.is(freed?.length, 2, `DEL of ${leaving.containerId}`);
  }
  const after = (await onStore(path, 'read', store => leasesIn(store)))!;
  isSound(path, after);
  const expected = [...taken, ...addresses].length - (leaving === undefined ? 0 : 2);
  const gateways = before?.some(({ kind }) => kind === 'gateway') ? 0 : 2;
  assert.is(after.length, expected + gateways, 'leases after an ADD and a DEL');
}

async function onStore<T>(path: string, access: Access, work: (store: LmdbStore) => T): Promise<T | undefined> {
  const store = await openLocked(deadlineOf(path, 1000), access, ALONE, 'pages');
  if (store === undefined) return undefined;
  try {
    return work(store);
  } finally {
    await store.close();
  }
}

const leasesIn = (store: LmdbStore): Lease[] =>
  store.read(transaction => FAMILIES.flatMap(family => [...readLedgerOf(transaction).leases(family)]));

/** Nothing acknowledged is lost, nothing given back is held, and nobody holds half of what an ADD gives. */
function keepsPromises(leases: readonly Lease[], promised: ReadonlyMap<string, Promised>): void {
  const held = new Map<string, string[]>();
  for (const { kind, containerId, address } of leases) {
    if (kind !== 'container') continue;
    held.set(containerId, [...(held.get(containerId) ?? []), formatAddress(address)]);
  }
  for (const [owner, addresses] of held) {
    assert.ok(promised.has(owner), `${owner} holds ${addresses}, and has never asked`);
    const families = addresses.map(address => address.includes(':'));
    assert.equal(families, [false, true], `${owner} holds ${addresses}`);
  }
  for (const [owner, { is, addresses }] of promised) {
    const own = held.get(owner);
    if (is === 'held') assert.equal(own, addresses, `${owner} holds ${own}, and was told ${addresses}`);
    else if (is === 'free') assert.is(own, undefined, `${owner} holds ${own}, and has given it back`);
    else if (own !== undefined && addresses.length > 0) assert.equal(own, addresses, `${owner} holds ${own} meanwhile`);
  }
}

/** The file is what fsck calls clean, and holds these leases. */
function isSound(path: string, leases: readonly Lease[]): void {
  const { findings, content } = examine(path, sha256);
  assert.equal(findings, [], 'fsck');
  assert.is(content.leases.size, leases.length, 'leases that fsck counts');
}
