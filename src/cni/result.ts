// The ADD result in the shape of each version of the CNI specification.

import { formatPrefix } from '../net/prefix.ts';
import type { PoolConfig, Route } from './pool-config.ts';
import { type CniVersion, isAtLeast } from './version.ts';

/** An address that was given, with what is configured for its family. */
export interface Assignment {
  pool: PoolConfig;
  address: Uint8Array;
}

/** The result of an IPAM plugin as one JSON object; assignments come IPv4 first, at most one for each family. */
export function formatResult(cniVersion: CniVersion, assignments: readonly Assignment[]): string {
  const result = isAtLeast(cniVersion, '0.3.0')
    ? listResult(cniVersion, assignments)
    : familyResult(cniVersion, assignments);
  return JSON.stringify(result);
}

/** From 0.3.0 on: lists of addresses and routes. */
function listResult(cniVersion: CniVersion, assignments: readonly Assignment[]) {
  const isOld = !isAtLeast(cniVersion, '1.0.0');
  return {
    cniVersion,
    ips: assignments.map(assignment => ({
      ...(isOld ? { version: String(assignment.pool.subnet.family) } : {}),
      address: shownAddress(assignment),
      ...shownGateway(assignment),
    })),
    routes: assignments.flatMap(({ pool }) => pool.routes),
    ...(isOld ? { dns: {} } : {}),
  };
}

/** 0.1.0 and 0.2.0: one address for each family, routes without attributes. */
function familyResult(cniVersion: CniVersion, assignments: readonly Assignment[]) {
  const families = assignments.map(assignment => [
    `ip${assignment.pool.subnet.family}`,
    {
      ip: shownAddress(assignment),
      ...shownGateway(assignment),
      routes: assignment.pool.routes.map(({ dst, gw }: Route) => (gw === undefined ? { dst } : { dst, gw })),
    },
  ]);
  return { cniVersion, ...Object.fromEntries(families), dns: {} };
}

const shownAddress = ({ pool, address }: Assignment) => formatPrefix({ address, bits: pool.shownBits });

const shownGateway = ({ pool: { gatewayText } }: Assignment) => (gatewayText ? { gateway: gatewayText } : {});
