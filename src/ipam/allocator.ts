// The rules of allocation: who gets which address, and who may give it back.
//
// Each operation plans, then applies: everything that can be refused is refused before the first change, so one bad
// request in a batch fails alone. What the plan finds wrong in the tree it mends in the tree.

import { familyOf, formatAddress, sameAddress } from '../net/address.ts';
import { StoreError } from '../store/error.ts';
import { describeHolder, type Holder, type Lease, ownerKey } from '../store/lease.ts';
import type { PoolRecord } from '../store/records.ts';
import { AllocationError } from './error.ts';
import { Forest } from './forest.ts';
import type { Ledger, ReadLedger } from './ledger.ts';
import type { Subnet } from './subnet.ts';

/** What an attachment asks of one subnet. */
export interface PoolRequest {
  subnet: Subnet;
  gateway: Uint8Array | undefined;
  /** The address that must be given; undefined: any. */
  requested: Uint8Array | undefined;
}

/** The world as the rules see it. */
export interface Surroundings {
  /** The kernel's boot id; empty if unknown. */
  bootId: string;
  now(): number;
  warn(message: string): void;
}

/** How often a search goes on after the tree has offered a leased address. More is damage beyond mending on the way. */
const MAX_REBUILDS = 512;

interface PoolPlan {
  request: PoolRequest;
  /** Leases of the owner from before a reboot. */
  replaced: Lease[];
  reservesGateway: boolean;
  /** The pool's state before. */
  pool: PoolRecord;
  address: Uint8Array;
}

/**
 * Gives the holder one address in each subnet.
 *
 * @returns the leases, in the order of the requests
 * @throws AllocationError, having changed nothing
 */
export function acquire(
  ledger: Ledger,
  holder: Holder,
  requests: readonly PoolRequest[],
  surroundings: Surroundings,
): Lease[] {
  const forest = Forest.of(ledger);
  const held = ledger.leasesOf(holder);
  const plans = requests.map(request => planPool(ledger, forest, held, request, surroundings));
  const given = { bootId: surroundings.bootId, timeMs: surroundings.now() };
  const leases = plans.map(plan => applyPool(ledger, forest, holder, plan, given, surroundings.warn));
  ledger.putLeases(holder, leases);
  forest.save(ledger);
  return leases;
}

function planPool(
  ledger: ReadLedger,
  forest: Forest,
  held: readonly Lease[],
  request: PoolRequest,
  surroundings: Surroundings,
): PoolPlan {
  const { subnet, gateway, requested } = request;
  const reserved = requested && reservedAs(request, requested);
  if (reserved !== undefined) {
    throw new AllocationError('reserved', `address ${formatAddress(requested!)}: is the ${reserved} of ${subnet}`);
  }
  const inSubnet = held.filter(lease => subnet.contains(lease.address));
  const live = inSubnet.find(lease => !isFromEarlierBoot(lease, surroundings));
  if (live !== undefined) {
    const owner = describeHolder(live);
    throw new AllocationError('already-held', `${owner}: already holds ${formatAddress(live.address)} in ${subnet}`);
  }
  const isReplaced = (address: Uint8Array) => inSubnet.some(lease => sameAddress(lease.address, address));

  const gatewayKind = gateway && ledger.leaseKind(gateway);
  if (gatewayKind === 'container' && !isReplaced(gateway!)) throw gatewayInUse(ledger, request);

  const pool = ledger.pool(subnet);
  const plan = {
    request,
    pool,
    replaced: inSubnet,
    reservesGateway: gateway !== undefined && gatewayKind !== 'gateway',
  };
  if (requested !== undefined) {
    const lease = ledger.lease(requested);
    if (lease !== undefined && !isReplaced(requested)) {
      throw new AllocationError('in-use', `address ${formatAddress(requested)}: in use by ${describeUse(lease)}`);
    }
    return { ...plan, address: requested };
  }

  const free = findFree(ledger, forest, request, pool, surroundings);
  // A full pool whose owner comes back after a reboot still has what that owner held.
  const own = inSubnet.map(lease => lease.address).find(address => reservedAs(request, address) === undefined);
  const address = free ?? own;
  if (address === undefined) throw exhausted(ledger, request);
  return { ...plan, address };
}

function applyPool(
  ledger: Ledger,
  forest: Forest,
  holder: Holder,
  { request: { subnet, gateway }, replaced, reservesGateway, pool: { gateways }, address }: PoolPlan,
  given: Pick<Lease, 'bootId' | 'timeMs'>,
  warn: (message: string) => void,
): Lease {
  const tree = forest.tree(subnet.family);
  for (const lease of replaced) {
    warn(
      `${describeHolder(lease)}: its lease of ${formatAddress(lease.address)} is from an earlier boot and is replaced`,
    );
    free(ledger, forest, lease, warn);
  }
  const { bootId, timeMs } = given;
  const { id, containerId, interfaceName, network } = holder;
  const subnetBits = subnet.bits;
  if (reservesGateway) {
    const nobody: Holder = { id: '', containerId: '', interfaceName: '', network };
    ledger.putLease({ address: gateway!, kind: 'gateway', subnetBits, bootId, timeMs, ...nobody });
    tree.mark(gateway!);
  }
  tree.mark(address);
  const isKnown = gateway === undefined || gateways.some(known => sameAddress(known, gateway));
  ledger.putPool(subnet, { cursor: address, gateways: isKnown ? gateways : [...gateways, gateway] });
  return { address, kind: 'container', subnetBits, bootId, timeMs, id, containerId, interfaceName, network };
}

/** Why a pool never hands an address out; undefined if it may. */
export function reservedAs({ subnet, gateway }: PoolRequest, address: Uint8Array): string | undefined {
  return gateway !== undefined && sameAddress(address, gateway) ? 'gateway' : subnet.reservedAs(address);
}

/**
 * The next free address behind the pool's cursor, once around; undefined if there is none.
 *
 * The lease is the truth: where the tree offers an address that has one, that leaf is rebuilt and the search goes on.
 */
function findFree(
  ledger: ReadLedger,
  forest: Forest,
  { subnet, gateway }: PoolRequest,
  { cursor }: PoolRecord,
  { warn }: Pick<Surroundings, 'warn'>,
): Uint8Array | undefined {
  const tree = forest.tree(subnet.family);
  tree.setSubnet(subnet.network, subnet.bits, subnet.reserve);
  if (gateway !== undefined) tree.exclude(gateway, gateway);
  if (cursor !== undefined) tree.setCursor(cursor);
  for (let rebuilds = 0; rebuilds <= MAX_REBUILDS; rebuilds++) {
    const address = tree.find();
    const lease = address && ledger.lease(address);
    if (lease === undefined) return address;
    warn(`address ${formatAddress(lease.address)}: leased, but free in the tree; its leaf is rebuilt from the leases`);
    forest.rebuildLeaf(lease, subnet.family);
  }
  throw new StoreError('damaged', `${subnet}: the tree disagrees with the leases in more than ${MAX_REBUILDS} places`);
}

/** Takes leases out of the store and the tree. */
export function freeAll(ledger: Ledger, leases: readonly Lease[], warn: (message: string) => void): void {
  const forest = Forest.of(ledger);
  for (const lease of leases) free(ledger, forest, lease, warn);
  forest.save(ledger);
}

function free(ledger: Ledger, forest: Forest, lease: Lease, warn: (message: string) => void): void {
  ledger.deleteLease(lease);
  const tree = forest.tree(familyOf(lease.address));
  if (!tree.clear(lease.address)) warn(`address ${formatAddress(lease.address)}: was leased, but free in the tree`);
}

/**
 * Gives back what a holder has in these subnets: the requested addresses, in subnets without one all of the owner's.
 * What is not there, or has moved on to somebody else, is left alone.
 *
 * @returns what was freed
 */
export function release(
  ledger: Ledger,
  holder: Holder,
  requests: readonly Pick<PoolRequest, 'subnet' | 'requested'>[],
  warn: (message: string) => void,
): Lease[] {
  const held = ledger.leasesOf(holder);
  const inRequests = requests.flatMap(({ subnet, requested }) => {
    if (requested === undefined) return held.filter(lease => subnet.contains(lease.address));
    const lease = ledger.lease(requested);
    return lease !== undefined && mayRelease(holder, lease) ? [lease] : [];
  });
  // Subnets may overlap.
  const freed = [...new Map(inRequests.map(lease => [formatAddress(lease.address), lease])).values()];
  freeAll(ledger, freed, warn);
  return freed;
}

/** Frees those of the leases that have not changed hands since they were read. Returns what was freed. */
export function freeUnchanged(ledger: Ledger, leases: readonly Lease[], warn: (message: string) => void): Lease[] {
  const unchanged = leases.filter(lease => {
    const now = ledger.lease(lease.address);
    return now !== undefined && now.timeMs === lease.timeMs && ownerKey(now) === ownerKey(lease);
  });
  freeAll(ledger, unchanged, warn);
  return unchanged;
}

/**
 * Whether a holder that names a lease's address may free it. With an id: only its own. Without one: an anonymous lease,
 * one that an id holds (the ECS documentation lets the address alone suffice), or this container's; never another's.
 */
function mayRelease(holder: Holder, lease: Lease): boolean {
  if (lease.kind === 'gateway') return false;
  const isOwn = ownerKey(holder) === ownerKey(lease);
  return holder.id !== '' ? isOwn : isOwn || lease.id !== '' || lease.containerId === '';
}

/**
 * Checks that the holder has an address in every subnet, and that `expected` addresses in these subnets are its.
 *
 * @throws AllocationError 'check-failed'
 */
export function check(
  ledger: ReadLedger,
  holder: Holder,
  subnets: readonly Subnet[],
  expected: readonly Uint8Array[],
): void {
  const held = ledger.leasesOf(holder);
  for (const subnet of subnets) {
    const own = held.filter(lease => subnet.contains(lease.address)).map(lease => lease.address);
    if (own.length === 0) {
      throw new AllocationError('check-failed', `${describeHolder(holder)}: holds no address in ${subnet}`);
    }
    const other = expected.find(address => subnet.contains(address) && !own.some(held => sameAddress(held, address)));
    if (other !== undefined) {
      const instead = `in ${subnet} it holds ${own.map(formatAddress).join(', ')}`;
      throw new AllocationError(
        'check-failed',
        `${describeHolder(holder)}: does not hold ${formatAddress(other)} of prevResult; ${instead}`,
      );
    }
  }
}

/**
 * Checks that each pool could give a container an address: one search, not a count.
 *
 * @throws AllocationError 'exhausted', or 'in-use' for a gateway that a container holds
 */
export function checkReady(
  ledger: ReadLedger,
  requests: readonly PoolRequest[],
  warn: (message: string) => void,
): void {
  const forest = new Forest(ledger);
  for (const request of requests) {
    if (request.gateway && ledger.leaseKind(request.gateway) === 'container') throw gatewayInUse(ledger, request);
    const pool = ledger.pool(request.subnet);
    if (findFree(ledger, forest, request, pool, { warn }) === undefined) throw exhausted(ledger, request);
  }
}

export function isFromEarlierBoot({ bootId }: Lease, surroundings: Pick<Surroundings, 'bootId'>): boolean {
  return bootId !== '' && surroundings.bootId !== '' && bootId !== surroundings.bootId;
}

function describeUse(lease: Lease): string {
  return lease.kind === 'gateway' ? 'a gateway' : describeHolder(lease);
}

function gatewayInUse(ledger: ReadLedger, { subnet, gateway }: PoolRequest): AllocationError {
  const holder = describeHolder(ledger.lease(gateway!)!);
  return new AllocationError('in-use', `gateway ${formatAddress(gateway!)} of ${subnet}: in use by ${holder}`);
}

/** An exhausted pool needs no count: all that is not reserved is used. */
function exhausted(ledger: ReadLedger, { subnet, gateway }: PoolRequest): AllocationError {
  const reserved = new Map<string, string>();
  const reserve = (address: Uint8Array, what: string) => {
    if (subnet.contains(address)) reserved.set(formatAddress(address), what);
  };
  for (const address of [...ledger.pools(subnet.family)].flatMap(pool => pool.gateways)) {
    if (ledger.lease(address)?.kind === 'gateway') reserve(address, 'gateway');
  }
  if (gateway !== undefined) reserve(gateway, 'gateway');
  for (const address of [subnet.network, subnet.last]) {
    const what = subnet.reservedAs(address);
    if (what !== undefined) reserve(address, what);
  }
  const gateways = [...reserved.values()].filter(what => what === 'gateway').length;
  const containers = subnet.size - BigInt(reserved.size);
  const list = [...reserved].map(([address, what]) => `${what} ${address}`).join(', ');
  return new AllocationError(
    'exhausted',
    `${subnet}: no free address: ${subnet.size} addresses, ${containers + BigInt(gateways)} used ` +
      `(${containers} by containers), ${reserved.size} reserved${list === '' ? '' : ` (${list})`}`,
  );
}
