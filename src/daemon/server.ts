// The daemon: answers plugin calls on a Unix socket. Any number of requests may be in flight; their changes go into
// common transactions, and each is answered only after its own is on disk.

import type { Services } from '../cni/commands.ts';
import type { FileLocks } from '../store/flock.ts';
import type { Access, StoreLocation } from '../store/transaction.ts';
import { serveCall } from './call.ts';
import { Caller } from './caller.ts';
import type { MakeSocketServer, Place, SocketServer } from './connection.ts';
import { FrameError, type RequestFrame } from './frame.ts';
import { describe, type Listening, listen } from './listen.ts';
import { Stores } from './stores.ts';

export interface DaemonOptions {
  place: Place;
  /** End after so long without a caller; undefined: never. */
  idleMs: number | undefined;
  locks: FileLocks;
  sockets: MakeSocketServer;
  services: Omit<Services, 'log' | 'openStore'>;
  /** What happens to the daemon itself, for people. */
  say(message: string): void;
  /** It has begun to end, having been told so or for want of callers. */
  onStopping(): void;
}

const HOUSEKEEPING_MS = 1_000;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #stores: Stores;
  readonly #server: SocketServer;
  /** Each with the promise of its end: whatever it was given has been delivered or taken back then. */
  readonly #callers = new Map<Caller, Promise<void>>();
  #starting: Promise<Listening> | undefined;
  #housekeeping: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isStopping = false;
  #settleStopped!: (ending: Promise<void>) => void;
  /** Resolves when the daemon has ended; rejects if it could not end in order. */
  readonly stopped: Promise<void> = new Promise(resolve => {
    this.#settleStopped = resolve;
  });

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#stores = new Stores(options.locks);
    this.#server = options.sockets(connection => {
      const caller = new Caller(connection);
      this.#take(caller);
      return caller;
    });
  }

  /** @throws CniError if it cannot listen there */
  async start(): Promise<void> {
    const { place, locks, say } = this.#options;
    this.#starting = listen(this.#server, place, locks);
    await this.#starting;
    this.#housekeeping = setInterval(() => this.#keepHouse(), HOUSEKEEPING_MS);
    this.#rest();
    say(`listening on ${describe(place)}`);
  }

  /** Answers whoever has called, and ends. It may still be starting. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#options.onStopping();
    this.#settleStopped(this.#stop());
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#idle);
    await (await this.#starting)?.end();
    for (const caller of this.#callers.keys()) if (caller.isBetweenRequests) caller.close();
    await Promise.all(this.#callers.values());
    clearInterval(this.#housekeeping);
    await this.#stores.close(true);
    this.#options.say('stopped');
  }

  #keepHouse(): void {
    for (const caller of this.#callers.keys()) caller.checkTime(performance.now());
    void this.#stores.close(false).catch((error: Error) => this.#options.say(error.message));
  }

  /** Nobody is here: unless somebody comes, it ends. */
  #rest(): void {
    const { idleMs } = this.#options;
    if (idleMs !== undefined && !this.#isStopping) this.#idle = setTimeout(() => this.stop(), idleMs);
  }

  #take(caller: Caller): void {
    clearTimeout(this.#idle);
    const end = this.#serve(caller).finally(() => {
      this.#callers.delete(caller);
      if (this.#callers.size === 0) this.#rest();
    });
    this.#callers.set(caller, end);
  }

  /** One caller from its connection to its end. Never throws. */
  async #serve(caller: Caller): Promise<void> {
    try {
      for (let isHeard = true; isHeard; ) {
        const request = await caller.receive();
        isHeard = request !== undefined && (await this.#answer(caller, request)) && !this.#isStopping;
      }
    } catch (error) {
      const what = error instanceof FrameError ? 'a request' : 'a call failed:';
      this.#options.say(`${what} ${(error as Error).message}`);
    } finally {
      caller.close();
    }
  }

  #answer(caller: Caller, request: RequestFrame): Promise<boolean> {
    const services = {
      ...this.#options.services,
      openStore: (location: StoreLocation, access: Access) => this.#stores.open(location, access),
    };
    return serveCall(request, services, answer => caller.deliver(answer));
  }
}
