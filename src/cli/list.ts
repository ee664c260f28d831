// `ecs-ipam list`: what is in the store.

import type { Services } from '../cni/commands.ts';
import { type Env, parseStoreLocation } from '../cni/environment.ts';
import { ReadLedger } from '../ipam/ledger.ts';
import { formatAddress } from '../net/address.ts';
import { firstAddress, formatPrefix } from '../net/prefix.ts';
import type { Lease } from '../store/lease.ts';

/** A lease as `list --json` shows it. */
export interface ListedLease {
  address: string;
  kind: Lease['kind'];
  subnet: string;
  id: string;
  containerId: string;
  ifname: string;
  network: string;
  /** ISO 8601, UTC. */
  since: string;
  bootId: string;
}

/** All leases, IPv4 first, in address order; none if there is no store. */
export async function listLeases(env: Env, services: Services): Promise<ListedLease[]> {
  const store = await services.openStore(parseStoreLocation(env), 'read');
  if (store === undefined) return [];
  try {
    return store.read(transaction => {
      const ledger = new ReadLedger(transaction, services.sha256);
      return [...ledger.leases(4), ...ledger.leases(6)].map(describeLease);
    });
  } finally {
    await store.close();
  }
}

export function describeLease(lease: Lease): ListedLease {
  const subnet = { address: lease.address, bits: lease.subnetBits };
  return {
    address: formatAddress(lease.address),
    kind: lease.kind,
    subnet: formatPrefix({ ...subnet, address: firstAddress(subnet) }),
    id: lease.id,
    containerId: lease.containerId,
    ifname: lease.interfaceName,
    network: lease.network,
    since: new Date(lease.timeMs).toISOString(),
    bootId: lease.bootId,
  };
}

const COLUMNS = ['address', 'kind', 'subnet', 'id', 'containerId', 'ifname', 'network', 'since'] as const;
const HEADINGS = ['ADDRESS', 'KIND', 'SUBNET', 'ID', 'CONTAINER', 'INTERFACE', 'NETWORK', 'SINCE'];

/** A table for people. Control characters, which an id may contain, are escaped. */
export function formatLeases(leases: readonly ListedLease[]): string {
  const rows = [HEADINGS, ...leases.map(lease => COLUMNS.map(column => printable(lease[column]) || '-'))];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, char => JSON.stringify(char).slice(1, -1));
