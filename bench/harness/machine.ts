// Where and on what the figures were taken.

import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export interface Machine {
  date: string;
  processor: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  versions: Record<string, string>;
}

export function describeMachine(): Machine {
  const packageOf = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
  const { version, dependencies, devDependencies } = packageOf('../../package.json');
  const bench = packageOf('../package.json');
  const [processor] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: processor?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    versions: {
      'ecs-ipam': version,
      node: process.versions.node,
      bun: devDependencies.bun,
      lmdb: dependencies.lmdb,
      assemblyscript: devDependencies.assemblyscript,
      ...bench.optionalDependencies,
    },
  };
}
