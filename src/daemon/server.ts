// The daemon: answers plugin calls on a Unix socket. Any number of requests may be in flight; their changes go into
// common transactions, and each is answered only after its own is on disk.

import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { dirname } from 'node:path';
import { type Answer, answer, type Services } from '../cni/commands.ts';
import { openLog } from '../cni/log.ts';
import type { FileLocks } from '../store/flock.ts';
import { Caller } from './caller.ts';
import { encodeAnswer, type RequestFrame } from './frame.ts';
import { Stores } from './stores.ts';

export interface DaemonOptions {
  /** Where to listen: a path, or a socket that is listening already (systemd's socket activation). */
  listen: { path: string } | { fd: number };
  /** End after so long without a request; undefined: never. */
  idleMs: number | undefined;
  locks: FileLocks;
  services: Omit<Services, 'log' | 'openStore'>;
  /** What happens to the daemon itself, for people. */
  say(message: string): void;
}

/** How long a stopping daemon waits for callers that connected before its socket vanished. */
const LAST_CALL_MS = 100;
const HOUSEKEEPING_MS = 1_000;

export class DaemonError extends Error {
  override name = 'DaemonError';
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #stores: Stores;
  readonly #server: Server;
  readonly #callers = new Set<Caller>();
  #lastCallMs = performance.now();
  #housekeeping: NodeJS.Timeout | undefined;
  #isStopping = false;
  #settleStopped!: (ending: Promise<void>) => void;
  /** Resolves when the daemon has ended; rejects if it could not end in order. */
  readonly stopped: Promise<void> = new Promise(resolve => {
    this.#settleStopped = resolve;
  });

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#stores = new Stores(options.locks);
    this.#server = createServer({ allowHalfOpen: true }, socket => void this.#serve(new Caller(socket)));
  }

  /** @throws DaemonError if another daemon listens there */
  async start(): Promise<void> {
    const { listen, say } = this.#options;
    if ('path' in listen) {
      mkdirSync(dirname(listen.path), { recursive: true, mode: 0o700 });
      await removeStaleSocket(listen.path);
    }
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(listen, resolve);
    });
    if ('path' in listen) chmodSync(listen.path, 0o600);
    this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS);
    say(`listening on ${'path' in listen ? listen.path : `descriptor ${listen.fd}`}`);
  }

  /**
   * Finishes what was received, and ends. No caller is turned away: the socket's path goes first, so that new ones find
   * none and help themselves, and whoever had connected before is still answered.
   */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#settleStopped(this.#stop());
  }

  async #stop(): Promise<void> {
    const { listen, say } = this.#options;
    if ('path' in listen) {
      rmSync(listen.path, { force: true });
      this.#lastCallMs = performance.now();
      while (performance.now() - this.#lastCallMs < LAST_CALL_MS) await pause(LAST_CALL_MS / 10);
    }
    for (const caller of this.#callers) if (caller.isBetweenRequests) caller.close();
    await new Promise(resolve => this.#server.close(resolve)); // waits for the callers too
    clearInterval(this.#housekeeping);
    await this.#stores.close(true);
    say('stopped');
  }

  #keepHouse(): void {
    const { idleMs, say } = this.#options;
    for (const caller of this.#callers) caller.checkTime(performance.now());
    void this.#stores.close(false).catch((error: Error) => say(error.message));
    if (idleMs !== undefined && this.#callers.size === 0 && performance.now() - this.#lastCallMs > idleMs) {
      this.stop();
    }
  }

  /** One caller from its connection to its end. */
  async #serve(caller: Caller): Promise<void> {
    this.#lastCallMs = performance.now();
    this.#callers.add(caller);
    try {
      for (let isHeard = true; isHeard; ) {
        const request = await caller.receive();
        isHeard = request !== undefined && (await this.#answer(caller, request)) && !this.#isStopping;
      }
    } catch (error) {
      this.#options.say(`a request ${(error as Error).message}`);
    } finally {
      caller.close();
      this.#callers.delete(caller);
      this.#lastCallMs = performance.now();
    }
  }

  /** False if the answer could not be delivered. */
  async #answer(caller: Caller, { env, stdin }: RequestFrame): Promise<boolean> {
    let stderr = '';
    const log = openLog(env, message => {
      stderr += `ecs-ipam: ${message}\n`;
    });
    const services: Services = {
      ...this.#options.services,
      log,
      openStore: (location, access) => this.#stores.open(location, access),
    };
    const { status, stdout, takeBack }: Answer = await answer(env, async () => stdin, services);
    const isDelivered = await caller.deliver(encodeAnswer({ status, stdout, stderr }));
    if (!isDelivered) await takeBack?.();
    return isDelivered;
  }
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** Removes the socket that a daemon has left behind. */
async function removeStaleSocket(path: string): Promise<void> {
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket()) throw new DaemonError(`${path}: is there, and is not a socket`);
  const isLive = await new Promise<boolean>(resolve => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
  if (isLive) throw new DaemonError(`${path}: another daemon is listening there`);
  rmSync(path);
}
