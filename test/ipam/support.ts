// A small world for the rules: stores, holders and pool requests in few words.

import { createHash } from 'node:crypto';
import type { PoolRequest, Surroundings } from '../../src/ipam/allocator.ts';
import { Forest } from '../../src/ipam/forest.ts';
import { Ledger, ReadLedger } from '../../src/ipam/ledger.ts';
import { Subnet } from '../../src/ipam/subnet.ts';
import { parseAddress } from '../../src/net/address.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import type { Holder, Lease } from '../../src/store/lease.ts';
import type { ReadTransaction, Transaction } from '../../src/store/transaction.ts';

export const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();

export const ledgerOf = (transaction: Transaction): Ledger => new Ledger(transaction, sha256);
export const readLedgerOf = (transaction: ReadTransaction): ReadLedger => new ReadLedger(transaction, sha256);

export const holder = (id: string, rest: Partial<Holder> = {}): Holder => ({
  id,
  containerId: '',
  interfaceName: '',
  network: '',
  ...rest,
});

/** A pool as the configuration would give it: the default gateway unless one is named, or none for null. */
export function pool(subnetText: string, options: { requested?: string; gateway?: string | null } = {}): PoolRequest {
  const subnet = new Subnet(parsePrefix(subnetText));
  const { gateway, requested } = options;
  return {
    subnet,
    gateway: gateway === null ? undefined : gateway === undefined ? subnet.defaultGateway : parseAddress(gateway),
    requested: requested === undefined ? undefined : parseAddress(requested),
  };
}

/** Surroundings that keep what was warned of. */
export function surroundings(bootId = 'boot-1'): Surroundings & { warnings: string[] } {
  const warnings: string[] = [];
  return { bootId, now: () => 1_700_000_000_000, warnings, warn: message => warnings.push(message) };
}

/** Makes anonymous leases, all at once. */
export function lease(transaction: Transaction, addresses: Iterable<Uint8Array>, template: Partial<Lease> = {}): void {
  const ledger = ledgerOf(transaction);
  const forest = new Forest(ledger);
  for (const address of addresses) {
    ledger.putLease({
      ...holder(''),
      kind: 'container',
      subnetBits: 0,
      bootId: '',
      timeMs: 0,
      ...template,
      address,
    });
    forest.tree(address.length === 4 ? 4 : 6).mark(address);
  }
  forest.save(ledger);
}
