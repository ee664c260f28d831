// A store made anew from the leases of a damaged one.

import { familyOf, formatAddress, sameAddress } from '../net/address.ts';
import type { Lease } from '../store/lease.ts';
import { keepSettings, migrate } from '../store/migrate.ts';
import { poolKey } from '../store/records.ts';
import type { Transaction } from '../store/transaction.ts';
import type { Claim, Claims } from './claims.ts';
import { type Content, keyText } from './content.ts';
import { Forest } from './forest.ts';
import type { Pool } from './import.ts';
import { Ledger, type Sha256 } from './ledger.ts';
import { Subnet } from './subnet.ts';

/** When and under which boot lost leases are noted anew. */
export type Given = Pick<Lease, 'bootId' | 'timeMs'>;

/**
 * Fills an empty store with the sound leases, and with one for each address that is claimed: nobody knows its owner any
 * more, so it stays until an operator releases it, or until `gc --boot` after the next reboot.
 */
export function rebuild(
  transaction: Transaction,
  content: Content,
  claims: Claims,
  given: Given,
  sha256: Sha256,
): void {
  migrate(transaction);
  keepSettings(transaction, content.settings);
  const pools = new Map(content.pools);
  const leases = [...content.leases.values()];
  addPools(pools, leases);
  const recovered = [...claims.values()].map(claim => recover(claim, pools, given));
  addPools(pools, recovered);

  const ledger = new Ledger(transaction, sha256);
  const forest = new Forest(ledger);
  for (const lease of [...leases, ...recovered]) {
    ledger.putLease(lease);
    forest.tree(familyOf(lease.address)).mark(lease.address);
  }
  forest.save(ledger);
  for (const { subnet, cursor, gateways } of pools.values()) {
    ledger.putPool(subnet, {
      cursor: cursor !== undefined && subnet.contains(cursor) ? cursor : undefined,
      gateways: gateways.filter(
        (gateway, i) => subnet.contains(gateway) && gateways.findIndex(other => sameAddress(other, gateway)) === i,
      ),
    });
  }
}

/** Adds the pools that leases are from and that are not there: the cursor is where the newest lease is. */
function addPools(pools: Map<string, Pool>, leases: readonly Lease[]): void {
  const added = new Map<string, { pool: Pool; newestMs: number }>();
  for (const { address, subnetBits, kind, timeMs } of leases) {
    if (subnetBits > 8 * address.length) continue;
    const subnet = new Subnet({ address, bits: subnetBits });
    const text = keyText(poolKey(subnet.prefix));
    if (pools.has(text)) continue;
    const entry = added.get(text) ?? { pool: { subnet, cursor: undefined, gateways: [] }, newestMs: -1 };
    added.set(text, entry);
    if (kind === 'gateway') entry.pool.gateways.push(address);
    else if (timeMs > entry.newestMs) {
      entry.newestMs = timeMs;
      entry.pool.cursor = address;
    }
  }
  for (const [text, { pool }] of added) pools.set(text, pool);
}

function recover({ address, kind }: Claim, pools: ReadonlyMap<string, Pool>, given: Given): Lease {
  // The smallest pool that could have given it.
  const bits = [...pools.values()]
    .filter(({ subnet }) => subnet.contains(address) && subnet.reservedAs(address) === undefined)
    .map(({ subnet }) => subnet.bits);
  return {
    ...given,
    address,
    kind,
    subnetBits: bits.length > 0 ? Math.max(...bits) : 8 * address.length,
    id: kind === 'gateway' ? '' : `recovered by fsck: ${formatAddress(address)}`,
    containerId: '',
    interfaceName: '',
    network: '',
  };
}
