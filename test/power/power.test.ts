// The power fails. Runs are recorded, with every byte that reaches the store's files, and then the files are laid out
// as a disk may have them after a failure at any moment: what the product promised by then has to hold.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serialize } from 'node:v8';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { effort, tried } from '../support/effort.ts';
import { temporaryDirectory } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { start } from '../support/start.ts';
import { type Recording, recordDaemon, recordProcesses } from './record.ts';
import type { Choice, Kind } from './states.ts';

const test = suite('power failure');

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const SHARES = 2;
const LIMIT_MS = 3_600_000;

const choice: Choice = { tears: effort(1, 7), subsets: effort(4, 16) };
const MOST_STATES = effort(300, Number.POSITIVE_INFINITY);

interface Judged {
  states: number;
  counts: Partial<Record<Kind, number>>;
}

/** Judges the states of a recording, in several processes. */
async function judgeAll(recording: Recording): Promise<Judged> {
  const file = join(temporaryDirectory(), 'recording');
  writeFileSync(file, serialize(recording));
  const shares = Array.from({ length: SHARES }, async (_, share) => {
    const numbers = [share, SHARES, choice.tears, choice.subsets, MOST_STATES].map(String);
    const args = ['--import', 'tsx', WORKER, file, ...numbers];
    const env = { ...process.env, ECS_IPAM_TEST_SEED: String(seed) };
    const { status, signal, stdout, stderr } = await start({ command: process.execPath, args, env, limitMs: LIMIT_MS })
      .done;
    const lines = stdout.trim().split('\n');
    assert.is(status, 0, `${lines.at(-1)}: exit ${status ?? signal}\n${stderr}`);
    return JSON.parse(lines.at(-1)!.slice('judged '.length)) as Judged;
  });
  const judged = await Promise.all(shares);
  const counts: Judged['counts'] = {};
  for (const { counts: some } of judged) {
    for (const kind of Object.keys(some) as Kind[]) counts[kind] = (counts[kind] ?? 0) + some[kind]!;
  }
  return { states: judged[0]!.states, counts };
}

const RUNS = {
  'one-shot processes': () => recordProcesses(effort(12, 200), new Random('processes')),
  'a daemon': () => recordDaemon(effort(40, 200), new Random('daemon')),
};

for (const [name, record] of Object.entries(RUNS)) {
  testWith(test, ['strace'], `${name}: what was acknowledged is there, whole, and nothing is given twice`, async () => {
    const recording = await record();
    const { events } = recording;
    const count = (kind: string) => events.filter(event => event.kind === kind).length;
    const commits = events.filter(event => event.kind === 'write' && event.isSynchronous).length;
    assert.ok(commits > 1 && count('answered') > 1, 'nothing was recorded');
    assert.is(count('asked'), count('answered'), 'calls that were not answered');
    const { states, counts } = await judgeAll(recording);
    const total = Object.values(counts).reduce((sum, some) => sum + some, 0);
    const kinds = Object.entries(counts).map(([kind, some]) => `${some} ${kind}`);
    for (const kind of ['nothing written', 'in order', 'one left out', 'one torn', 'subset', 'names'] as const) {
      assert.ok((counts[kind] ?? 0) > 0, `no state of the kind "${kind}" was tried`);
    }
    tried(
      `${name}: ${commits} commits for ${count('answered')} calls, ${count('write')} writes; ` +
        `${total} of ${states} states after a power failure (${kinds.join(', ')})`,
    );
  });
}

test.run();
