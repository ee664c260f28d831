// What a build says of itself: version, commit, and whether the sources differ from it.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** As JavaScript texts, by the names that src/cli/version.ts declares. */
export function buildConstants(root: string): Record<string, string> {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return {
    BUILD_VERSION: JSON.stringify(version),
    BUILD_GIT_SHORT_HASH: JSON.stringify(git(root, 'rev-parse', '--short=8', 'HEAD')),
    BUILD_DIRTY: JSON.stringify(git(root, 'status', '--porcelain', '--untracked-files=no') !== ''),
  };
}

/** Output of git; empty where the sources do not come from a repository. */
export function git(root: string, ...args: string[]): string {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}
