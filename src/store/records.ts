// The rows of a store: keys and values as bytes. One key space (byte order of keys is order of addresses):
//
//   key                                             value
//   family, all octets of an address                lease
//   family, fewer octets                            tree node, 32 bytes; sorts right before what it indexes
//   'c', family, unit bits, network, prefix bits    pool: cursor and gateways; sorts behind the newest leases, whose
//                                                   page every ADD writes anyway
//   'o', first 16 bytes of SHA-256 of the owner     that owner's addresses
//   'm', name                                       text about the store itself
//
// family is the byte 4 or 6. Every value ends in the CRC-32 of key and value: LMDB has no checksums, and a flipped bit
// must not become a wrong answer. Numbers are big-endian; a text is its length in bytes (u32) and its UTF-8.

import { NODE_BYTES } from '../core/scratch.ts';
import {
  addressBits,
  type Family,
  familyOf,
  formatAddress,
  IPV4_BYTES,
  IPV6_BYTES,
  sameAddress,
} from '../net/address.ts';
import { firstAddress, formatPrefix, type Prefix } from '../net/prefix.ts';
import { crc32 } from './crc32.ts';
import { StoreError } from './error.ts';
import type { Lease, LeaseKind } from './lease.ts';

const OWNER_TAG = 'o'.charCodeAt(0);
const POOL_TAG = 'c'.charCodeAt(0);
const META_TAG = 'm'.charCodeAt(0);

/** Bytes of an owner's hash that are its key. */
const OWNER_HASH_BYTES = 16;
const CHECKSUM_BYTES = 4;
const TEXT_LENGTH_BYTES = 4;

/** A pool's state. */
export interface PoolRecord {
  /** The last touched address; undefined before the first. */
  cursor: Uint8Array | undefined;
  /** Every gateway that has been configured for the pool. */
  gateways: Uint8Array[];
}

const LEASE_KINDS: readonly LeaseKind[] = ['container', 'gateway'];

// What follows runs some fifty times for one ADD. Small arrays are copied byte by byte, and never looked at through a
// view: in the engines that run this, both cost less than a call of the library.

function concat(...parts: ArrayLike<number>[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) bytes[offset++] = part[i]!;
  }
  return bytes;
}

// Keys

export const leaseKey = (address: Uint8Array): Uint8Array => concat([familyOf(address)], address);

const addressOfLeaseKey = (key: Uint8Array): Uint8Array => key.slice(1);

/** Whether a row between `familyStart` and `familyEnd` is a lease (the others are tree nodes). */
export const isLeaseKey = (key: Uint8Array): boolean =>
  (key[0] === 4 && key.length === 1 + IPV4_BYTES) || (key[0] === 6 && key.length === 1 + IPV6_BYTES);

/** Keys of a family's leases and nodes: from <= key < to. */
export const familyStart = (family: Family): Uint8Array => Uint8Array.of(family);
export const familyEnd = (family: Family): Uint8Array => Uint8Array.of(family + 1);

/** `prefix` is shorter than an address of the family. */
export const nodeKey = (family: Family, prefix: Uint8Array): Uint8Array => concat([family], prefix);

export const ownerRowKey = (hash: Uint8Array): Uint8Array => concat([OWNER_TAG], hash.subarray(0, OWNER_HASH_BYTES));

export const poolKey = ({ address, bits }: Prefix): Uint8Array =>
  concat([POOL_TAG, familyOf(address), addressBits(address)], address, [bits]);

export const prefixOfPoolKey = (key: Uint8Array): Prefix => ({
  address: key.slice(3, -1),
  bits: key[key.length - 1]!,
});

/** Keys of all pools of a family that hand out single addresses: from <= key < to. */
export const poolsStart = (family: Family): Uint8Array => Uint8Array.of(POOL_TAG, family);
export const poolsEnd = (family: Family): Uint8Array => Uint8Array.of(POOL_TAG, family + 1);

export const metaKey = (name: string): Uint8Array => concat([META_TAG], encoder.encode(name));

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
  if (tag === 4 || tag === 6) {
    const isNode = key.length < 1 + (tag === 4 ? IPV4_BYTES : IPV6_BYTES);
    return isNode ? { kind: 'node', family: tag, prefix: key.slice(1) } : undefined;
  }
  if (tag === OWNER_TAG && key.length === 1 + OWNER_HASH_BYTES) return { kind: 'owner' };
  if (tag === POOL_TAG) return parsePoolKey(key);
  if (tag === META_TAG) return { kind: 'meta', name: decoder.decode(key.subarray(1)) };
  return undefined;
}

/** 'c', family, unit bits (of an address: no others are handed out), network, prefix bits. */
function parsePoolKey(key: Uint8Array): RowKey | undefined {
  const addressBytes = key[1] === 4 ? IPV4_BYTES : IPV6_BYTES;
  const isPool = (key[1] === 4 || key[1] === 6) && key.length === 4 + addressBytes && key[2] === 8 * addressBytes;
  if (!isPool || key[3 + addressBytes]! > 8 * addressBytes) return undefined;
  const subnet = { address: key.slice(3, 3 + addressBytes), bits: key[3 + addressBytes]! };
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
  const address = new Uint8Array(family === 4 ? IPV4_BYTES : IPV6_BYTES);
  address.set(prefix);
  return { address, bits: 8 * prefix.length };
}

// Values

/** Appends the checksum. */
export function seal(key: Uint8Array, body: Uint8Array): Uint8Array {
  return concat(body, bigEndian(crc32(body, crc32(key)), CHECKSUM_BYTES));
}

/** Whether a value ends in its checksum. */
export function isSealed(key: Uint8Array, sealed: Uint8Array): boolean {
  let stored = 0;
  for (let i = Math.max(0, sealed.length - CHECKSUM_BYTES); i < sealed.length; i++) stored = stored * 256 + sealed[i]!;
  return sealed.length >= CHECKSUM_BYTES && stored === crc32(bodyOf(sealed), crc32(key));
}

const bodyOf = (sealed: Uint8Array): Uint8Array => sealed.slice(0, sealed.length - CHECKSUM_BYTES);

/**
 * Checks and takes off the checksum.
 *
 * @throws StoreError 'damaged'
 */
function unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  if (!isSealed(key, sealed)) throw new StoreError('damaged', `${describeKey(key)}: checksum mismatch`);
  return bodyOf(sealed);
}

const encoder = new TextEncoder();
/** Texts come back as they were put: a byte order mark at the beginning is part of an id. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function text(value: string): Uint8Array {
  const utf8 = encoder.encode(value);
  return concat(bigEndian(utf8.length, TEXT_LENGTH_BYTES), utf8);
}

/** Reads a value front to back; what runs past the end is damage. */
class Reader {
  readonly #key: Uint8Array;
  readonly #body: Uint8Array;
  #offset = 0;

  constructor(key: Uint8Array, sealed: Uint8Array) {
    this.#key = key;
    this.#body = unseal(key, sealed);
  }

  bytes(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#body.length) throw this.malformed();
    const bytes = this.#body.slice(this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  number(length: number): number {
    const end = this.#offset + length;
    if (end > this.#body.length) throw this.malformed();
    let value = 0;
    while (this.#offset < end) value = value * 256 + this.#body[this.#offset++]!;
    return value;
  }

  text(): string {
    return decoder.decode(this.bytes(this.number(TEXT_LENGTH_BYTES)));
  }

  /** An address behind its family byte; family 0: none. */
  address(): Uint8Array | undefined {
    const family = this.number(1);
    if (family === 0) return undefined;
    if (family !== 4 && family !== 6) throw this.malformed();
    return this.bytes(family === 4 ? IPV4_BYTES : IPV6_BYTES);
  }

  /** All that is left, as addresses. */
  addresses(): Uint8Array[] {
    const addresses: Uint8Array[] = [];
    while (this.#offset < this.#body.length) {
      const address = this.address();
      if (address === undefined) throw this.malformed();
      addresses.push(address);
    }
    return addresses;
  }

  end(): void {
    if (this.#offset < this.#body.length) throw this.malformed();
  }

  malformed(): StoreError {
    return new StoreError('damaged', `${describeKey(this.#key)}: malformed value of ${this.#body.length} bytes`);
  }
}

function bigEndian(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = length - 1; i >= 0; i--, value = Math.floor(value / 256)) bytes[i] = value % 256;
  return bytes;
}

const TIME_BYTES = 6; // milliseconds since 1970, until the year 10889

export function encodeLease(lease: Lease): Uint8Array {
  return concat(
    [LEASE_KINDS.indexOf(lease.kind), lease.subnetBits],
    bigEndian(lease.timeMs, TIME_BYTES),
    text(lease.bootId),
    text(lease.id),
    text(lease.containerId),
    text(lease.interfaceName),
    text(lease.network),
  );
}

export function decodeLease(key: Uint8Array, sealed: Uint8Array): Lease {
  const reader = new Reader(key, sealed);
  const kind = LEASE_KINDS[reader.number(1)];
  if (kind === undefined) throw reader.malformed();
  const lease: Lease = {
    address: addressOfLeaseKey(key),
    kind,
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
  const reader = new Reader(key, sealed);
  const bits = reader.bytes(NODE_BYTES);
  reader.end();
  return bits;
}

export const encodeOwner = (addresses: Uint8Array[]): Uint8Array => concat(...addresses.map(leaseKey));

export function decodeOwner(key: Uint8Array, sealed: Uint8Array): Uint8Array[] {
  return new Reader(key, sealed).addresses();
}

export const encodePool = ({ cursor, gateways }: PoolRecord): Uint8Array =>
  concat(cursor === undefined ? Uint8Array.of(0) : leaseKey(cursor), ...gateways.map(leaseKey));

export function decodePool(key: Uint8Array, sealed: Uint8Array): PoolRecord {
  const reader = new Reader(key, sealed);
  return { cursor: reader.address(), gateways: reader.addresses() };
}

export const encodeMeta = (value: string): Uint8Array => text(value);

export function decodeMeta(key: Uint8Array, sealed: Uint8Array): string {
  const reader = new Reader(key, sealed);
  const value = reader.text();
  reader.end();
  return value;
}
