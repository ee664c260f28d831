// Builds the launcher: static, so that it starts fast and needs nothing of the host.

import { spawnSync } from 'node:child_process';
import { renameSync } from 'node:fs';
import { join } from 'node:path';

const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-s'];

/** Makes ecs-ipam in `outDir`; false if there is no such compiler. */
export function buildLauncher(root: string, outDir: string, compiler: string): boolean {
  const product = join(outDir, 'ecs-ipam');
  const draft = `${product}.new`;
  const source = join(root, 'src/launcher/launcher.c');
  const { error, status, stderr } = spawnSync(compiler, [...FLAGS, '-o', draft, source], { encoding: 'utf8' });
  if (error !== undefined) return false;
  if (status !== 0) throw new Error(`${compiler} ${source} failed:\n${stderr}`);
  renameSync(draft, product);
  return true;
}
