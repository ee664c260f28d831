// Moving in where the Go plugin was, killed at any moment: before or after, never in between, and the next call goes
// on.

import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { expected, fixture, fixturePath } from '../bolt/support.ts';
import { cniEnv, EXECUTABLE, type Run, temporaryDirectory } from '../support/plugin.ts';
import { Random, seed } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { begin, held, list, network, refused, silent, status } from './support/ipam.ts';
import { execute, sleep, start } from './support/process.ts';

const test = suite('moving in, killed');
const NAME = 'dual';
const LARGE = 'large-v4';
const DAEMON = `${EXECUTABLE}d`;

function goStore(name = NAME): string {
  const path = join(temporaryDirectory(), 'eni-ipam.db');
  copyFileSync(fixturePath(name), path);
  return path;
}
function confOf(name: string) {
  const { subnet4, subnet6 } = expected(name);
  return network({ 'ipv4-subnet': subnet4, ...(subnet6 && { 'ipv6-subnet': subnet6 }) });
}
const leasesOf = (name: string): string[] =>
  expected(name)
    .leases.map(({ address }) => address)
    .sort();

/** The file is the Go plugin's as it was, or a store; which. */
function stateOf(store: string, name: string, what: string): 'before' | 'after' {
  const bytes = readFileSync(store);
  if (bytes.equals(fixture(name))) return 'before';
  assert.is(bytes.readUInt32LE(24), 0xbeefc0de, `${what}: neither the old file nor a store`);
  return 'after';
}

/** The next call finds everything, and nothing is left that does not belong there. */
async function goesOn(store: string, name: string, what: string): Promise<void> {
  silent(await status({ store, conf: confOf(name) }), what);
  assert.equal(await held(store), leasesOf(name), what);
  assert.is((await list(store)).length, leasesOf(name).length + expected(name).gateways.length, what);
  assert.ok(readFileSync(`${store}.bolt`).equals(fixture(name)), `${what}: the file that is kept`);
  // A lock file of the draft may be left; the next store that is made there takes it away.
  const beside = readdirSync(dirname(store)).filter(file => file !== 'eni-ipam.db.new-lock');
  assert.equal(beside.sort(), ['eni-ipam.db', 'eni-ipam.db-lock', 'eni-ipam.db.bolt', 'eni-ipam.db.flock'], what);
}

/** System calls that change a file or make a change durable. */
const STEPS = ['write', 'pwrite64', 'pwritev', 'ftruncate', 'fsync', 'fdatasync', 'rename', 'unlink', 'flock', 'close'];
/** Of those that come often, the last ones are the interesting ones; all are tried up to this. */
const MOST_TIMES = 40;

testWith(test, ['strace'], 'killed at each system call that changes a file', async () => {
  const seen = { before: 0, after: 0 };
  for (const call of STEPS) {
    for (let time = 1; time <= MOST_TIMES; time++) {
      const store = goStore();
      const what = `killed at ${call} ${time}`;
      const inject = `inject=${call}:signal=KILL:when=${time}`;
      const run = await execute({
        command: 'strace',
        args: ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, '-e', inject, DAEMON],
        env: cniEnv('STATUS', store, { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '' }),
        stdin: confOf(NAME),
      });
      seen[stateOf(store, NAME, what)]++;
      await goesOn(store, NAME, what);
      if (run.status === 0) break;
    }
  }
  console.log(`killed before ${seen.before} times, after ${seen.after} times`);
  assert.ok(seen.before > 10 && seen.after > 5, JSON.stringify(seen));
});

const KILLS = 40;
for (const name of [NAME, LARGE]) {
  test(`${name}: killed at ${KILLS} random moments`, async () => {
    const random = new Random(`moving in ${name}`);
    const conf = confOf(name);
    const measured = await status({ store: goStore(name), conf });
    silent(measured);
    const spanMs = 1.2 * measured.ms;
    for (let i = 0; i < KILLS; i++) {
      const store = goStore(name);
      const what = `seed ${seed}: kill ${i}`;
      const started = start({
        command: DAEMON,
        stdin: conf,
        env: cniEnv('STATUS', store, { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '' }),
      });
      await sleep(((i + random.fraction()) * spanMs) / KILLS);
      started.child.kill('SIGKILL');
      await started.done;
      stateOf(store, name, what);
      await goesOn(store, name, what);
    }
  });
}

/** A daemon of this test's own. */
async function withDaemon(body: (socket: string, kill: () => Promise<Run>) => Promise<void>): Promise<void> {
  const socket = join(temporaryDirectory(), 'ecs-ipam.sock');
  const daemon = start({ command: DAEMON, args: ['serve'], env: { IPAM_SOCKET: socket }, limitMs: 60_000 });
  for (let waits = 0; !existsSync(socket); waits++) {
    assert.ok(waits < 500, 'the daemon does not start');
    await sleep(10);
  }
  const end = (signal: NodeJS.Signals) => {
    daemon.child.kill(signal);
    return daemon.done;
  };
  try {
    await body(socket, () => end('SIGKILL'));
  } finally {
    await end('SIGTERM');
  }
}

test('the daemon moves in, and is killed while it does', async () => {
  const random = new Random('daemon moving in');
  const conf = confOf(LARGE);
  let spanMs = 0;
  for (let i = 0; i < 10; i++) {
    await withDaemon(async (socket, kill) => {
      const store = goStore(LARGE);
      const call = begin('ADD', { store, conf, env: { IPAM_SOCKET: socket } });
      if (i > 0) {
        await sleep(random.fraction() * spanMs);
        await kill();
      }
      const run = await call.done;
      if (i === 0) spanMs = run.ms;
      const what = `seed ${seed}: daemon ${i}: ${run.stdout}${run.stderr}`;
      if (run.status !== 0) refused(run, 11, what);
      stateOf(store, LARGE, what);
      silent(await status({ store, conf }), what);
      const addresses = await held(store);
      const wanted = leasesOf(LARGE);
      assert.equal(
        wanted.filter(address => !addresses.includes(address)),
        [],
        what,
      );
      assert.ok(addresses.length <= wanted.length + 1 && (run.status !== 0 || addresses.length > wanted.length), what);
    });
  }
});
test('a daemon that has a store open finds a bolt file in its place', async () => {
  await withDaemon(async socket => {
    const store = goStore();
    const env = { IPAM_SOCKET: socket };
    silent(await status({ store, conf: confOf(NAME), env }));
    writeFileSync(`${store}.back`, fixture('agent-v4')); // an operator goes back, and the plugin comes again
    renameSync(`${store}.back`, store);
    const agent = confOf('agent-v4');
    const run = await begin('ADD', { store, conf: agent, env }).done;
    assert.match(run.stdout, /169\.254\.172\.14/);
    assert.equal(await held(store), [...leasesOf('agent-v4'), '169.254.172.14'].sort());
  });
});

test.run();
