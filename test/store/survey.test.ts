// The reader of damaged files: it ends, and what it does not complain of is right.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StoreError } from '../../src/store/error.ts';
import { isWithin } from '../../src/store/key-range.ts';
import { LmdbStore } from '../../src/store/lmdb.ts';
import { type Survey, surveyStore } from '../../src/store/survey.ts';
import { temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { DAMAGES, damaged } from '../tools/damages.ts';
import { grownStore, PAGE_BYTES, rowTexts } from '../tools/stores.ts';

const test = suite('survey');

const OWNERS = 250;
const CASES_OF_EACH_DAMAGE = 150;

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const problemTexts = ({ problems }: Survey) => problems.map(({ subject, problem }) => `${subject}: ${problem}`);

const grown = grownStore(OWNERS, new Random('grown'));

test('reads the rows that LMDB reads', async () => {
  const path = await grown;
  const survey = surveyStore(path);
  assert.equal(problemTexts(survey), []);
  const store = new LmdbStore(path, true);
  const rows = store.read(transaction => [...transaction.range(Uint8Array.of(0), Uint8Array.of(255))]);
  await store.close();
  assert.equal(
    survey.rows.map(({ key, value }) => [text(key), text(value)]),
    rows.map(({ key, value }) => [text(key), text(value)]),
  );
  assert.ok(rows.length > 2 * OWNERS);
});

for (const damage of DAMAGES) {
  test(`${damage.name}: found, or without consequence; no row is lost without a word`, async () => {
    const path = await grown;
    const whole = rowTexts(surveyStore(path));
    const outcomes = { found: 0, clean: 0, unreadable: 0 };
    for (let i = 0; i < CASES_OF_EACH_DAMAGE; i++) {
      const { store, what } = damaged(path, damage, new Random(`${damage.name} ${i}`));
      let survey: Survey;
      try {
        survey = surveyStore(store);
      } catch (error) {
        assert.ok(error instanceof StoreError, `${what}: ${error}`);
        outcomes.unreadable++;
        continue;
      }
      const rows = rowTexts(survey);
      if (survey.problems.length === 0) {
        assert.equal(rows, whole, what);
        outcomes.clean++;
        continue;
      }
      outcomes.found++;
      for (const [key, value] of whole) {
        if (rows.get(key) === value) continue;
        const isLost = survey.lost.some(range => isWithin(range, Buffer.from(key, 'hex')));
        assert.ok(isLost, `${what}: row ${key} is neither there nor lost\n${problemTexts(survey).join('\n')}`);
      }
    }
    assert.ok(outcomes.found > CASES_OF_EACH_DAMAGE / 10, `${damage.name}: found ${outcomes.found}`);
  });
}

test('each flipped bit of the transaction numbers in the header is found, and no row is lost', async () => {
  const path = await grown;
  const whole = rowTexts(surveyStore(path));
  const store = temporaryStore();
  for (let bit = 0; bit < 2 * 64; bit++) {
    const bytes = readFileSync(path);
    bytes[(bit >> 6) * PAGE_BYTES + 152 + ((bit >> 3) & 7)]! ^= 1 << (bit & 7);
    writeFileSync(store, bytes);
    const survey = surveyStore(store);
    assert.ok(survey.problems.length > 0, `bit ${bit & 63} of meta page ${bit >> 6}`);
    assert.equal(rowTexts(survey), whole, `bit ${bit & 63} of meta page ${bit >> 6}`);
  }
});

/** Page number of a tree's root, from the newest header. */
function newestHeader(bytes: Buffer): { page: number; rowsRoot: number; freeRoot: number } {
  const transaction = (page: number) => bytes.readBigUInt64LE(page * PAGE_BYTES + 152);
  const page = transaction(0) > transaction(1) ? 0 : 1;
  const root = (at: number) => Number(bytes.readBigUInt64LE(page * PAGE_BYTES + at + 40));
  return { page, freeRoot: root(48), rowsRoot: root(96) };
}

/** A copy of the store that was grown, with pages overwritten. */
async function without(...pages: ((bytes: Buffer) => number)[]): Promise<Survey> {
  const bytes = readFileSync(await grown);
  for (const page of pages.map(find => find(bytes))) bytes.fill(0, page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  const store = temporaryStore();
  writeFileSync(store, bytes);
  return surveyStore(store);
}

test('without the root page all rows are found: what the free list names is stale, the other leaves are in use', async () => {
  const whole = rowTexts(surveyStore(await grown));
  const survey = await without(bytes => newestHeader(bytes).rowsRoot);
  assert.ok(survey.problems.length > 0);
  assert.equal(rowTexts(survey), whole);
  assert.is(survey.salvaged, whole.size);
});

test('without root page and free list all rows are found, and few that are stale', async () => {
  const whole = rowTexts(surveyStore(await grown));
  const survey = await without(
    bytes => newestHeader(bytes).rowsRoot,
    bytes => newestHeader(bytes).freeRoot,
  );
  const rows = rowTexts(survey);
  for (const [key, value] of whole) assert.is(rows.get(key), value, key);
  assert.ok(rows.size < 1.2 * whole.size, `${rows.size} rows, ${whole.size} of them in use`);
});

test('without the newest header all of its rows are found', async () => {
  const whole = rowTexts(surveyStore(await grown));
  const survey = await without(bytes => newestHeader(bytes).page);
  const rows = rowTexts(survey);
  for (const [key, value] of whole) assert.is(rows.get(key), value, key);
});

test('without either header all rows are found', async () => {
  const whole = rowTexts(surveyStore(await grown));
  const survey = await without(
    () => 0,
    () => 1,
  );
  assert.is(survey.counted, undefined);
  const rows = rowTexts(survey);
  for (const [key, value] of whole) assert.is(rows.get(key), value, key);
});

test('a header whose transaction number is damaged does not bring back an older state', async () => {
  const path = await grown;
  const whole = rowTexts(surveyStore(path));
  for (const page of [0, 1]) {
    for (const byte of [0, 1, 2, 5, 7]) {
      const store = temporaryStore();
      copyFileSync(path, store);
      const bytes = readFileSync(store);
      bytes[page * PAGE_BYTES + 152 + byte]! ^= 0x10;
      writeFileSync(store, bytes);
      const survey = surveyStore(store);
      assert.ok(survey.problems.length > 0, `byte ${byte} of meta page ${page}`);
      const rows = rowTexts(survey);
      for (const [key, value] of whole) assert.is(rows.get(key), value, `byte ${byte} of meta page ${page}: ${key}`);
    }
  }
});

test.run();
