// Asks the questions and prints the answers.

import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { describeMachine } from './harness/machine.ts';
import { progressOf } from './harness/progress.ts';
import { type Answer, isMet } from './harness/question.ts';
import { formatExpectation, printAnswer } from './harness/report.ts';
import { QUESTIONS } from './questions.ts';

interface Options {
  quick?: boolean;
  json?: string;
}

await new Command('npm run bench --')
  .description('Benchmarks: how fast, how much memory, and how both grow, side by side with the alternatives.')
  .argument('[parts...]', 'part of the names of the questions to ask (core, store, exec, core/growth); default: all')
  .option('--quick', 'smaller numbers, the same questions: under a minute in total')
  .option('--json <file>', 'write the answers as JSON too')
  .action(ask)
  .parseAsync();

function secondsSince(startMs: number): string {
  return `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
}

async function ask(parts: string[], { quick = false, json }: Options): Promise<void> {
  const asked = QUESTIONS.filter(({ name }) => parts.length === 0 || parts.some(part => name.includes(part)));
  if (asked.length === 0) throw new Error(`no question is named ${parts.join(', ')}`);
  const machine = describeMachine();
  console.log(`${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}`);
  console.log(
    Object.entries(machine.versions)
      .map(entry => entry.join(' '))
      .join(', '),
  );
  const answers: Record<string, Answer> = {};
  const startMs = performance.now();
  for (const question of asked) {
    if (!process.stderr.isTTY) console.error(`asking ${question.name}`);
    const askedMs = performance.now();
    const answer = await question.run({ quick, progress: progressOf(question.name) });
    answers[question.name] = answer;
    printAnswer(question, answer);
    console.log(`  answered in ${secondsSince(askedMs)}`);
  }
  console.log(`\nall answered in ${secondsSince(startMs)}`);
  const missed = Object.entries(answers).flatMap(([name, { expectations }]) =>
    expectations
      .filter(expectation => !isMet(expectation))
      .map(expectation => `${name}: ${formatExpectation(expectation)}`),
  );
  console.log(missed.length === 0 ? '\nevery expectation is met' : `\nmissed:\n  ${missed.join('\n  ')}`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ quick, machine, answers }, undefined, 2)}\n`);
}
