// What is known of a store's file once its pages and rows have been checked.

import { audit } from '../ipam/audit.ts';
import type { Claims } from '../ipam/claims.ts';
import { type Content, readContent } from '../ipam/content.ts';
import type { Sha256 } from '../ipam/ledger.ts';
import { StoreError } from '../store/error.ts';
import { byHand, type Finding, repairable, sentence } from '../store/finding.ts';
import { type Survey, surveyStore } from '../store/survey.ts';

export interface Examination {
  findings: Finding[];
  rows: Survey['rows'];
  content: Content;
  /** Addresses that are in use, and whose leases are lost. */
  claims: Claims;
  /** Whether leases may be lost of which nothing tells. */
  mayMissLeases: boolean;
  hasHeader: boolean;
}

/**
 * Checks the file of a store. For whoever holds its lock, or knows that nobody writes it.
 *
 * @throws StoreError if there is none, or nothing of a store can be read from it
 */
export const examine = (path: string, sha256: Sha256): Examination => judge(path, surveyStore(path), sha256);

/**
 * Checks what has been read of a store. Needs no lock.
 *
 * @throws StoreError 'damaged' for a newer schema
 */
export function judge(path: string, survey: Survey, sha256: Sha256): Examination {
  const content = readContent(survey.rows);
  const { findings, claims, explained } = named(path, () => audit(content, survey, sha256));
  const problems = survey.problems.map(({ subject, problem }) => repairable(subject, problem));
  const unexplained = findUnexplained(path, survey, explained);
  return {
    findings: [...problems, ...findings, ...(unexplained === undefined ? [] : [unexplained])],
    mayMissLeases: unexplained !== undefined,
    rows: survey.rows,
    content,
    claims,
    hasHeader: survey.counted !== undefined,
  };
}

/** What nobody can bring back: rows that are lost, and of which no other row tells. */
function findUnexplained(path: string, { counted, certain, lost }: Survey, explained: number): Finding | undefined {
  if (lost.length === 0) return undefined;
  const missing = counted === undefined ? undefined : counted - certain - explained;
  if (missing !== undefined && missing <= 0) return undefined;
  const amount = missing === undefined ? 'an unknown number of rows' : `${missing} of ${counted} rows`;
  return byHand(
    `store ${path}`,
    `${amount} may be lost without a trace, and leases among them`,
    "what runs and is not in 'ecs-ipam list' could see its address given again: restore a backup, or restart it",
  );
}

/**
 * Checks a store that has been made anew, before it takes another one's place.
 *
 * @throws StoreError if it has not that many leases, or repair would find something to do
 */
export function requireSound(draft: string, leases: number, sha256: Sha256): void {
  const { findings, content } = examine(draft, sha256);
  const wrong = findings.find(finding => finding.isRepairable);
  if (wrong === undefined && content.leases.size === leases) return;
  const evidence = wrong === undefined ? `it has ${content.leases.size} leases, not ${leases}` : sentence(wrong);
  throw new StoreError('io', `the new store is not sound, and the old one stays: ${evidence}`);
}

/** Puts the store's path in front of what is wrong with it. */
function named<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new StoreError(error.failure, `store ${path}: ${error.message}`, { cause: error });
  }
}
