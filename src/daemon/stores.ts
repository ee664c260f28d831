// The stores that a daemon has open, by path. A request names its own, as a one-shot process would.

import type { FileLocks } from '../store/flock.ts';
import { findStore } from '../store/guard.ts';
import { deadlineOf } from '../store/lock.ts';
import { ResidentStore } from '../store/resident.ts';
import type { Access, Store, StoreLocation } from '../store/transaction.ts';
import { Batch } from './batch.ts';

interface Entry {
  /** Without symbolic links. */
  path: string;
  resident: ResidentStore;
  batch: Batch;
  /** Calls that have opened it and not closed it yet. */
  users: number;
  lastUsedMs: number;
}

/** A store that nobody asks for is closed after this long. */
const IDLE_MS = 60_000;
/** So many stay open although nobody uses them: each takes two megabytes and three descriptors. */
const MOST_IDLE_STORES = 64;
const CLOSE_TIMEOUT_MS = 5_000;

export class Stores {
  readonly #locks: FileLocks;
  /** By path without symbolic links. */
  readonly #entries = new Map<string, Entry>();
  /** By path as requests give it. */
  readonly #byGivenPath = new Map<string, Entry>();
  /** Given paths that were looked at in this turn of the event loop: requests that arrive together share the look. */
  readonly #checked = new Set<string>();

  constructor(locks: FileLocks) {
    this.#locks = locks;
  }

  /** The same as guard's openStore, but that the store stays open and writes go into common transactions. */
  async open(location: StoreLocation, access: Access): Promise<Store | undefined> {
    const entry = this.#openAt(location.path) ?? (await this.#find(location, access));
    if (entry === undefined) return undefined;
    const deadline = deadlineOf(entry.path, location.timeoutMs);
    entry.users++;
    const store: Store = {
      read: work => entry.resident.read(work),
      write: work => entry.batch.write(work, access === 'create', deadline),
      close: () => {
        entry.users--;
        entry.lastUsedMs = performance.now();
      },
    };
    let isThere = false;
    try {
      isThere = access !== 'read' || (await entry.resident.prepare(deadline));
      return isThere ? store : undefined;
    } finally {
      if (!isThere) store.close();
    }
  }

  /** The store that was found at a path before, if it is open and still what the path leads to. */
  #openAt(givenPath: string): Entry | undefined {
    const entry = this.#byGivenPath.get(givenPath);
    if (entry === undefined || this.#checked.has(givenPath)) return entry;
    if (!entry.resident.isOpenAt(givenPath)) return undefined;
    if (this.#checked.size === 0) setImmediate(() => this.#checked.clear());
    this.#checked.add(givenPath);
    return entry;
  }

  async #find(location: StoreLocation, access: Access): Promise<Entry | undefined> {
    const path = await findStore(location, access, this.#locks);
    if (path === undefined) return undefined;
    let entry = this.#entries.get(path);
    if (entry === undefined) {
      const resident = new ResidentStore(path, this.#locks);
      entry = { path, resident, batch: new Batch(resident), users: 0, lastUsedMs: 0 };
      this.#entries.set(path, entry);
    }
    this.#byGivenPath.set(location.path, entry);
    return entry;
  }

  /** Closes what has not been used for a while, or everything; but nothing that is in use. */
  async close(all: boolean): Promise<void> {
    const lastUsedFirst = [...this.#entries.values()].sort((a, b) => b.lastUsedMs - a.lastUsedMs);
    for (const [place, entry] of lastUsedFirst.entries()) {
      const isInUse = () => entry.users > 0;
      const isKept = place < MOST_IDLE_STORES && performance.now() - entry.lastUsedMs < IDLE_MS;
      if (isInUse() || (!all && isKept)) continue;
      await entry.resident.close(deadlineOf(entry.path, CLOSE_TIMEOUT_MS), isInUse);
      if (!isInUse()) this.#forget(entry);
    }
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.path);
    for (const [givenPath, known] of this.#byGivenPath) if (known === entry) this.#byGivenPath.delete(givenPath);
  }
}
