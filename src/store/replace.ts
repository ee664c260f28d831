// Puts a new store in the place of a file, and keeps the file: for repair, restore and import.

import { chownSync, existsSync, linkSync, rmSync, statSync } from 'node:fs';
import { draftStore } from './create.ts';
import { replaceBy } from './place.ts';
import type { Transaction } from './transaction.ts';

/**
 * Makes a store of the rows that `fill` puts, and puts it in the place of the file at `path`, of whatever kind that is.
 * That file stays as `<path>.<reason>-<time>`. For whoever holds the store's lock exclusively, and has it not open.
 *
 * If the process dies on the way, `path` is the old file or the new one, never none: an empty store would be made in
 * its place, and give every address anew. Whoever has the old file open (a daemon, a reader) sees by its inode that it
 * has been replaced.
 *
 * @param check throws if the new store is not what it should be: then nothing has changed
 * @returns the old file's new name; undefined if there was none
 */
export async function replaceStore(
  path: string,
  reason: string,
  fill: (transaction: Transaction) => void,
  check: (draft: string) => void = () => {},
): Promise<string | undefined> {
  let kept: string | undefined;
  await draftStore(path, fill, draft => {
    check(draft);
    if (existsSync(path)) {
      const { uid, gid } = statSync(path);
      chownSync(draft, uid, gid);
      kept = unusedName(path, reason);
      linkSync(path, kept);
    }
    replaceBy(draft, path);
    // LMDB's lock file belongs to the old one, which may still be open. Only now: as long as the old file is in place,
    // another lock file beside it would let a writer overwrite what a reader reads.
    rmSync(`${path}-lock`, { force: true });
  });
  return kept;
}

function unusedName(path: string, reason: string): string {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, ''); // 20060102T150405Z
  const name = `${path}.${reason}-${time}`;
  for (let i = 2; ; i++) {
    const candidate = i === 2 ? name : `${name}-${i - 1}`;
    if (!existsSync(candidate)) return candidate;
  }
}
