// `ecs-ipam release` and `ecs-ipam gc`: free leases by hand.

import type { Command } from 'commander';
import { CniError, ErrorCode, toCniError } from '../cni/error.ts';
import { freeUnchanged } from '../ipam/allocator.ts';
import { Ledger, ReadLedger } from '../ipam/ledger.ts';
import { type Listing, listAddress, listEarlierBoots, listOwner, listUnkept } from '../ipam/reclaim.ts';
import { formatAddress, parseAddress } from '../net/address.ts';
import { StoreError } from '../store/error.ts';
import { describeHolder, type Lease } from '../store/lease.ts';
import { readKeepList } from './keep.ts';
import { describeLease, formatLeases } from './list.ts';
import type { CommandContext } from './terminal.ts';

export function addFreeingCommands(root: Command, context: CommandContext): void {
  root
    .command('release')
    .description(
      'Free an address, or all that an owner holds, whether or not a container uses it. A gateway is freed by its ' +
        'address alone.',
    )
    .argument('[address]', 'the address')
    .option('--owner <id>', "instead: an ipam.id; or, of a container without one, its id or 'id/interface'")
    .addHelpText('after', '\nExamples:\n  $ ecs-ipam release 10.0.0.7\n  $ ecs-ipam release --owner web-1')
    .action(async (address: string | undefined, { owner }: { owner?: string }, command: Command) => {
      if (owner !== undefined && address === undefined) {
        await release(`owner ${JSON.stringify(owner)}`, ledger => listOwner(ledger, owner), context);
      } else if (owner === undefined && address !== undefined) {
        const bytes = parsed(address, command);
        await release(`address ${address}`, ledger => listAddress(ledger, bytes), context);
      } else {
        command.error("error: either an address or '--owner <id>' says what to free");
      }
    });

  root
    .command('gc')
    .description('List the leases of containers that are gone, then free them. Gateways stay.')
    .option('--keep <file>', 'free what this list does not name')
    .option('--boot', 'free what a reboot has ended: leases that carry the id of another boot')
    .option('--dry-run', 'only list')
    .addHelpText(
      'after',
      '\nThe list names an owner or an address on each line: an ipam.id; or, of a container without one, its id or\n' +
        "'id/interface'. Or it is a JSON array of such texts, or of what 'list --json' prints. '-' is stdin. Leases\n" +
        'that were given later than a minute before the list was written stay.\n' +
        '\nExamples:\n  $ ecs-ipam gc --boot\n  $ crictl pods -q --no-trunc | ecs-ipam gc --keep - --dry-run',
    )
    .action(async (options: GcOptions, command: Command) => {
      if ((options.keep === undefined) !== (options.boot === true)) {
        command.error("error: either '--keep <file>' or '--boot' says what to free");
      }
      await collect(options, context);
    });
}

interface GcOptions {
  keep?: string;
  boot?: boolean;
  dryRun?: boolean;
}

/** What the rules list in one state of the store. */
type List = (ledger: ReadLedger) => Listing;

function parsed(address: string, command: Command): Uint8Array {
  try {
    return parseAddress(address);
  } catch (error) {
    return command.error(`error: ${(error as SyntaxError).message}`);
  }
}

async function release(subject: string, list: List, context: CommandContext): Promise<void> {
  const leases = await show(list, context);
  if (leases.length > 0) await free('release', leases, context);
  else context.terminal.fail(`${subject}: has no lease in store ${context.location().path}; nothing was freed`);
}

async function collect({ keep, dryRun }: GcOptions, context: CommandContext): Promise<void> {
  const list = keep === undefined ? listedByBoot(context) : await listedByFile(keep, context);
  const leases = await show(list, context);
  if (leases.length === 0) context.terminal.print('nothing to free');
  else if (!dryRun) await free('gc', leases, context);
}

function listedByBoot({ services }: CommandContext): List {
  const bootId = services.bootId();
  if (bootId === '')
    throw new CniError(ErrorCode.io, 'the kernel tells no boot id to compare those of the leases with');
  return ledger => listEarlierBoots(ledger, bootId);
}

async function listedByFile(file: string, { terminal, readStdin }: CommandContext): Promise<List> {
  const keep = await readKeepList(file, readStdin);
  return ledger => {
    const listing = listUnkept(ledger, keep);
    for (const name of listing.unknown) terminal.warn(`--keep ${file}: ${JSON.stringify(name)} has no lease`);
    for (const { address } of listing.young) {
      terminal.warn(`address ${formatAddress(address)}: is younger than the list ${file}, and left alone`);
    }
    return listing;
  };
}

/** Prints the list before anything is freed; gives what is on it. */
async function show(list: List, { location, services, terminal }: CommandContext): Promise<Lease[]> {
  const store = await services.openStore(location(), 'read');
  if (store === undefined) {
    terminal.warn(`store ${location().path}: does not exist`);
    return [];
  }
  let listing: Listing;
  try {
    listing = store.read(transaction => list(new ReadLedger(transaction, services.sha256)));
  } finally {
    await store.close();
  }
  for (const error of listing.errors) {
    terminal.fail(`store ${location().path}: ${toCniError(error).message}; left alone, see 'ecs-ipam fsck'`);
  }
  if (listing.leases.length > 0) terminal.print(formatLeases(listing.leases.map(describeLease)));
  await terminal.flush();
  return listing.leases;
}

/** Frees what was listed, but for what has changed hands since. */
async function free(name: string, listed: Lease[], { location, services, terminal }: CommandContext): Promise<void> {
  const { log, sha256 } = services;
  const store = await services.openStore(location(), 'write');
  if (store === undefined) throw new StoreError('io', `store ${location().path}: was removed meanwhile`);
  let freed: Lease[];
  try {
    freed = await store.write(transaction =>
      freeUnchanged(new Ledger(transaction, sha256), listed, message => log.warn(message)),
    );
  } finally {
    await store.close();
  }
  for (const lease of listed) {
    const address = formatAddress(lease.address);
    if (freed.includes(lease)) log.info(`${name}: ${address} of ${describeHolder(lease)} freed by hand`);
    else terminal.fail(`address ${address}: has changed hands since it was listed, and was left alone`);
  }
  terminal.print(`freed ${freed.length === 1 ? '1 lease' : `${freed.length} leases`}`);
}
