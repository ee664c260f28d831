// Tests the tests: changes one place of the core or of the rules at a time, and counts the changes that a test notices.
//
// Usage: npm run test:mutation [-- [--sample N] [--equivalent] part-of-a-file-name ...]
// --sample N      only N mutants, the same ones each time
// --equivalent    only those of equivalent.json, none of which may be noticed

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '../support/random.ts';
import { describe, findEquivalent } from './equivalent.ts';
import { type Mutant, mutantsOf } from './mutants.ts';
import { type Ending, ROOT, Sandbox } from './sandbox.ts';
import { FOLDERS, testsOf } from './targets.ts';

const PARALLEL = 2;
/** Of the mutants that are counted, in percent. */
const LEAST_SCORE = 90;

/** A mutant that makes a test endless is noticed when it takes this much longer than without: the kernel's unit. */
const limitOf = (usualSeconds: number): number => Math.ceil(3 * usualSeconds + 0.4);

const { values, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { sample: { type: 'string' }, equivalent: { type: 'boolean', default: false } },
});

const files = FOLDERS.flatMap(folder =>
  readdirSync(join(ROOT, folder))
    .filter(name => name.endsWith('.ts'))
    .map(name => `${folder}/${name}`),
).filter(file => parts.length === 0 || parts.some(part => file.includes(part)));

const all = files.flatMap(file => mutantsOf(file, readFileSync(join(ROOT, file), 'utf8')));
const equivalent = findEquivalent(all, files);
const chosen = sample(all.filter(mutant => equivalent.has(mutant) === values.equivalent));
console.log(`${all.length} mutants in ${files.length} files, ${equivalent.size} equivalent, ${chosen.length} tried`);

const sandboxes = Array.from({ length: PARALLEL }, () => new Sandbox());
process.on('exit', () => {
  for (const sandbox of sandboxes) sandbox.remove();
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

const limits = await measure([...new Set(files.flatMap(testsOf))]);
const endings = new Map<Mutant, Ending>();
const startMs = performance.now();
await each(chosen, async (mutant, sandbox) => {
  const own = new Map(testsOf(mutant.file).map(test => [test, limits.get(test)!]));
  const ending = await sandbox.try(mutant, own);
  endings.set(mutant, ending);
  if (ending.verdict === 'survived')
    console.log(`survived ${place(mutant)}: ${describe(mutant)}    in: ${mutant.text}`);
  if (endings.size % 100 === 0) console.log(`${endings.size} of ${chosen.length} in ${seconds(startMs)}`);
});
await setSameAside();
report();

function sample(mutants: Mutant[]): Mutant[] {
  if (values.sample === undefined) return mutants;
  const random = new Random('sample');
  const left = [...mutants];
  const taken: Mutant[] = [];
  while (left.length > 0 && taken.length < Number(values.sample))
    taken.push(...left.splice(random.below(left.length), 1));
  return taken;
}

/** Works on all items, one in each sandbox at a time. */
async function each<T>(items: readonly T[], work: (item: T, sandbox: Sandbox) => Promise<void>): Promise<void> {
  const queue = [...items];
  const lane = async (sandbox: Sandbox) => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item, sandbox);
  };
  await Promise.all(sandboxes.map(lane));
}

/** How many seconds of the processor each test file may take. All have to pass while nothing is changed. */
async function measure(tests: string[]): Promise<Map<string, number>> {
  const limits = new Map<string, number>();
  for (const sandbox of sandboxes) await sandbox.buildCore();
  await each(tests, async (test, sandbox) => {
    const { outcome, seconds } = await sandbox.run(test, 600);
    if (outcome !== 'passed') throw new Error(`${test}: ${outcome} without a mutant`);
    limits.set(test, limitOf(seconds));
    console.log(`${test}: ${seconds.toFixed(1)} s of the processor without a mutant`);
  });
  return limits;
}

/** Of the core's survivors those are equivalent that the optimizer makes the same bytes of. */
async function setSameAside(): Promise<void> {
  const survivors = chosen.filter(
    mutant => mutant.file.startsWith('assembly/') && endings.get(mutant)!.verdict === 'survived',
  );
  if (survivors.length === 0) return;
  const [sandbox] = sandboxes;
  const original = await sandbox!.releaseOf();
  for (const mutant of survivors) {
    const bytes = await sandbox!.releaseOf(mutant);
    if (Buffer.compare(bytes, original) !== 0) continue;
    endings.set(mutant, { verdict: 'same' });
    console.log(`the same bytes ${place(mutant)}: ${describe(mutant)}`);
  }
}

function report(): void {
  const count = (file: string | undefined, ...verdicts: Ending['verdict'][]) =>
    chosen.filter(
      mutant => (file === undefined || mutant.file === file) && verdicts.includes(endings.get(mutant)!.verdict),
    ).length;
  const line = (file: string | undefined) => {
    const noticed = count(file, 'killed', 'timeout');
    const survived = count(file, 'survived');
    const score = (100 * noticed) / (noticed + survived);
    const rest =
      `${count(file, 'timeout')} of them by the time limit, ${survived} survived; ` +
      `not counted: ${count(file, 'same')} of the same bytes, ${count(file, 'invalid')} that do not compile`;
    console.log(`${(file ?? 'total').padEnd(24)} ${score.toFixed(1).padStart(5)} %: ${noticed} noticed, ${rest}`);
    return score;
  };
  const noticedBy = new Map<string, number>();
  for (const { by } of endings.values()) if (by !== undefined) noticedBy.set(by, (noticedBy.get(by) ?? 0) + 1);
  for (const [test, mutants] of noticedBy) console.log(`${test} noticed ${mutants}`);
  for (const file of files) if (chosen.some(mutant => mutant.file === file)) line(file);
  const score = line(undefined);
  console.log(`${chosen.length} mutants in ${seconds(startMs)}`);
  if (values.equivalent) process.exitCode = count(undefined, 'killed', 'timeout') > 0 ? 1 : 0;
  else process.exitCode = score >= LEAST_SCORE ? 0 : 1;
}

function place({ file, line }: Mutant): string {
  return `${file}:${line}`;
}

function seconds(fromMs: number): string {
  return `${((performance.now() - fromMs) / 1000).toFixed(1)} s`;
}
