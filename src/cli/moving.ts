// `ecs-ipam import` and `ecs-ipam export`: moving in from another address manager, and out again.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { Subnet } from '../ipam/subnet.ts';
import { parsePrefix } from '../net/prefix.ts';
import { type ExportOptions, exportTo } from './export.ts';
import { type ImportOptions, importFrom, type Report } from './import.ts';
import type { CommandContext } from './terminal.ts';

export function addMovingCommands(root: Command, context: CommandContext): void {
  const report = ({ out, notes }: Report) => {
    for (const note of notes) context.terminal.warn(note);
    context.terminal.print(out);
  };
  root
    .command('import')
    .description('Take over leases: all of them, or none if one is in conflict with what is in the store.')
    .argument('<file>', "the Go plugin's bolt file, an export, or a directory of host-local (/var/lib/cni/networks)")
    .option('--dry-run', 'show what would be done')
    .option(
      '--subnet <cidr>',
      'a subnet that the leases are of, where the file does not say; any number',
      addSubnet,
      [],
    )
    .addHelpText('after', '\nExample:\n  $ ecs-ipam import /data/eni-ipam.db --subnet 169.254.172.0/22 --dry-run')
    .action(async (file: string, options: ImportOptions) => report(await importFrom(file, options, context)));

  root
    .command('export')
    .description(
      'Write out all leases: as JSON, which import reads, or as a bolt file, which the Go plugin goes on with.',
    )
    .addOption(new Option('--format <format>', 'what to write').choices(['json', 'bolt']).default('json'))
    .option('--output <file>', 'a file that does not exist yet (default: stdout, for JSON)')
    .addHelpText('after', '\nExample:\n  $ ecs-ipam export --format bolt --output /data/eni-ipam.db')
    .action(async (options: ExportOptions, command: Command) => {
      if (options.format === 'bolt' && options.output === undefined) {
        command.error('error: a bolt file is not text: name one with --output');
      }
      report(await exportTo(options, context.location(), context.services));
    });
}

/** One more of a list of subnets. */
function addSubnet(text: string, before: Subnet[]): Subnet[] {
  try {
    return [...before, new Subnet(parsePrefix(text))];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}
