// Starts processes through the spawner, and daemons to measure.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Job, Order, Report } from './spawner.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const CORE = join(root, 'build/core.wasm');
export const LAUNCHER = join(root, 'dist/bin/ecs-ipam');
export const EXECUTABLE = join(root, 'dist/bin/ecs-ipamd');
export const NODE_PROGRAM = join(root, 'dist/bin/node.js');
const BUN = join(root, 'node_modules/.bin/bun');

const children = new Set<ChildProcess>();
const directories: string[] = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A new directory on disk, removed when the benchmark ends. */
export function workDirectory(): string {
  const directory = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'ecs-ipam-bench-'));
  directories.push(directory);
  return directory;
}

export class Spawner {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#child = spawn(BUN, [fileURLToPath(new URL('spawner.ts', import.meta.url))], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.add(this.#child);
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Runs the jobs; each must succeed. */
  async run(jobs: Job[], atOnce = 1): Promise<Report> {
    const order: Order = { jobs, atOnce };
    this.#child.stdin!.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the spawner has ended');
    const report = JSON.parse(value) as Report;
    const [failure] = Object.entries(report.failed);
    if (failure !== undefined) throw new Error(`${jobs[Number(failure[0])]!.argv.join(' ')}: exit ${failure[1]}`);
    return report;
  }

  end(): void {
    this.#child.stdin!.end();
    children.delete(this.#child);
  }
}

/** Runs `work` with a spawner, which ends with it. */
export async function withSpawner<T>(work: (spawner: Spawner) => Promise<T>): Promise<T> {
  const spawner = new Spawner();
  try {
    return await work(spawner);
  } finally {
    spawner.end();
  }
}

export interface RunningDaemon {
  pid: number;
  socket: string;
  stop(): Promise<void>;
}

export async function startDaemon(directory: string): Promise<RunningDaemon> {
  const socket = join(directory, 'ecs-ipam.sock');
  const child = spawn(EXECUTABLE, ['serve'], { env: { IPAM_SOCKET: socket }, stdio: 'ignore' });
  children.add(child);
  for (let waits = 0; !existsSync(socket); waits++) {
    if (waits > 1000 || child.exitCode !== null) throw new Error('the daemon does not start');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return {
    pid: child.pid!,
    socket,
    async stop() {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      children.delete(child);
    },
  };
}

/** A static program that does nothing: what a process costs at least. Undefined without a C compiler. */
export function buildEmptyProgram(directory: string): string | undefined {
  const path = join(directory, 'empty');
  const { error, status, stderr } = spawnSync('cc', ['-O2', '-static', '-s', '-x', 'c', '-', '-o', path], {
    input: 'int main(void) { return 0; }\n',
    encoding: 'utf8',
  });
  if (error !== undefined) return undefined;
  if (status !== 0) throw new Error(`cc: ${stderr}`);
  return path;
}

/** Memory of a process in MiB, by what it is. */
export function memoryOf(pid: number): { resident: number; anonymous: number; peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024;
  return { resident: field('VmRSS'), anonymous: field('RssAnon'), peak: field('VmHWM') };
}

/** Bytes that a process has written to files so far (proc(5), io: wchar; sockets do not count). */
export function bytesWrittenBy(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}
