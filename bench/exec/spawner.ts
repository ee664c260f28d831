// Runs processes as a container runtime written in Go would: posix_spawn, stdin from a file, and nothing else between.
// A program of its own, on Bun: it stays small, as the cost of a spawn grows with its parent. One order a line on
// stdin, one answer a line on stdout.

import { dlopen, FFIType, ptr } from 'bun:ffi';
import { createInterface } from 'node:readline';

export interface Job {
  argv: string[];
  env: Record<string, string>;
  /** File that is its stdin. */
  stdin: string;
}

export interface Order {
  jobs: Job[];
  /** How many run at a time. */
  atOnce: number;
}

export interface Report {
  /** From before the spawn to after the wait, by job. */
  ms: number[];
  /** Most memory that it had at a time, by job (getrusage(2), ru_maxrss). */
  residentKiB: number[];
  /** From the first spawn to the last end. */
  totalMs: number;
  /** Exit statuses other than 0, by job. */
  failed: Record<number, number>;
}

const { i32, ptr: pointer } = FFIType;
const { symbols: libc } = dlopen('libc.so.6', {
  posix_spawn: { args: [pointer, pointer, pointer, pointer, pointer, pointer], returns: i32 },
  posix_spawn_file_actions_init: { args: [pointer], returns: i32 },
  posix_spawn_file_actions_addopen: { args: [pointer, i32, pointer, i32, i32], returns: i32 },
  posix_spawn_file_actions_destroy: { args: [pointer], returns: i32 },
  wait4: { args: [i32, pointer, i32, pointer], returns: i32 },
});

const FILE_ACTIONS_BYTES = 256; // glibc's take 80
const [O_RDONLY, O_WRONLY] = [0, 1];
const DEV_NULL = Buffer.from('/dev/null\0');

interface Prepared {
  path: Buffer;
  argv: BigUint64Array;
  envp: BigUint64Array;
  stdin: Buffer;
  /** What the addresses in argv and envp lead to. */
  texts: Buffer[];
}

function prepare({ argv, env, stdin }: Job): Prepared {
  const texts: Buffer[] = [];
  const pointers = (list: string[]) => {
    const addresses = new BigUint64Array(list.length + 1); // ends in a null pointer
    for (const [i, text] of list.entries()) {
      const bytes = Buffer.from(`${text}\0`);
      texts.push(bytes);
      addresses[i] = BigInt(ptr(bytes));
    }
    return addresses;
  };
  return {
    path: Buffer.from(`${argv[0]}\0`),
    argv: pointers(argv),
    envp: pointers(Object.entries(env).map(([name, value]) => `${name}=${value}`)),
    stdin: Buffer.from(`${stdin}\0`),
    texts,
  };
}

function must(what: string, errno: number): void {
  if (errno !== 0) throw new Error(`${what}: errno ${errno}`);
}

const pid = new Int32Array(1);
const state = new Int32Array(1);
const RUSAGE_BYTES = 144;
const MAX_RESIDENT = 4; // the fifth of its 64-bit numbers, behind two times of two numbers each
const usage = new BigInt64Array(RUSAGE_BYTES / 8);

function spawn(job: Prepared): number {
  const actions = new Uint8Array(FILE_ACTIONS_BYTES);
  must('posix_spawn_file_actions_init', libc.posix_spawn_file_actions_init(ptr(actions)));
  const open = (fd: number, path: Buffer, flags: number) =>
    must('addopen', libc.posix_spawn_file_actions_addopen(ptr(actions), fd, ptr(path), flags, 0));
  open(0, job.stdin, O_RDONLY);
  open(1, DEV_NULL, O_WRONLY);
  open(2, DEV_NULL, O_WRONLY);
  must(
    job.path.toString(),
    libc.posix_spawn(ptr(pid), ptr(job.path), ptr(actions), null, ptr(job.argv), ptr(job.envp)),
  );
  libc.posix_spawn_file_actions_destroy(ptr(actions));
  return pid[0]!;
}

/** Waits for any child. */
function wait(): { child: number; status: number } {
  const child = libc.wait4(-1, ptr(state), 0, ptr(usage));
  if (child < 0) throw new Error('wait4 failed');
  const signal = state[0]! & 0x7f;
  return { child, status: signal === 0 ? state[0]! >> 8 : 128 + signal };
}

function carryOut({ jobs, atOnce }: Order): Report {
  const prepared = jobs.map(prepare);
  const report: Report = { ms: [], residentKiB: [], totalMs: 0, failed: {} };
  const running = new Map<number, { job: number; startMs: number }>();
  const beginMs = performance.now();
  for (let next = 0; next < jobs.length || running.size > 0; ) {
    while (next < jobs.length && running.size < atOnce) {
      const startMs = performance.now();
      running.set(spawn(prepared[next]!), { job: next, startMs });
      next++;
    }
    const { child, status } = wait();
    const { job, startMs } = running.get(child)!;
    running.delete(child);
    report.ms[job] = performance.now() - startMs;
    report.residentKiB[job] = Number(usage[MAX_RESIDENT]);
    if (status !== 0) report.failed[job] = status;
  }
  report.totalMs = performance.now() - beginMs;
  return report;
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(carryOut(JSON.parse(line))));
}
