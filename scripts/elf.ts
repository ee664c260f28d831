// What a binary asks of the host that runs it, as binutils' readelf shows it.

import { spawnSync } from 'node:child_process';

/** The newest version of each kind of symbol: GLIBC 2.34, GLIBCXX 3.4.29 ...; empty for a static binary. */
export function newestSymbolVersions(path: string): Map<string, string> {
  const { status, stdout, stderr, error } = spawnSync('readelf', ['--version-info', '--wide', path], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (status !== 0) throw new Error(`readelf ${path} failed: ${stderr}${error ?? ''}`);
  const newest = new Map<string, string>();
  for (const [, kind = '', version = ''] of stdout.matchAll(/Name: (GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+) /g)) {
    if (compareVersions(version, newest.get(kind) ?? '0') > 0) newest.set(kind, version);
  }
  return newest;
}

export function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
