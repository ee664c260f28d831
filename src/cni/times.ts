// When leases are given. Owner and time together tell which ADD a lease is from: one that is taken back must not take
// with it what the same owner was given in the same moment, as happens where a daemon carries many calls out together.

/** How far a clock may go back before what it said earlier is forgotten. */
const MEMORY_MS = 60_000;

/** Gives the time of a clock, in milliseconds, and never the same to one owner twice: the next one that is left. */
export function distinctTimes(clock: () => number): (owner: string) => number {
  /** The latest time of each owner that could come again. */
  const latest = new Map<string, number>();
  let newestMs = Number.NEGATIVE_INFINITY;
  return owner => {
    const nowMs = clock();
    if (nowMs > newestMs || nowMs < newestMs - MEMORY_MS) {
      latest.clear();
      newestMs = nowMs;
    }
    const timeMs = Math.max(nowMs, (latest.get(owner) ?? Number.NEGATIVE_INFINITY) + 1);
    latest.set(owner, timeMs);
    newestMs = Math.max(newestMs, timeMs);
    return timeMs;
  };
}
