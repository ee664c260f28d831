// The store's schema: one step for each version, run in the write transaction that finds an older one.

import { StoreError } from './error.ts';
import { type Finding, repairable } from './finding.ts';
import { decodeMeta, encodeMeta, metaKey } from './records.ts';
import type { ReadTransaction, Transaction } from './transaction.ts';
import { seal } from './value.ts';

export const SCHEMA_VERSION = 1;

const SCHEMA = 'schema';
const CREATED = 'created';
/** Random, and changed whenever the store is replaced as a whole: by repair, restore or import. */
const STORE_ID = 'store';

/** The step from version n to n + 1 is STEPS[n]. Version 0 is an empty store. */
const STEPS: readonly ((transaction: Transaction) => void)[] = [
  transaction => {
    putMeta(transaction, CREATED, new Date().toISOString());
    renewStoreId(transaction);
  },
];

/**
 * Brings the store up to this schema.
 *
 * @throws StoreError 'damaged' for a newer schema, or rows that are not ours
 */
export function migrate(transaction: Transaction): void {
  const version = checkSchema(transaction);
  if (version === SCHEMA_VERSION) return;
  for (const step of STEPS.slice(version)) step(transaction);
  putMeta(transaction, SCHEMA, String(SCHEMA_VERSION));
}

/**
 * The store's schema version, at most ours.
 *
 * @throws StoreError 'damaged' for a newer schema, or rows that are not ours
 */
export function checkSchema(transaction: ReadTransaction): number {
  const text = getMeta(transaction, SCHEMA);
  if (text === undefined) {
    for (const _ of transaction.range(Uint8Array.of(0), Uint8Array.of(0xff))) {
      throw new StoreError('damaged', 'an LMDB file, but not a store of ecs-ipam: it has rows and no schema version');
    }
    return 0;
  }
  return parseSchema(text);
}

/** @throws StoreError 'damaged' for what is none of ours */
function parseSchema(text: string): number {
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1) throw new StoreError('damaged', `schema version ${text} is unknown`);
  if (version > SCHEMA_VERSION) {
    throw new StoreError('damaged', `schema version ${version} is newer than this program's ${SCHEMA_VERSION}`);
  }
  return version;
}

/**
 * Checks the settings of a whole store.
 *
 * @throws StoreError 'damaged' for a newer schema, or one that is none
 */
export function checkSettings(settings: ReadonlyMap<string, string>, isLost: (key: Uint8Array) => boolean): Finding[] {
  const schema = settings.get(SCHEMA);
  if (schema !== undefined) parseSchema(schema);
  return [SCHEMA, CREATED, STORE_ID]
    .filter(name => !settings.has(name) && !isLost(metaKey(name)))
    .map(name => repairable(`setting ${name}`, 'is not there'));
}

/** Takes over the settings of a store that is made anew, but for what tells stores apart. */
export function keepSettings(transaction: Transaction, settings: ReadonlyMap<string, string>): void {
  for (const [name, value] of settings) if (name !== SCHEMA && name !== STORE_ID) putMeta(transaction, name, value);
}

/** Makes a store another one than that which its rows are from. */
export function renewStoreId(transaction: Transaction): void {
  putMeta(transaction, STORE_ID, crypto.randomUUID());
}

function getMeta(transaction: ReadTransaction, name: string): string | undefined {
  const key = metaKey(name);
  const value = transaction.get(key);
  return value === undefined ? undefined : decodeMeta(key, value);
}

function putMeta(transaction: Transaction, name: string, value: string): void {
  const key = metaKey(name);
  transaction.put(key, seal(key, encodeMeta(value)));
}
