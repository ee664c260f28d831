// The plugin within this process, by the entry that the executable and the daemon use, over real stores.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answer } from '../../../src/cni/commands.ts';
import { openLog } from '../../../src/cni/log.ts';
import { Stores } from '../../../src/daemon/stores.ts';
import { ReadLedger } from '../../../src/ipam/ledger.ts';
import { formatAddress } from '../../../src/net/address.ts';
import type { FileLocks } from '../../../src/store/flock.ts';
import { requireWritable } from '../../../src/store/guard.ts';
import { sha256 } from '../../ipam/support.ts';
import type { Env, Run } from '../../support/plugin.ts';

/** Nobody else has these stores: their locks are not what is tried here, and on Node each one costs a process. */
const ALONE: FileLocks = { tryFlock: () => true, isRecordLocked: () => false };

/** So many cases share a store: gateways, which nobody gives back, stay few. */
const CASES_OF_A_STORE = 200;

/**
 * A directory for stores, removed when the process ends. In memory, where there is such a place: what a disk takes to
 * be durable would be most of the time.
 */
export function quickDirectory(): string {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ecs-ipam-fuzz-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export class Plugin {
  readonly directory = quickDirectory();
  readonly store = join(this.directory, 'store.mdb');
  #stores = new Stores(ALONE);
  #cases = 0;
  /** Calls answered. */
  calls = 0;

  /** Between two cases: a new store now and then. */
  async nextCase(): Promise<void> {
    if (++this.#cases === CASES_OF_A_STORE) await this.startOver();
  }

  /** With a store that does not exist yet. */
  async startOver(): Promise<void> {
    await this.#stores.close(true);
    this.#stores = new Stores(ALONE);
    for (const name of readdirSync(this.directory)) rmSync(join(this.directory, name), { recursive: true });
    mkdirSync(join(this.directory, 'logs'));
    this.#cases = 0;
  }

  /** One call, as main.ts and the daemon carry it out. */
  async run(env: Env, stdin: Uint8Array): Promise<Run> {
    this.calls++;
    const startMs = performance.now();
    let stderr = '';
    const log = openLog(env, message => {
      stderr += `ecs-ipam: ${message}\n`;
    });
    const { status, stdout } = await answer(env, async () => stdin, {
      log,
      sha256,
      bootId: () => 'boot',
      timeFor: Date.now,
      openStore: (location, access) => this.#stores.open(location, access),
      requireWritable: ({ path }) => requireWritable(path),
    });
    return { status, signal: null, stdout, stderr, ms: performance.now() - startMs };
  }

  /** Addresses that containers hold. */
  async held(): Promise<string[]> {
    const store = await this.#stores.open({ path: this.store, timeoutMs: 0 }, 'read');
    if (store === undefined) return [];
    try {
      return store.read(transaction => {
        const ledger = new ReadLedger(transaction, sha256);
        const leases = ([4, 6] as const).flatMap(family => [...ledger.leases(family)]);
        return leases.filter(({ kind }) => kind === 'container').map(({ address }) => formatAddress(address));
      });
    } finally {
      await store.close();
    }
  }
}
