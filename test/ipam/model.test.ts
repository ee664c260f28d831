// Random histories of acquire, release and collect over overlapping subnets, against a model as slow as it likes, on a
// store in memory and on LMDB. After every step: no address with two owners, none of the reserved given, and the tree's
// rows say exactly what the leases say.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acquire, type PoolRequest, release } from '../../src/ipam/allocator.ts';
import { collect } from '../../src/ipam/collect.ts';
import { AllocationError } from '../../src/ipam/error.ts';
import { Forest } from '../../src/ipam/forest.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import type { Holder, Lease } from '../../src/store/lease.ts';
import { LmdbStore } from '../../src/store/lmdb.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/transaction.ts';
import { Random } from '../support/random.ts';
import { holder, ledgerOf, pool, readLedgerOf, surroundings } from './support.ts';

const test = suite('allocator against a model');

const value = (address: Uint8Array): bigint => BigInt(`0x${Buffer.from(address).toString('hex')}`);

function addressOf(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from(Buffer.from(value.toString(16).padStart(bytes * 2, '0'), 'hex'));
}

/** The model: leases by address text, cursors by subnet. */
class Model {
  readonly leases = new Map<string, { holder: Holder; gateway: boolean }>();
  readonly cursors = new Map<string, bigint>();

  /** What acquire must give, or the refusal it must answer with. */
  acquire(asker: Holder, requests: PoolRequest[]): string[] | string {
    const given: string[] = [];
    for (const request of requests) {
      const chosen = this.#choose(asker, request);
      if (typeof chosen === 'object') return chosen.refusal;
      given.push(chosen);
    }
    for (const [i, { subnet, gateway }] of requests.entries()) {
      const nobody = holder('', { network: asker.network });
      if (gateway) this.leases.set(formatAddress(gateway), { holder: nobody, gateway: true });
      this.leases.set(given[i]!, { holder: asker, gateway: false });
      this.cursors.set(String(subnet), value(parseAddress(given[i]!)));
    }
    return given;
  }

  #choose(asker: Holder, { subnet, gateway, requested }: PoolRequest): string | { refusal: string } {
    const isReserved = (address: Uint8Array) =>
      (gateway && formatAddress(gateway) === formatAddress(address)) || subnet.reservedAs(address) !== undefined;
    if (requested && isReserved(requested)) return { refusal: 'reserved' };
    if (this.heldIn(asker, { subnet }).length > 0) return { refusal: 'already-held' };
    const gatewayLease = gateway && this.leases.get(formatAddress(gateway));
    if (gatewayLease && !gatewayLease.gateway) return { refusal: 'in-use' };
    if (requested) {
      return this.leases.has(formatAddress(requested)) ? { refusal: 'in-use' } : formatAddress(requested);
    }
    const first = value(subnet.network);
    const size = value(subnet.last) - first + 1n;
    const start = (this.cursors.get(String(subnet)) ?? first - 1n) - first;
    for (let step = 1n; step <= size; step++) {
      const address = addressOf(first + ((start + step + size) % size), subnet.network.length);
      if (!isReserved(address) && !this.leases.has(formatAddress(address))) return formatAddress(address);
    }
    return { refusal: 'exhausted' };
  }

  heldIn(asker: Holder, { subnet }: Pick<PoolRequest, 'subnet'>): string[] {
    return [...this.leases]
      .filter(
        ([address, lease]) =>
          !lease.gateway && lease.holder.id === asker.id && asker.id !== '' && subnet.contains(parseAddress(address)),
      )
      .map(([address]) => address);
  }
}

// Overlapping, octet-aligned and not, small enough to fill up and wrap around.
const SUBNETS_V4 = [
  '10.0.0.0/24',
  '10.0.0.0/27',
  '10.0.0.16/28',
  '10.0.0.64/26',
  '10.0.0.0/31',
  '10.0.1.0/32',
  '10.0.0.0/22',
];
const SUBNETS_V6 = ['2001:db8::/122', '2001:db8::20/123', '2001:db8::/127', '2001:db8::/116', '2001:db8::ff80/121'];

function requestsOf(random: Random): PoolRequest[] {
  const requests: PoolRequest[] = [];
  for (const [subnets, share] of [
    [SUBNETS_V4, 0.8],
    [SUBNETS_V6, 0.6],
  ] as const) {
    if (!random.chance(share)) continue;
    const request = pool(random.pick(subnets));
    if (random.chance(0.2)) {
      const size = Number(value(request.subnet.last) - value(request.subnet.network)) + 1;
      request.requested = addressOf(
        value(request.subnet.network) + BigInt(random.below(size)),
        request.subnet.network.length,
      );
    }
    requests.push(request);
  }
  return requests.length > 0 ? requests : requestsOf(random);
}

async function step(store: Store, model: Model, random: Random): Promise<void> {
  const asker = random.chance(0.05)
    ? holder('', { network: 'net' })
    : holder(`owner-${random.below(400)}`, { network: 'net' });
  const requests = requestsOf(random);
  if (random.chance(0.6)) {
    const expected = model.acquire(asker, requests);
    let actual: string[] | string;
    try {
      const given = await store.write(transaction => acquire(ledgerOf(transaction), asker, requests, surroundings()));
      actual = given.map(lease => formatAddress(lease.address));
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error;
      actual = error.refusal;
    }
    assert.equal(actual, expected);
  } else if (random.chance(0.98)) {
    const unrequested = requests.map(({ subnet }) => ({ subnet, requested: undefined }));
    const freed = await store.write(transaction => release(ledgerOf(transaction), asker, unrequested, failOnWarning));
    const expected = [...new Set(unrequested.flatMap(request => model.heldIn(asker, request)))];
    for (const address of expected) model.leases.delete(address);
    assert.equal(freed.map(lease => formatAddress(lease.address)).sort(), expected.sort());
  } else {
    // None of these carries a container id, so a collection leaves them all alone.
    const { freed } = await store.write(transaction => collect(ledgerOf(transaction), 'net', [], failOnWarning));
    assert.equal(freed, []);
  }
}

function failOnWarning(message: string): void {
  throw new Error(message);
}

/** Rows against the model: the leases are the same, and so are the addresses that the tree calls used. */
function compare(store: Store, model: Model): void {
  store.read(transaction => {
    const ledger = readLedgerOf(transaction);
    const leases: Lease[] = [...ledger.leases(4), ...ledger.leases(6)];
    const texts = leases.map(lease => formatAddress(lease.address));
    assert.equal(texts.sort(), [...model.leases.keys()].sort());
    const forest = new Forest(ledger);
    for (const base of ['10.0.0.0', '10.0.1.0', '10.0.3.0', '2001:db8::', '2001:db8::ff00', '2001:db8::f00']) {
      const first = parseAddress(base);
      for (let i = 0; i < 256; i++) {
        const address = first.slice();
        address[address.length - 1] = i;
        const isUsed = forest.tree(address.length === 4 ? 4 : 6).isUsed(address);
        assert.is(isUsed, model.leases.has(formatAddress(address)), `${formatAddress(address)} in the tree`);
      }
    }
  });
}

for (const [name, histories, steps] of [
  ['memory', 12, 1500],
  ['LMDB', 3, 1000],
] as const) {
  test(`${histories} histories of ${steps} steps on ${name}`, async () => {
    const random = new Random(`model on ${name}`);
    const directory = mkdtempSync(join(tmpdir(), 'ecs-ipam-model-'));
    try {
      for (let history = 0; history < histories; history++) {
        const store = name === 'memory' ? new MemoryStore() : new LmdbStore(join(directory, `${history}.mdb`), false);
        const model = new Model();
        for (let i = 0; i < steps; i++) {
          await step(store, model, random);
          if (i % 50 === 49) compare(store, model);
        }
        // Give everything back: the tree shrinks to what the gateways need.
        for (const { holder: owner } of [...model.leases.values()]) {
          const all = [...SUBNETS_V4, ...SUBNETS_V6].map(text => ({ ...pool(text), requested: undefined }));
          await store.write(transaction => release(ledgerOf(transaction), owner, all, failOnWarning));
          for (const request of all) for (const address of model.heldIn(owner, request)) model.leases.delete(address);
        }
        compare(store, model);
        await store.close();
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}

test.run();
