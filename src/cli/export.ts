// `ecs-ipam export`: everything in the store, of one moment.

import { existsSync } from 'node:fs';
import { type GoLease, isGoGateway, writeGoStore } from '../bolt/plugin.ts';
import type { Services } from '../cni/commands.ts';
import { CniError, ErrorCode } from '../cni/error.ts';
import { type Pool, type Shipment, shipmentOf } from '../ipam/import.ts';
import { ReadLedger } from '../ipam/ledger.ts';
import { familyOf } from '../net/address.ts';
import type { Lease } from '../store/lease.ts';
import { placeNew, writeWhole } from '../store/place.ts';
import type { StoreLocation } from '../store/transaction.ts';
import { writeDump } from './dump.ts';
import type { Report } from './import.ts';

export interface ExportOptions {
  format: 'json' | 'bolt';
  output?: string;
}

export async function exportTo(
  { format, output }: ExportOptions,
  location: StoreLocation,
  services: Services,
): Promise<Report> {
  const store = await services.openStore(location, 'read');
  if (store === undefined) throw new CniError(ErrorCode.io, `store ${location.path}: does not exist`);
  let shipment: Shipment;
  try {
    shipment = store.read(transaction => shipmentOf(new ReadLedger(transaction, services.sha256)));
  } finally {
    await store.close();
  }
  const report: Report = { out: '', notes: [] };
  if (format === 'json' && output === undefined) return { ...report, out: writeDump(shipment) };
  const content = format === 'json' ? `${writeDump(shipment)}\n` : toGoFile(shipment, report.notes);
  write(output!, content);
  return { ...report, out: `exported to ${output}: ${shipment.leases.length} leases, gateways included` };
}

/** All leases as the Go plugin can have them; what it cannot is noted. */
function toGoFile({ leases, pools }: Shipment, notes: string[]): Uint8Array {
  const isNameless = (lease: Lease) => lease.kind === 'container' && lease.id === '' && lease.containerId !== '';
  const isMistakable = ({ kind, address, id }: Lease) => kind === 'container' && isGoGateway(address, id);
  const nameless = leases.filter(isNameless).length;
  const mistakable = leases.filter(isMistakable).length;
  if (nameless > 0) {
    notes.push(
      `${nameless} leases are held by container and interface, which the Go plugin does not know: they become ` +
        'anonymous, and only a DEL with their address releases them',
    );
  }
  if (mistakable > 0) {
    notes.push(`${mistakable} leases have an id that the Go plugin keeps for gateways: they become anonymous`);
  }
  const goLeases = leases.map(
    (lease): GoLease => ({
      address: lease.address,
      id: isMistakable(lease) ? '' : lease.id,
      isGateway: lease.kind === 'gateway',
    }),
  );
  const cursors = ([4, 6] as const).flatMap(family => cursorOf(family, pools, notes));
  return writeGoStore({ leases: goLeases, cursors });
}

/** The Go plugin goes on behind one address of a family, and fails if that is not in its subnet. */
function cursorOf(family: 4 | 6, pools: readonly Pool[], notes: string[]): Uint8Array[] {
  const used = pools.filter(({ subnet, cursor }) => subnet.family === family && cursor !== undefined);
  const own = used.filter(({ subnet }) => subnet.bits > 0 || used.length === 1);
  if (own.length > 1) {
    const subnets = own.map(({ subnet }) => String(subnet)).join(', ');
    notes.push(`IPv${family}: the Go plugin knows one subnet for each file, the store has ${subnets}: it begins anew`);
    return [];
  }
  return own.map(({ cursor }) => cursor!).filter(cursor => familyOf(cursor) === family);
}

/** Replaces no file. */
function write(path: string, content: string | Uint8Array): void {
  try {
    if (existsSync(path)) throw new Error('is there already, and is not replaced');
    writeWhole(path, content, placeNew);
  } catch (error) {
    throw new CniError(ErrorCode.io, `${path}: ${(error as Error).message}`, undefined, { cause: error });
  }
}
