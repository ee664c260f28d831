// What is known of a store's file once its pages and rows have been checked.

import { audit } from '../ipam/audit.ts';
import type { Claims } from '../ipam/claims.ts';
import { type Content, readContent } from '../ipam/content.ts';
import type { Sha256 } from '../ipam/ledger.ts';
import { StoreError } from '../store/error.ts';
import { type Finding, repairable } from '../store/finding.ts';
import { type Survey, surveyStore } from '../store/survey.ts';

export interface Examination extends Pick<Survey, 'rows' | 'hasHeader' | 'salvaged'> {
  findings: Finding[];
  content: Content;
  claims: Claims;
}

/**
 * Checks the file of a store. For whoever holds its lock, or knows that nobody writes it.
 *
 * @throws StoreError if there is none, or nothing of a store can be read from it
 */
export function examine(path: string, sha256: Sha256): Examination {
  const survey = surveyStore(path);
  const content = readContent(survey.rows);
  const { findings, claims } = named(path, () => audit(content, survey, sha256));
  const problems = survey.problems.map(({ subject, problem }) => repairable(subject, problem));
  return { ...survey, findings: [...problems, ...findings], content, claims };
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
