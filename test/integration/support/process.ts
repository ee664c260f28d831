// Processes under test that can be stopped, killed and waited for within a limit. Every child that is still alive when
// the test process ends is killed by its pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Env, EXECUTABLE, type Run } from '../../support/plugin.ts';

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

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Starts a process with exactly this environment (plus PATH, unless given). */
export function start(options: StartOptions): Started {
  const { command = EXECUTABLE, args = [], env = {}, stdin = '', cwd, limitMs = HANG_MS } = options;
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
  child.stdout.setEncoding('utf8').on('data', chunk => {
    stdout += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', chunk => {
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

export const execute = (options: StartOptions): Promise<Run> => start(options).done;

/** Runs a tool that must succeed, and gives its stdout. */
export async function tool(command: string, ...args: string[]): Promise<string> {
  const { status, signal, stdout, stderr } = await execute({ command, args });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status ?? signal}: ${stderr || stdout}`);
  return stdout;
}

/** Waits until a process that was started has printed this. */
export async function printed({ child, done }: Started, text: string, limitMs = 10_000): Promise<void> {
  let seen = '';
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`waited for "${text}": ${why}, saw "${seen}"`));
    const timer = setTimeout(() => fail(`nothing after ${limitMs} ms`), limitMs);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      settle();
    };
    child.stdout?.on('data', chunk => {
      seen += chunk;
      if (seen.includes(text)) finish(resolve);
    });
    done.then(
      ({ status, signal, stderr }) => finish(() => fail(`process ended (${status ?? signal}) ${stderr}`)),
      error => finish(() => reject(error)),
    );
  });
}

/** Whether the process has this file open now. */
export function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(fd => readlinkSync(`/proc/${pid}/fd/${fd}`) === path);
  } catch {
    return false;
  }
}

/** Processes that this one has started and that are alive. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Runs jobs in order, `atOnce` at a time; gives the results in order. */
export async function inParallel<Job, Result>(
  jobs: Job[],
  atOnce: number,
  work: (job: Job) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(atOnce, jobs.length) }, async () => {
      while (next < jobs.length) {
        const index = next++;
        results[index] = await work(jobs[index] as Job);
      }
    }),
  );
  return results;
}

/** mulberry32: random numbers of [0, 1) that a seed repeats. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A new seed, or the one of SEED=…; printed so that a failure can be repeated. */
export function newSeed(): number {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
  console.log(`seed ${seed}`);
  return seed;
}
