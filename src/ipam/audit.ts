// Checks the rows of a store against each other: the leases are the truth, and all else follows from them.

import { Tree } from '../core/tree.ts';
import { type Family, formatAddress, IPV4_BYTES, octetsOf, sameAddress } from '../net/address.ts';
import { formatPrefix } from '../net/prefix.ts';
import { byHand, type Finding, repairable } from '../store/finding.ts';
import { isWithin, type KeyRange, only } from '../store/key-range.ts';
import { describeHolder, type Lease, ownerKey } from '../store/lease.ts';
import { checkSettings } from '../store/migrate.ts';
import { leaseKey, nodeKey, nodePrefix, ownerRowKey, poolKey } from '../store/records.ts';
import { type Claims, describeClaim, findClaims, hasBit, isConfirmed } from './claims.ts';
import { type Content, keyText, type NodeRow } from './content.ts';
import type { Sha256 } from './ledger.ts';
import { Subnet } from './subnet.ts';

export interface Audit {
  findings: Finding[];
  /** Addresses whose leases are lost, and that are in use. */
  claims: Claims;
  /** How many lost rows there are of which the others tell. */
  explained: number;
}

/** What a damaged store may be missing. */
export interface Loss {
  /** Keys of rows that cannot be read. */
  unreadable: readonly Uint8Array[];
  /** Keys whose rows may be missing. */
  lost: readonly KeyRange[];
}

/**
 * Checks all rows. Of those that may be lost none is reported as missing.
 *
 * @throws StoreError 'damaged' for a newer schema: nothing is known of its rows
 */
export function audit(content: Content, loss: Loss, sha256: Sha256): Audit {
  const unreadable = [...loss.unreadable, ...content.malformed];
  const lost = [...loss.lost, ...content.malformed.map(only)];
  /** What has to be there, is not, and may be lost. */
  const missed = new Set<string>();
  const isLost = (key: Uint8Array) => {
    const isLost = lost.some(range => isWithin(range, key));
    if (isLost) missed.add(keyText(key));
    return isLost;
  };
  const claims = findClaims(content, unreadable, lost);
  const findings = [
    ...content.findings,
    ...checkSettings(content.settings, isLost),
    ...[...claims.values()].map(claim =>
      repairable(
        describeClaim(claim),
        `its lease is lost, and ${claim.evidence}`,
        "'ecs-ipam fsck --repair' keeps it in use until 'ecs-ipam release' frees it",
      ),
    ),
    ...checkLeases(content),
    ...checkOwners(content, claims, sha256, isLost),
    ...checkPools(content, isLost),
    ...checkNodes(content, claims, isLost),
  ];
  const confirmed = [...claims.values()].filter(isConfirmed).length;
  return { findings, claims, explained: missed.size + confirmed };
}

type IsLost = (key: Uint8Array) => boolean;

/** The subnets that leases are from: one object for the leases of one subnet that follow each other. */
function subnetFinder(): (lease: Lease) => Subnet | undefined {
  let last: Subnet | undefined;
  return ({ address, subnetBits }) => {
    if (subnetBits > 8 * address.length) return undefined;
    if (last?.bits !== subnetBits || !last.contains(address)) last = new Subnet({ address, bits: subnetBits });
    return last;
  };
}

function checkLeases({ leases }: Content): Finding[] {
  const findings: Finding[] = [];
  const subnetOf = subnetFinder();
  const byOwner = new Map<string, Lease[]>();
  for (const lease of leases.values()) {
    const report = (problem: string) => {
      const address = formatAddress(lease.address);
      const remedy = `'ecs-ipam release ${address}' frees it, if its container is gone`;
      findings.push(byHand(`lease of ${address}`, problem, remedy));
    };
    const subnet = subnetOf(lease);
    if (subnet === undefined) {
      report(`is from a subnet of length /${lease.subnetBits}, which there is not`);
      continue;
    }
    const reserved = subnet.reservedAs(lease.address);
    if (reserved !== undefined) report(`is the ${reserved} of ${subnet}, which nobody can hold`);
    const owner = ownerKey(lease);
    if (owner === undefined) continue;
    const others = byOwner.get(owner) ?? [];
    const other = others.find(other => other.subnetBits === lease.subnetBits && subnet.contains(other.address));
    if (other !== undefined) {
      const both = `it and ${formatAddress(other.address)} in ${subnet}`;
      report(`${describeHolder(lease)} holds ${both}, one of them too many`);
    }
    byOwner.set(owner, [...others, lease]);
  }
  return findings;
}

function checkOwners({ leases, owners }: Content, claims: Claims, sha256: Sha256, isLost: IsLost): Finding[] {
  const findings: Finding[] = [];
  const report = (subject: string, problem: string) => findings.push(repairable(subject, problem));
  /** What the rows have to be. */
  const expected = new Map<string, { key: Uint8Array; leases: Lease[] }>();
  const rowOf = new Map<Lease, string>();
  for (const lease of leases.values()) {
    const owner = ownerKey(lease);
    if (owner === undefined) continue;
    const key = ownerRowKey(sha256(owner));
    const text = keyText(key);
    rowOf.set(lease, text);
    const row = expected.get(text);
    if (row === undefined) expected.set(text, { key, leases: [lease] });
    else row.leases.push(lease);
  }
  for (const [text, { addresses }] of owners) {
    const holder = expected.get(text)?.leases[0];
    const complain = (problem: string) =>
      report(holder === undefined ? `owner row ${text.slice(2)}` : `owner ${describeHolder(holder)}`, problem);
    for (const [i, address] of addresses.entries()) {
      const key = keyText(leaseKey(address));
      const lease = leases.get(key);
      const isTwice = addresses.findIndex(other => sameAddress(other, address)) < i;
      const isRight = lease === undefined ? claims.has(key) : rowOf.get(lease) === text;
      if (isRight && !isTwice) continue;
      complain(`its row names ${formatAddress(address)}${isTwice ? ' twice' : `, which is ${describeUse(lease)}`}`);
    }
    if (addresses.length === 0) complain('its row names no address');
  }
  for (const [text, { key, leases: held }] of expected) {
    const row = owners.get(text);
    if (row === undefined && isLost(key)) continue;
    for (const lease of held) {
      if (row?.addresses.some(address => sameAddress(address, lease.address))) continue;
      const problem = row === undefined ? 'has no row' : 'its row does not name it';
      report(`owner ${describeHolder(lease)}`, `holds ${formatAddress(lease.address)}, and ${problem}`);
    }
  }
  return findings;
}

function describeUse(lease: Lease | undefined): string {
  if (lease === undefined) return 'not leased';
  return `held by ${lease.kind === 'gateway' ? 'a gateway' : describeHolder(lease)}`;
}

function checkPools({ leases, pools }: Content, isLost: IsLost): Finding[] {
  const findings: Finding[] = [];
  const report = (subnet: Subnet, problem: string) => findings.push(repairable(`pool ${subnet}`, problem));
  for (const { subnet, cursor, gateways } of pools.values()) {
    if (cursor !== undefined && !subnet.contains(cursor)) {
      report(subnet, `its cursor ${formatAddress(cursor)} lies outside`);
    }
    for (const [i, gateway] of gateways.entries()) {
      if (!subnet.contains(gateway)) report(subnet, `its gateway ${formatAddress(gateway)} lies outside`);
      if (gateways.findIndex(other => sameAddress(other, gateway)) < i) {
        report(subnet, `names its gateway ${formatAddress(gateway)} twice`);
      }
    }
  }
  const subnetOf = subnetFinder();
  const seen = new Set<Subnet>();
  const missing = new Set<string>();
  for (const lease of leases.values()) {
    const subnet = subnetOf(lease);
    if (subnet === undefined || seen.has(subnet)) continue;
    seen.add(subnet);
    const key = poolKey(subnet.prefix);
    const text = keyText(key);
    if (pools.has(text) || missing.has(text) || isLost(key)) continue;
    missing.add(text);
    report(subnet, `is not there, though ${formatAddress(lease.address)} is leased from it`);
  }
  return findings;
}

/** The nodes that a tree with these addresses has, by the texts of their keys. */
function nodesOf(family: Family, addresses: Iterable<Uint8Array>): Map<string, NodeRow> {
  const tree = new Tree(octetsOf(family), () => undefined);
  for (const address of addresses) tree.mark(address);
  const nodes = new Map<string, NodeRow>();
  for (const { prefix, bits } of tree.takeChanges()) {
    const key = nodeKey(family, prefix);
    if (bits !== undefined) nodes.set(keyText(key), { key, family, prefix, bits });
  }
  return nodes;
}

function checkNodes({ leases, nodes }: Content, claims: Claims, isLost: IsLost): Finding[] {
  const findings: Finding[] = [];
  for (const family of [4, 6] as const) {
    const used = [...leases.values(), ...claims.values()].map(({ address }) => address);
    const expected = nodesOf(
      family,
      used.filter(address => (address.length === IPV4_BYTES ? 4 : 6) === family),
    );
    const report = ({ prefix }: NodeRow, problem: string) => {
      const subject = `tree node ${formatPrefix(nodePrefix(family, prefix))}`;
      findings.push(repairable(subject, problem));
    };
    for (const [text, node] of expected) {
      const stored = nodes.get(text);
      if (stored !== undefined) {
        const problem = difference(family, node.prefix, stored.bits, node.bits);
        if (problem !== undefined) report(node, problem);
      } else if (!isLost(node.key)) {
        report(node, 'is not there, though the addresses below it are partly leased');
      }
    }
    for (const [text, stored] of nodes) {
      if (stored.family !== family || expected.has(text)) continue;
      const used = stored.bits.some(byte => byte !== 0);
      const isFull = stored.bits.every(byte => byte === 0xff);
      const state = isFull ? 'is full' : used ? 'is partly used' : 'is empty';
      report(stored, `${state}, though by the leases it should not be there`);
    }
  }
  return findings;
}

/** In what a node differs from what it has to be; undefined if it does not. */
function difference(family: Family, prefix: Uint8Array, stored: Uint8Array, expected: Uint8Array): string | undefined {
  const bits = Array.from({ length: 256 }, (_, bit) => bit).filter(
    bit => hasBit(stored, bit) !== hasBit(expected, bit),
  );
  const [first] = bits;
  if (first === undefined) return undefined;
  const child = nodePrefix(family, Uint8Array.of(...prefix, first));
  const isLeaf = child.bits === 8 * child.address.length;
  const name = isLeaf ? formatAddress(child.address) : formatPrefix(child);
  const more = bits.length === 1 ? '' : `, and is wrong in ${bits.length - 1} more places`;
  return hasBit(expected, first)
    ? `calls ${name} free, though ${isLeaf ? 'it is' : 'all of it is'} leased${more}`
    : `calls ${name} ${isLeaf ? 'used, though it is not' : 'full, though not all of it is'} leased${more}`;
}
