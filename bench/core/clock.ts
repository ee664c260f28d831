// Time on a machine that is not idle.

import { setFlagsFromString } from 'node:v8';

// The collections between rounds age the code of whoever is not running; what is old is dropped.
setFlagsFromString('--no-flush-bytecode');

/**
 * Nanoseconds that one of `operations` takes, for work that never waits. Of the time that passed and the processor time
 * of the process the smaller one: others that had the processor meanwhile are in the first, V8's helpers that ran beside
 * the work in the second. Neither can be less than what an idle machine takes.
 */
export function nanosecondsEach(operations: number, work: () => void): number {
  const startNs = process.hrtime.bigint();
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  const passedNs = Number(process.hrtime.bigint() - startNs);
  return Math.min(passedNs, (user + system) * 1000) / operations;
}
