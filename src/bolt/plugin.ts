// What the Go ecs-ipam keeps in its bolt file, as leases: one bucket, written through docker/libkv.
//
//   key                                 value: 8 bytes of libkv's, then
//   10.0.0.2                            the owner's id; nothing: an anonymous lease; GateWay: a gateway
//   6 and an address: 62001:db8::2      the same; a gateway is GateWayV6
//   lastKnownIP, lastKnownIPv6          the address that was touched last

import { type Family, familyOf, formatAddress, parseAddress } from '../net/address.ts';
import { BoltError, type Row } from './format.ts';
import { readBuckets } from './reader.ts';
import { writeBolt } from './writer.ts';

const BUCKET = 'IPAM';
const PREFIX_BYTES = 8;
const IPV6_PREFIX = '6';
const GATEWAY: Record<Family, string> = { 4: 'GateWay', 6: 'GateWayV6' };
const LAST_KNOWN: Record<Family, string> = { 4: 'lastKnownIP', 6: 'lastKnownIPv6' };
const FAMILIES: readonly Family[] = [4, 6];

export interface GoLease {
  address: Uint8Array;
  /** Empty for an anonymous lease, and for a gateway. */
  id: string;
  isGateway: boolean;
}

export interface GoStore {
  leases: GoLease[];
  /** The last touched address of each family that has one. */
  cursors: Uint8Array[];
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Reads the file.
 *
 * @throws BoltError that names what is wrong with it, or what of it the Go plugin has not written
 */
export function readGoStore(file: Uint8Array): GoStore {
  const buckets = readBuckets(file);
  const rows = buckets.get(BUCKET);
  if (rows === undefined && buckets.size > 0) {
    const names = [...buckets.keys()].map(name => JSON.stringify(name)).join(', ');
    throw new BoltError(`is not of the Go plugin: it has no bucket "${BUCKET}", but ${names}`);
  }
  const store: GoStore = { leases: [], cursors: [] };
  const seen = new Set<string>();
  for (const row of rows ?? []) addRow(store, row, seen);
  return store;
}

/** @param seen addresses of the rows before, as text */
function addRow(store: GoStore, row: Row, seen: Set<string>): void {
  const key = decode(row.key, 'a key');
  const what = `row ${JSON.stringify(key)}`;
  if (row.value.length < PREFIX_BYTES) throw new BoltError(`${what}: its value has ${row.value.length} bytes`);
  const text = decode(row.value.subarray(PREFIX_BYTES), `the value of ${what}`);
  const isCursor = FAMILIES.some(family => key === LAST_KNOWN[family]);
  const address = parse(isCursor ? text : key.includes(':') ? withoutPrefix(key) : key);
  if (address === undefined) throw new BoltError(`${what}: neither address nor setting (${JSON.stringify(text)})`);
  const family = familyOf(address);
  if (isCursor) {
    if (key !== LAST_KNOWN[family]) throw new BoltError(`${what}: ${text} is of the other family`);
    store.cursors.push(address);
    return;
  }
  if (seen.has(formatAddress(address))) throw new BoltError(`${what}: another row has the same address`);
  seen.add(formatAddress(address));
  const isGateway = text === GATEWAY[family];
  store.leases.push({ address, id: isGateway ? '' : text, isGateway });
}

/** The address in the key of an IPv6 lease. */
const withoutPrefix = (key: string): string => (key.startsWith(IPV6_PREFIX) ? key.slice(1) : '');

function parse(text: string): Uint8Array | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    throw new BoltError(`${what}: is not text`);
  }
}

/** Whether the Go plugin would take the id of a lease for something else. */
export const isGoGateway = (address: Uint8Array, id: string): boolean => id === GATEWAY[familyOf(address)];

/** A file that the Go plugin goes on with. */
export function writeGoStore({ leases, cursors }: GoStore): Uint8Array {
  const rows = leases.map(({ address, id, isGateway }) => {
    const family = familyOf(address);
    const key = `${family === 6 ? IPV6_PREFIX : ''}${formatAddress(address)}`;
    return encodeRow(key, isGateway ? GATEWAY[family] : id);
  });
  const cursorRows = cursors.map(address => encodeRow(LAST_KNOWN[familyOf(address)], formatAddress(address)));
  return writeBolt(BUCKET, [...rows, ...cursorRows]);
}

function encodeRow(key: string, text: string): Row {
  const bytes = encoder.encode(text);
  const value = new Uint8Array(PREFIX_BYTES + bytes.length);
  value[0] = 1; // libkv counts the writes of a process, little-endian, from 1 on
  value.set(bytes, PREFIX_BYTES);
  return { key: encoder.encode(key), value };
}
