// Runs the built executable as a container runtime would: environment and stdin in, exit status, stdout and stderr out.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const EXECUTABLE = fileURLToPath(new URL('../../dist/bin/ecs-ipam', import.meta.url));

/** Where the daemon listens that the runner has started for this pass; without one, nobody listens there. */
export const DAEMON_SOCKET = process.env.ECS_IPAM_TEST_SOCKET ?? '/nonexistent/ecs-ipam.sock';

export interface Run {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

/** Environment of one run; undefined removes what the default gives. */
export type Env = Record<string, string | undefined>;

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
export function run({ env = {}, stdin = '', args = [], command = EXECUTABLE }: RunOptions): Promise<Run> {
  const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const startMs = performance.now();
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, IPAM_SOCKET: DAEMON_SOCKET, ...Object.fromEntries(defined) },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', chunk => {
    stderr += chunk;
  });
  // A command that answers before it has read all of stdin closes the pipe: that is its right.
  child.stdin.on('error', () => {});
  child.stdin.end(typeof stdin === 'string' ? stdin : JSON.stringify(stdin));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr, ms: performance.now() - startMs }));
  });
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
