// A daemon that is told to stop fails no call: whoever has connected is answered, whoever comes later finds no socket
// and helps itself, or finds the daemon that follows.

import { existsSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { add, addressOf, distinct, holdsExactly, network, silent } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import { cniEnv, type Run, temporaryStore } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { type Daemon, startDaemon, stopDaemon } from './support/daemon.ts';
import { ask } from './support/frames.ts';

const test = suite('stopping');
const conf = network({ 'ipv4-subnet': '10.0.0.0/16' });

/** ADDs through a socket, one after another in each of a few rows, until it is ended; none may fail. */
class Callers {
  readonly addresses: string[] = [];
  readonly #rows: Promise<void>[];
  #isEnding = false;
  #begun = 0;

  constructor(store: string, env: { IPAM_SOCKET: string }, rows: number) {
    const row = async (call: (owner: string) => Promise<Run | undefined>) => {
      while (!this.#isEnding) {
        const owner = `c${this.#begun++}`;
        const run = await call(owner);
        assert.ok(run, `ADD of ${owner}: no answer`);
        this.addresses.push(addressOf(run, `ADD of ${owner}`));
      }
    };
    const launcher = (owner: string) => add({ store, conf, owner, env });
    this.#rows = Array.from({ length: rows }, () => row(launcher));
    for (const promise of this.#rows) promise.catch(() => {}); // seen by `end`
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
      const callers = new Callers(store, first.env as { IPAM_SOCKET: string }, 8);
      await sleep(200 + random.below(100));
      const ending = first.end(signal);
      const second = await follow(first.socket, first);
      const { status, stderr } = await ending;
      assert.is(status, 0, stderr);
      const before = callers.addresses.length;
      await sleep(300);
      await callers.end();
      assert.ok(before > 20 && callers.addresses.length > before, `${before}, then ${callers.addresses.length} calls`);
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

test.run();
