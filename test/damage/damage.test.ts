// Damaged stores under the real executable, many of them: through one-shot processes, and through a daemon that has
// other stores to serve.

import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { META_PAGES } from '../../src/store/pages.ts';
import { type Daemon, startDaemon, stopDaemon } from '../daemon/support/daemon.ts';
import { add, addressesOf, del, silent } from '../integration/support/ipam.ts';
import { inParallel } from '../integration/support/process.ts';
import { effort, tried } from '../support/effort.ts';
import { temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { cutBefore, DAMAGES, type Damage, scrambled } from '../tools/damages.ts';
import { PAGE_BYTES } from '../tools/stores.ts';
import { CONF, judgeCase, type Verdict } from './judge.ts';
import { repairs } from './repair.ts';
import { damagedCopy, wholeStore } from './whole.ts';

const test = suite('damage by the thousand');

const OWNERS = effort(50, 120);
const CASES_OF_EACH_DAMAGE = effort(2, 200);
/** Of so many cases one is repaired. */
const PER_REPAIR = effort(4, 8);
const LIFE_MS = 3_600_000;

const whole = wholeStore(OWNERS, new Random('grown'));
let daemon: Daemon;
const witness = temporaryStore();
test.before(async () => {
  daemon = await startDaemon({ lifeMs: LIFE_MS });
});
test.after(() => stopDaemon(daemon));

interface Counts {
  cases: number;
  /** By exit status of `fsck`. */
  fsck: [clean: number, found: number, unreadable: number];
  endings: Map<string, number>;
  givenAgain: number;
  gone: number;
  repaired: number;
}

const isOdd = (number: number) => number % 2 === 1;

/** Judges damaged copies, through the daemon those whose numbers are. */
async function judgeAll(damages: readonly Damage[], throughDaemon: (number: number) => boolean): Promise<Counts> {
  const counts: Counts = { cases: 0, fsck: [0, 0, 0], endings: new Map(), givenAgain: 0, gone: 0, repaired: 0 };
  await inParallel([...damages.entries()], 2, async ([i, damage]) => {
    const random = new Random(`${damage.name} ${i}`);
    const copy = damagedCopy(await whole, damage, random);
    const { store } = copy;
    const what = `${i}, ${copy.what}`;
    const isByDaemon = throughDaemon(i);
    const verdict = await judgeCase({
      whole: await whole,
      store,
      what,
      random,
      daemon: isByDaemon ? daemon.env : undefined,
    });
    if (isByDaemon) await servesOthers(i, what);
    if (i % PER_REPAIR === 0 && verdict.fsck !== 0 && (await repairs(store, what))) counts.repaired++;
    note(counts, verdict);
    rmSync(dirname(store), { recursive: true });
  });
  return counts;
}

/** The daemon is the one that it was, and answers for another store. */
async function servesOthers(number: number, what: string): Promise<void> {
  const { exitCode, signalCode } = daemon.process.child;
  assert.equal([exitCode, signalCode], [null, null], `${what}: the daemon has ended`);
  const parameters = { store: witness, conf: CONF, owner: `witness-${number}`, env: daemon.env };
  addressesOf(await add(parameters), what);
  silent(await del(parameters), what);
}

function note(counts: Counts, { fsck, endings, givenAgain, gone }: Verdict): void {
  counts.cases++;
  counts.fsck[fsck]++;
  counts.givenAgain += givenAgain;
  counts.gone += gone;
  for (const ending of endings) counts.endings.set(ending, (counts.endings.get(ending) ?? 0) + 1);
}

function say(what: string, { cases, fsck, endings, givenAgain, gone, repaired }: Counts): void {
  const ended = [...endings].map(([ending, count]) => `${count} ${ending}`).join(', ');
  const [clean, found, unreadable] = fsck;
  tried(
    `${what}: ${cases} files; fsck called ${clean} clean, ${found} damaged, ${unreadable} unreadable; calls: ${ended}; ` +
      `where fsck had found damage ${givenAgain} addresses were given again and ${gone} leases lost; ${repaired} repaired`,
  );
}

test('a store cut at every page boundary', async () => {
  const pages = statSync((await whole).path).size / PAGE_BYTES;
  // In the long form both ways: what is odd goes through the daemon.
  const ways = effort(1, 2);
  const cuts = Array.from({ length: ways * pages }, (_, i) => cutBefore(Math.floor(i / ways)));
  const counts = await judgeAll(cuts, isOdd);
  say(`cuts at each of ${pages} page boundaries`, counts);
  assert.is(counts.cases, ways * pages);
  assert.ok(counts.fsck[1] + counts.fsck[2] > counts.cases / 2, `${counts.fsck}`);
  assert.ok(counts.repaired > 0, 'nothing was repaired');
});

test('garbage on every page, of which a daemon would die', async () => {
  const pages = statSync((await whole).path).size / PAGE_BYTES - META_PAGES;
  const counts = await judgeAll(
    Array.from({ length: pages }, (_, i) => scrambled(META_PAGES + i)),
    () => true,
  );
  say(`garbage on each of ${pages} pages`, counts);
  assert.is(counts.cases, pages);
  assert.ok(counts.fsck[1] > 0, `${counts.fsck}`);
});

test('each other damage, at random', async () => {
  const damages = Array.from({ length: CASES_OF_EACH_DAMAGE }, () => DAMAGES).flat();
  const counts = await judgeAll(damages, isOdd);
  say(`${DAMAGES.length} kinds of damage`, counts);
  assert.is(counts.cases, damages.length);
  assert.ok(counts.fsck[0] > 0 && counts.fsck[1] > 0, `${counts.fsck}`);
});

test.run();
