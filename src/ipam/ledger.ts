// The rows of one transaction as leases, owners, pools and tree nodes. Keeps what must agree together: a lease and its
// entry with its owner.

import type { NodeChange } from '../core/tree.ts';
import type { Family } from '../net/address.ts';
import { sameAddress } from '../net/address.ts';
import type { Prefix } from '../net/prefix.ts';
import { type Holder, type Lease, type LeaseKind, ownerKey } from '../store/lease.ts';
import {
  decodeLease,
  decodeLeaseKind,
  decodeNode,
  decodeOwner,
  decodePool,
  encodeLease,
  encodeOwner,
  encodePool,
  familyEnd,
  familyStart,
  isLeaseKey,
  leaseKey,
  nodeKey,
  ownerRowKey,
  type PoolRecord,
  poolKey,
  poolsEnd,
  poolsStart,
  prefixOfPoolKey,
} from '../store/records.ts';
import type { ReadTransaction, Transaction } from '../store/transaction.ts';
import { seal } from '../store/value.ts';
import type { Subnet } from './subnet.ts';

/** SHA-256 of a text. */
export type Sha256 = (text: string) => Uint8Array;

export class ReadLedger {
  readonly #transaction: ReadTransaction;
  readonly #sha256: Sha256;
  #lastOwner: { owner: string; key: Uint8Array } | undefined;

  constructor(transaction: ReadTransaction, sha256: Sha256) {
    this.#transaction = transaction;
    this.#sha256 = sha256;
  }

  sharesTransaction(other: ReadLedger): boolean {
    return this.#transaction === other.#transaction;
  }

  lease(address: Uint8Array): Lease | undefined {
    const key = leaseKey(address);
    const value = this.#transaction.get(key);
    return value && decodeLease(key, value);
  }

  /** The kind of an address's lease, which costs less than the lease. */
  leaseKind(address: Uint8Array): LeaseKind | undefined {
    const key = leaseKey(address);
    const value = this.#transaction.get(key);
    return value && decodeLeaseKind(key, value);
  }

  /** All leases of a family in address order. A row that cannot be read goes to `onDamage`; without, it is thrown. */
  *leases(family: Family, onDamage?: (error: unknown) => void): Iterable<Lease> {
    yield* this.#leasesBetween(familyStart(family), familyEnd(family), onDamage);
  }

  /** The leases in the node with this address prefix, one octet shorter than an address: at most 256. */
  *leasesInLeaf(prefix: Uint8Array): Iterable<Lease> {
    const first = leaseKey(Uint8Array.of(...prefix, 0));
    const afterLast = Uint8Array.of(...leaseKey(Uint8Array.of(...prefix, 255)), 0);
    yield* this.#leasesBetween(first, afterLast);
  }

  *#leasesBetween(from: Uint8Array, to: Uint8Array, onDamage?: (error: unknown) => void): Iterable<Lease> {
    for (const { key, value } of this.#transaction.range(from, to)) {
      if (!isLeaseKey(key)) continue;
      let lease: Lease;
      try {
        lease = decodeLease(key, value);
      } catch (error) {
        if (onDamage === undefined) throw error;
        onDamage(error);
        continue;
      }
      yield lease;
    }
  }

  /** The leases that a holder's owner has, in all subnets; none for an anonymous holder. */
  leasesOf(holder: Holder): Lease[] {
    const owner = ownerKey(holder);
    if (owner === undefined) return [];
    return this.addressesOf(owner)
      .map(address => this.lease(address))
      .filter((lease): lease is Lease => lease !== undefined && ownerKey(lease) === owner);
  }

  protected addressesOf(owner: string): Uint8Array[] {
    const key = this.ownerRow(owner);
    const value = this.#transaction.get(key);
    return value === undefined ? [] : decodeOwner(key, value);
  }

  /** An operation asks for its own owner's row again and again. */
  protected ownerRow(owner: string): Uint8Array {
    if (this.#lastOwner?.owner !== owner) this.#lastOwner = { owner, key: ownerRowKey(this.#sha256(owner)) };
    return this.#lastOwner.key;
  }

  /**
   * A pool's state. A new one goes on behind the address that leases were imported with and without their subnet, if
   * that lies in it.
   */
  pool(subnet: Subnet): PoolRecord {
    const own = this.ownPool(subnet);
    if (own !== undefined) return own;
    const cursor = this.#poolAt({ address: new Uint8Array(subnet.network.length), bits: 0 })?.cursor;
    return { cursor: cursor && subnet.contains(cursor) ? cursor : undefined, gateways: [] };
  }

  /** A pool's own row; undefined before it is first used. */
  ownPool(subnet: Subnet): PoolRecord | undefined {
    return this.#poolAt(subnet.prefix);
  }

  #poolAt(prefix: Prefix): PoolRecord | undefined {
    const key = poolKey(prefix);
    const value = this.#transaction.get(key);
    return value && decodePool(key, value);
  }

  /** The state of all pools of a family. */
  *pools(family: Family): Iterable<PoolRecord> {
    for (const { pool } of this.poolsWithPrefix(family)) yield pool;
  }

  *poolsWithPrefix(family: Family): Iterable<{ prefix: Prefix; pool: PoolRecord }> {
    for (const { key, value } of this.#transaction.range(poolsStart(family), poolsEnd(family))) {
      yield { prefix: prefixOfPoolKey(key), pool: decodePool(key, value) };
    }
  }

  /** The 32 bytes of a tree node. */
  node(family: Family, prefix: Uint8Array): Uint8Array | undefined {
    const key = nodeKey(family, prefix);
    const value = this.#transaction.get(key);
    return value && decodeNode(key, value);
  }
}

export class Ledger extends ReadLedger {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction, sha256: Sha256) {
    super(transaction, sha256);
    this.#transaction = transaction;
  }

  putLease(lease: Lease): void {
    this.putLeases(lease, [lease]);
  }

  /** Several leases of one owner. */
  putLeases(owner: Holder, leases: readonly Lease[]): void {
    for (const lease of leases) this.#put(leaseKey(lease.address), encodeLease(lease));
    this.#changeOwner(owner, addresses => [...addresses, ...leases.map(lease => lease.address)]);
  }

  deleteLease(lease: Lease): void {
    this.#transaction.delete(leaseKey(lease.address));
    this.#changeOwner(lease, addresses => addresses.filter(address => !sameAddress(address, lease.address)));
  }

  putPool(subnet: Subnet, pool: PoolRecord): void {
    this.#put(poolKey(subnet.prefix), encodePool(pool));
  }

  putNode(family: Family, { prefix, bits }: NodeChange): void {
    const key = nodeKey(family, prefix);
    if (bits === undefined) this.#transaction.delete(key);
    else this.#put(key, bits);
  }

  #changeOwner(holder: Holder, change: (addresses: Uint8Array[]) => Uint8Array[]): void {
    const owner = ownerKey(holder);
    if (owner === undefined) return;
    const addresses = change(this.addressesOf(owner));
    if (addresses.length > 0) this.#put(this.ownerRow(owner), encodeOwner(addresses));
    else this.#transaction.delete(this.ownerRow(owner));
  }

  #put(key: Uint8Array, body: Uint8Array): void {
    this.#transaction.put(key, seal(key, body));
  }
}
