// Takes leases over that somebody else has given: all of them in one transaction, or none.

import type { GoStore } from '../bolt/plugin.ts';
import { addressBits, type Family, familyOf, formatAddress, octetsOf, sameAddress } from '../net/address.ts';
import { compareKeys } from '../store/key-range.ts';
import { describeHolder, type Lease, ownerKey } from '../store/lease.ts';
import { leaseKey, type PoolRecord } from '../store/records.ts';
import { AllocationError } from './error.ts';
import { Forest } from './forest.ts';
import type { Ledger, ReadLedger } from './ledger.ts';
import { Subnet } from './subnet.ts';

/** A pool's state with its subnet. */
export interface Pool extends PoolRecord {
  subnet: Subnet;
}

/** What is to be taken over. */
export interface Shipment {
  leases: Lease[];
  pools: Pool[];
}

export interface ImportPlan {
  added: Lease[];
  /** What the store holds already, for the same owners. */
  present: Lease[];
  /** Why it cannot be done, a line for each lease. */
  conflicts: string[];
  pools: Pool[];
}

/** A shipment whose subnets are not known: those named are tried, the longest first. */
export interface Unplaced {
  leases: Omit<Lease, 'subnetBits'>[];
  cursors: Uint8Array[];
}

/** Conflicts that a message names; a dry run shows them all. */
const MOST_NAMED = 10;

/** The whole family: its pool keeps what is known of no subnet in particular (see `ReadLedger.pool`). */
export const wholeFamily = (family: Family): Subnet =>
  new Subnet({ address: new Uint8Array(octetsOf(family)), bits: 0 });

/**
 * Leases of the Go plugin, which knows neither subnets nor containers, boots or times. Their boot id stays empty: no
 * ADD may replace them, as nobody knows whether their containers are alive.
 */
export function unplacedOf({ leases, cursors }: GoStore, timeMs: number): Unplaced {
  const nobody = { containerId: '', interfaceName: '', network: '', bootId: '', timeMs };
  return {
    leases: leases.map(({ address, id, isGateway }) => ({
      ...nobody,
      address,
      id,
      kind: isGateway ? 'gateway' : 'container',
    })),
    cursors,
  };
}

/**
 * Says which of the subnets each lease belongs to. One that lies in none counts as given from a subnet of its own
 * address; last known addresses that lie in none go to the whole family, for a pool that is yet to come.
 */
export function place({ leases, cursors }: Unplaced, subnets: readonly Subnet[]): Shipment {
  const byLength = [...subnets].sort((a, b) => b.bits - a.bits);
  const find = (address: Uint8Array) => byLength.find(subnet => subnet.contains(address));
  const pools = new Map<string, Pool>();
  const poolOf = (address: Uint8Array) => {
    const subnet = find(address) ?? wholeFamily(familyOf(address));
    const pool = pools.get(String(subnet)) ?? { subnet, cursor: undefined, gateways: [] };
    pools.set(String(subnet), pool);
    return pool;
  };
  for (const cursor of cursors) poolOf(cursor).cursor = cursor;
  for (const { kind, address } of leases) if (kind === 'gateway') poolOf(address).gateways.push(address);
  // In address order, as the store has them; a bolt file sorts them as text.
  const sorted = [...leases].sort((a, b) => compareKeys(leaseKey(a.address), leaseKey(b.address)));
  return {
    leases: sorted.map(lease => ({ ...lease, subnetBits: find(lease.address)?.bits ?? addressBits(lease.address) })),
    pools: [...pools.values()],
  };
}

/** Compares a shipment with what the store holds. */
export function planImport(ledger: ReadLedger, { leases, pools }: Shipment): ImportPlan {
  const plan: ImportPlan = { added: [], present: [], conflicts: [], pools };
  const seen = new Set<string>();
  for (const lease of leases) {
    const text = formatAddress(lease.address);
    const there = ledger.lease(lease.address);
    const problem = seen.has(text)
      ? 'comes twice'
      : there === undefined
        ? heldBeside(ledger, lease)
        : held(there, lease);
    seen.add(text);
    if (problem !== undefined) plan.conflicts.push(`${text}: ${problem}`);
    else if (there === undefined) plan.added.push(lease);
    else plan.present.push(lease);
  }
  return plan;
}

/** Why a lease cannot be taken over where there is one; undefined if it is the same. */
function held(there: Lease, lease: Lease): string | undefined {
  if (there.kind === lease.kind && ownerKey(there) === ownerKey(lease)) return undefined;
  return `is to be of ${describe(lease)}, and is of ${describe(there)} here`;
}

/** Why the owner cannot hold the address; undefined if it may. One address in a subnet: what it holds here counts. */
function heldBeside(ledger: ReadLedger, lease: Lease): string | undefined {
  if (lease.kind === 'gateway') return undefined;
  const subnet = new Subnet({ address: lease.address, bits: lease.subnetBits });
  const other = ledger.leasesOf(lease).find(({ address }) => subnet.contains(address));
  return other && `is to be of ${describe(lease)}, which holds ${formatAddress(other.address)} in ${subnet} here`;
}

const describe = (lease: Lease): string => (lease.kind === 'gateway' ? 'a gateway' : describeHolder(lease));

/**
 * Takes a shipment over.
 *
 * @throws AllocationError 'in-use', having changed nothing, if anything of it is in conflict with the store
 */
export function importShipment(ledger: Ledger, shipment: Shipment): ImportPlan {
  const plan = planImport(ledger, shipment);
  const { added, conflicts, pools } = plan;
  if (conflicts.length > 0) throw inConflict(conflicts, shipment.leases.length);
  const forest = new Forest(ledger);
  for (const lease of added) {
    ledger.putLease(lease);
    forest.tree(familyOf(lease.address)).mark(lease.address);
  }
  for (const { subnet, cursor, gateways } of pools) {
    const before = ledger.ownPool(subnet);
    const isNew = (gateway: Uint8Array) => !before?.gateways.some(known => sameAddress(known, gateway));
    ledger.putPool(subnet, {
      cursor: before?.cursor ?? cursor,
      gateways: [...(before?.gateways ?? []), ...gateways.filter(isNew)],
    });
  }
  forest.save(ledger);
  return plan;
}

function inConflict(conflicts: readonly string[], count: number): AllocationError {
  const named = conflicts.slice(0, MOST_NAMED).join('; ');
  const rest = conflicts.length > MOST_NAMED ? `; and ${conflicts.length - MOST_NAMED} more` : '';
  return new AllocationError(
    'in-use',
    `${conflicts.length} of ${count} leases are in conflict with the store, nothing is imported: ${named}${rest}`,
  );
}

/** What was done, or would be, in words. */
export function describePlan({ added, present }: ImportPlan): string {
  const gateways = added.filter(({ kind }) => kind === 'gateway').length;
  const there = present.length > 0 ? `, ${present.length} there already` : '';
  return `${counted(added.length - gateways, 'lease')} and ${counted(gateways, 'gateway')}${there}`;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** All that a store holds. */
export function shipmentOf(ledger: ReadLedger): Shipment {
  const families = [4, 6] as const;
  return {
    leases: families.flatMap(family => [...ledger.leases(family)]),
    pools: families.flatMap(family =>
      [...ledger.poolsWithPrefix(family)].map(({ prefix, pool }) => ({ subnet: new Subnet(prefix), ...pool })),
    ),
  };
}
