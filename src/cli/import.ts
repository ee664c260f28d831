// `ecs-ipam import`: takes over the leases of the Go plugin, of host-local, or of an export, in one transaction.

import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BoltError, isBolt } from '../bolt/format.ts';
import { readGoStore } from '../bolt/plugin.ts';
import type { Services } from '../cni/commands.ts';
import { CniError, ErrorCode } from '../cni/error.ts';
import { movingIn } from '../cni/move-in.ts';
import {
  describePlan,
  type ImportPlan,
  importShipment,
  place,
  planImport,
  type Shipment,
  unplacedOf,
} from '../ipam/import.ts';
import { Ledger, ReadLedger } from '../ipam/ledger.ts';
import type { Subnet } from '../ipam/subnet.ts';
import { formatAddress } from '../net/address.ts';
import { deadlineOf } from '../store/lock.ts';
import { withLockedFile } from '../store/locked-file.ts';
import { NOTHING, type StoreLocation } from '../store/transaction.ts';
import { readDump } from './dump.ts';
import { type HostLocal, hasLock, LOCK_NAME, networkFolders, readNetwork } from './host-local.ts';
import { describeLease, formatLeases } from './list.ts';
import type { CommandContext } from './terminal.ts';

export interface ImportOptions {
  dryRun?: boolean;
  subnet: Subnet[];
}

/** Runs `work` on a file's content under its lock (flock(2)), which programs that use it take too. */
type WithLockedFile = <T>(path: string, work: (content: Uint8Array) => T) => Promise<T>;

export interface Report {
  out: string;
  /** Sentences for stderr. */
  notes: string[];
}

interface Source {
  shipment: Shipment;
  notes: string[];
}

export async function importFrom(
  path: string,
  options: ImportOptions,
  { services, locks, ...context }: Pick<CommandContext, 'location' | 'services' | 'locks'>,
): Promise<Report> {
  const location = context.location();
  const isInPlace = isStoreItself(path, location);
  if (isInPlace && !options.dryRun) return moveIn(location, options, services);
  const { shipment, notes } = await readSource(path, options.subnet, (file, work) =>
    withLockedFile(deadlineOf(file, location.timeoutMs), locks, work),
  );
  if (options.dryRun) return { out: await rehearse(shipment, isInPlace, location, services), notes };
  const store = (await services.openStore(location, 'create'))!;
  try {
    const plan = await store.write(transaction => importShipment(new Ledger(transaction, services.sha256), shipment));
    const done = `imported from ${path}: ${describePlan(plan)}`;
    services.log.info(done);
    return { out: done, notes };
  } finally {
    await store.close();
  }
}

/** Whether the file is the Go plugin's in the place of the store, and not yet moved in. */
function isStoreItself(path: string, { path: storePath, goStorePath }: StoreLocation): boolean {
  const real = resolve(path);
  if (real === undefined || statSync(real).isDirectory()) return false;
  return real === resolve(storePath) || (resolve(storePath) === undefined && real === resolve(goStorePath ?? ''));
}

function resolve(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** What the next call of the plugin would do, with the operator's subnets. */
async function moveIn(location: StoreLocation, { subnet }: ImportOptions, services: Services): Promise<Report> {
  let out = `store ${location.path}: nothing to be moved in, it is a store of ecs-ipam already`;
  const mover = movingIn(subnet, services.sha256, message => {
    out = message;
    services.log.info(message);
  });
  const store = await services.openStore({ ...location, moveIn: mover }, 'create');
  await store?.close();
  return { out, notes: [] };
}

/** Lists what an import would do. */
async function rehearse(
  shipment: Shipment,
  isInPlace: boolean,
  location: StoreLocation,
  { openStore, sha256 }: Services,
): Promise<string> {
  const store = isInPlace ? undefined : await openStore(location, 'read');
  let plan: ImportPlan;
  try {
    plan =
      store?.read(transaction => planImport(new ReadLedger(transaction, sha256), shipment)) ??
      planImport(new ReadLedger(NOTHING, sha256), shipment);
  } finally {
    await store?.close();
  }
  const { added, conflicts, pools } = plan;
  const lines = added.length > 0 ? [formatLeases(added.map(describeLease))] : [];
  for (const { subnet, cursor } of pools) {
    if (cursor !== undefined) lines.push(`${subnet}: goes on behind ${formatAddress(cursor)}`);
  }
  lines.push(...conflicts.map(conflict => `conflict: ${conflict}`));
  lines.push(
    conflicts.length > 0
      ? `would import nothing: ${conflicts.length} of ${shipment.leases.length} leases are in conflict`
      : `would import ${describePlan(plan)}`,
  );
  return lines.join('\n');
}

async function readSource(path: string, subnets: readonly Subnet[], withLock: WithLockedFile): Promise<Source> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new CniError(ErrorCode.io, `${path}: there is no such file`);
  const now = Date.now();
  if (stat.isDirectory()) {
    const folders = networkFolders(path);
    if (folders.length === 0) throw new CniError(ErrorCode.io, `${path}: holds no network of host-local`);
    const parts: HostLocal[] = [];
    for (const folder of folders) {
      const read = () => readNetwork(folder, now);
      parts.push(hasLock(folder) ? await withLock(join(folder, LOCK_NAME), read) : read());
    }
    const [leases, cursors] = [parts.flatMap(part => part.leases), parts.flatMap(part => part.cursors)];
    return { shipment: place({ leases, cursors }, subnets), notes: parts.flatMap(part => part.notes) };
  }
  return withLock(path, bytes => ({ shipment: readFile(path, bytes, subnets, now), notes: [] }));
}

function readFile(path: string, bytes: Uint8Array, subnets: readonly Subnet[], timeMs: number): Shipment {
  if (!isBolt((offset, length) => bytes.subarray(offset, offset + length))) return readDump(path, bytes);
  try {
    return place(unplacedOf(readGoStore(bytes), timeMs), subnets);
  } catch (error) {
    if (!(error instanceof BoltError)) throw error;
    throw new CniError(ErrorCode.damagedStore, `${path}: a boltdb file, and damaged: ${error.message}`);
  }
}
