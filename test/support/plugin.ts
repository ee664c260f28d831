// Runs the built executable as a container runtime would: environment and stdin in, exit status, stdout and stderr out.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Env, type Run, start } from './start.ts';

export { type Env, EXECUTABLE, type Run } from './start.ts';

/** Where the daemon listens that the runner has started for this pass; without one, nobody listens there. */
export const DAEMON_SOCKET = process.env.ECS_IPAM_TEST_SOCKET ?? '/nonexistent/ecs-ipam.sock';

export interface RunOptions {
  env?: Env;
  /** A string goes in as it is; anything else as JSON. */
  stdin?: unknown;
  args?: string[];
  command?: string;
}

const directories: string[] = [];
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A new empty directory, removed when the process ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'ecs-ipam-test-'));
  directories.push(directory);
  return directory;
}

/** Path of a store that does not exist yet, in a directory of its own. */
export const temporaryStore = (): string => join(temporaryDirectory(), 'store.mdb');

/** Runs the executable with exactly this environment (plus PATH) and stdin. */
export function run({ env = {}, ...options }: RunOptions): Promise<Run> {
  const defined = Object.fromEntries(Object.entries(env).filter(entry => entry[1] !== undefined));
  return start({ ...options, env: { IPAM_SOCKET: DAEMON_SOCKET, ...defined } }).done;
}

/** Environment of a runtime for one attachment. */
export function cniEnv(command: string, store: string, overrides: Env = {}): Env {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'c1',
    CNI_NETNS: '/var/run/netns/c1',
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    IPAM_DB_PATH: store,
    ...overrides,
  };
}
