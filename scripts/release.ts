// Makes the tarballs of a release, and SHA256SUMS beside them. The same commit gives the same bytes.
// Usage: bun scripts/release.ts [directory]   (default: release)

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildConstants, git } from './constants.ts';
import { compareVersions, newestSymbolVersions } from './elf.ts';
import { ADDON_FILE, addonPackage, buildExecutable, nativePlatform, type Platform } from './executable.ts';
import { buildLauncher } from './launcher.ts';
import { thirdPartyNotices } from './notices.ts';
import { packageFolder } from './packages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const output = resolve(process.argv[2] ?? join(root, 'release'));

/** Each architecture, by the names that Bun's packages and cross compilers have for it. */
const ARCHITECTURES = [
  { arch: 'x64', bunPackage: '@oven/bun-linux-x64', crossCompiler: 'x86_64-linux-gnu-gcc' },
  { arch: 'arm64', bunPackage: '@oven/bun-linux-aarch64', crossCompiler: 'aarch64-linux-gnu-gcc' },
] as const;

const PROGRAMS = ['ecs-ipam', 'ecs-ipamd', 'lmdb.node'];

const constants = buildConstants(root);
const version: string = JSON.parse(constants.BUILD_VERSION as string);
const commit = JSON.parse(constants.BUILD_GIT_SHORT_HASH as string) || 'no commit';
const state = constants.BUILD_DIRTY === 'true' ? `${commit}, with changes` : commit;
/** Seconds: what all files of a tarball are dated. */
const date = process.env.SOURCE_DATE_EPOCH ?? (git(root, 'log', '-1', '--format=%ct') || '0');

mkdirSync(output, { recursive: true });
mkdirSync(join(root, 'build'), { recursive: true });
const workshop = mkdtempSync(join(root, 'build/release-'));
const tarballs: string[] = [];
try {
  for (const { arch, bunPackage, crossCompiler } of ARCHITECTURES) {
    const name = `ecs-ipam-${version}-linux-${arch}`;
    const folder = join(workshop, name);
    const isNative = arch === process.arch;
    const platform = isNative ? nativePlatform(root) : foreignPlatform(arch, bunPackage);
    const packages = await buildExecutable(root, folder, constants, platform);
    const compiler = isNative ? (process.env.CC ?? 'cc') : crossCompiler;
    if (!buildLauncher(root, folder, compiler)) throw new Error(`${compiler}: not found, and the launcher needs it`);
    const needs = describeNeeds(folder);
    addDocuments(folder, `ecs-ipam ${version} (${state}), linux-${arch}`, needs, packages);
    tarballs.push(pack(folder, name));
    console.log(`${join(output, `${name}.tar.gz`)}: needs ${needs}`);
  }
} finally {
  rmSync(workshop, { recursive: true });
}
writeFileSync(join(output, 'SHA256SUMS'), tarballs.map(tarball => `${sha256(tarball)}  ${tarball}\n`).join(''));

function foreignPlatform(arch: Platform['arch'], bunPackage: string): Platform {
  return {
    arch,
    bun: join(packageFolder(root, bunPackage), 'bin/bun'),
    addon: join(packageFolder(root, addonPackage(arch)), ADDON_FILE),
  };
}

/** The oldest libraries of the host that all three programs run with. */
function describeNeeds(folder: string): string {
  const newest = new Map<string, string>();
  for (const program of PROGRAMS) {
    for (const [kind, needed] of newestSymbolVersions(join(folder, program))) {
      if (compareVersions(needed, newest.get(kind) ?? '0') > 0) newest.set(kind, needed);
    }
  }
  return `glibc ${newest.get('GLIBC')}, libstdc++ with GLIBCXX_${newest.get('GLIBCXX')}, libgcc_s`;
}

function addDocuments(folder: string, title: string, needs: string, packages: readonly string[]): void {
  mkdirSync(join(folder, 'systemd'));
  for (const unit of readdirSync(join(root, 'contrib/systemd'))) {
    copyFileSync(join(root, 'contrib/systemd', unit), join(folder, 'systemd', unit));
  }
  for (const document of ['LICENSE', 'README.md']) copyFileSync(join(root, document), join(folder, document));
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES'), thirdPartyNotices(root, packages));
  writeFileSync(
    join(folder, 'RELEASE'),
    `${title}\nNeeds ${needs}, or newer.\nTo install: ./ecs-ipamd install --cni-dir /opt/cni/bin   (first: --dry-run)\n`,
  );
}

/** Puts the folder into a tarball in the output directory; gives its name. Nothing in it depends on time or user. */
function pack(folder: string, name: string): string {
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const isProgram = file === 'ecs-ipam' || file === 'ecs-ipamd' || statSync(join(folder, file)).isDirectory();
    chmodSync(join(folder, file), isProgram ? 0o755 : 0o644);
  }
  chmodSync(folder, 0o755);
  const tarball = `${name}.tar.gz`;
  const draft = join(workshop, tarball);
  const args = ['--create', '--format=ustar', '--sort=name', '--owner=0', '--group=0', '--numeric-owner'];
  args.push(`--mtime=@${date}`, '--use-compress-program=gzip -n', `--file=${draft}`, `--directory=${workshop}`, name);
  const { status, stderr, error } = spawnSync('tar', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tar ${args.join(' ')} failed: ${stderr}${error ?? ''}`);
  copyFileSync(draft, join(output, `${tarball}.new`));
  renameSync(join(output, `${tarball}.new`), join(output, tarball));
  return tarball;
}

function sha256(tarball: string): string {
  return createHash('sha256')
    .update(readFileSync(join(output, tarball)))
    .digest('hex');
}
