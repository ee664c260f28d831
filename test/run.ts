// Runs each test file in a process of its own, two at a time, and adds up what uvu prints. A file that ends without
// uvu's summary (a crash, a hang, a missing `test.run()`) counts as a failure. The last line is `N passed, N failed`.
// Usage: node --import tsx test/run.ts [--soak] [part of a file name ...]
// --soak runs the tests that have a longer form (support/effort.ts), in that form.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const testDir = fileURLToPath(new URL('.', import.meta.url));
const PARALLEL = 2;
const soak = process.argv.includes('--soak');
const MOST_MS_PER_FILE = soak ? 3_600_000 : 600_000;

interface Outcome {
  file: string;
  output: string;
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
}

/** No test outlives the runner. */
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const child of running) child.kill('SIGKILL');
    process.exit(1);
  });
}

async function startDaemon(): Promise<{ socket: string; process: ChildProcess }> {
  const socket = join(mkdtempSync(join(tmpdir(), 'ecs-ipam-daemon-')), 'ecs-ipam.sock');
  const executable = join(testDir, '../dist/bin/ecs-ipamd');
  const child = spawn(executable, ['serve'], { env: { IPAM_SOCKET: socket }, stdio: ['ignore', 'ignore', 'inherit'] });
  running.add(child);
  for (let waits = 0; !existsSync(socket); waits++) {
    if (waits > 500 || child.exitCode !== null) throw new Error('the daemon does not start');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return { socket, process: child };
}

function testFiles(filters: string[]): string[] {
  return readdirSync(testDir, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.test.ts') && (filters.length === 0 || filters.some(part => file.includes(part))))
    .filter(file => !soak || readFileSync(join(testDir, file), 'utf8').includes('support/effort'))
    .sort();
}

function runFile({ file, socket }: Job): Promise<Outcome> {
  const startMs = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', join(testDir, file)], {
    env: {
      ...process.env,
      FORCE_COLOR: '0',
      ...(soak ? { ECS_IPAM_TEST_SOAK: '1' } : {}),
      ...(socket === undefined ? {} : { ECS_IPAM_TEST_SOCKET: socket }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', chunk => {
    output += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', chunk => {
    output += chunk;
  });
  const tooLong = setTimeout(() => child.kill('SIGKILL'), MOST_MS_PER_FILE);
  return new Promise(resolve => {
    child.on('close', (code, signal) => {
      clearTimeout(tooLong);
      running.delete(child);
      const count = (label: string) =>
        Number(new RegExp(`^ {2}${label}: +(\\d+)`, 'm').exec(output)?.[1] ?? Number.NaN);
      const seconds = (performance.now() - startMs) / 1000;
      const total = count('Total');
      const passed = count('Passed');
      const skipped = count('Skipped');
      const complete = Number.isInteger(total + passed + skipped) && total + skipped > 0;
      if (complete && (code === 0) === (passed === total)) {
        resolve({ file, output, passed, failed: total - passed, skipped, seconds });
      } else {
        output += `\n${file}: ended without a summary of its tests (exit ${code}, signal ${signal})\n`;
        resolve({
          file,
          output,
          passed: complete ? passed : 0,
          failed: complete ? total - passed + 1 : 1,
          skipped: 0,
          seconds,
        });
      }
    });
  });
}

/**
 * The black-box tests run a second time, through launcher and daemon. These need a namespace that the daemon is not in.
 */
const ONE_SHOT_ONLY = ['plugin/reboot.test.ts', 'plugin/defaults.test.ts'];

interface Job {
  file: string;
  /** Where the daemon listens that the test's calls go through; undefined: one-shot processes. */
  socket?: string;
}

const files = testFiles(process.argv.slice(2).filter(argument => argument !== '--soak'));
const throughDaemon = files.filter(file => file.startsWith('plugin/') && !ONE_SHOT_ONLY.includes(file));
const daemon = throughDaemon.length > 0 ? await startDaemon() : undefined;
const queue: Job[] = [...files.map(file => ({ file })), ...throughDaemon.map(file => ({ file, ...daemon }))];
const outcomes: Outcome[] = [];
await Promise.all(
  Array.from({ length: PARALLEL }, async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const outcome = await runFile(job);
      outcomes.push(outcome);
      const { passed, failed, skipped, seconds } = outcome;
      console.log(
        `${failed === 0 ? 'ok  ' : 'FAIL'} ${relative('.', join(testDir, job.file))}` +
          `${job.socket === undefined ? '' : ' through the daemon'}: ` +
          `${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds.toFixed(1)} s`,
      );
      for (const line of outcome.output.split('\n'))
        if (/^(skipped|seed|tried)\b/.test(line)) console.log(`     ${line}`);
      if (failed > 0) console.log(outcome.output);
    }
  }),
);

if (daemon !== undefined) {
  const ending = new Promise(resolve => daemon.process.on('close', resolve));
  daemon.process.kill('SIGTERM');
  const status = await ending;
  rmSync(dirname(daemon.socket), { recursive: true });
  if (status !== 0) {
    console.log(`FAIL the daemon ended with status ${status}`);
    outcomes.push({ file: 'daemon', output: '', passed: 0, failed: 1, skipped: 0, seconds: 0 });
  }
}

const sum = (key: 'passed' | 'failed' | 'skipped') => outcomes.reduce((total, outcome) => total + outcome[key], 0);
const failed = sum('failed') + (outcomes.length === 0 ? 1 : 0);
const skipped = sum('skipped');
process.exitCode = failed === 0 ? 0 : 1;
console.log(`\n${sum('passed')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
