// Programs in C that tests need, built by the tests themselves.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { temporaryDirectory } from './plugin.ts';

/** Compiles a file into one of that name, in a directory of its own. Returns its path. */
export function compile(source: string, name: string, ...flags: string[]): string {
  const path = join(temporaryDirectory(), name);
  const { status, stderr } = spawnSync('cc', [...flags, '-Wall', '-Wextra', '-Werror', '-o', path, source]);
  assert.is(status, 0, String(stderr));
  return path;
}
