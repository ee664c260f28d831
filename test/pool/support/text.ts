// Addresses and prefixes as numbers and as text, by ways of their own: bigints and `node:net`, not the sources' bytes.

import type { AddressPool, Run } from '../../../src/index.ts';
import { formatAddress } from '../../../src/net/address.ts';

/** Bits of an address. */
export const widthOf = (text: string): number => (text.includes(':') ? 128 : 32);

/** The value of an address; of a prefix its first address. */
export function numberOf(text: string): bigint {
  const address = text.split('/')[0]!;
  if (!address.includes(':')) return address.split('.').reduce((value, octet) => value * 256n + BigInt(octet), 0n);
  const [head = '', tail] = address.split('::');
  // The end of an address may be an IPv4 address: two groups.
  const group = (text: string) =>
    text.includes('.') ? [numberOf(text) >> 16n, numberOf(text) & 0xffffn] : [BigInt(`0x${text}`)];
  const groups = (part: string) => (part === '' ? [] : part.split(':').flatMap(group));
  const [high, low] = [groups(head), tail === undefined ? [] : groups(tail)];
  const zeros = tail === undefined ? [] : new Array<bigint>(8 - high.length - low.length).fill(0n);
  return [...high, ...zeros, ...low].reduce((value, group) => value * 65536n + group, 0n);
}

/** Text of an address of 32 or 128 bits. */
export function addressOf(value: bigint, width: number): string {
  const digits = value.toString(16).padStart(width / 4, '0');
  return formatAddress(Uint8Array.from(Buffer.from(digits, 'hex')));
}

export const runText = ({ first, last }: Run): string => (first === last ? first : `${first} - ${last}`);
export const runsText = (runs: Iterable<Run>): string => Array.from(runs, runText).join(', ');

/** All that a small pool hands out, in its order. */
export function acquireAll(pool: AddressPool): string[] {
  const all: string[] = [];
  for (let text = pool.acquire(); text !== undefined; text = pool.acquire()) all.push(text);
  return all;
}

/** Bytes of an address; of a prefix its first address. */
export function bytesOf(text: string): Uint8Array {
  const digits = numberOf(text).toString(16);
  return Uint8Array.from(Buffer.from(digits.padStart(widthOf(text) / 4, '0'), 'hex'));
}
