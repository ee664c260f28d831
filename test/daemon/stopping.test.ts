// A daemon that is told to stop fails no call: whoever has connected is answered, whoever comes later finds no socket
// and helps itself, or finds the daemon that follows.

import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdFlock, letGo } from '../integration/support/hold.ts';
import { add, addressOf, distinct, holdsExactly, network, silent } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { cniEnv, type Env, temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { testWith } from '../support/requirements.ts';
import { beginDaemon, type Daemon, startDaemon, stopDaemon } from './support/daemon.ts';
import { ask } from './support/frames.ts';

const test = suite('stopping');
const conf = network({ 'ipv4-subnet': '10.0.0.0/16' });

/** ADDs through a socket, one after another in each of a few rows, until it is ended; none may fail. */
class Callers {
  readonly addresses: string[] = [];
  readonly #rows: Promise<void>[];
  #isEnding = false;
  #begun = 0;

  constructor(store: string, env: Env, rows: number) {
    const row = async () => {
      while (!this.#isEnding) {
        const owner = `c${this.#begun++}`;
        this.addresses.push(addressOf(await add({ store, conf, owner, env }), `ADD of ${owner}`));
      }
    };
    this.#rows = Array.from({ length: rows }, row);
    for (const promise of this.#rows) {
      promise.catch(() => {
        this.#isEnding = true; // what went wrong is seen by `end`
      });
    }
  }

  /** Waits for so many more answers. */
  async go(count: number): Promise<void> {
    const wanted = this.addresses.length + count;
    const reached = async () => {
      while (this.addresses.length < wanted && !this.#isEnding) await sleep(1);
    };
    await Promise.race([reached(), Promise.all(this.#rows)]);
  }

  /** @throws what went wrong in any row */
  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#rows);
  }
}

async function vanished(path: string): Promise<void> {
  while (existsSync(path)) await sleep(1);
}

const endings = [
  ['nobody follows', async () => undefined],
  [
    'another follows as soon as the socket has vanished',
    async (socket: string) => {
      await vanished(socket);
      return startDaemon({ socket });
    },
  ],
  [
    'another follows when it has ended',
    async (socket: string, first: Daemon) => {
      await first.process.done;
      return startDaemon({ socket });
    },
  ],
] as const;

for (const [what, follow] of endings) {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal} under load, ${what}: no call fails`, async () => {
      const random = new Random(`${signal} ${what}`);
      const store = temporaryStore();
      const first = await startDaemon();
      const callers = new Callers(store, first.env, 8);
      await callers.go(20 + random.below(20));
      const ending = first.end(signal);
      const second = await follow(first.socket, first);
      const { status, stderr } = await ending;
      assert.is(status, 0, stderr);
      await callers.go(20);
      await callers.end();
      distinct(callers.addresses, 'ADDs');
      await holdsExactly(store, callers.addresses);
      assert.is(existsSync(first.socket), second !== undefined, 'the socket');
      if (second === undefined) return;
      const answer = await ask(second.socket, cniEnv('STATUS', store), conf);
      silent(answer!, 'STATUS through the daemon that follows');
      await stopDaemon(second);
      assert.not(existsSync(second.socket));
    });
  }
}

testWith(test, ['flock'], 'whoever has connected before the signal is answered, however long that takes', async () => {
  const store = temporaryStore();
  const daemon = await startDaemon();
  addressOf(await add({ store, conf, owner: 'first', env: daemon.env }));
  const holder = await holdFlock(store);
  const calls = Array.from({ length: 16 }, (_, i) =>
    ask(daemon.socket, cniEnv('ADD', store, { CNI_CONTAINERID: `c${i}` }), conf),
  );
  await sleep(50);
  const ending = daemon.end('SIGTERM');
  await vanished(daemon.socket);
  await sleep(500);
  await letGo(holder);
  const addresses = (await Promise.all(calls)).map((run, i) => addressOf(run!, `ADD ${i}`));
  distinct(addresses, 'ADDs');
  assert.is((await ending).status, 0);
  await holdsExactly(store, ['10.0.0.2', ...addresses]);
});

test('a signal while it starts leaves no socket behind', async () => {
  const random = new Random('starting daemons');
  const ends: string[] = [];
  for (let round = 0; round < 12; round++) {
    const daemon = beginDaemon();
    await sleep(random.fraction() * 120);
    const { status, signal, stderr } = await daemon.end('SIGTERM');
    // Whatever ends it before it has begun to listen is in order.
    if (stderr.includes('listening')) assert.is(status, 0, `${signal}: ${stderr}`);
    assert.equal(readdirSync(dirname(daemon.socket)), [], `round ${round}: ${stderr}`);
    ends.push(`${status ?? signal}`);
  }
  console.log(`ended with ${ends.join(' ')}`);
});

test.run();
