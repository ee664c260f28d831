// Which contestants there are here.

import type { Contestant } from '../contestants/contestant.ts';

/** Optional packages may be missing, or not be for this Node.js: that is noted, and the others go on. */
export async function gather(
  wanted: readonly (Contestant | (() => Promise<Contestant>))[],
): Promise<{ contestants: Contestant[]; notes: string[] }> {
  const contestants: Contestant[] = [];
  const notes: string[] = [];
  for (const each of wanted) {
    if (typeof each !== 'function') {
      contestants.push(each);
      continue;
    }
    try {
      contestants.push(await each());
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND' && code !== 'ERR_DLOPEN_FAILED') throw error;
      const [missing = message] = /'[^']+'/.exec(message) ?? [];
      notes.push(`${missing} cannot be imported here`);
    }
  }
  return { contestants, notes };
}
