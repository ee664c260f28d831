// Records runs under strace: every byte that the product writes to its store, every flush, and what it answers.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beginDaemon, PROGRAM, temporarySocket } from '../daemon/support/daemon.ts';
import { add, addressesOf, del, dualStack, type Network, silent } from '../integration/support/ipam.ts';
import { childrenOf, inParallel, printed } from '../integration/support/process.ts';
import { cniEnv, EXECUTABLE, temporaryDirectory } from '../support/plugin.ts';
import type { Random } from '../support/random.ts';
import { start } from '../support/start.ts';
import { type Call, type Event, eventsOf, storeBelow, TRACED } from './events.ts';
import { SUBNETS } from './judge.ts';

export interface Recording {
  root: string;
  events: Event[];
  /** LMDB's lock file as it was at the end. */
  lock: Uint8Array;
}

const lockOf = (root: string): Uint8Array => readFileSync(`${storeBelow(root)}-lock`);

const conf: Network = dualStack({ 'ipv4-subnet': SUBNETS[0], 'ipv6-subnet': SUBNETS[1] });

const straceTo = (output: string): string[] => [
  ...['strace', '-f', '-y', '-xx', '-s', '4194304', '-e', `trace=${TRACED.join(',')}`, '-e', 'signal=none'],
  ...['-o', output],
];

function newRoot(): string {
  const root = join(temporaryDirectory(), 'root');
  mkdirSync(root);
  return root;
}

/** Owners that come and go: who asks next, and for what. A DEL is as likely as an ADD once some are there. */
class Crowd {
  readonly #random: Random;
  readonly #present: string[] = [];
  #count = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): Call {
    if (this.#present.length > 0 && this.#random.chance(this.#present.length / (this.#present.length + 40))) {
      const [owner] = this.#present.splice(this.#random.below(this.#present.length), 1);
      return { command: 'DEL', owner: owner! };
    }
    return { command: 'ADD', owner: `owner-${this.#count++}` };
  }

  came({ command, owner }: Call): void {
    if (command === 'ADD') this.#present.push(owner);
  }
}

/** A store from its first ADD on, by processes that each make one commit. */
export async function recordProcesses(commits: number, random: Random): Promise<Recording> {
  const root = newRoot();
  const crowd = new Crowd(random);
  const events: Event[] = [];
  for (let commit = 0; commit < commits; commit++) {
    const call = crowd.next();
    const output = join(temporaryDirectory(), 'trace');
    const [command = '', ...args] = [...straceTo(output), EXECUTABLE];
    const env = cniEnv(call.command, storeBelow(root), { CNI_CONTAINERID: call.owner });
    const run = await start({ command, args, env: { ...env, IPAM_SOCKET: '/nonexistent' }, stdin: conf }).done;
    if (call.command === 'ADD') addressesOf(run);
    else silent(run, `DEL of ${call.owner}`);
    crowd.came(call);
    events.push(...eventsOf(readFileSync(output, 'utf8'), root, call));
  }
  return { root, events, lock: lockOf(root) };
}

/** A store from its first ADD on, by a daemon that commits together what arrives together. */
export async function recordDaemon(rounds: number, random: Random): Promise<Recording> {
  const root = newRoot();
  const crowd = new Crowd(random);
  const output = join(temporaryDirectory(), 'trace');
  const daemon = beginDaemon({ socket: temporarySocket(), command: [...straceTo(output), PROGRAM, 'serve'] });
  await printed(daemon.process, 'listening on');
  for (let round = 0; round < rounds; round++) {
    const calls = Array.from({ length: 1 + random.below(4) }, () => crowd.next());
    await inParallel(calls, calls.length, async call => {
      const parameters = { store: storeBelow(root), conf, owner: call.owner, env: daemon.env };
      if (call.command === 'ADD') addressesOf(await add(parameters));
      else silent(await del(parameters), `DEL of ${call.owner}`);
    });
    for (const call of calls) crowd.came(call);
  }
  const lock = lockOf(root);
  for (const pid of childrenOf(daemon.pid)) process.kill(pid, 'SIGTERM');
  await daemon.process.done;
  return { root, events: eventsOf(readFileSync(output, 'utf8'), root), lock };
}
