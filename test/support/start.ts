// Starts processes under test, which can be stopped, killed and waited for within a limit. Every child that is still
// alive when the test process ends is killed by its pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const EXECUTABLE = fileURLToPath(new URL('../../dist/bin/ecs-ipam', import.meta.url));

export interface Run {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

/** Environment of one run; undefined removes what the default gives. */
export type Env = Record<string, string | undefined>;

/** Longer than anything that is tested may take: who reaches it hangs. */
const HANG_MS = 20_000;

export interface StartOptions {
  command?: string;
  args?: string[];
  env?: Env;
  /** A string goes in as it is, null leaves the pipe open, anything else goes in as JSON. */
  stdin?: unknown;
  cwd?: string;
  limitMs?: number;
  /** How stdout and stderr are read. */
  encoding?: BufferEncoding;
}

export interface Started {
  child: ChildProcess;
  pid: number;
  done: Promise<Run>;
}

const alive = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Starts a process with exactly this environment (plus PATH, unless given). */
export function start(options: StartOptions): Started {
  const { command = EXECUTABLE, args = [], env = {}, stdin = '', cwd, limitMs = HANG_MS, encoding = 'utf8' } = options;
  const defined = Object.entries({ PATH: process.env.PATH, ...env }).filter(entry => entry[1] !== undefined);
  const startMs = performance.now();
  const child = spawn(command, args, {
    env: Object.fromEntries(defined) as Record<string, string>,
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  alive.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding(encoding).on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.setEncoding(encoding).on('data', chunk => {
    stderr += chunk;
  });
  // A command may answer before it has read all of stdin.
  child.stdin.on('error', () => {});
  if (stdin !== null) child.stdin.end(typeof stdin === 'string' ? stdin : JSON.stringify(stdin));
  const done = new Promise<Run>((resolve, reject) => {
    const watchdog = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${command} ${args.join(' ')}: still running after ${limitMs} ms\n${stdout}\n${stderr}`));
    }, limitMs);
    const settle = (finish: () => void) => {
      clearTimeout(watchdog);
      alive.delete(child);
      finish();
    };
    child.on('error', error => settle(() => reject(error)));
    child.on('close', (status, signal) =>
      settle(() => resolve({ status, signal, stdout, stderr, ms: performance.now() - startMs })),
    );
  });
  done.catch(() => {});
  return { child, pid: child.pid ?? 0, done };
}
