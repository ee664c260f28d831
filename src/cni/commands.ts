// The six commands of a CNI plugin: from environment and stdin to what goes to stdout.

import { acquire, check, checkReady, freeUnchanged, release, type Surroundings } from '../ipam/allocator.ts';
import { type Collection, collect } from '../ipam/collect.ts';
import { Ledger, ReadLedger, type Sha256 } from '../ipam/ledger.ts';
import { formatAddress } from '../net/address.ts';
import { StoreError } from '../store/error.ts';
import { describeHolder, type Holder, type Lease, ownerKey } from '../store/lease.ts';
import { type Access, NOTHING, type Store, type StoreLocation } from '../store/transaction.ts';
import { type Document, decodeConfig, type NetworkConfig, parseConfig, requireCommandVersion } from './config.ts';
import { type Env, parseAttachment, parseCommand, parseStoreLocation, requireVariables } from './environment.ts';
import { CniError, ErrorCode, toCniError } from './error.ts';
import type { Log } from './log.ts';
import { movingIn } from './move-in.ts';
import { formatResult } from './result.ts';
import { type CniVersion, type Command, NEWEST_VERSION, SUPPORTED_VERSIONS } from './version.ts';

/** What the commands need of the world; chosen in bin. */
export interface Services {
  log: Log;
  sha256: Sha256;
  /** The kernel's boot id; empty if it tells none. */
  bootId(): string;
  /** Milliseconds since 1970, as `distinctTimes` gives them: never the same for one owner twice. */
  timeFor(owner: string): number;
  /** Opens the store under its lock; undefined if there is none and `access` does not make one. */
  openStore(location: StoreLocation, access: Access): Promise<Store | undefined>;
  /** Throws if the store could not be written to, or made where there is none. */
  requireWritable(location: StoreLocation): void;
}

/** What a command has done. */
export interface Outcome {
  stdout: string;
  /** Undoes it, for when the answer cannot be delivered: nobody would ever give back what nobody knows of. */
  takeBack?: () => Promise<void>;
}

/** What a process answers with. */
export interface Answer extends Outcome {
  status: number;
}

/** One command with everything it acts on. */
export interface Request {
  command: Exclude<Command, 'VERSION'>;
  config: NetworkConfig;
  holder: Holder;
  location: StoreLocation;
}

/**
 * Answers one plugin call. Every error becomes the specification's error object on stdout.
 *
 * @param stdin what has been read of it, or what reads it, where it is needed
 */
export async function answer(
  env: Env,
  stdin: Uint8Array | (() => Promise<Uint8Array>),
  services: Services,
): Promise<Answer> {
  let cniVersion: CniVersion = NEWEST_VERSION;
  try {
    const command = parseCommand(env.CNI_COMMAND ?? '');
    if (command === 'VERSION') return { status: 0, stdout: `${formatVersions()}\n` };
    const bytes = stdin instanceof Uint8Array ? stdin : await readAll(stdin);
    const request = parseRequest(env, command, bytes, services, version => {
      cniVersion = version;
    });
    return { status: 0, ...(await execute(request, services)) };
  } catch (error) {
    const cniError = toCniError(error);
    const cause = cniError.cause instanceof Error ? ` (${cniError.cause.stack})` : '';
    services.log.error(`${env.CNI_COMMAND} failed, code ${cniError.code}: ${cniError.message}`);
    if (cause !== '') services.log.debug(`caused by${cause}`);
    return { status: 1, stdout: `${cniError.toJson(cniVersion)}\n` };
  }
}

async function readAll(readStdin: () => Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return await readStdin();
  } catch (error) {
    throw new CniError(ErrorCode.io, `network configuration: stdin cannot be read: ${(error as Error).message}`);
  }
}

const formatVersions = (): string =>
  JSON.stringify({ cniVersion: NEWEST_VERSION, supportedVersions: SUPPORTED_VERSIONS });

function parseRequest(
  env: Env,
  command: Exclude<Command, 'VERSION'>,
  stdin: Uint8Array,
  services: Services,
  onVersion: (version: CniVersion) => void,
): Request {
  let document: Document;
  try {
    document = decodeConfig(stdin);
  } catch (error) {
    // What is needed in every version comes first: the runtime is wrong then, whatever it has sent.
    requireVariables(env, command);
    throw error;
  }
  onVersion(document.cniVersion);
  requireVariables(env, command, document.cniVersion);
  requireCommandVersion(command, document.cniVersion);
  const { containerId, interfaceName, requestedAddresses } = parseAttachment(env, command);
  const config = parseConfig(document, command, requestedAddresses);
  const holder = { id: config.id, containerId, interfaceName, network: config.name };
  return { command, config, holder, location: locate(env, config, services) };
}

/** The store that a configuration is for: where the Go plugin has its leases, they are taken over. */
export function locate(env: Env, { pools }: NetworkConfig, { sha256, log }: Services): StoreLocation {
  const subnets = pools.map(pool => pool.subnet);
  return { ...parseStoreLocation(env), moveIn: movingIn(subnets, sha256, message => log.info(message)) };
}

/** GC frees so many with the pages that are kept for DELs. */
const FEW_LEASES = 4;

const SILENT: Outcome = { stdout: '' };

/** Runs a command. */
export function execute(request: Request, services: Services): Promise<Outcome> {
  services.log.debug(
    () => `${request.command} for ${describeHolder(request.holder)} in store ${request.location.path}`,
  );
  switch (request.command) {
    case 'ADD':
      return add(request, services);
    case 'DEL':
      return del(request, services);
    case 'CHECK':
      return checkHeld(request, services);
    case 'GC':
      return collectGarbage(request, services);
    case 'STATUS':
      return status(request, services);
  }
}

async function add({ config, holder, location }: Request, services: Services): Promise<Outcome> {
  const { log, sha256 } = services;
  const warn = (message: string) => log.warn(message);
  const now = () => services.timeFor(ownerKey(holder) ?? '');
  const surroundings: Surroundings = { bootId: services.bootId(), now, warn };
  const store = (await services.openStore(location, 'create'))!;
  const leases = await closing(store, () =>
    store.write(transaction => acquire(new Ledger(transaction, sha256), holder, config.pools, surroundings)),
  );
  log.info(() => `ADD: ${describeAddresses(leases)} given to ${describeHolder(holder)}`);
  const assignments = config.pools.map((pool, i) => ({ pool, address: leases[i]!.address }));
  return {
    stdout: `${formatResult(config.cniVersion, assignments)}\n`,
    takeBack: async () => {
      const store = await services.openStore(location, 'write');
      if (store === undefined) return;
      await closing(store, () =>
        store.write(transaction => freeUnchanged(new Ledger(transaction, sha256), leases, warn)),
      );
      log.warn(`ADD: ${describeAddresses(leases)} taken back, as the result could not be delivered`);
    },
  };
}

async function del({ config, holder, location }: Request, services: Services): Promise<Outcome> {
  if (holder.id === '' && holder.containerId === '' && config.pools.every(pool => pool.requested === undefined)) {
    throw new CniError(ErrorCode.configuration, 'DEL: neither ipam.id nor an address nor CNI_CONTAINERID is given');
  }
  const store = await services.openStore(location, 'write');
  const freed = store === undefined ? [] : await closing(store, () => releaseIn(store, config, holder, services));
  services.log.info(() => `DEL: ${describeAddresses(freed)} freed for ${describeHolder(holder)}`);
  return SILENT;
}

function releaseIn(store: Store, config: NetworkConfig, holder: Holder, { sha256, log }: Services): Promise<Lease[]> {
  return store.write(transaction =>
    release(new Ledger(transaction, sha256), holder, config.pools, message => log.warn(message)),
  );
}

async function checkHeld({ config, holder, location }: Request, services: Services): Promise<Outcome> {
  const subnets = config.pools.map(pool => pool.subnet);
  const store = await services.openStore(location, 'read');
  await reading(store, services, ledger => check(ledger, holder, subnets, config.previousAddresses));
  return SILENT;
}

async function collectGarbage({ config, location }: Request, services: Services): Promise<Outcome> {
  const { validAttachments } = config;
  if (validAttachments === undefined) return SILENT;
  const store = await services.openStore(location, 'write');
  if (store === undefined) return SILENT;
  const warn = (message: string) => services.log.warn(message);
  const collectIn = (most: number) =>
    store.write(transaction =>
      collect(new Ledger(transaction, services.sha256), config.name, validAttachments, warn, most),
    );
  const { freed, errors } = await closing(store, () => collectAll(collectIn));
  services.log.info(() => `GC: ${describeAddresses(freed)} freed in network ${config.name}`);
  if (errors.length > 0) {
    const messages = errors.map(error => toCniError(error).message);
    throw new CniError(ErrorCode.damagedStore, `store ${location.path}: GC left out ${messages.join('; ')}`);
  }
  return SILENT;
}

/** All in one transaction, or where the disk has no room for that, a few leases in each. */
async function collectAll(collectIn: (most: number) => Promise<Collection>): Promise<Collection> {
  try {
    return await collectIn(Number.POSITIVE_INFINITY);
  } catch (error) {
    if (!(error instanceof StoreError && error.failure === 'io')) throw error;
  }
  const freed: Lease[] = [];
  for (;;) {
    const collection = await collectIn(FEW_LEASES);
    freed.push(...collection.freed);
    if (collection.left === 0) return { ...collection, freed };
  }
}

async function status({ config, location }: Request, services: Services): Promise<Outcome> {
  try {
    services.requireWritable(location);
    const store = await services.openStore(location, 'read');
    await reading(store, services, ledger => checkReady(ledger, config.pools, message => services.log.warn(message)));
  } catch (error) {
    const cniError = toCniError(error);
    if (cniError.code === ErrorCode.exhausted && !config.reportsExhaustion) return SILENT;
    throw new CniError(ErrorCode.notReady, `cannot serve ADD: ${cniError.message}`, undefined, { cause: error });
  }
  return SILENT;
}

/** Runs `work` on the store's leases, of which there are none where there is no store, and closes it. */
async function reading(
  store: Store | undefined,
  { sha256 }: Services,
  work: (ledger: ReadLedger) => void,
): Promise<void> {
  if (store === undefined) work(new ReadLedger(NOTHING, sha256));
  else await closing(store, () => store.read(transaction => work(new ReadLedger(transaction, sha256))));
}

async function closing<T>(store: Store, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await store.close();
  }
}

const describeAddresses = (leases: readonly Lease[]): string =>
  leases.length === 0 ? 'nothing' : leases.map(lease => formatAddress(lease.address)).join(', ');
