// Daemons under test, each on a socket of its own.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { printed, until } from '../../integration/support/process.ts';
import { type Env, type Run, temporaryDirectory } from '../../support/plugin.ts';
import { type Started, start } from '../../support/start.ts';

export const PROGRAM = fileURLToPath(new URL('../../../dist/bin/ecs-ipamd', import.meta.url));

/** Environment of callers that no daemon answers. */
export const NOBODY = { IPAM_SOCKET: '/nonexistent/ecs-ipam.sock' };

/** Longer than a test file may take. */
const LIFE_MS = 60_000;

export interface DaemonOptions {
  /** A new one in a directory of its own, unless given. */
  socket?: string;
  env?: Env;
  /** What starts it, if not the program itself: `['strace', …, PROGRAM, 'serve']`. */
  command?: string[];
  /** How long the test may take. */
  lifeMs?: number;
}

export interface Daemon {
  socket: string;
  /** Of the command. */
  pid: number;
  /** Environment of callers. */
  env: Env;
  process: Started;
  /** Sends the signal, and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Run>;
}

export const temporarySocket = (): string => join(temporaryDirectory(), 'ecs-ipam.sock');

/** Starts a daemon without waiting for it. */
export function beginDaemon(options: DaemonOptions = {}): Daemon {
  const { socket = temporarySocket(), env = {}, lifeMs = LIFE_MS } = options;
  const [command = '', ...args] = options.command ?? [PROGRAM, 'serve'];
  const started = start({ command, args, env: { IPAM_SOCKET: socket, ...env }, limitMs: lifeMs });
  return {
    socket,
    pid: started.pid,
    env: { IPAM_SOCKET: socket },
    process: started,
    end: signal => {
      process.kill(started.pid, signal);
      return started.done;
    },
  };
}

/** Starts a daemon, and waits until it listens. */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const daemon = beginDaemon(options);
  await printed(daemon.process, 'listening on');
  return daemon;
}

/** Waits until the daemon is done with everybody who has connected to it. */
export async function untilAlone({ socket }: Daemon): Promise<void> {
  // The kernel lists its ends of connections, accepted or not, under the name that it listens at.
  const isOfDaemon = (line: string) => line.includes(` ${socket}`);
  await until(`nobody is connected to ${socket}`, () => {
    return readFileSync('/proc/net/unix', 'utf8').split('\n').filter(isOfDaemon).length === 1;
  });
}

/** Ends a daemon, which has to end in order. */
export async function stopDaemon(daemon: Daemon): Promise<void> {
  const { status, stderr } = await daemon.end('SIGTERM');
  assert.is(status, 0, `the daemon did not end in order: ${stderr}`);
}

/** Memory that the process has for itself and that is resident. */
export function residentBytes(pid: number): number {
  const [, anonymous] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(anonymous) * 1024;
}
