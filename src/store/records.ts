// The rows of a store: keys and values as bytes. One key space (byte order of keys is order of addresses):
//
//   key                                           value
//   1, first 16 bytes of SHA-256 of the owner     that owner's addresses
//   family, all octets of an address              lease
//   family, octets, 255 for each that is left,    tree node, 32 bytes; sorts right behind what it indexes
//     how many are left
//   family + 1, unit bits, network, prefix bits   pool: cursor and gateways
//   'm', name                                     text about the store itself
//
// family is the byte 4 or 6. An ADD that takes the next address of a pool writes one page for each family, on which the
// newest lease, the node of its leaf and the pool lie beside each other; and one for the owner, whose hash may be
// anything. value.ts says how values are written.

import { NODE_BYTES } from '../core/scratch.ts';
import {
  addressBits,
  type Family,
  familyOf,
  formatAddress,
  IPV4_BYTES,
  IPV6_BYTES,
  octetsOf,
  sameAddress,
} from '../net/address.ts';
import { sameBytes } from '../net/bytes.ts';
import { firstAddress, formatPrefix, type Prefix } from '../net/prefix.ts';
import type { Lease, LeaseKind } from './lease.ts';
import { Reader, Writer } from './value.ts';

const OWNER_TAG = 1;
const META_TAG = 'm'.charCodeAt(0);

/** Bytes of an owner's hash that are its key. */
const OWNER_HASH_BYTES = 16;

/** A pool's state. */
export interface PoolRecord {
  /** The last touched address; undefined before the first. */
  cursor: Uint8Array | undefined;
  /** Every gateway that has been configured for the pool. */
  gateways: Uint8Array[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const LEASE_KINDS: readonly LeaseKind[] = ['container', 'gateway'];

// Keys

export const leaseKey = (address: Uint8Array): Uint8Array => tagged(familyOf(address), address);

/** A key that begins with a tag. */
function tagged(tag: number, rest: Uint8Array): Uint8Array {
  const key = new Uint8Array(1 + rest.length);
  key[0] = tag;
  for (let i = 0; i < rest.length; i++) key[1 + i] = rest[i]!;
  return key;
}

const addressOfLeaseKey = (key: Uint8Array): Uint8Array => key.slice(1);

/** Whether a row between `familyStart` and `familyEnd` is a lease (the others are tree nodes). */
export const isLeaseKey = (key: Uint8Array): boolean =>
  (key[0] === 4 && key.length === 1 + IPV4_BYTES) || (key[0] === 6 && key.length === 1 + IPV6_BYTES);

/** Keys of a family's leases and nodes: from <= key < to. */
export const familyStart = (family: Family): Uint8Array => Uint8Array.of(family);
export const familyEnd = (family: Family): Uint8Array => Uint8Array.of(family + 1);

/** `prefix` is shorter than an address of the family. */
export function nodeKey(family: Family, prefix: Uint8Array): Uint8Array {
  const octets = octetsOf(family);
  const key = new Uint8Array(2 + octets);
  key[0] = family;
  for (let i = 0; i < octets; i++) key[1 + i] = prefix[i] ?? 255;
  key[1 + octets] = octets - prefix.length;
  return key;
}

export const ownerRowKey = (hash: Uint8Array): Uint8Array => tagged(OWNER_TAG, hash.slice(0, OWNER_HASH_BYTES));

export function poolKey({ address, bits }: Prefix): Uint8Array {
  const key = new Uint8Array(3 + address.length);
  key[0] = poolTag(familyOf(address));
  key[1] = addressBits(address);
  for (let i = 0; i < address.length; i++) key[2 + i] = address[i]!;
  key[2 + address.length] = bits;
  return key;
}

const poolTag = (family: Family): number => family + 1;

export const prefixOfPoolKey = (key: Uint8Array): Prefix => ({
  address: key.slice(2, -1),
  bits: key[key.length - 1]!,
});

/** Keys of a family's pools: from <= key < to. */
export const poolsStart = (family: Family): Uint8Array => Uint8Array.of(poolTag(family));
export const poolsEnd = (family: Family): Uint8Array => Uint8Array.of(poolTag(family) + 1);

export const metaKey = (name: string): Uint8Array => tagged(META_TAG, encoder.encode(name));

/** A key taken apart. */
export type RowKey =
  | { kind: 'lease'; address: Uint8Array }
  | { kind: 'node'; family: Family; prefix: Uint8Array }
  | { kind: 'owner' }
  | { kind: 'pool'; subnet: Prefix }
  | { kind: 'meta'; name: string };

/** What a key stands for; undefined if it is none of ours. */
export function parseKey(key: Uint8Array): RowKey | undefined {
  const tag = key[0];
  if (isLeaseKey(key)) return { kind: 'lease', address: addressOfLeaseKey(key) };
  if (tag === 4 || tag === 6) return parseNodeKey(tag, key);
  for (const family of [4, 6] as const) if (tag === poolTag(family)) return parsePoolKey(family, key);
  if (tag === OWNER_TAG && key.length === 1 + OWNER_HASH_BYTES) return { kind: 'owner' };
  if (tag === META_TAG) return { kind: 'meta', name: decoder.decode(key.subarray(1)) };
  return undefined;
}

function parseNodeKey(family: Family, key: Uint8Array): RowKey | undefined {
  const octets = octetsOf(family);
  const prefix = key.slice(1, Math.max(1, 1 + octets - key[1 + octets]!));
  const isNode = key.length === 2 + octets && prefix.length < octets && sameBytes(nodeKey(family, prefix), key);
  return isNode ? { kind: 'node', family, prefix } : undefined;
}

/** Unit bits are those of an address: no other units are handed out. */
function parsePoolKey(family: Family, key: Uint8Array): RowKey | undefined {
  const octets = octetsOf(family);
  if (key.length !== 3 + octets || key[1] !== 8 * octets || key[2 + octets]! > 8 * octets) return undefined;
  const subnet = prefixOfPoolKey(key);
  return sameAddress(firstAddress(subnet), subnet.address) ? { kind: 'pool', subnet } : undefined;
}

/** What a key stands for, in words. */
export function describeKey(key: Uint8Array): string {
  const row = parseKey(key);
  switch (row?.kind) {
    case 'lease':
      return `lease of ${formatAddress(row.address)}`;
    case 'node':
      return `tree node ${formatPrefix(nodePrefix(row.family, row.prefix))}`;
    case 'pool':
      return `pool ${formatPrefix(row.subnet)}`;
    case 'meta':
      return `setting ${row.name}`;
    default:
      return `${row === undefined ? 'unknown' : 'owner'} row ${Buffer.from(key).toString('hex')}`;
  }
}

/** The addresses below a tree node. */
export function nodePrefix(family: Family, prefix: Uint8Array): Prefix {
  const address = new Uint8Array(octetsOf(family));
  address.set(prefix);
  return { address, bits: 8 * prefix.length };
}

// Values, without their checksum

const writer = new Writer();
const read = (key: Uint8Array, sealed: Uint8Array) => new Reader(key, sealed, describeKey);

const TIME_BYTES = 6; // milliseconds since 1970, until the year 10889

export function encodeLease(lease: Lease): Uint8Array {
  return writer
    .begin()
    .number(LEASE_KINDS.indexOf(lease.kind), 1)
    .number(lease.subnetBits, 1)
    .number(lease.timeMs, TIME_BYTES)
    .text(lease.bootId)
    .text(lease.id)
    .text(lease.containerId)
    .text(lease.interfaceName)
    .text(lease.network)
    .take();
}

export const decodeLeaseKind = (key: Uint8Array, sealed: Uint8Array): LeaseKind => readKind(read(key, sealed));

function readKind(reader: Reader): LeaseKind {
  const kind = LEASE_KINDS[reader.number(1)];
  if (kind === undefined) throw reader.malformed();
  return kind;
}

export function decodeLease(key: Uint8Array, sealed: Uint8Array): Lease {
  const reader = read(key, sealed);
  const lease: Lease = {
    address: addressOfLeaseKey(key),
    kind: readKind(reader),
    subnetBits: reader.number(1),
    timeMs: reader.number(TIME_BYTES),
    bootId: reader.text(),
    id: reader.text(),
    containerId: reader.text(),
    interfaceName: reader.text(),
    network: reader.text(),
  };
  reader.end();
  return lease;
}

export function decodeNode(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  const reader = read(key, sealed);
  const bits = reader.bytes(NODE_BYTES);
  reader.end();
  return bits;
}

export const encodeOwner = (addresses: Uint8Array[]): Uint8Array =>
  addresses.reduce((row, address) => row.address(address), writer.begin()).take();

export function decodeOwner(key: Uint8Array, sealed: Uint8Array): Uint8Array[] {
  return read(key, sealed).addresses();
}

export const encodePool = ({ cursor, gateways }: PoolRecord): Uint8Array =>
  gateways.reduce((row, gateway) => row.address(gateway), writer.begin().address(cursor)).take();

export function decodePool(key: Uint8Array, sealed: Uint8Array): PoolRecord {
  const reader = read(key, sealed);
  return { cursor: reader.address(), gateways: reader.addresses() };
}

export const encodeMeta = (value: string): Uint8Array => writer.begin().text(value).take();

export function decodeMeta(key: Uint8Array, sealed: Uint8Array): string {
  const reader = read(key, sealed);
  const value = reader.text();
  reader.end();
  return value;
}
