// Moving in where the Go plugin has its leases, by the first call that comes upon them.

import { describePlan, type ImportPlan, importShipment, place, unplacedOf } from '../ipam/import.ts';
import { Ledger, type Sha256 } from '../ipam/ledger.ts';
import type { Subnet } from '../ipam/subnet.ts';
import type { MoveIn } from '../store/transaction.ts';

/** The bolt file knows no subnets: those of the call are taken for its leases that lie in them. */
export function movingIn(subnets: readonly Subnet[], sha256: Sha256, say: (message: string) => void): MoveIn {
  let plan: ImportPlan | undefined;
  return {
    take(content, transaction) {
      plan = importShipment(new Ledger(transaction, sha256), place(unplacedOf(content, Date.now()), subnets));
    },
    done: message => say(`${message}: ${plan === undefined ? 'nothing' : describePlan(plan)} taken over`),
  };
}
