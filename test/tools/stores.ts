// Stores for the tools to work on, made and changed through the store's own parts.

import { readFileSync, writeFileSync } from 'node:fs';
import { acquire, release } from '../../src/ipam/allocator.ts';
import { keyText } from '../../src/ipam/content.ts';
import { createStore } from '../../src/store/create.ts';
import { nodeFileLocks } from '../../src/store/flock-node.ts';
import { openStore } from '../../src/store/guard.ts';
import { LmdbStore } from '../../src/store/lmdb.ts';
import { type Survey, surveyStore } from '../../src/store/survey.ts';
import type { Transaction } from '../../src/store/transaction.ts';
import { seal } from '../../src/store/value.ts';
import { holder, lease, ledgerOf, pool, surroundings } from '../ipam/support.ts';
import { temporaryStore } from '../support/plugin.ts';
import type { Random } from '../support/random.ts';

const POOLS = [pool('10.0.0.0/16'), pool('2001:db8::/64')];

/** A store in which owners came and went until about `owners` were left, each with an address of both families. */
export async function grownStore(owners: number, random: Random): Promise<string> {
  const path = temporaryStore();
  await createStore(path);
  const store = new LmdbStore(path, false);
  const live: string[] = [];
  let number = 0;
  const step = (transaction: Transaction) => {
    if (live.length > 0 && random.chance((0.5 * live.length) / owners)) {
      const [owner] = live.splice(random.below(live.length), 1);
      const all = POOLS.map(({ subnet }) => ({ subnet, requested: undefined }));
      release(ledgerOf(transaction), holder(owner!), all, () => {});
    } else {
      // Some ids are so long that their leases take pages of their own.
      const owner = `owner-${number++}-${'x'.repeat(random.chance(0.02) ? random.below(4000) : 8)}`;
      acquire(ledgerOf(transaction), holder(owner, { network: 'net' }), POOLS, surroundings());
      live.push(owner);
    }
  };
  for (let steps = 0; steps < 3 * owners; ) {
    const atOnce = 1 + random.below(Math.max(4, owners >> 4));
    store.commit(transaction => {
      for (let i = 0; i < atOnce; i++) step(transaction);
    });
    steps += atOnce;
  }
  // A few small transactions last, so that the newest state differs from the one before it.
  for (let i = 0; i < 20; i++) store.commit(step);
  await store.close();
  return path;
}

/** Changes rows behind the rules' back, but under the store's lock. */
export async function change(path: string, work: (rows: Rows) => void): Promise<void> {
  const store = await openStore({ path, timeoutMs: 10_000 }, 'write', nodeFileLocks);
  await store!.write(transaction => work(new Rows(transaction)));
  await store!.close();
}

/** Rows with sound checksums, as texts, by the texts of their keys. */
export const rowTexts = ({ rows }: Pick<Survey, 'rows'>): ReadonlyMap<string, string> =>
  new Map(rows.map(({ key, value }) => [keyText(key), Buffer.from(value).toString('hex')]));

/** The page of the first row at or behind a key. */
export function leafPageOf(path: string, key: Uint8Array): number {
  return surveyStore(path).rows.find(row => Buffer.compare(row.key, key) >= 0)!.page;
}

class Rows {
  readonly #transaction: Transaction;

  constructor(transaction: Transaction) {
    this.#transaction = transaction;
  }

  /** An anonymous lease of a /16 or /64, and its place in the tree. */
  lease(address: Uint8Array): void {
    lease(this.#transaction, [address], { subnetBits: address.length === 4 ? 16 : 64 });
  }

  pool(subnet: string): void {
    ledgerOf(this.#transaction).putPool(pool(subnet).subnet, { cursor: undefined, gateways: [] });
  }

  /** With a right checksum. */
  put(key: Uint8Array, body: Uint8Array): void {
    this.#transaction.put(key, seal(key, body));
  }

  putRaw(key: Uint8Array, value: Uint8Array): void {
    this.#transaction.put(key, value);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#transaction.get(key);
  }

  delete(key: Uint8Array): void {
    if (this.#transaction.get(key) === undefined) throw new Error(`no row ${Buffer.from(key).toString('hex')}`);
    this.#transaction.delete(key);
  }
}

export const PAGE_BYTES = 4096;

export function zeroPage(store: string, page: number): void {
  const bytes = readFileSync(store);
  bytes.fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  writeFileSync(store, bytes);
}
