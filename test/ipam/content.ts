// Stores in memory whose rows somebody has changed behind the rules' back, and what an audit makes of them.

import { audit, type Loss } from '../../src/ipam/audit.ts';
import { type Content, readContent } from '../../src/ipam/content.ts';
import { parseAddress } from '../../src/net/address.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import { type Finding, sentence } from '../../src/store/finding.ts';
import { type KeyRange, only } from '../../src/store/key-range.ts';
import { migrate } from '../../src/store/migrate.ts';
import { encodeLease, leaseKey, nodeKey, ownerRowKey, poolKey } from '../../src/store/records.ts';
import type { Transaction } from '../../src/store/transaction.ts';
import { seal } from '../../src/store/value.ts';
import { pool, sha256 } from './support.ts';
import { container, leaseOf, World } from './world.ts';

export const REBUILD = "; 'ecs-ipam fsck --repair' makes a new store of the sound leases.";
export const NO_LOSS: Loss = { unreadable: [], lost: [] };

export const keyOf = (address: string): Uint8Array => leaseKey(parseAddress(address));
export const poolKeyOf = (subnet: string): Uint8Array => poolKey(parsePrefix(subnet));
export const leafKeyOf = (...octets: number[]): Uint8Array => nodeKey(4, Uint8Array.from(octets));
/** The row of a container's owner. */
export const ownerKeyOf = (containerId: string): Uint8Array => ownerRowKey(sha256(`container\0${containerId}\0eth0`));

/** 32 bytes with these bits. */
export function bits(...used: number[]): Uint8Array {
  const bytes = new Uint8Array(32);
  for (const bit of used) bytes[bit >> 3]! |= 1 << (bit & 7);
  return bytes;
}

/** Writes and deletes rows, with right checksums. */
export class Rows {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  put(key: Uint8Array, body: Uint8Array): void {
    this.#transaction.put(key, seal(key, body));
  }

  lease(address: string, rest: Parameters<typeof leaseOf>[1] = {}): void {
    this.put(keyOf(address), encodeLease(leaseOf(address, rest)));
  }

  delete(key: Uint8Array): void {
    if (this.#transaction.get(key) === undefined) throw new Error(`no row ${Buffer.from(key).toString('hex')}`);
    this.#transaction.delete(key);
  }
}

/** A store of this version. Gateway 10.0.0.1 and container c1 with 10.0.0.2 of 10.0.0.0/24; 2001:db8::1 and ::2. */
export async function soundStore(): Promise<World> {
  const world = new World();
  await world.store.write(migrate);
  await world.acquire(container('c1'), pool('10.0.0.0/24'), pool('2001:db8::/64'));
  return world;
}

export function contentOf(world: World): Content {
  return world.store.read(transaction => readContent(transaction.range(Uint8Array.of(0), Uint8Array.of(255))));
}

export async function changed(world: World, work: (rows: Rows) => void): Promise<Content> {
  await world.store.write(transaction => work(new Rows(transaction)));
  return contentOf(world);
}

export const sentences = (findings: readonly Finding[]): string[] => findings.map(sentence);

export const found = (content: Content, loss: Loss = NO_LOSS): string[] =>
  sentences(audit(content, loss, sha256).findings);

/** Rows that are gone, and may have been there. */
export const lost = (...keys: Uint8Array[]): Loss => ({ unreadable: [], lost: keys.map(only) });
export const everything: KeyRange = { from: new Uint8Array(0), to: undefined };
