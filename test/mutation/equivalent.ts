// Mutants that no test can tell from the original, each with its reason: equivalent.json. They are not counted.

import { readFileSync } from 'node:fs';
import type { Mutant } from './mutants.ts';

interface Entry {
  file: string;
  /** The line that is changed, trimmed. */
  line: string;
  /** `original -> replacement`. */
  mutation: string;
  /** Which of several that are alike in all of that, from 1. */
  nth?: number;
  reason: string;
}

const ENTRIES = JSON.parse(readFileSync(new URL('equivalent.json', import.meta.url), 'utf8')) as Entry[];

export const describe = ({ original, replacement }: Mutant): string =>
  `${original.replace(/\s+/g, ' ')} -> ${replacement.replace(/\s+/g, ' ')}`;

/**
 * Takes the equivalent ones of some files' mutants apart.
 *
 * @throws Error for an entry that matches none or several: the source has changed, and its reason may hold no more
 */
export function findEquivalent(mutants: readonly Mutant[], files: readonly string[]): Set<Mutant> {
  const equivalent = new Set<Mutant>();
  for (const entry of ENTRIES.filter(({ file }) => files.includes(file))) {
    const alike = mutants.filter(
      mutant => mutant.file === entry.file && mutant.text === entry.line && describe(mutant) === entry.mutation,
    );
    const matching = entry.nth === undefined ? alike : alike.slice(entry.nth - 1, entry.nth);
    const [match] = matching;
    if (match === undefined || matching.length > 1 || equivalent.has(match)) {
      throw new Error(`equivalent.json: ${matching.length} matches of a new mutant for ${JSON.stringify(entry)}`);
    }
    equivalent.add(match);
  }
  return equivalent;
}
