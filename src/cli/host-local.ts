// The directory of the host-local plugin: <directory>/<network>/<address> holds the container id and, on a second line,
// the interface (before 2018 the id alone); last_reserved_ip.<range> the address that was given last.

import { type Dirent, existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { CniError, ErrorCode } from '../cni/error.ts';
import type { Unplaced } from '../ipam/import.ts';
import { parseAddress } from '../net/address.ts';

const LAST_RESERVED = /^last_reserved_ip\.\d+$/;
/** flock(2) on it is what host-local holds while it works. */
export const LOCK_NAME = 'lock';

/** What runtimes call the interface where the file does not say. */
const USUAL_INTERFACE = 'eth0';

export interface HostLocal extends Unplaced {
  /** What an operator should know of, in sentences. */
  notes: string[];
}

/** The folders of networks: the directory's own, or the directory itself if it is one of them. */
export function networkFolders(directory: string): string[] {
  const entries = list(directory);
  const isNetwork = entries.some(entry => !entry.isDirectory() && isOurs(entry.name));
  if (isNetwork) return [directory];
  return entries.filter(entry => entry.isDirectory()).map(entry => join(directory, entry.name));
}

const isOurs = (name: string): boolean => LAST_RESERVED.test(name) || name === LOCK_NAME || parse(name) !== undefined;

/** Reads one network's folder. What is neither an address nor host-local's otherwise is noted. */
export function readNetwork(folder: string, timeMs: number): HostLocal {
  const network = basename(resolve(folder));
  const found: HostLocal = { leases: [], cursors: [], notes: [] };
  for (const entry of list(folder)) {
    const path = join(folder, entry.name);
    const address = parse(entry.name);
    if (address !== undefined) {
      const [containerId = '', interfaceName = ''] = read(path)
        .split('\n', 2)
        .map(line => line.trim());
      if (containerId === '') found.notes.push(`${path}: names no container, its lease is anonymous`);
      const holder = { id: '', containerId, interfaceName: containerId && (interfaceName || USUAL_INTERFACE), network };
      found.leases.push({ ...holder, address, kind: 'container', bootId: '', timeMs });
    } else if (LAST_RESERVED.test(entry.name)) {
      const cursor = parse(read(path).trim());
      if (cursor === undefined) found.notes.push(`${path}: holds no address, and is left out`);
      else found.cursors.push(cursor);
    } else if (entry.name !== LOCK_NAME) {
      found.notes.push(`${path}: is not of host-local, and is left out`);
    }
  }
  return found;
}

export const hasLock = (folder: string): boolean => existsSync(join(folder, LOCK_NAME));

function parse(text: string): Uint8Array | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}

const list = (directory: string): Dirent[] =>
  translated(directory, () => readdirSync(directory, { withFileTypes: true }));
const read = (path: string): string => translated(path, () => readFileSync(path, 'utf8'));

function translated<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new CniError(ErrorCode.io, `${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}
