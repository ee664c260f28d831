// Simulated time: events one after another. What an event has set going runs until it waits for the next one, so the
// order of everything is settled by the order of the events.

interface Event {
  atMs: number;
  work: () => void;
}

export class Schedule {
  nowMs = 0;
  /** The next one last; of those at one time the latest made first. */
  readonly #events: Event[] = [];

  after(ms: number, work: () => void): void {
    const event = { atMs: this.nowMs + ms, work };
    let [low, high] = [0, this.#events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#events[middle]!.atMs > event.atMs) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }

  /** Until nothing is left to happen. `check` is called after every event, and may throw. */
  async run(check: () => void): Promise<number> {
    let count = 0;
    for (let event = this.#events.pop(); event !== undefined; event = this.#events.pop()) {
      this.nowMs = event.atMs;
      event.work();
      // Promises are all that the parts wait for: by the next turn of the event loop they have settled.
      await new Promise(resolve => setImmediate(resolve));
      check();
      count++;
    }
    return count;
  }
}

/** A process: what it waits for never happens once it has been killed. */
export class Process {
  readonly name: string;
  readonly #schedule: Schedule;
  isAlive = true;

  constructor(name: string, schedule: Schedule) {
    this.name = name;
    this.#schedule = schedule;
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve =>
      this.#schedule.after(ms, () => {
        if (this.isAlive) resolve();
      }),
    );
  }
}
