// What is right: an oracle carries the commands out one after another, in the order in which their transactions become
// visible. What a power failure may take is known to a second one, which has carried out only what was synced.

import type { ReadTransaction } from '../../src/store/transaction.ts';
import type { Outcome } from '../model/command.ts';
import { checkRows, listRows } from '../model/fronts.ts';
import { isListed } from '../model/listed.ts';
import { Oracle } from '../model/oracle.ts';
import type { Call } from './call.ts';
import { counts } from './counts.ts';

/** A call's part in a transaction: its command, or what takes it back. */
export interface Part {
  call: Call;
  isTakingBack: boolean;
}

export class Truth {
  #visible = new Oracle();
  #synced = new Oracle();
  /** What has been carried out on the one, and not on the other. */
  #unsynced: Part[] = [];

  get oracle(): Oracle {
    return this.#visible;
  }

  /** A transaction has become visible. Returns what is wrong with that. */
  publish(parts: readonly Part[]): string | undefined {
    counts.commits++;
    if (parts.length > 1) counts.committedTogether += parts.length;
    let problem: string | undefined;
    for (const part of parts) {
      const { call } = part;
      const outcome = carryOut(part, this.#visible);
      this.#unsynced.push(part);
      if (outcome === undefined) {
        counts.takenBack++;
        call.owes = false;
        continue;
      }
      if (call.expected !== undefined) problem = `call ${call.number} is carried out twice`;
      call.expected = outcome;
    }
    return problem;
  }

  sync(): void {
    for (const part of this.#unsynced) {
      carryOut(part, this.#synced);
      part.call.isSynced = true;
    }
    this.#unsynced = [];
  }

  reboot(bootId: string, losesPower: boolean): void {
    if (losesPower) {
      this.#unsynced = [];
      this.#visible = this.#synced.copy();
    } else this.sync();
    this.#visible.bootId = bootId;
    this.#synced.bootId = bootId;
  }

  /** Fails unless the leases are the oracle's. */
  compare(view: ReadTransaction): void {
    isListed(listRows(view), this.#visible);
  }

  /** Fails unless all rows are what the leases make them. */
  audit(view: ReadTransaction): void {
    this.compare(view);
    checkRows(view);
  }
}

/** What the command has to answer; undefined where it is taken back. */
function carryOut({ call, isTakingBack }: Part, oracle: Oracle): Outcome | undefined {
  if (!isTakingBack) return oracle.apply(call.command, call.number);
  oracle.takeBack(call.number);
  return undefined;
}
