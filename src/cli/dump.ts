// A store as JSON: what `export` writes and `import` reads back, all of it.

import * as v from 'valibot';
import { CniError, ErrorCode } from '../cni/error.ts';
import type { Shipment } from '../ipam/import.ts';
import { Subnet } from '../ipam/subnet.ts';
import { addressBits, formatAddress, parseAddress } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { describeLease } from './list.ts';

const FORMAT = 'ecs-ipam';
const VERSION = 1;

const LeaseSchema = v.strictObject({
  address: v.string(),
  kind: v.picklist(['container', 'gateway']),
  subnet: v.string(),
  id: v.string(),
  containerId: v.string(),
  ifname: v.string(),
  network: v.string(),
  since: v.pipe(v.string(), v.isoTimestamp()),
  bootId: v.string(),
});
const PoolSchema = v.strictObject({
  subnet: v.string(),
  lastAddress: v.nullable(v.string()),
  gateways: v.array(v.string()),
});
const DumpSchema = v.strictObject({
  format: v.literal(FORMAT),
  version: v.literal(VERSION),
  leases: v.array(LeaseSchema),
  pools: v.array(PoolSchema),
});

export function writeDump({ leases, pools }: Shipment): string {
  const dump: v.InferOutput<typeof DumpSchema> = {
    format: FORMAT,
    version: VERSION,
    leases: leases.map(describeLease),
    pools: pools.map(({ subnet, cursor, gateways }) => ({
      subnet: String(subnet),
      lastAddress: cursor === undefined ? null : formatAddress(cursor),
      gateways: gateways.map(formatAddress),
    })),
  };
  return JSON.stringify(dump, undefined, 1);
}

/** @throws CniError of code 6 that names the first thing that does not fit */
export function readDump(path: string, bytes: Uint8Array): Shipment {
  const refuse = (problem: string) => new CniError(ErrorCode.decoding, `${path}: ${problem}`);
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse(`neither a boltdb file nor JSON: ${(error as Error).message}`);
  }
  const result = v.safeParse(DumpSchema, content, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw refuse(`not an export of ecs-ipam: ${v.getDotPath(issue) ?? 'content'}: ${issue.message}`);
  }
  const { leases, pools } = result.output;
  try {
    return {
      leases: leases.map(({ address, subnet, ifname, since, ...lease }) => ({
        ...lease,
        address: parseAddress(address),
        subnetBits: bitsOf(address, subnet),
        interfaceName: ifname,
        timeMs: Date.parse(since),
      })),
      pools: pools.map(({ subnet, lastAddress, gateways }) => ({
        subnet: new Subnet(parsePrefix(subnet)),
        cursor: lastAddress === null ? undefined : within(subnet, lastAddress),
        gateways: gateways.map(gateway => within(subnet, gateway)),
      })),
    };
  } catch (error) {
    if (error instanceof SyntaxError) throw refuse(error.message);
    throw error;
  }
}

function bitsOf(address: string, subnet: string): number {
  within(subnet, address);
  return parsePrefix(subnet).bits;
}

function within(subnet: string, text: string): Uint8Array {
  const address = parseAddress(text);
  const prefix = parsePrefix(subnet);
  const isInside = addressBits(address) === addressBits(prefix.address) && new Subnet(prefix).contains(address);
  if (!isInside) throw new SyntaxError(`${text} is outside of ${subnet}`);
  return address;
}
