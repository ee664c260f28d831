// Which leases an operator means. They are listed first and freed afterwards (`freeUnchanged`), in another transaction.

import { formatAddress, parseAddress } from '../net/address.ts';
import type { Lease } from '../store/lease.ts';
import { isFromEarlierBoot } from './allocator.ts';
import type { ReadLedger } from './ledger.ts';

export interface Listing {
  leases: Lease[];
  /** Rows that could not be read; the others were looked at all the same. */
  errors: unknown[];
}

/** What an owner goes by: an id; or, of a container without one, its id, or `id/interface`. */
function ownerNames({ id, containerId, interfaceName }: Lease): string[] {
  if (id !== '') return [id];
  return containerId === '' ? [] : [containerId, `${containerId}/${interfaceName}`];
}

/** The lease of an address, a gateway's too. */
export function listAddress(ledger: ReadLedger, address: Uint8Array): Listing {
  const lease = ledger.lease(address);
  return { leases: lease === undefined ? [] : [lease], errors: [] };
}

/** All leases of an owner, in whatever subnet and network. Read from the leases: the owners' rows may be damaged. */
export function listOwner(ledger: ReadLedger, owner: string): Listing {
  return listContainers(ledger, lease => ownerNames(lease).includes(owner));
}

/** Leases from before a reboot: no network namespace outlives a boot. */
export function listEarlierBoots(ledger: ReadLedger, bootId: string): Listing {
  return listContainers(ledger, lease => isFromEarlierBoot(lease, { bootId }));
}

/** Who is known to live, and since when the list does not know of newcomers. */
export interface KeepList {
  /** Addresses and owners. */
  names: string[];
  asOfMs: number;
}

export interface KeepListing extends Listing {
  /** Leases that are not named, but too young to be missed. */
  young: Lease[];
  /** Names on the list that have no lease: mistakes, perhaps. */
  unknown: string[];
}

/** The leases that a list does not name and should. */
export function listUnkept(ledger: ReadLedger, keep: KeepList): KeepListing {
  const nameOfForm = new Map(keep.names.flatMap(name => [name, canonical(name)].map(form => [form, name])));
  const unknown = new Set(keep.names);
  const { leases, errors } = listContainers(ledger, lease => {
    const forms = [formatAddress(lease.address), ...ownerNames(lease)].filter(form => nameOfForm.has(form));
    for (const form of forms) unknown.delete(nameOfForm.get(form)!);
    return forms.length === 0;
  });
  const isYoung = (lease: Lease) => lease.timeMs > keep.asOfMs;
  return {
    leases: leases.filter(lease => !isYoung(lease)),
    errors,
    young: leases.filter(isYoung),
    unknown: [...unknown],
  };
}

/** An address in the one form that leases have it in; anything else, such as an id, as it is. */
function canonical(name: string): string {
  try {
    return formatAddress(parseAddress(name));
  } catch (error) {
    if (error instanceof SyntaxError) return name;
    throw error;
  }
}

/** Gateways are no container's, and never listed here. */
function listContainers(ledger: ReadLedger, matches: (lease: Lease) => boolean): Listing {
  const errors: unknown[] = [];
  const leases = ([4, 6] as const).flatMap(family =>
    Array.from(ledger.leases(family, error => errors.push(error))).filter(
      lease => lease.kind === 'container' && matches(lease),
    ),
  );
  return { leases, errors };
}
