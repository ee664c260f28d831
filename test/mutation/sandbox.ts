// A copy of the sources and tests, in which one file after another is changed and tested.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileCore } from './core.ts';
import type { Mutant } from './mutants.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['src', 'test', 'assembly', 'build', 'package.json', 'tsconfig.json', 'asconfig.json'];

/** Random tests try the same in every run: whether a mutant survives is no matter of luck. */
const ENVIRONMENT = {
  ECS_IPAM_TEST_SEED: '1',
  ECS_IPAM_TEST_SHARE: '0.1',
  // The debug build is compiled ten times as quickly, and its assertions notice more.
  ECS_IPAM_TEST_BUILD: 'debug',
  FORCE_COLOR: '0',
};

/** How a mutant ended. `invalid`: it does not compile. `same`: to the same bytes as the original. */
export type Verdict = 'killed' | 'timeout' | 'invalid' | 'same' | 'survived';

export interface Ending {
  verdict: Verdict;
  /** The test file that noticed. */
  by?: string;
}

export interface TestRun {
  outcome: 'passed' | 'failed' | 'late';
  /** Of the processor. */
  seconds: number;
}

/** How long a test may wait for the processor, for each second that it may have it. */
const MOST_MS_FOR_A_SECOND = 30_000;

/** Test files, and how many seconds of the processor each may take. */
export type Limits = ReadonlyMap<string, number>;

export class Sandbox {
  readonly #root = mkdtempSync(join(tmpdir(), 'ecs-ipam-mutation-'));

  constructor() {
    for (const name of COPIED) cpSync(join(ROOT, name), join(this.#root, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(this.#root, 'node_modules'));
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** Tests a mutant with each of the test files until one fails. */
  try(mutant: Mutant, limits: Limits): Promise<Ending> {
    return this.#with(mutant, async () => {
      if (mutant.file.startsWith('assembly/') && !(await this.buildCore())) return { verdict: 'invalid' };
      for (const [test, limitSeconds] of limits) {
        const { outcome } = await this.run(test, limitSeconds);
        if (outcome !== 'passed') return { verdict: outcome === 'failed' ? 'killed' : 'timeout', by: test };
      }
      return { verdict: 'survived' };
    });
  }

  /** The release build of a mutant, or of the core as it is. */
  async releaseOf(mutant?: Mutant): Promise<Uint8Array> {
    const compile = () => compileCore(this.#root, 'release');
    const wasm = await (mutant === undefined ? compile() : this.#with(mutant, compile));
    if (wasm === undefined) throw new Error('the core does not compile');
    return wasm;
  }

  /** Puts the core in place as its sources are; false if they do not compile. */
  async buildCore(): Promise<boolean> {
    const wasm = await compileCore(this.#root, 'debug');
    if (wasm === undefined) return false;
    this.#write('build/core.debug.wasm', wasm);
    const base64 = Buffer.from(wasm).toString('base64');
    this.#write('src/core/bytes.generated.ts', `export const CORE_BASE64 = '${base64}';\n`);
    return true;
  }

  async #with<T>(mutant: Mutant, work: () => Promise<T>): Promise<T> {
    const source = readFileSync(join(ROOT, mutant.file), 'utf8');
    this.#write(mutant.file, source.slice(0, mutant.start) + mutant.replacement + source.slice(mutant.end));
    try {
      return await work();
    } finally {
      this.#write(mutant.file, source);
    }
  }

  /**
   * Runs a test file on Bun, which starts several times as quickly as Node.js with tsx. The limit is on the time of the
   * processor, so that a machine with other work to do makes no mutant endless.
   */
  run(test: string, limitSeconds: number): Promise<TestRun> {
    const bun = join(ROOT, 'node_modules/.bin/bun');
    const command = `ulimit -t ${limitSeconds}; "$0" test/mutation/bail.ts "$1"; status=$?; times; exit $status`;
    const child = spawn('sh', ['-c', command, bun, test], {
      cwd: this.#root,
      env: { ...process.env, ...ENVIRONMENT },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true, // a process group, so that what the test has started ends with it
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', chunk => {
      output += chunk;
    });
    let isLate = false;
    const end = () => endGroup(child.pid!);
    // One that waits for nothing takes no time of the processor.
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, MOST_MS_FOR_A_SECOND * limitSeconds);
    process.once('exit', end);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', status => {
        clearTimeout(timer);
        process.off('exit', end);
        isLate ||= status === 128 + constants.signals.SIGKILL;
        // uvu calls a suite passed whose preparation throws: only its counts tell.
        const [, total, passed] = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)/m.exec(output) ?? [];
        const hasPassed = status === 0 && total !== undefined && Number(total) > 0 && total === passed;
        resolve({ outcome: hasPassed ? 'passed' : isLate ? 'late' : 'failed', seconds: secondsOf(output) });
      });
    });
  }

  #write(file: string, content: string | Uint8Array): void {
    writeFileSync(join(this.#root, file), content);
  }
}

/** Kills a process and what it has started, unless all of it has ended by itself. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What the shell's `times` says of its children, and theirs: user and system. */
function secondsOf(output: string): number {
  const times = Array.from(
    output
      .trimEnd()
      .split('\n')
      .at(-1)!
      .matchAll(/(\d+)m([\d.]+)s/g),
  );
  return times.reduce((sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds), 0);
}
