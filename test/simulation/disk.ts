// A simulated store: rows that everybody sees, what of them the power may fail without losing, and the lock.

import { StoreError } from '../../src/store/error.ts';
import type { Deadline } from '../../src/store/lock.ts';
import type { ReadTransaction, Row, Transaction } from '../../src/store/transaction.ts';
import type { Random } from '../support/random.ts';
import type { Process, Schedule } from './schedule.ts';

/** Keys as characters of one octet each: they sort as the keys do. */
type Rows = Map<string, Uint8Array>;
/** Undefined: the row goes. */
type Changes = Map<string, Uint8Array | undefined>;

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1');
const keyOf = (name: string): Uint8Array => Uint8Array.from(Buffer.from(name, 'latin1'));

function apply(changes: Changes, rows: Rows): void {
  for (const [name, value] of changes) {
    if (value === undefined) rows.delete(name);
    else rows.set(name, value);
  }
}

/** A transaction under way: nobody else sees it. */
export interface Draft extends Transaction {
  readonly changes: Changes;
  /** Of the rows that it began with. */
  readonly version: number;
}

export class Disk {
  #rows: Rows = new Map();
  #durable: Rows = new Map();
  #unsynced: Changes[] = [];
  #version = 0;

  readonly view: ReadTransaction = {
    get: key => this.#rows.get(nameOf(key)),
    range: (from, to) => range(this.#rows, from, to),
  };

  begin(): Draft {
    const changes: Changes = new Map();
    return {
      changes,
      version: this.#version,
      get: key => {
        const name = nameOf(key);
        return changes.has(name) ? changes.get(name) : this.#rows.get(name);
      },
      range: (from, to) => {
        const rows = new Map(this.#rows);
        apply(changes, rows);
        return range(rows, from, to);
      },
      put: (key, value) => void changes.set(nameOf(key), value.slice()),
      delete: key => void changes.set(nameOf(key), undefined),
    };
  }

  /** Everybody sees it from now on. False if somebody else has written meanwhile: their changes would be lost. */
  publish({ changes, version }: Draft): boolean {
    if (version !== this.#version) return false;
    this.#version++;
    apply(changes, this.#rows);
    this.#unsynced.push(changes);
    return true;
  }

  /** What everybody sees is durable. */
  sync(): void {
    for (const changes of this.#unsynced) apply(changes, this.#durable);
    this.#unsynced = [];
  }

  /** What was not synced is lost. */
  losePower(): void {
    this.#rows = new Map(this.#durable);
    this.#unsynced = [];
    this.#version++;
  }
}

function* range(rows: Rows, from: Uint8Array, to: Uint8Array): Iterable<Row> {
  const [first, end] = [nameOf(from), nameOf(to)];
  const names = [...rows.keys()].filter(name => name >= first && name < end).sort();
  for (const name of names) yield { key: keyOf(name), value: rows.get(name)! };
}

const LONGEST_POLL_MS = 12;

/** The exclusive lock, polled for as flock(2) is. */
export class Lock {
  readonly #schedule: Schedule;
  readonly #random: Random;
  #holder: Process | undefined;

  constructor(schedule: Schedule, random: Random) {
    this.#schedule = schedule;
    this.#random = random;
  }

  /** Whoever holds it and is alive. */
  get holder(): Process | undefined {
    return this.#holder?.isAlive ? this.#holder : undefined;
  }

  /** @throws StoreError 'locked' at the deadline, wherever that is by then */
  async take(process: Process, deadline: Deadline): Promise<() => void> {
    while (this.holder !== undefined) {
      const leftMs = deadline.atMs - this.#schedule.nowMs;
      if (leftMs <= 0) throw new StoreError('locked', `store ${deadline.path}: is locked`);
      await process.sleep(Math.min(leftMs, 1 + this.#random.below(LONGEST_POLL_MS)));
    }
    this.#holder = process;
    return () => {
      this.#holder = undefined;
    };
  }
}
