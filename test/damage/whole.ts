// The store that is damaged, as it was before, and what can be told of its file afterwards without LMDB.

import { writeFileSync } from 'node:fs';
import { type Examination, judge } from '../../src/cli/examine.ts';
import { formatAddress } from '../../src/net/address.ts';
import { StoreError } from '../../src/store/error.ts';
import { ALL_KEYS, isWithin, type KeyRange } from '../../src/store/key-range.ts';
import type { Lease } from '../../src/store/lease.ts';
import { type Survey, surveyStore } from '../../src/store/survey.ts';
import { type Lease as ListedLease, list } from '../integration/support/ipam.ts';
import { sha256 } from '../ipam/support.ts';
import type { Random } from '../support/random.ts';
import { type Damage, damaged } from '../tools/damages.ts';
import { grownStore, rowTexts } from '../tools/stores.ts';

/** Rows with sound checksums. */
export type Rows = ReturnType<typeof rowTexts>;

export interface Whole {
  path: string;
  rows: Rows;
  leases: ReadonlyMap<string, Lease>;
  addresses: ReadonlySet<string>;
  /** As `list --json` shows them. */
  listed: ListedLease[];
  /** Who holds an address of each family. */
  owners: string[];
}

export async function wholeStore(owners: number, random: Random): Promise<Whole> {
  const path = await grownStore(owners, random);
  const { rows, leases } = diagnose(path);
  return {
    path,
    rows,
    leases,
    addresses: new Set([...leases.values()].map(({ address }) => formatAddress(address))),
    listed: await list(path),
    owners: [...new Set([...leases.values()].filter(({ kind }) => kind === 'container').map(({ id }) => id))],
  };
}

/**
 * A damaged copy of the store, in a file of its own. The lock file beside it tells that it has been a store, as it does
 * on every host: without it an empty file would be none yet.
 */
export function damagedCopy({ path }: Whole, damage: Damage, random: Random): { store: string; what: string } {
  const copy = damaged(path, damage, random);
  writeFileSync(`${copy.store}-lock`, '', { mode: 0o600 });
  return copy;
}

/** What `fsck` knows of a file. */
export interface Diagnosis {
  /** Its exit status. */
  status: 0 | 1 | 2;
  rows: Rows;
  leases: ReadonlyMap<string, Lease>;
  /** Whether the row of that key is reported as one that may be lost. */
  mayBeLost(key: string): boolean;
}

export function diagnose(store: string): Diagnosis {
  let survey: Survey;
  let examination: Examination;
  try {
    survey = surveyStore(store);
    examination = judge(store, survey, sha256);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { status: 2, rows: new Map(), leases: new Map(), mayBeLost: () => true };
  }
  const { findings, hasHeader, content } = examination;
  return {
    status: findings.length === 0 ? 0 : hasHeader ? 1 : 2,
    rows: rowTexts(survey),
    leases: content.leases,
    mayBeLost: within(hasHeader ? survey.lost : [ALL_KEYS]),
  };
}

const within = (lost: readonly KeyRange[]) => (key: string) =>
  lost.some(range => isWithin(range, Buffer.from(key, 'hex')));
