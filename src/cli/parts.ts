// What an installation consists of: three files for the CNI directory and two units for systemd.

import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CniError, ErrorCode } from '../cni/error.ts';
import { UNITS } from './units.generated.ts';

export interface InstallOptions {
  cniDir: string;
  systemdDir: string;
  systemd: boolean;
  dryRun?: boolean;
}

export interface Part {
  path: string;
  mode: number;
  content(): Uint8Array;
  /** Text that this file has had in every version: a file with it is ours to replace and to remove. */
  mark: string;
}

/** Where packages put the executable: the launcher knows it, and the units name it until they are installed. */
const PACKAGED_PATH = '/usr/libexec/ecs-ipam/ecs-ipamd';
const UNIT_MARK = 'This file belongs to ecs-ipam';

/** In the order in which they are put in place: nothing comes before what it needs. */
const PROGRAMS = [
  { name: 'lmdb.node', mode: 0o644, mark: 'mdb_env_open' },
  { name: 'ecs-ipamd', mode: 0o755, mark: PACKAGED_PATH },
  { name: 'ecs-ipam', mode: 0o755, mark: PACKAGED_PATH },
];

export function partsOf({ cniDir, systemdDir, systemd }: InstallOptions): Part[] {
  const home = dirname(process.execPath);
  const programs = PROGRAMS.map(({ name, ...rest }) => ({
    ...rest,
    path: join(resolve(cniDir), name),
    content: () => readProgram(home, name),
  }));
  if (!systemd) return programs;
  const executable = join(resolve(cniDir), 'ecs-ipamd');
  const units = Object.entries(UNITS).map(([name, text]) => ({
    path: join(resolve(systemdDir), name),
    mode: 0o644,
    mark: UNIT_MARK,
    content: () => new TextEncoder().encode(text.replaceAll(PACKAGED_PATH, asUnitText(executable))),
  }));
  return [...programs, ...units];
}

function readProgram(home: string, name: string): Uint8Array {
  try {
    return readFileSync(join(home, name));
  } catch (error) {
    const { message } = error as Error;
    throw new CniError(ErrorCode.io, `${name}: what is installed lies beside ${process.execPath}: ${message}`);
  }
}

/** In a unit, spaces, quotes, `%` and `$` mean something: a path with one of them is refused rather than escaped. */
function asUnitText(path: string): string {
  if (/^[\w./@+:-]+$/.test(path)) return path;
  throw new CniError(ErrorCode.configuration, `--cni-dir ${dirname(path)}: a unit cannot name it; see --no-systemd`);
}
