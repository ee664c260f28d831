// The stores that a daemon has open, by path. A request names its own, as a one-shot process would.

import type { FileLocks } from '../store/flock.ts';
import { findStore } from '../store/guard.ts';
import { deadlineOf } from '../store/lock.ts';
import { ResidentStore } from '../store/resident.ts';
import type { Access, Store, StoreLocation } from '../store/transaction.ts';
import { Batch } from './batch.ts';

interface Entry {
  resident: ResidentStore;
  batch: Batch;
  lastUsedMs: number;
}

/** A store that nobody asks for is closed after this long. */
const IDLE_MS = 60_000;
const CLOSE_TIMEOUT_MS = 5_000;

export class Stores {
  readonly #locks: FileLocks;
  readonly #entries = new Map<string, Entry>();

  constructor(locks: FileLocks) {
    this.#locks = locks;
  }

  /** The same as guard's openStore, but that the store stays open and writes go into common transactions. */
  async open(location: StoreLocation, access: Access): Promise<Store | undefined> {
    const path = findStore(location, access);
    if (path === undefined) return undefined;
    const { resident, batch } = this.#entry(path);
    const deadline = deadlineOf(path, location.timeoutMs);
    if (access === 'read' && !(await resident.prepare(deadline))) return undefined;
    return {
      read: work => resident.read(work),
      write: work => batch.write(work, access === 'create', deadline),
      close: async () => {},
    };
  }

  #entry(path: string): Entry {
    let entry = this.#entries.get(path);
    if (entry === undefined) {
      const resident = new ResidentStore(path, this.#locks);
      entry = { resident, batch: new Batch(resident, this.#locks), lastUsedMs: 0 };
      this.#entries.set(path, entry);
    }
    entry.lastUsedMs = performance.now();
    return entry;
  }

  /** Closes what has not been used for a while, or everything. */
  async close(all: boolean): Promise<void> {
    for (const [path, { resident, batch, lastUsedMs }] of this.#entries) {
      if (!batch.isIdle || (!all && performance.now() - lastUsedMs < IDLE_MS)) continue;
      this.#entries.delete(path);
      await resident.close(deadlineOf(path, CLOSE_TIMEOUT_MS));
    }
  }
}
