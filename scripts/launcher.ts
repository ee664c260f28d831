// Builds the launcher, where there is a C compiler. Without one the executable stands in for it: slower, and the same.

import { spawnSync } from 'node:child_process';
import { copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-s'];

/** Makes dist/bin/ecs-ipam; says what it is. */
export function buildLauncher(root: string): 'launcher' | 'the executable: no C compiler' {
  const product = join(root, 'dist/bin/ecs-ipam');
  const draft = `${product}.new`;
  const compiler = process.env.CC ?? 'cc';
  const source = join(root, 'src/launcher/launcher.c');
  const { error, status, stderr } = spawnSync(compiler, [...FLAGS, '-o', draft, source], { encoding: 'utf8' });
  const hasCompiler = error === undefined;
  if (hasCompiler && status !== 0) throw new Error(`${compiler} ${source} failed:\n${stderr}`);
  if (!hasCompiler) copyFileSync(join(root, 'dist/bin/ecs-ipamd'), draft);
  renameSync(draft, product);
  return hasCompiler ? 'launcher' : 'the executable: no C compiler';
}
