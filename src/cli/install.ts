// `ecs-ipamd install` and `uninstall`. A file is put in place by renaming, so that whoever runs the old one goes on
// running it and nobody sees half a file. All new files are written before the first is renamed: what cannot be written
// leaves everything as it was.

import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CniError, ErrorCode } from '../cni/error.ts';
import { type InstallOptions, type Part, partsOf } from './parts.ts';

export type { InstallOptions } from './parts.ts';

type Print = (line: string) => void;

/** What lies at a part's path: nothing, the same, another version of ours, or somebody else's. */
type Found = 'nothing' | 'same' | 'ours' | 'foreign';

interface Step extends Part {
  found: Found;
  bytes: Uint8Array;
}

const DONE: Record<Found, string> = {
  nothing: 'installed',
  same: 'unchanged',
  ours: 'updated',
  foreign: 'installed',
};

/** Where somebody else's file is kept under a second name, and where a new one is written before it is renamed. */
const previous = (path: string) => `${path}.previous`;
const draft = (path: string) => join(dirname(path), `.${path.slice(path.lastIndexOf('/') + 1)}.${process.pid}.new`);

export function install(options: InstallOptions, print: Print): void {
  requireDirectories(options);
  const steps = partsOf(options).map(plan);
  const changes = steps.filter(({ found }) => found !== 'same');
  if (!options.dryRun) apply(changes);
  for (const { path, found } of steps) {
    print(`${path}: ${options.dryRun && found !== 'same' ? 'would be ' : ''}${DONE[found]}`);
    if (found === 'foreign') print(`${previous(path)}: ${options.dryRun ? 'would keep' : 'keeps'} what was there`);
  }
  if (!options.systemd || changes.length === 0) return;
  print('Next:');
  print('  systemctl daemon-reload');
  print('  systemctl enable --now ecs-ipam.socket');
  if (changes.some(({ found }) => found === 'ours')) print('  systemctl try-restart ecs-ipam.service');
}

export function uninstall(options: InstallOptions, print: Print): void {
  requireDirectories(options);
  if (options.systemd) requireDisabled(resolve(options.systemdDir));
  // In reverse: the plugin goes before what it needs.
  const parts = partsOf(options).reverse();
  for (const { path, found } of parts.map(part => ({ ...part, found: look(part, undefined) }))) {
    if (found === 'ours' && !options.dryRun) attempt(path, () => rmSync(path));
    const removed = options.dryRun ? 'would be removed' : 'removed';
    print(`${path}: ${found === 'ours' ? removed : found === 'nothing' ? 'not there' : 'left: it is not ours'}`);
    if (identityOf(previous(path)) !== undefined) print(`${previous(path)}: left: it was there before`);
  }
  print('Stores are left: /data/ecs-ipam.mdb, or what IPAM_DB_PATH has named, and the lock files beside it.');
  if (options.systemd) print('Next:\n  systemctl daemon-reload');
}

function plan(part: Part): Step {
  const { path } = part;
  const bytes = part.content();
  const found = look(part, bytes);
  if (found === 'foreign' && ![undefined, identityOf(path)].includes(identityOf(previous(path)))) {
    throw refusal(`${path} is not ours, and would be kept as ${previous(path)}, which is there already: move it away`);
  }
  return { ...part, bytes, found };
}

function look({ path, mode, mark }: Part, bytes: Uint8Array | undefined): Found {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'nothing';
  if (stat.isSymbolicLink()) return 'foreign';
  if (!stat.isFile()) throw refusal(`${path}: is there, and is not a file`);
  const present = readFileSync(path);
  if (bytes !== undefined && present.equals(bytes) && (stat.mode & 0o7777) === mode) return 'same';
  return present.includes(mark) ? 'ours' : 'foreign';
}

function apply(changes: readonly Step[]): void {
  try {
    for (const step of changes) attempt(step.path, () => write(step));
    for (const { path, found } of changes) {
      if (found === 'foreign') attempt(previous(path), () => keep(path));
    }
    for (const { path } of changes) attempt(path, () => renameSync(draft(path), path));
  } finally {
    for (const { path } of changes) rmSync(draft(path), { force: true });
  }
}

/** A second name, not another name: there is no instant without a file at the path. */
function keep(path: string): void {
  if (identityOf(previous(path)) === undefined) linkSync(path, previous(path)); // else an earlier try has come this far
}

function write({ path, bytes, mode }: Step): void {
  const fd = openSync(draft(path), 'wx', mode);
  try {
    writeFileSync(fd, bytes);
    fchmodSync(fd, mode); // whatever the umask
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function requireDirectories({ cniDir, systemdDir, systemd, dryRun }: InstallOptions): void {
  const directories = [{ option: '--cni-dir', path: cniDir, remedy: 'make it, or name another' }];
  if (systemd) directories.push({ option: '--systemd-dir', path: systemdDir, remedy: 'without systemd: --no-systemd' });
  for (const { option, path, remedy } of directories) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) throw refusal(`${option} ${path}: is not there; ${remedy}`);
    if (!stat.isDirectory()) throw refusal(`${option} ${path}: is not a directory`);
    if (!dryRun) attempt(`${option} ${path}`, () => accessSync(path, constants.W_OK));
  }
}

/** systemd finds its way back from an enabled unit by the unit's file. */
function requireDisabled(systemdDir: string): void {
  const link = join(systemdDir, 'sockets.target.wants/ecs-ipam.socket');
  if (identityOf(link) === undefined) return;
  throw refusal(`${link}: the socket is enabled; first: systemctl disable --now ecs-ipam.socket`);
}

/** Which file, or link, has this name; undefined if none. */
function identityOf(path: string): string | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

const refusal = (message: string) => new CniError(ErrorCode.io, message);

/** Errors of the operating system name what they befell. */
function attempt(subject: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw refusal(`${subject}: ${(error as Error).message}`);
  }
}
