// Bolt files, changed in many places, many of them where a reader goes by them: refused with an error that names what
// is wrong, or read as leases that can be; by the reader, and by `import --dry-run`.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BoltError, isBolt } from '../../src/bolt/format.ts';
import { readGoStore } from '../../src/bolt/plugin.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { contentOf, FIXTURES } from '../bolt/support.ts';
import { inParallel } from '../integration/support/process.ts';
import { effort, tried } from '../support/effort.ts';
import { type Run, run, temporaryDirectory } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { boltCorpus, changedBolt } from './support/bolt.ts';
import { liveBytes, MemoryFloors } from './support/memory.ts';

const test = suite('changed bolt files');

/** Longer than any of these takes: who reaches it hangs. */
const HANG_MS = 5_000;
/** Three hundred bytes kept of each case are more, in the long form. */
const MEMORY_BYTES = 6 << 20;
const LOOKS = 40;

const corpus = boltCorpus(new Random('corpus'));

/** What is wrong with it, where; undefined if it was read. */
function problemOf(file: Uint8Array): string | undefined {
  try {
    checkContent(readGoStore(file));
    return undefined;
  } catch (error) {
    if (!(error instanceof BoltError)) throw error;
    assert.match(error.message, NAMED);
    return error.message;
  }
}

/** What an error names: a part of the file, or what all of it is. */
const PART = /(meta )?page \d+|(inline page of )?bucket ".*"|root bucket|row ".*"|a key|the value of row ".*"/;
const NAMED = new RegExp(`^((${PART.source})(:| (is|has|was)\\b) *.|is (truncated|not of the Go plugin): .)`, 's');

/** Leases that can be: of addresses that are some, each once, and cursors of one family each. */
function checkContent(store: ReturnType<typeof readGoStore>): void {
  const addresses = store.leases.map(({ address }) => formatAddress(address));
  assert.is(new Set(addresses).size, addresses.length, 'an address twice');
  for (const text of addresses) assert.is(formatAddress(parseAddress(text)), text);
  for (const { id, isGateway } of store.leases) assert.ok(!isGateway || id === '', 'a gateway with an id');
  assert.is(new Set(store.cursors.map(({ length }) => length)).size, store.cursors.length, 'two cursors of a family');
}

test('what the corpus is made of can be read', () => {
  assert.ok(corpus.length > FIXTURES.length);
  for (const { name, bytes } of corpus) {
    assert.is(problemOf(bytes), undefined, name);
    assert.ok(contentOf(readGoStore(bytes)).leases.length > 0, name);
  }
});

test('the reader: leases that can be, or an error that names subject and problem; no memory is kept', () => {
  const cases = effort(2_500, 60_000);
  const floors = new MemoryFloors(cases, liveBytes);
  const problems = new Map<string, number>();
  let isRead = 0;
  for (let i = 0; i < cases; i++) {
    const { what, bytes } = changedBolt(corpus, new Random(`file ${i}`));
    const startMs = performance.now();
    try {
      const problem = problemOf(bytes);
      if (problem === undefined) isRead++;
      else problems.set(kindOf(problem), (problems.get(kindOf(problem)) ?? 0) + 1);
    } catch (error) {
      throw new Error(`seed ${seed}, case ${i}, ${what}: ${(error as Error).stack}`);
    }
    const ms = performance.now() - startMs;
    assert.ok(ms < HANG_MS, `seed ${seed}, case ${i}, ${what}: ${ms} ms`);
    if (i % Math.ceil(cases / LOOKS) === 0) floors.look(i);
  }
  tried(
    `${cases} changed bolt files, ${isRead} of them read, ${problems.size} kinds of problems; least memory ${floors}`,
  );
  assert.ok(isRead > cases / 20 && isRead < cases / 2, `${isRead} of ${cases} read`);
  assert.ok(problems.size > 20, `only ${[...problems.keys()].join('\n')}`);
  floors.check(MEMORY_BYTES);
});

/** A problem without the numbers and names in it. */
const kindOf = (problem: string): string => problem.replace(/"(\\.|[^"\\])*"/gs, '…').replace(/\d+/g, 'n');

const SUBNETS = ['169.254.172.0/22', '10.0.0.0/8', '2001:db8::/32', 'fd00::/8'];

/** An operator's answer: a list of what would be done, or one line that says what is wrong. */
function checkRehearsal(done: Run, path: string, bytes: Uint8Array, what: string): void {
  const told = `${what}: ${JSON.stringify({ ...done, stdout: done.stdout.slice(0, 1000) })}`;
  assert.is(done.signal, null, told);
  assert.not.match(done.stdout + done.stderr, /^\s+at |node:internal|panic|unexpected error/m, told);
  const problem = problemOf(bytes);
  if (done.status === 0) {
    assert.is(problem, undefined, told);
    assert.is(done.stderr, '', told);
    assert.match(done.stdout, /would import .+\n$/, told);
    return;
  }
  assert.is(done.status, 1, told);
  assert.is(done.stdout, '', told);
  const isKnown = isBolt((offset, length) => bytes.subarray(offset, offset + length));
  if (isKnown) {
    assert.is(done.stderr, `ecs-ipam: ${path}: a boltdb file, and damaged: ${problem} (code 105)\n`, told);
  } else {
    assert.match(done.stderr, /^ecs-ipam: [^\n]* \(code 6\)\n$/, told);
    assert.ok(done.stderr.includes(path), told);
  }
}

test('import --dry-run: exit status and output as documented, and the file is as it was', async () => {
  const cases = effort(60, 3_000);
  const directory = temporaryDirectory();
  const outcomes = { read: 0, refused: 0 };
  await inParallel(
    Array.from({ length: cases }, (_, i) => i),
    2,
    async i => {
      const { what, bytes } = changedBolt(corpus, new Random(`imported ${i}`));
      const path = join(directory, `${i}.db`);
      writeFileSync(path, bytes);
      const args = ['import', path, '--dry-run', ...SUBNETS.flatMap(subnet => ['--subnet', subnet])];
      const done = await run({ args, env: { IPAM_DB_PATH: join(directory, 'store.mdb') } });
      checkRehearsal(done, path, bytes, `seed ${seed}, case ${i}, ${what}`);
      outcomes[done.status === 0 ? 'read' : 'refused']++;
      assert.ok(readFileSync(path).equals(bytes), `${what}: the file was changed`);
      rmSync(path);
    },
  );
  assert.equal(readdirSync(directory), [], 'left behind');
  tried(`${cases} changed bolt files by import --dry-run: ${outcomes.read} read, ${outcomes.refused} refused`);
  assert.ok(outcomes.refused > 0 && outcomes.read > 0);
});

test.run();
