// `ecs-ipam backup` and `ecs-ipam restore`.

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { formatAddress } from '../net/address.ts';
import { areSameFile, backUp } from '../store/backup.ts';
import { StoreError, translated } from '../store/error.ts';
import { type Lease, ownerKey } from '../store/lease.ts';
import { renewStoreId } from '../store/migrate.ts';
import { takeOffline } from '../store/offline.ts';
import { makeDirectory } from '../store/place.ts';
import { replaceStore } from '../store/replace.ts';
import { type Examination, examine, requireSound } from './examine.ts';
import { describeLease, formatLeases } from './list.ts';
import type { CommandContext } from './terminal.ts';

interface Force {
  force?: boolean;
}

export function addBackupCommands(root: Command, context: CommandContext): void {
  root
    .command('backup')
    .description('Copy the store, while it is in use, into a file that has been checked and is on disk.')
    .argument('<file>', 'the backup')
    .option('--force', 'replace the file if it exists')
    .addHelpText('after', '\nExample:\n  $ ecs-ipam backup /var/backups/ecs-ipam.mdb')
    .action((file: string, { force }: Force) => backup(file, force ?? false, context));

  root
    .command('restore')
    .description(
      'Put what a backup holds in the place of the store, which is kept beside it. Leases that the backup does not ' +
        'know are listed first: containers may still use their addresses.',
    )
    .argument('<file>', 'the backup')
    .option('--force', 'restore though leases would be forgotten')
    .addHelpText('after', '\nExample:\n  $ ecs-ipam restore /var/backups/ecs-ipam.mdb')
    .action((file: string, { force }: Force) => restore(file, force ?? false, context));
}

async function backup(file: string, replaces: boolean, context: CommandContext): Promise<void> {
  const { location, locks, services, terminal } = context;
  let leases = 0;
  const check = (copy: string) => {
    const { findings, content } = examine(copy, services.sha256);
    leases = content.leases.size;
    if (findings.some(finding => finding.isRepairable)) {
      throw new StoreError(
        'damaged',
        `store ${location().path}: no backup was made of a damaged store; see 'ecs-ipam fsck'`,
      );
    }
  };
  const path = await backUp(location(), file, replaces, check, locks);
  services.log.info(`backup: ${path} to ${file}`);
  terminal.print(`backup ${file}: ${leases} leases of store ${path}`);
}

async function restore(file: string, force: boolean, context: CommandContext): Promise<void> {
  const { location, locks, services, terminal } = context;
  const { sha256 } = services;
  if (areSameFile(file, location().path)) throw new StoreError('io', `backup ${file}: is the store itself`);
  const saved = examine(file, sha256);
  if (saved.findings.some(finding => finding.isRepairable)) {
    throw new StoreError(
      'damaged',
      `backup ${file}: is damaged, and nothing was restored; see 'ecs-ipam fsck ${file}'`,
    );
  }
  translated(location().path, () => makeDirectory(dirname(location().path)));
  await takeOffline(location(), locks, async path => {
    const isForgetful = existsSync(path) && warnOfForgotten(path, saved, context);
    if (isForgetful && !force) {
      terminal.fail(`store ${path}: stays as it is; 'ecs-ipam restore --force' forgets what is listed`);
      return;
    }
    const { size } = saved.content.leases;
    const kept = await replaceStore(
      path,
      'before-restore',
      transaction => {
        for (const { key, value } of saved.rows) transaction.put(key, value);
        renewStoreId(transaction);
      },
      draft => requireSound(draft, size, sha256),
    );
    services.log.warn(`restore: ${path} from ${file}, ${size} leases`);
    terminal.print(`store ${path}: ${size} leases restored from ${file}`);
    if (kept !== undefined) terminal.print(`the store of before is ${kept}`);
  });
}

/** Lists the leases of the store that the backup does not know. Whether there are any, or may be. */
function warnOfForgotten(path: string, saved: Examination, { terminal, services }: CommandContext): boolean {
  let current: Examination;
  try {
    current = examine(path, services.sha256);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    terminal.warn(`${error.message}; what would be forgotten cannot be listed`);
    return true;
  }
  const isKnown = ([key, lease]: [string, Lease]) => {
    const other = saved.content.leases.get(key);
    return other !== undefined && ownerKey(other) === ownerKey(lease);
  };
  const forgotten = [...current.content.leases].filter(entry => !isKnown(entry)).map(([, lease]) => lease);
  if (forgotten.length > 0) {
    terminal.print(formatLeases(forgotten.map(describeLease)));
    terminal.print(`${forgotten.length} leases are not in the backup`);
  }
  const claimed = [...current.claims].filter(([key]) => !saved.content.leases.has(key));
  for (const [, { address }] of claimed) {
    terminal.print(`address ${formatAddress(address)}: is in use by a lease that is lost, and not in the backup`);
  }
  if (current.mayMissLeases) terminal.warn(`store ${path}: is damaged, and may hold more leases than can be listed`);
  return forgotten.length + claimed.length > 0 || current.mayMissLeases;
}
