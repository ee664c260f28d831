// Tools, waiting for processes and looking into them.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Run } from '../../support/plugin.ts';
import { type Started, type StartOptions, start } from '../../support/start.ts';

export { type Started, type StartOptions, start } from '../../support/start.ts';

export const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

export const execute = (options: StartOptions): Promise<Run> => start(options).done;

/** Runs a tool that must succeed, and gives its stdout. */
export async function tool(command: string, ...args: string[]): Promise<string> {
  const { status, signal, stdout, stderr } = await execute({ command, args });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status ?? signal}: ${stderr || stdout}`);
  return stdout;
}

/** Perl that makes stdin and stdout non-blocking, and becomes the command that follows. */
export const NON_BLOCKING = `use Fcntl;
for my $fh (*STDIN, *STDOUT) { fcntl($fh, F_SETFL, fcntl($fh, F_GETFL, 0) | O_NONBLOCK) or die "fcntl: $!" }
exec { $ARGV[0] } @ARGV or die "exec: $!"`;

/** Waits until a process that was started has printed this, on stdout or stderr. */
export async function printed({ child, done }: Started, text: string, limitMs = 10_000): Promise<void> {
  let seen = '';
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`waited for "${text}": ${why}, saw "${seen}"`));
    const timer = setTimeout(() => fail(`nothing after ${limitMs} ms`), limitMs);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      settle();
    };
    const look = (chunk: string) => {
      seen += chunk;
      if (seen.includes(text)) finish(resolve);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    done.then(
      ({ status, signal }) => finish(() => fail(`process ended (${status ?? signal})`)),
      error => finish(() => reject(error)),
    );
  });
}

/** Waits for what happens in another process. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 40_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
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
