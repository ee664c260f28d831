// The command line for operators.

import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { Services } from '../cni/commands.ts';
import { parseDurationMs } from '../cni/duration.ts';
import { type Env, parseStoreLocation } from '../cni/environment.ts';
import { toCniError } from '../cni/error.ts';
import type { FileLocks } from '../store/flock.ts';
import { addBackupCommands } from './backup.ts';
import { addFreeingCommands } from './free.ts';
import { addFsckCommand } from './fsck.ts';
import { type InstallOptions, install, uninstall } from './install.ts';
import { formatLeases, listLeases } from './list.ts';
import { type ManualOptions, runManually } from './manual.ts';
import { addMovingCommands } from './moving.ts';
import { ClosedPipe, type CommandContext, EXIT_USAGE, Terminal } from './terminal.ts';
import { VERSION } from './version.ts';

/** Runs the daemon until it is told to stop, or nobody has called it for so long. */
export type Serve = (idleMs: number | undefined) => Promise<void>;

/** What the command line needs of the process that it runs in. */
export interface Host {
  write(stream: 'stdout' | 'stderr', text: string): Promise<void>;
  readStdin(): Promise<Uint8Array>;
  locks: FileLocks;
  serve: Serve;
}

/** Features that the ECS agent asks for. */
const CAPABILITIES = { capabilities: ['awsvpc-network-mode'] };

/** Runs the command line; returns the exit status: 0 done, 1 failed, 2 not understood. */
export async function runCli(args: string[], env: Env, host: Host, services: Services): Promise<number> {
  const terminal = new Terminal(host.write);
  try {
    const root = new Command('ecs-ipam').exitOverride().configureOutput({
      writeOut: text => terminal.write('stdout', text),
      writeErr: text => terminal.write('stderr', text),
    });
    await describeProgram(root, env, host, services, terminal).parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      terminal.status = error.exitCode === 0 ? 0 : EXIT_USAGE;
    } else if (error instanceof ClosedPipe) {
      terminal.failOf(error);
    } else {
      const cniError = toCniError(error);
      services.log.error(`${args[0]}: code ${cniError.code}: ${cniError.message}`);
      terminal.fail(`${cniError.message} (code ${cniError.code})`);
    }
  }
  await terminal.end();
  return terminal.status;
}

function parseDuration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError('Not a duration such as 10m or 30s.');
  return ms;
}

/** Subcommands inherit the root's settings of output and exit when they are made. */
function describeProgram(root: Command, env: Env, host: Host, services: Services, terminal: Terminal): Command {
  const print = (text: string) => terminal.print(text);
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
  const context: CommandContext = {
    location: () => parseStoreLocation(effectiveEnv()),
    terminal,
    readStdin: host.readStdin,
    services,
    locks: host.locks,
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
        const result = await runManually(verb, conf, options, effectiveEnv(), context);
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

  addFreeingCommands(root, context);
  addFsckCommand(root, context);
  addBackupCommands(root, context);
  addMovingCommands(root, context);

  root
    .command('serve')
    .description('Run the daemon: it answers the plugin calls that ecs-ipam passes to it, and commits in groups.')
    .option('--idle <duration>', 'started by systemd with its socket: end after so long without a call', parseDuration)
    .addHelpText(
      'after',
      '\nIPAM_SOCKET names the socket (default: /run/ecs-ipam/ecs-ipam.sock).\n\nExample:\n  $ ecs-ipamd serve',
    )
    .action((options: { idle?: number }) => host.serve(options.idle));

  for (const [name, description, act] of [
    [
      'install',
      'Put the plugin, the executable and its addon where runtimes look, and the units where systemd does',
      install,
    ],
    ['uninstall', 'Remove what install has put there; stores are left', uninstall],
  ] as const) {
    root
      .command(name)
      .description(`${description}.`)
      .option('--cni-dir <path>', 'where runtimes look for plugins', '/opt/cni/bin')
      .option('--systemd-dir <path>', 'where systemd looks for units', '/etc/systemd/system')
      .option('--no-systemd', 'leave the units out')
      .option('--dry-run', 'only say what would be done')
      .addHelpText('after', `\nExample:\n  $ ecs-ipamd ${name} --cni-dir /opt/cni/bin --dry-run`)
      .action((options: InstallOptions) => act(options, print));
  }
  // Not before the subcommands, which would inherit it: what is no subcommand is for the root's action to name.
  return root.allowExcessArguments();
}
