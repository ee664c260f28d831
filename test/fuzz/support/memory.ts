// Whether memory grows with the number of cases.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as assert from 'uvu/assert';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Memory of this process that something still leads to. */
export function liveBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/**
 * The least memory of each quarter of a run: what a garbage collector has not got round to comes and goes, and what is
 * kept of every case stays.
 */
export class MemoryFloors {
  readonly #cases: number;
  readonly #read: () => number;
  readonly #floors = [0, 0, 0, 0].map(() => Number.POSITIVE_INFINITY);

  constructor(cases: number, read: () => number) {
    this.#cases = cases;
    this.#read = read;
  }

  /** After that case, counted from 0. */
  look(index: number): void {
    const quarter = Math.floor((4 * index) / this.#cases);
    this.#floors[quarter] = Math.min(this.#floors[quarter]!, this.#read());
  }

  /** Fails if from the second quarter, when all is warm, to the last one more was kept than `most` bytes. */
  check(most: number): void {
    const growth = this.#floors[3]! - this.#floors[1]!;
    assert.ok(growth < most, `memory grew by ${growth} bytes: ${this}`);
  }

  toString(): string {
    return `${this.#floors.map(bytes => (bytes / 2 ** 20).toFixed(1)).join(', ')} MiB`;
  }
}
