// Packages of the registry that npm does not install here, as they are for another machine. What comes must be what
// package-lock.json says.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of a package, fetched where npm has not installed it. */
export function packageFolder(root: string, name: string): string {
  const installed = join(root, 'node_modules', name);
  if (existsSync(installed)) return installed;
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (integrity === undefined) throw new Error(`${name}: package-lock.json does not know it`);
  const folder = join(root, 'build/packages', `${name.replace('/', '-')}-${version}`);
  mkdirSync(folder, { recursive: true });
  const tarball = join(folder, `${name.replace(/^@/, '').replace('/', '-')}-${version}.tgz`);
  if (!existsSync(tarball)) run('npm', 'pack', '--silent', '--pack-destination', folder, `${name}@${version}`);
  const [algorithm = '', digest] = integrity.split(/-(.*)/s);
  const found = createHash(algorithm).update(readFileSync(tarball)).digest('base64');
  if (found !== digest) throw new Error(`${tarball}: ${algorithm}-${found}, and package-lock.json has ${integrity}`);
  run('tar', '-xzf', tarball, '-C', folder);
  return join(folder, 'package');
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${stderr}${error ?? ''}`);
}
