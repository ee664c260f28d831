// A store in memory and what goes on in it, for tests of single rules.

import * as assert from 'uvu/assert';
import { acquire, type PoolRequest, release } from '../../src/ipam/allocator.ts';
import { AllocationError, type Refusal } from '../../src/ipam/error.ts';
import type { Ledger, ReadLedger } from '../../src/ipam/ledger.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import type { Holder, Lease } from '../../src/store/lease.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { holder, ledgerOf, readLedgerOf } from './support.ts';

export const NOW_MS = 1_700_000_000_000;

export const texts = (leases: Iterable<{ address: Uint8Array }>): string[] =>
  Array.from(leases, ({ address }) => formatAddress(address));

/** A container's holder, without an id. */
export const container = (containerId: string, interfaceName = 'eth0', network = 'net'): Holder =>
  holder('', { containerId, interfaceName, network });

/** A lease as the allocator would write it, but for what is given. */
export const leaseOf = (address: string, rest: Partial<Lease> = {}): Lease => ({
  address: parseAddress(address),
  kind: 'container',
  subnetBits: 24,
  bootId: 'boot-1',
  timeMs: NOW_MS,
  id: '',
  containerId: '',
  interfaceName: '',
  network: 'net',
  ...rest,
});

export class World {
  readonly store = new MemoryStore();
  bootId = 'boot-1';
  nowMs = NOW_MS;
  readonly warnings: string[] = [];
  readonly warn = (message: string): void => void this.warnings.push(message);

  /** Whatever the rules can do, in one transaction. */
  write<T>(work: (ledger: Ledger) => T): Promise<T> {
    return this.store.write(transaction => work(ledgerOf(transaction)));
  }

  read<T>(work: (ledger: ReadLedger) => T): T {
    return this.store.read(transaction => work(readLedgerOf(transaction)));
  }

  async acquire(asker: Holder | string, ...requests: PoolRequest[]): Promise<string[]> {
    const owner = typeof asker === 'string' ? holder(asker) : asker;
    const { bootId, warn } = this;
    return texts(await this.write(ledger => acquire(ledger, owner, requests, { bootId, now: () => this.nowMs, warn })));
  }

  async release(asker: Holder | string, ...requests: PoolRequest[]): Promise<string[]> {
    const owner = typeof asker === 'string' ? holder(asker) : asker;
    return texts(await this.write(ledger => release(ledger, owner, requests, this.warn)));
  }

  lease(address: string): Lease | undefined {
    return this.read(ledger => ledger.lease(parseAddress(address)));
  }

  /** All rows as text. */
  rows(): string[] {
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
    const all = [Uint8Array.of(0), Uint8Array.of(255)] as const;
    return this.store.read(transaction =>
      Array.from(transaction.range(...all), ({ key, value }) => `${hex(key)} ${hex(value)}`),
    );
  }

  /** Fails unless the work is refused so, in these very words, and changes nothing. */
  async refuses(refusal: Refusal, message: string, work: () => unknown): Promise<void> {
    const before = this.rows();
    const error = await (async () => work())().then(
      () => undefined,
      error => error as unknown,
    );
    assert.instance(error, AllocationError, `not refused, but should be: ${message}`);
    const { refusal: actual, message: said, name } = error as AllocationError;
    assert.equal([actual, said, name], [refusal, message, 'AllocationError']);
    assert.equal(this.rows(), before, 'what is refused changes nothing');
  }
}
