// Leases as they are listed, against the oracle's.

import * as assert from 'uvu/assert';
import type { Oracle } from './oracle.ts';

/** What of a lease is compared. */
export interface Listed {
  address: string;
  kind: string;
  id: string;
  containerId: string;
  ifname: string;
  network: string;
  subnetBits: number;
}

const textOf = (lease: Listed): string =>
  [lease.address, lease.kind, lease.id, lease.containerId, lease.ifname, lease.network, lease.subnetBits].join(' | ');

/** Fails unless these are the oracle's leases, each with its owner. */
export function isListed(listed: Listed[], oracle: Oracle): void {
  const expected = Array.from(oracle.listed(), ([address, { asker, isGateway, subnetBits }]) =>
    textOf({ ...asker, address, kind: isGateway ? 'gateway' : 'container', ifname: asker.interfaceName, subnetBits }),
  );
  const [actual, right] = [new Set(listed.map(textOf)), new Set(expected)];
  const wrong = [...actual].filter(text => !right.has(text));
  const missing = expected.filter(text => !actual.has(text));
  assert.equal({ wrong, missing }, { wrong: [], missing: [] }, 'leases');
  assert.is(listed.length, expected.length, 'leases listed twice');
}
