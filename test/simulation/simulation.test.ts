// Hosts on which everything goes wrong that can: commits fail, processes are killed and the power fails at any moment,
// neighbours stand still with the lock, callers go before their answer comes, commands come twice and late. Whatever
// happens, every call is answered in its time, with what the oracle answers; nothing is answered before it is durable;
// no address has two owners; the rows say what the oracle says.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { askedOf, type Setting, SUBNETS4, SUBNETS6 } from '../model/histories.ts';
import { effort, tried } from '../support/effort.ts';
import { seed } from '../support/random.ts';
import type { Calling } from './call.ts';
import { counts } from './counts.ts';
import { World } from './world.ts';

const test = suite('simulation');

type Happening =
  | ({ kind: 'call' } & Calling)
  | { kind: 'failing commit' | 'kill daemon' | 'power failure' | 'reboot' }
  | { kind: 'kill process'; which: number }
  | { kind: 'stuck neighbour' | 'set clock'; ms: number };

interface History {
  /** What decides how long commits take, and who gets the lock first. */
  salt: number;
  steps: { afterMs: number; what: Happening }[];
}

const SETTINGS: Record<string, Setting> = {
  'few addresses': { subnets4: SUBNETS4.slice(0, 4), subnets6: SUBNETS6.slice(0, 3), containers: 8, ids: 3 },
  'one address': { subnets4: ['10.0.0.0/30'], subnets6: ['2001:db8::/127'], containers: 4, ids: 2 },
  'many addresses': { subnets4: SUBNETS4, subnets6: SUBNETS6, containers: 200, ids: 60 },
};

const seldom = <T>(inOf: number, value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: inOf - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });

function happening(setting: Setting): fc.Arbitrary<Happening> {
  const call: fc.Arbitrary<Happening> = fc.record({
    kind: fc.constant('call' as const),
    asked: askedOf(setting),
    through: fc.constantFrom('daemon' as const, 'daemon' as const, 'daemon' as const, 'process' as const),
    timeoutMs: fc.constantFrom(5000, 200, 30),
    answerMs: fc.oneof(fc.nat(30), fc.nat(300)),
    isGone: seldom(8, fc.constant(true)).map(gone => gone === true),
    againAfterMs: seldom(10, fc.nat(60)),
  });
  return fc.oneof(
    { weight: 100, arbitrary: call },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('failing commit' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill daemon' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('kill process' as const), which: fc.nat(7) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('power failure' as const, 'reboot' as const) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('stuck neighbour' as const), ms: fc.nat(400) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('set clock' as const), ms: fc.integer() }) },
  );
}

function historyOf(setting: Setting, steps: number): fc.Arbitrary<History> {
  // Much comes at once, as the daemon commits together what does.
  const afterMs = fc.oneof(fc.constant(0), fc.nat(3), fc.nat(20));
  const step = fc.record({ afterMs, what: happening(setting) });
  return fc.record({ salt: fc.nat(), steps: fc.array(step, { minLength: 1, maxLength: steps, size: 'max' }) });
}

function happen(world: World, what: Happening): void {
  switch (what.kind) {
    case 'call':
      world.call(what);
      break;
    case 'failing commit':
      world.failCommit();
      break;
    case 'kill daemon':
      world.killDaemon();
      break;
    case 'kill process':
      world.killProcess(what.which);
      break;
    case 'stuck neighbour':
      void world.holdLock(what.ms);
      break;
    case 'set clock':
      world.setClock(what.ms);
      break;
    default:
      world.reboot(what.kind === 'power failure');
  }
}

async function simulate({ salt, steps }: History): Promise<World> {
  const world = new World(salt);
  let atMs = 0;
  for (const { afterMs, what } of steps) {
    atMs += afterMs;
    world.at(atMs, () => happen(world, what));
  }
  await world.run();
  return world;
}

const STEPS = 400;

/** Shrinking ends with the best that it has found by then. */
const LIMIT = { interruptAfterTimeLimit: effort(120_000, 1_200_000), markInterruptAsFailure: true };

for (const [name, setting] of Object.entries(SETTINGS)) {
  test(name, async () => {
    const before = { ...counts };
    const histories = effort(12, 3_000);
    const property = fc.asyncProperty(historyOf(setting, STEPS), async history => {
      await simulate(history);
    });
    await fc.assert(property, { seed, numRuns: histories, includeErrorInReport: true, ...LIMIT });
    const said = Object.entries(counts).map(
      ([what, count]) => `${what} ${count - before[what as keyof typeof counts]}`,
    );
    tried(`${name}: ${histories} hosts: ${said.join(', ')}`);
  });
}

test('one seed, one run: what happens, and when, is the same', async () => {
  const property = fc.asyncProperty(historyOf(SETTINGS['few addresses']!, STEPS), async history => {
    const [one, other] = [await simulate(history), await simulate(history)];
    assert.equal(one.trace, other.trace);
  });
  await fc.assert(property, { seed, numRuns: effort(5, 100), includeErrorInReport: true, ...LIMIT });
});

test.run();
