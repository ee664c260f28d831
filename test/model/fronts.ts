// The ways in: what answers a command, and what is in its store afterwards.

import * as assert from 'uvu/assert';
import { examine } from '../../src/cli/examine.ts';
import type { ListedLease } from '../../src/cli/list.ts';
import { answer, type Services } from '../../src/cni/commands.ts';
import { audit } from '../../src/ipam/audit.ts';
import { readContent } from '../../src/ipam/content.ts';
import { formatAddress } from '../../src/net/address.ts';
import { createStore } from '../../src/store/create.ts';
import { type Finding, sentence } from '../../src/store/finding.ts';
import { LmdbStore } from '../../src/store/lmdb.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { migrate } from '../../src/store/migrate.ts';
import type { ReadTransaction, Store } from '../../src/store/transaction.ts';
import { startDaemon, stopDaemon } from '../daemon/support/daemon.ts';
import { ask } from '../daemon/support/frames.ts';
import { list } from '../integration/support/ipam.ts';
import { readLedgerOf, sha256 } from '../ipam/support.ts';
import { run, temporaryStore } from '../support/plugin.ts';
import { exits, ipam } from '../tools/support.ts';
import { type Command, configurationOf, environmentOf, type Reply } from './command.ts';
import type { Listed } from './listed.ts';

export interface Front {
  answer(command: Command): Promise<Reply>;
  listed(): Promise<Listed[]>;
  /** Fails unless fsck finds nothing. */
  check(): Promise<void>;
  /** Where the front can do so, the host starts again. */
  reboot?(bootId: string): void;
  close(): Promise<void>;
}

const encoder = new TextEncoder();
export const stdinOf = (command: Command): Uint8Array => encoder.encode(JSON.stringify(configurationOf(command)));

const found = (findings: readonly Finding[]) => assert.equal(findings.map(sentence), [], 'fsck');

/** Fails unless the rows agree with each other. */
export function checkRows(transaction: ReadTransaction): void {
  const rows = transaction.range(Uint8Array.of(0), Uint8Array.of(0xff));
  found(audit(readContent(rows), { unreadable: [], lost: [] }, sha256).findings);
}

export function listRows(transaction: ReadTransaction): Listed[] {
  const ledger = readLedgerOf(transaction);
  return [...ledger.leases(4), ...ledger.leases(6)].map(({ address, interfaceName, ...rest }) => ({
    ...rest,
    address: formatAddress(address),
    ifname: interfaceName,
  }));
}

/** The commands on a store that this process has open. A tree that they find wrong on the way fails. */
function onStore(store: Store, check: () => void): Front {
  let bootId = 'boot 0';
  const quiet = () => {};
  const warn = (message: string | (() => string)) =>
    assert.match(typeof message === 'string' ? message : message(), /from an earlier boot/);
  const services: Services = {
    log: { debug: quiet, info: quiet, error: quiet, warn },
    sha256,
    bootId: () => bootId,
    timeFor: () => 1_700_000_000_000,
    openStore: async () => ({
      read: work => store.read(work),
      write: work => store.write(work),
      close: async () => {},
    }),
    requireWritable: quiet,
  };
  return {
    answer: command => answer(environmentOf(command, '/store'), async () => stdinOf(command), services),
    listed: async () => store.read(listRows),
    check: async () => check(),
    reboot: next => {
      bootId = next;
    },
    close: async () => store.close(),
  };
}

export async function inMemory(): Promise<Front> {
  const store = new MemoryStore();
  await store.write(migrate);
  return onStore(store, () => store.read(checkRows));
}

export async function onLmdb(): Promise<Front> {
  const path = temporaryStore();
  await createStore(path);
  return onStore(new LmdbStore(path, false), () => found(examine(path, sha256).findings));
}

const onDisk = (store: string) => ({
  listed: async () => {
    const leases = (await list(store)) as unknown as ListedLease[];
    return leases.map(lease => ({ ...lease, subnetBits: Number(lease.subnet.replace(/.*\//, '')) }));
  },
  check: async () => void exits(await ipam(store, 'fsck'), 0, 'clean'),
});

/** A process for each command. */
export async function oneShot(): Promise<Front> {
  const store = temporaryStore();
  await createStore(store);
  return {
    ...onDisk(store),
    answer: command => run({ env: environmentOf(command, store), stdin: configurationOf(command) }),
    close: async () => {},
  };
}

/** A daemon, spoken to as the launcher does. */
export async function throughDaemon(): Promise<Front> {
  const store = temporaryStore();
  await createStore(store);
  const daemon = await startDaemon();
  return {
    ...onDisk(store),
    answer: async command => {
      const reply = await ask(daemon.socket, environmentOf(command, store), configurationOf(command));
      assert.ok(reply, 'the daemon gives no answer');
      return reply;
    },
    close: () => stopDaemon(daemon),
  };
}
