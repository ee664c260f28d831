// A real daemon before changed requests, sent in all ways: it answers as a process would, or closes the connection;
// whoever calls in order is served, and nothing of all that stays in its memory. It has a root directory of its own, as
// a changed request may name any store.

import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Daemon, residentBytes, startDaemon } from '../daemon/support/daemon.ts';
import { connected, decodeAnswer, Line, received, requestFrame } from '../daemon/support/frames.ts';
import { onBareMachine } from '../integration/support/bare-machine.ts';
import { network, resultOf, silent } from '../integration/support/ipam.ts';
import { inParallel, sleep } from '../integration/support/process.ts';
import { effort, tried } from '../support/effort.ts';
import { cniEnv, type Run } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { changedFrame, frameCorpus, type Prospect, prospectOf, sendInPieces, TIMEOUT } from './support/frames.ts';
import { MemoryFloors } from './support/memory.ts';
import { checkResult, codesOf, orderly, type Result } from './support/oracle.ts';
import { quickDirectory } from './support/plugin.ts';

const test = suite('changed frames');

const STORE = '/data/store.mdb';
const HEALTHY = '/data/healthy.mdb';
/** What a path or a time limit that was changed may end in besides. */
const OF_A_STORE = [5, 11, 105];
const CALLERS = 8;
/** The daemon waits ten seconds for what is missing, and here no caller lets it: who is left so long was not heard. */
const HANG_MS = 9_000;
/** In the long form, 300 bytes kept of each case are more; the short one ends while the daemon warms up. */
const MEMORY_BYTES = effort(96, 14) << 20;
const LOOKS = 400;

const CONFIGURATION = network({ 'ipv4-subnet': '10.99.0.0/24' });

const corpus = frameCorpus(STORE);

interface Case {
  bytes: Buffer;
  prospect: Prospect;
  random: Random;
  /** What the caller does when all is sent. */
  ending: 'waits' | 'half-closes' | 'resets';
}

function caseOf(i: number): Case {
  const random = new Random(`frame ${i}`);
  const bytes = changedFrame(corpus, random);
  const ending = random.pick(['waits', 'waits', 'half-closes', 'resets'] as const);
  return { bytes, prospect: prospectOf(bytes), random, ending };
}

const isOfOtherStore = ({ prospect }: Case): boolean => 'env' in prospect && prospect.env.IPAM_DB_PATH !== STORE;

/** What has come back until the daemon has ended the connection or answered. */
async function exchange(socket: string, { bytes, prospect, random, ending }: Case): Promise<Buffer> {
  const connection = await connected(socket);
  connection.on('error', () => {}); // closed while we write
  if (random.chance(0.2)) {
    // Behind a request that is in order.
    connection.write(requestFrame({ CNI_COMMAND: 'VERSION' }, ''));
    orderly('VERSION', decodeAnswer(await received(connection), 0)!);
    connection.write(Buffer.alloc(1));
  }
  const answer = received(connection);
  await sendInPieces(connection, bytes, random);
  if (ending === 'resets') {
    await sleep(random.below(3));
    connection.destroy();
  } else if (ending === 'half-closes' || prospect.kind === 'incomplete') {
    connection.end();
  }
  const back = await answer;
  // An ADD is taken back unless it is confirmed.
  if (random.chance(0.7)) connection.end(Buffer.alloc(1));
  else connection.destroy();
  return back;
}

/** Whether there was an answer. Fails for one that is not in order, and for none where there has to be one. */
function check({ prospect, ending }: Case, back: Buffer): boolean {
  const run = decodeAnswer(back, 0);
  if (run === undefined) {
    assert.ok(ending === 'resets' || back.length === 0, `a part of an answer: ${back.toString('latin1')}`);
    assert.ok(prospect.kind !== 'answer' || ending !== 'waits', 'no answer to a request that is whole');
    return false;
  }
  assert.ok('env' in prospect, `an answer to what is no request: ${JSON.stringify(run)}`);
  const { CNI_COMMAND = '', IPAM_DB_PATH, IPAM_DB_CONNECTION_TIMEOUT } = prospect.env;
  const isUsual = IPAM_DB_PATH === STORE && IPAM_DB_CONNECTION_TIMEOUT === TIMEOUT;
  orderly(CNI_COMMAND, run, [...codesOf(CNI_COMMAND), ...(isUsual ? [] : OF_A_STORE)]);
  return true;
}

/** Calls in order until it is told to stop; how often it was served. */
async function callInOrder(socket: string, isOver: () => boolean): Promise<number> {
  const line = new Line(socket);
  const served = async (command: string): Promise<Run> => {
    const run = await line.ask(requestFrame(cniEnv(command, HEALTHY), CONFIGURATION));
    assert.ok(run, `a ${command} in order was not answered`);
    return run;
  };
  let rounds = 0;
  for (; !isOver(); rounds++) {
    checkResult(resultOf(await served('ADD'), 'ADD') as unknown as Result, CONFIGURATION);
    for (const command of ['CHECK', 'STATUS', 'DEL']) silent(await served(command), command);
    await sleep(5);
  }
  line.close();
  return rounds;
}

/** What a daemon says of itself and of such callers. */
const SAID =
  /^ecs-ipamd: (listening on \S+|stopped|a request (does not begin|announces|is shorter|has a variable) .+)$/;

/** A daemon with a root directory of its own. */
function startAlone(): Promise<Daemon> {
  const root = quickDirectory();
  return startDaemon({
    socket: join(root, 'run/ecs-ipam.sock'),
    env: { IPAM_SOCKET: '/run/ecs-ipam.sock' },
    command: onBareMachine(root, 'ecs-ipamd', 'serve'),
    lifeMs: 3_600_000,
  });
}

async function endInOrder(daemon: Daemon): Promise<void> {
  const { status, stderr } = await daemon.end('SIGTERM');
  assert.is(status, 0, stderr);
  for (const line of stderr.split('\n').slice(0, -1)) assert.match(line, SAID, line);
}

testWith(test, ['root', 'unshare'], 'each is answered in order or cut off, and costs nothing', async () => {
  const cases = effort(2_500, 100_000);
  const [daemon, forOtherStores] = [await startAlone(), await startAlone()];
  const floors = new MemoryFloors(cases, () => residentBytes(daemon.pid));
  const figures = { answered: 0, answer: 0, either: 0, refusal: 0, incomplete: 0 };
  let isOver = false;
  const others = callInOrder(daemon.socket, () => isOver);
  others.catch(() => {}); // is waited for below
  const numbers = Array.from({ length: cases }, (_, i) => i);
  await inParallel(numbers, CALLERS, async i => {
    if (isOver) return; // another case has failed
    const one = caseOf(i);
    const { bytes, prospect, ending } = one;
    // Each store that is open takes two megabytes, which would hide what is looked for.
    const { socket } = isOfOtherStore(one) ? forOtherStores : daemon;
    try {
      figures[prospect.kind]++;
      if (check(one, await within(HANG_MS, exchange(socket, one)))) figures.answered++;
    } catch (error) {
      const frame = bytes.subarray(0, 2000).toString('latin1');
      throw new Error(`seed ${seed}, case ${i}, the caller ${ending}: ${frame}\n${(error as Error).stack}`);
    }
    if (i % Math.ceil(cases / LOOKS) === 0) floors.look(i);
  }).catch(async error => {
    isOver = true;
    for (const one of [daemon, forOtherStores]) await one.end('SIGKILL');
    throw error;
  });
  isOver = true;
  const rounds = await others;
  const { answered, answer, either, refusal, incomplete } = figures;
  tried(
    `${cases} changed frames (${answer} requests, ${either} with something behind, ${refusal} that are none, ` +
      `${incomplete} not whole), ${answered} answered; ${rounds} rounds of calls in order beside them; ` +
      `least memory ${floors}`,
  );
  for (const one of [daemon, forOtherStores]) await endInOrder(one);
  for (const count of [...Object.values(figures), 10 * rounds]) assert.ok(count > cases / 50, JSON.stringify(figures));
  floors.check(MEMORY_BYTES);
});

/** Fails if it takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`neither answered nor closed after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

test.run();
