// What an ADD asks of a store, whoever keeps the rows: the plugin's own rules on the plugin's own rows.

import { createHash } from 'node:crypto';
import { acquire, type PoolRequest } from '../../src/ipam/allocator.ts';
import { Forest } from '../../src/ipam/forest.ts';
import { Ledger } from '../../src/ipam/ledger.ts';
import { Subnet } from '../../src/ipam/subnet.ts';
import { parsePrefix } from '../../src/net/prefix.ts';
import type { Holder } from '../../src/store/lease.ts';
import type { Transaction } from '../../src/store/transaction.ts';
import { WriteBack } from '../../src/store/write-back.ts';

const requests: readonly PoolRequest[] = ['10.0.0.0/8', '2001:db8::/48'].map(text => {
  const subnet = new Subnet(parsePrefix(text));
  return { subnet, gateway: subnet.defaultGateway, requested: undefined };
});

const BOOT_ID = '7d1f9a43-7f1c-4a6b-9b52-1f5a3f4b8f10';
const surroundings = {
  bootId: BOOT_ID,
  now: Date.now,
  warn(message: string): void {
    throw new Error(message);
  },
};

const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();

const holderOf = (number: number): Holder => ({
  id: `arn:aws:ecs:eu-west-1:123456789012:task/bench/${number}`,
  containerId: `bench-${number}`,
  interfaceName: 'eth0',
  network: 'bench',
});

/** Dual-stack ADDs of the owners from <= number < end, as one transaction of the daemon's. */
export function addAll(transaction: Transaction, from: number, end: number): void {
  const rows = new WriteBack(transaction);
  for (let number = from; number < end; number++) {
    rows.attempt(work => acquire(new Ledger(work, sha256), holderOf(number), requests, surroundings));
  }
  rows.flush();
}

/** What `addAll` leaves behind in a store that was empty, in a fraction of the time. */
export function fill(transaction: Transaction, from: number, end: number): void {
  const rows = new WriteBack(transaction);
  const ledger = new Ledger(rows, sha256);
  if (from === 0 && end > 0) addAll(rows, 0, 1); // gateways and pools
  const forest = Forest.of(ledger);
  for (let number = Math.max(1, from); number < end; number++) {
    for (const { subnet } of requests) {
      const address = subnet.network.slice();
      // The first container has the second usable address, behind the gateway.
      for (let rest = number + 2, i = address.length - 1; rest > 0; rest = Math.floor(rest / 256), i--) {
        address[i]! |= rest % 256;
      }
      const { bits: subnetBits } = subnet;
      ledger.putLease({
        ...holderOf(number),
        address,
        kind: 'container',
        subnetBits,
        bootId: BOOT_ID,
        timeMs: Date.now(),
      });
      forest.tree(subnet.family).mark(address);
      if (number === end - 1) ledger.putPool(subnet, { ...ledger.pool(subnet), cursor: address });
    }
  }
  forest.save(ledger);
  rows.flush();
}
