// A store that stays open between transactions: the daemon's. It shares the file with one-shot processes, so each use
// begins by making sure that the file is still the one that is open.

import { type Stats, statSync } from 'node:fs';
import type { FileLocks } from './flock.ts';
import { closeUnderLock, openLocked } from './guard.ts';
import { type LmdbStore, lmdbCode } from './lmdb.ts';
import { type Deadline, releaseLock, takeLock } from './lock.ts';
import { isSame } from './same-file.ts';
import type { ReadTransaction } from './transaction.ts';
import { attemptAll, type Ending, type Work } from './write-back.ts';

/** One of the works of a transaction. */
export interface Job<T> {
  work: Work<T>;
  /** Whether it adds leases, and so makes the store if there is none. */
  creates: boolean;
}

export class ResidentStore {
  readonly #path: string;
  readonly #locks: FileLocks;
  #open: { store: LmdbStore; file: Stats; lmdbLock: Stats } | undefined;

  constructor(path: string, locks: FileLocks) {
    this.#path = path;
    this.#locks = locks;
  }

  /** Opens the store if it is not open; false if there is none. */
  async prepare(deadline: Deadline): Promise<boolean> {
    if (this.#isCurrent()) return true;
    const release = await this.lock(deadline);
    try {
      return (await this.#current(deadline, false)) !== undefined;
    } finally {
      release();
    }
  }

  /**
   * Takes the exclusive lock; the result releases it.
   *
   * @throws StoreError 'locked' at the deadline, however that has moved meanwhile
   */
  async lock(deadline: Deadline): Promise<() => void> {
    const lock = await takeLock(deadline, true, this.#locks);
    return () => releaseLock(lock, this.#locks);
  }

  /** Runs `work` on the newest state. The store has been prepared. */
  read<T>(work: (transaction: ReadTransaction) => T): T {
    return this.#open!.store.read(work);
  }

  /**
   * Runs the jobs in one transaction, which is on disk when the promise resolves; one that throws fails alone. For
   * whoever holds the exclusive lock.
   *
   * @returns their endings in order, or undefined if there is no store and none of them creates it
   * @throws what made the whole transaction fail: then none of them has happened
   */
  async commit<T>(jobs: readonly Job<T>[], deadline: Deadline): Promise<Ending<T>[] | undefined> {
    const adds = jobs.filter(({ creates }) => creates).length;
    const store = await this.#current(deadline, adds > 0);
    return store?.commit(transaction => {
      let admitted = adds === 0 ? 0 : store.admit(adds);
      const works = jobs.map(({ work, creates }): Work<T> => {
        return transaction => {
          if (creates && admitted-- <= 0) throw store.refusal();
          return work(transaction);
        };
      });
      return attemptAll(transaction, works, error => {
        if (lmdbCode(error) !== undefined) throw error;
        return store.explain(error, 'write');
      });
    });
  }

  /** Closes the store, unless it is in use by the time that it holds the lock. It opens again when it is needed. */
  async close(deadline: Deadline, isInUse: () => boolean): Promise<void> {
    if (this.#open === undefined) return;
    if (!this.#isCurrent()) return this.#drop(); // removed or replaced: nobody opens what is open here any more
    await closeUnderLock(deadline, this.#locks, async () => {
      if (!isInUse()) await this.#drop();
    });
  }

  /**
   * Whether the store is open, and `path` leads to its file. LMDB's lock file counts too: through it a
   * process learns of the commits of others, and where somebody has removed it, the next one to open makes another.
   *
   * Nobody of ours shortens a store. Where somebody else has, the map of it ends the process (SIGBUS).
   */
  isOpenAt(path: string): boolean {
    if (this.#open === undefined) return false;
    const file = statSync(path, { throwIfNoEntry: false });
    const lmdbLock = statSync(`${this.#path}-lock`, { throwIfNoEntry: false });
    if (!isSame(this.#open.file, file) || !isSame(this.#open.lmdbLock, lmdbLock)) return false;
    if (file!.size < this.#open.file.size) return false;
    this.#open.file = file!; // it may have grown
    return true;
  }

  #isCurrent(): boolean {
    return this.isOpenAt(this.#path);
  }

  /** The open store, opened anew if the file was replaced. For whoever holds the exclusive lock. */
  async #current(deadline: Deadline, create: boolean): Promise<LmdbStore | undefined> {
    if (!this.#isCurrent()) {
      await this.#drop();
      // A wrong page would end the daemon, and with it the calls on all other stores.
      const store = await openLocked(deadline, create ? 'create' : 'write', this.#locks, 'pages');
      if (store !== undefined) {
        this.#open = { store, file: statSync(this.#path), lmdbLock: statSync(`${this.#path}-lock`) };
      }
    }
    return this.#open?.store;
  }

  async #drop(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.store.close();
  }
}
