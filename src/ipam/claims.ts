// Addresses that are in use by what is left of a damaged store, though their leases are lost: a lease's row that cannot
// be read any more, its owner's row, its pool's list of gateways, or the octet tree says so.
//
// Only where rows may be missing: elsewhere a lease that is not there has been freed, and the other rows are wrong.

import { formatAddress, octetsOf } from '../net/address.ts';
import { isWithin, type KeyRange } from '../store/key-range.ts';
import type { LeaseKind } from '../store/lease.ts';
import { leaseKey, parseKey } from '../store/records.ts';
import { type Content, keyText, type NodeRow } from './content.ts';

export interface Claim {
  address: Uint8Array;
  kind: LeaseKind;
  /** What says so. */
  evidence: string;
}

const ROW_ALONE = 'a row that cannot be read is there';

/** Whether other rows say so too. */
export const isConfirmed = ({ evidence }: Claim): boolean => evidence !== ROW_ALONE;

/** By the keys of the leases. */
export type Claims = Map<string, Claim>;

export function findClaims(content: Content, unreadable: readonly Uint8Array[], lost: readonly KeyRange[]): Claims {
  const claims: Claims = new Map();
  if (lost.length === 0) return claims;
  const claim = (address: Uint8Array, kind: LeaseKind, evidence: string) => {
    const key = leaseKey(address);
    const text = keyText(key);
    if (content.leases.has(text) || claims.has(text) || !lost.some(range => isWithin(range, key))) return;
    claims.set(text, { address, kind, evidence });
  };
  for (const { gateways, subnet } of content.pools.values()) {
    for (const gateway of gateways) claim(gateway, 'gateway', `it is a gateway of pool ${subnet}`);
  }
  for (const { addresses } of content.owners.values()) {
    for (const address of addresses) claim(address, 'container', "its owner's row names it");
  }
  for (const node of content.nodes.values()) {
    for (const address of usedBelow(node)) claim(address, 'container', 'the tree calls it used');
  }
  // Last, as such a row alone may bear a wrong key: it is not known to be the one that is lost.
  for (const key of unreadable) {
    const row = parseKey(key);
    if (row?.kind === 'lease') claim(row.address, 'container', ROW_ALONE);
  }
  return claims;
}

/** The addresses that a leaf calls used, or the node above leaves. Higher up lie more than any damage takes away. */
function* usedBelow({ family, prefix, bits }: NodeRow): Iterable<Uint8Array> {
  const free = octetsOf(family) - prefix.length; // octets below the prefix
  if (free > 2) return;
  for (let bit = 0; bit < 256; bit++) {
    if (!hasBit(bits, bit)) continue;
    if (free === 1) yield Uint8Array.of(...prefix, bit);
    else for (let octet = 0; octet < 256; octet++) yield Uint8Array.of(...prefix, bit, octet);
  }
}

/** Bit 0 is the lowest address in the node. */
export const hasBit = (bits: Uint8Array, bit: number): boolean => ((bits[bit >> 3]! >> (bit & 7)) & 1) === 1;

/** What a claimed address is called in a finding. */
export const describeClaim = ({ address, kind }: Claim): string =>
  `${kind === 'gateway' ? 'gateway' : 'address'} ${formatAddress(address)}`;
