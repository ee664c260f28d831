// What the tests of the operators' tools share: stores with leases, the command line, a daemon beside it.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { add, addressesOf, type Call } from '../integration/support/ipam.ts';
import { type Env, EXECUTABLE, type Run, run, temporaryDirectory } from '../support/plugin.ts';
import { start } from '../support/start.ts';

export { temporaryDirectory, temporaryStore } from '../support/plugin.ts';

const DAEMON = join(dirname(EXECUTABLE), 'ecs-ipamd');
const EVERYTHING_STARTS_WITHIN_MS = 20_000;

/** Runs the command line on a store. */
export const ipam = (store: string, ...args: string[]): Promise<Run> => run({ args, env: { IPAM_DB_PATH: store } });

export const told = ({ status, signal, stdout, stderr }: Run): string =>
  `exit ${status ?? signal}\nstdout: ${stdout.slice(0, 3000)}\nstderr: ${stderr.slice(0, 3000)}`;

/** Fails unless the run exited so, and said all of this. */
export function exits(reply: Run, status: number, ...said: (string | RegExp)[]): Run {
  assert.is(reply.status, status, told(reply));
  for (const part of said) {
    const text = reply.stdout + reply.stderr;
    assert.ok(typeof part === 'string' ? text.includes(part) : part.test(text), `says ${part}\n${told(reply)}`);
  }
  return reply;
}

/**
 * The addresses of an ADD on a repaired store. Where all that told of a gateway is lost but that its address is used,
 * an operator has to release it first, as the error says.
 */
export async function addRepaired(call: Call, what: string): Promise<string[]> {
  const run = await add(call);
  const [, gateway] = /gateway (\S+) of \S+: in use by id \S*recovered by fsck/.exec(run.stdout) ?? [];
  if (gateway === undefined) return addressesOf(run, what);
  const freed = await ipam(call.store, 'release', gateway);
  assert.is(freed.status, 0, `${what}: ${told(freed)}`);
  return addRepaired(call, what);
}

/** Runs `work` beside a daemon; `env` leads the plugin's calls to it. */
export async function besideDaemon(work: (env: Env) => Promise<void>): Promise<void> {
  const env = { IPAM_SOCKET: join(temporaryDirectory(), 'ecs-ipam.sock') };
  const daemon = start({ command: DAEMON, args: ['serve'], env, limitMs: 300_000 });
  const startMs = performance.now();
  while (!existsSync(env.IPAM_SOCKET)) {
    if (performance.now() - startMs > EVERYTHING_STARTS_WITHIN_MS) throw new Error('the daemon does not start');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  try {
    await work(env);
  } finally {
    daemon.child.kill('SIGTERM');
  }
  assert.is((await daemon.done).status, 0, 'the daemon ends in order');
}
