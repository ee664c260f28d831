// Fuzzed calls as real processes, with environments and inputs of any bytes, each of them one-shot and through a
// daemon: both end as the specification has it, both alike, and nothing is left behind but stores and logs.

import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Daemon, NOBODY, startDaemon, stopDaemon } from '../daemon/support/daemon.ts';
import { inParallel } from '../integration/support/process.ts';
import { effort, tried } from '../support/effort.ts';
import { cniEnv, type Run } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { type CallCase, callsOf } from './support/calls.ts';
import { codesOf, type Outcome, orderly } from './support/oracle.ts';
import { quickDirectory } from './support/plugin.ts';
import { type Call, runAsIs } from './support/processes.ts';

const test = suite('processes');

/** What a path that leads nowhere, or to something else, may end in besides. */
const OF_A_STORE = [5, 11, 105];
/** Sequences of calls that go on side by side, each on stores of its own. */
const LANES = 2;
const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'];
const CONFIGURATION = Buffer.from(
  JSON.stringify({
    cniVersion: '1.1.0',
    name: 'net',
    ipam: { type: 'ecs-ipam', 'ipv4-subnet': '10.0.0.0/24', 'ipv6-subnet': '2001:db8::/64' },
  }),
);

/** The value that a call goes by: the first one. */
function textOf({ environment }: Call, name: string): string {
  const own = environment.map(entry => entry.toString()).find(text => text.startsWith(`${name}=`));
  return own?.slice(name.length + 1) ?? '';
}

/** Directories of one way to call: both ways have theirs, with names as long. */
class Place {
  readonly directory: string;
  readonly store: string;
  readonly cwd: string;
  readonly temporary: string;
  /** Paths that calls have named for stores and logs. */
  readonly named = new Set<string>();

  constructor(directory: string) {
    this.directory = directory;
    this.store = join(directory, 'store.mdb');
    this.cwd = join(directory, 'cwd');
    this.temporary = join(directory, 'tmp');
    for (const path of [this.cwd, this.temporary, join(directory, 'logs')]) mkdirSync(path, { recursive: true });
  }

  /** The call as it is made from here, and not from the other place. */
  async run(call: Call, from: Place, socket: string, scratch: string): Promise<Run> {
    const here = call.environment.map(entry =>
      Buffer.from(entry.toString('latin1').replaceAll(from.directory, this.directory), 'latin1'),
    );
    const isSet = here.some(entry => entry.toString('latin1').startsWith('CNI_COMMAND='));
    assert.ok(!isSet || textOf({ ...call, environment: here }, 'IPAM_DB_PATH').includes(this.directory));
    for (const name of ['IPAM_DB_PATH', 'ECS_CNI_LOG_FILE']) {
      this.named.add(resolve(this.cwd, textOf({ ...call, environment: here }, name)));
    }
    const own = [`IPAM_SOCKET=${socket}`, `TMPDIR=${this.temporary}`, `HOME=${this.temporary}`].map(text =>
      Buffer.from(text),
    );
    const environment = isSet ? [...here, ...own] : here;
    return runAsIs({ ...call, environment }, scratch, this.cwd);
  }

  /** Files that are neither a store with its lock files, nor a log. A path may end in a dot: so does its lock's then. */
  leftBehind(): string[] {
    return readdirSync(this.directory, { recursive: true, withFileTypes: true })
      .filter(file => !file.isDirectory())
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter(path => !this.named.has(resolve(path.replace(/(-lock|\.flock)$/, ''))) && !this.named.has(path));
  }
}

interface Lane {
  oneShot: Place;
  daemon: Place;
  scratch: string;
}

function laneIn(directory: string): Lane {
  mkdirSync(directory);
  return {
    oneShot: new Place(join(directory, 'one')),
    daemon: new Place(join(directory, 'two')),
    scratch: directory,
  };
}

/** The call both ways. Fails unless both are in order, and end alike. */
async function outcomeOf(call: CallCase, { oneShot, daemon, scratch }: Lane, socket: string): Promise<Outcome> {
  const command = textOf(call, 'CNI_COMMAND');
  const isUsual = textOf(call, 'IPAM_DB_PATH') === oneShot.store;
  const codes = [...codesOf(command), ...call.codes, ...(isUsual ? [] : OF_A_STORE)];
  const runs = [
    await oneShot.run(call, oneShot, NOBODY.IPAM_SOCKET, scratch),
    await daemon.run(call, oneShot, socket, scratch),
  ];
  const [alone, served] = runs.map(run => orderly(command, run, codes)) as [Outcome, Outcome];
  if (command !== '' && !COMMANDS.includes(command)) assert.is.not(alone, 'silent', 'no command, and no error');
  const kind = (outcome: Outcome) =>
    typeof outcome === 'object' && 'code' in outcome ? { code: outcome.code } : outcome;
  assert.equal(kind(served), kind(alone), `through the daemon, and one-shot: ${inspect({ served, alone })}`);
  return alone;
}

const shown = ({ environment, stdin }: Call): string => {
  const entries = environment.slice(0, 40).map(entry => entry.subarray(0, 200).toString('latin1'));
  const input = stdin instanceof Buffer ? stdin.subarray(0, 400).toString('latin1') : String(stdin);
  return inspect({ environment: entries, stdin: input }, { breakLength: 120, maxStringLength: 400 });
};

const directory = quickDirectory();
let daemon: Daemon;
test.before(async () => {
  daemon = await startDaemon({ lifeMs: 3_600_000 });
});

test('each ends as the specification has it, alike one-shot and through the daemon, and leaves nothing behind', async () => {
  const cases = effort(100, 6_000);
  const lanes = Array.from({ length: LANES }, (_, i) => laneIn(join(directory, `lane${i}`)));
  const figures = { given: 0, silent: 0, refused: 0 };
  await inParallel(lanes, LANES, async lane => {
    const part = lanes.indexOf(lane);
    const random = new Random(`calls ${part}`);
    const { oneShot } = lane;
    for (const [i, call] of callsOf(cases / LANES, oneShot.directory, oneShot.store, part, random).entries()) {
      try {
        const outcome = await outcomeOf(call, lane, daemon.socket);
        figures[outcome === 'silent' ? 'silent' : 'code' in outcome ? 'refused' : 'given']++;
      } catch (error) {
        throw new Error(`seed ${seed}, lane ${part}, case ${i}: ${shown(call)}\n${(error as Error).stack}`);
      }
    }
    for (const place of [lane.oneShot, lane.daemon]) assert.equal(place.leftBehind(), [], 'left behind');
  });
  const { given, silent, refused } = figures;
  tried(
    `${cases} calls, one-shot and through a daemon: ${given} with a result, ${silent} in silence, ${refused} refused`,
  );
  for (const count of Object.values(figures)) assert.ok(count > cases / 10, JSON.stringify(figures));
});

/** Environments that have ended otherwise through the daemon than without one. */
const SPECIAL: [what: string, change: (entries: string[]) => string[], address: string][] = [
  ['an entry without =', entries => ['CNI_ARGS', ...entries, 'IPAM_X'], '10.0.0.2/24'],
  ['a variable for the runtime with a long name', entries => [`BUN_${'x'.repeat(300)}=1`, ...entries], '10.0.0.2/24'],
  [
    'a variable twice: the first counts',
    entries => [...entries, 'CNI_ARGS=IP=10.0.0.5', 'CNI_ARGS=IP=10.0.0.6'],
    '10.0.0.5/24',
  ],
  ['the command twice: the first counts', entries => [...entries, 'CNI_COMMAND=VERSION'], '10.0.0.2/24'],
];
for (const [i, [what, change, address]] of SPECIAL.entries()) {
  test(`${what}: no matter, one-shot and through the daemon`, async () => {
    const lane = laneIn(join(directory, `special${i}`));
    const env = Object.entries(cniEnv('ADD', lane.oneShot.store)).map(([name, value]) => `${name}=${value}`);
    const environment = change(env).map(entry => Buffer.from(entry));
    const outcome = await outcomeOf({ environment, stdin: CONFIGURATION, codes: [] }, lane, daemon.socket);
    assert.ok(typeof outcome === 'object' && 'result' in outcome, inspect(outcome));
    assert.is(outcome.result.ips?.[0]?.address, address);
  });
}

test('the store twice: the first is opened, under its own lock', async () => {
  const lane = laneIn(join(directory, 'stores'));
  const { store } = lane.oneShot;
  const env = Object.entries(cniEnv('ADD', store)).map(([name, value]) => `${name}=${value}`);
  const environment = [...env, `IPAM_DB_PATH=${store}.other`].map(entry => Buffer.from(entry));
  await outcomeOf({ environment, stdin: CONFIGURATION, codes: [] }, lane, daemon.socket);
  for (const place of [lane.oneShot, lane.daemon]) {
    assert.equal(
      readdirSync(place.directory).filter(name => name.includes('other')),
      [],
    );
  }
});

const SOCKETS: [what: string, value: Buffer, shown: string][] = [
  ['bytes that are not UTF-8', Buffer.from(`${'\xff\xc3'.repeat(60)}\xc3\xa9`, 'latin1'), `${'\ufffd'.repeat(120)}é`],
  ['a character cut in two', Buffer.from(`x${'é'.repeat(150)}`), `x${'é'.repeat(99)}\ufffd:`],
];
for (const [what, value, shown] of SOCKETS) {
  test(`an error of the launcher with ${what} is text`, async () => {
    const lane = laneIn(join(directory, what));
    const env = Object.entries(cniEnv('ADD', lane.oneShot.store)).map(([name, value]) => `${name}=${value}`);
    const environment = [...env.map(entry => Buffer.from(entry)), Buffer.concat([Buffer.from('IPAM_SOCKET='), value])];
    const run = await runAsIs({ environment, stdin: CONFIGURATION }, lane.scratch, lane.oneShot.cwd);
    const outcome = orderly('ADD', run, [5]) as { msg: string };
    assert.ok(outcome.msg.startsWith(`IPAM_SOCKET ${shown}`), outcome.msg);
  });
}

test.after(() => stopDaemon(daemon));
test.run();
