// The command line for operators.

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Services } from '../cni/commands.ts';
import { parseDurationMs } from '../cni/duration.ts';
import type { Env } from '../cni/environment.ts';
import { toCniError } from '../cni/error.ts';
import { Subnet } from '../ipam/subnet.ts';
import { parsePrefix } from '../net/prefix.ts';
import { type ExportOptions, exportTo } from './export.ts';
import { type ImportOptions, importFrom, type Report, type WithLockedFile } from './import.ts';
import { formatLeases, listLeases } from './list.ts';
import { type ManualOptions, runManually } from './manual.ts';
import { VERSION } from './version.ts';

/** Runs the daemon until it is told to stop, or nobody has called it for so long. */
export type Serve = (idleMs: number | undefined) => Promise<void>;

/** What the command line needs of the process that it runs in. */
export interface Host {
  write(stream: 'stdout' | 'stderr', text: string): Promise<void>;
  serve: Serve;
  withLockedFile: WithLockedFile;
}

/** Features that the ECS agent asks for. */
const CAPABILITIES = { capabilities: ['awsvpc-network-mode'] };

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs the command line; returns the exit status: 0 done, 1 failed, 2 not understood. */
export async function runCli(args: string[], env: Env, host: Host, services: Services): Promise<number> {
  // Commander prints as it goes and does not wait; its output is written whole before the process ends.
  let out = '';
  let err = '';
  const print = (text: string) => {
    out += `${text}\n`;
  };
  const warn = (text: string) => {
    err += `ecs-ipam: ${text}\n`;
  };
  let status = 0;
  try {
    const root = new Command('ecs-ipam').exitOverride().configureOutput({
      writeOut: text => {
        out += text;
      },
      writeErr: text => {
        err += text;
      },
    });
    await describeProgram(root, env, host, services, { print, warn }).parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      status = error.exitCode === 0 ? 0 : EXIT_USAGE;
    } else {
      const cniError = toCniError(error);
      services.log.error(`${args[0]}: code ${cniError.code}: ${cniError.message}`);
      warn(`${cniError.message} (code ${cniError.code})`);
      status = EXIT_FAILED;
    }
  }
  if (out !== '') await host.write('stdout', out);
  if (err !== '') await host.write('stderr', err);
  return status;
}

function parseDuration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('Not a duration such as 10m or 30s.');
  return ms;
}

/** One more of a list of subnets. */
function addSubnet(text: string, before: Subnet[]): Subnet[] {
  try {
    return [...before, new Subnet(parsePrefix(text))];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Subcommands inherit the root's settings of output and exit when they are made. */
function describeProgram(
  root: Command,
  env: Env,
  host: Host,
  services: Services,
  { print, warn }: { print(text: string): void; warn(text: string): void },
): Command {
  root
    .description('IP address management for containers: a CNI plugin, and this command line for its operators.')
    .option('--db <path>', 'the store (default: IPAM_DB_PATH, or /data/ecs-ipam.mdb)')
    .option('--version', 'print version, commit and state of the build as JSON')
    .option('--capabilities', 'print the features that the ECS agent asks for as JSON')
    .addHelpText('after', '\nExample:\n  $ IPAM_DB_PATH=/var/lib/ecs/data/eni-ipam.db ecs-ipam list')
    .action((options, command: Command) => {
      const [unknown] = command.args;
      if (unknown !== undefined) command.error(`error: unknown command '${unknown}'; see 'ecs-ipam --help'`);
      if (options.version) print(JSON.stringify(VERSION));
      else if (options.capabilities) print(JSON.stringify(CAPABILITIES));
      else root.help({ error: true });
    });
  const effectiveEnv = (): Env => {
    const { db } = root.opts<{ db?: string }>();
    return db === undefined ? env : { ...env, IPAM_DB_PATH: db };
  };

  for (const [name, verb, description] of [
    ['add', 'ADD', 'Give an address of each subnet in CONF to an owner, and print what a runtime would get'],
    ['del', 'DEL', 'Give back what an owner holds in the subnets of CONF'],
    ['check', 'CHECK', 'Check that an owner holds an address in each subnet of CONF'],
  ] as const) {
    root
      .command(name)
      .description(`${description}.`)
      .argument('<conf>', "network configuration: a file as in /etc/cni/net.d (.conf or .conflist), or '-' for stdin")
      .option('--id <text>', "owner: replaces the configuration's ipam.id")
      .option('--container <id>', 'owner: container id, as CNI_CONTAINERID')
      .option('--ifname <name>', 'interface in the container, as CNI_IFNAME', 'eth0')
      .addHelpText('after', `\nExample:\n  $ ecs-ipam ${name} /etc/cni/net.d/10-mynet.conf --id web-1`)
      .action(async (conf: string, options: ManualOptions) => {
        const result = await runManually(verb, conf, options, effectiveEnv(), services);
        if (result !== '') print(result);
      });
  }

  root
    .command('list')
    .description('Show the leases: who holds which address, and since when.')
    .option('--json', 'as a JSON array')
    .addHelpText('after', '\nExample:\n  $ ecs-ipam list --json')
    .action(async (options: { json?: boolean }) => {
      const leases = await listLeases(effectiveEnv(), services);
      print(options.json ? JSON.stringify(leases, undefined, 2) : formatLeases(leases));
    });

  const report = ({ out, notes }: Report) => {
    notes.forEach(warn);
    print(out);
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
    .action(async (file: string, options: ImportOptions) =>
      report(await importFrom(file, options, effectiveEnv(), services, host.withLockedFile)),
    );

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
      report(await exportTo(options, effectiveEnv(), services));
    });

  root
    .command('serve')
    .description('Run the daemon: it answers the plugin calls that ecs-ipam passes to it, and commits in groups.')
    .option('--idle <duration>', 'started by systemd with its socket: end after so long without a call', parseDuration)
    .addHelpText(
      'after',
      '\nIPAM_SOCKET names the socket (default: /run/ecs-ipam/ecs-ipam.sock).\n\nExample:\n  $ ecs-ipamd serve',
    )
    .action((options: { idle?: number }) => host.serve(options.idle));
  // Not before the subcommands, which would inherit it: what is no subcommand is for the root's action to name.
  return root.allowExcessArguments();
}
