// Group commit: what is asked for while a commit is under way goes into the next one together.

import { StoreError } from '../store/error.ts';
import { type Deadline, tooLate } from '../store/lock.ts';
import type { Job, ResidentStore } from '../store/resident.ts';
import type { Ending, Work } from '../store/write-back.ts';

interface WaitingJob extends Job<unknown> {
  deadline: Deadline;
  end(ending: Ending<unknown>): void;
}

/** Bounds how long a single transaction keeps the others waiting. */
const MOST_JOBS = 256;

/** Time as a batch needs it. */
export interface Clock {
  /** As deadlines have it. */
  nowMs(): number;
  /** Resolves when whatever has arrived by now has been heard. */
  turn(): Promise<void>;
}

const EVENT_LOOP: Clock = {
  nowMs: () => performance.now(),
  turn: () => new Promise(resolve => setImmediate(resolve)),
};

export class Batch {
  readonly #store: Pick<ResidentStore, 'lock' | 'commit'>;
  readonly #clock: Clock;
  readonly #jobs: WaitingJob[] = [];
  #isRunning = false;

  constructor(store: Pick<ResidentStore, 'lock' | 'commit'>, clock = EVENT_LOOP) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Runs `work` in the next transaction. Resolves when that is on disk; rejects, if `work` throws or at the deadline.
   */
  write<T>(work: Work<T>, creates: boolean, deadline: Deadline): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (ending: Ending<unknown>) => ('error' in ending ? reject(ending.error) : resolve(ending.value as T));
      this.#jobs.push({ work, creates, deadline, end });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Commits until nothing is left to do. Never throws: every failure ends the jobs that it concerns. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#jobs.length > 0) {
      // What arrives together is committed together: more is waited for as long as it comes without a pause.
      for (let waiting = 0; this.#jobs.length > waiting && waiting < MOST_JOBS; ) {
        waiting = this.#jobs.length;
        await this.#clock.turn();
      }
      await this.#commitNext();
    }
    this.#isRunning = false;
  }

  async #commitNext(): Promise<void> {
    let release: () => void;
    try {
      release = await this.#store.lock(commonDeadline(this.#jobs));
    } catch (error) {
      const isLate = error instanceof StoreError && error.failure === 'locked';
      const nowMs = this.#clock.nowMs();
      this.#endAll(
        this.#take(job => !isLate || job.deadline.atMs <= nowMs),
        error,
      );
      return;
    }
    const jobs = this.#jobs.splice(0, MOST_JOBS);
    try {
      await this.#commit(jobs);
    } finally {
      release();
    }
  }

  /** Never throws. Where the disk has no room for all jobs together, there may be for each of them. */
  async #commit(jobs: readonly WaitingJob[]): Promise<void> {
    const deadline = earliestDeadline(jobs);
    try {
      const endings = await this.#store.commit(jobs, deadline);
      if (endings === undefined) throw new StoreError('io', `store ${deadline.path}: has been removed`);
      for (const [i, job] of jobs.entries()) job.end(endings[i]!);
    } catch (error) {
      const isTooMuch = error instanceof StoreError && error.failure === 'io' && jobs.length > 1;
      if (!isTooMuch) return this.#endAll(jobs, error);
      for (const job of jobs) {
        const isLate = job.deadline.atMs <= this.#clock.nowMs();
        if (isLate) job.end({ error: tooLate(job.deadline, 'its disk is full, and is being written to by others') });
        else await this.#commit([job]);
      }
    }
  }

  #take(which: (job: WaitingJob) => boolean): WaitingJob[] {
    const taken = this.#jobs.filter(which);
    this.#jobs.splice(0, this.#jobs.length, ...this.#jobs.filter(job => !taken.includes(job)));
    return taken;
  }

  #endAll(jobs: readonly WaitingJob[], error: unknown): void {
    for (const job of jobs) job.end({ error });
  }
}

const earliestDeadline = (jobs: readonly WaitingJob[]): Deadline =>
  jobs.reduce((a, b) => (a.deadline.atMs <= b.deadline.atMs ? a : b)).deadline;

/** The earliest deadline whenever it is looked at: a job that joins while the others wait may have less time. */
const commonDeadline = (jobs: readonly WaitingJob[]): Deadline => ({
  get path() {
    return earliestDeadline(jobs).path;
  },
  get timeoutMs() {
    return earliestDeadline(jobs).timeoutMs;
  },
  get atMs() {
    return earliestDeadline(jobs).atMs;
  },
});
