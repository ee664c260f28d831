// Decides what this process is: the plugin, the command line, or somebody who needs help. Wiring only.

import { readFileSync } from 'node:fs';
import type { Serve } from '../cli/program.ts';
import { type Answer, answer, type Services } from '../cni/commands.ts';
import type { Env } from '../cni/environment.ts';
import { openLog } from '../cni/log.ts';
import { distinctTimes } from '../cni/times.ts';
import { SUPPORTED_VERSIONS } from '../cni/version.ts';
import type { MakeSocketServer } from '../daemon/connection.ts';
import type { Sha256 } from '../ipam/ledger.ts';
import type { FileLocks } from '../store/flock.ts';
import { openStore, requireWritable } from '../store/guard.ts';
import type { StoreLocation } from '../store/transaction.ts';
import { readStdin, say, write } from './stdio.ts';

/** What differs between the hosts that run us. */
export interface Host {
  locks: FileLocks;
  sockets: MakeSocketServer;
  sha256: Sha256;
  /** Sends a message to systemd's notification socket, where the host can. */
  notifySystemd?: (socketPath: string, message: string) => void;
}

const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id';

/** Runs the program; returns its exit status. */
export async function main(args: string[], env: Env, host: Host): Promise<number> {
  process.umask(0o077); // whatever is made here is ours alone
  const complaints: string[] = [];
  const log = openLog(env, message => complaints.push(message));
  const locks = { ...host.locks, inheritedFd: env.ECS_IPAM_LOCK_FD ? Number(env.ECS_IPAM_LOCK_FD) : undefined };
  let bootId: string | undefined; // no process outlives a boot
  const shared = {
    sha256: host.sha256,
    bootId: () => (bootId ??= readBootId()),
    timeFor: distinctTimes(Date.now),
    requireWritable: ({ path }: StoreLocation) => requireWritable(path),
  };
  const services: Services = {
    ...shared,
    log,
    // The launcher turns the end of a plugin's process into an error; nobody does that for the command line.
    openStore: (location, access) => openStore(location, access, locks, args.length > 0 ? 'pages' : 'header'),
  };
  const status = await run(args, env, services, locks, async idleMs => {
    const { serve } = await import('./serve.ts');
    await serve(env, idleMs, host.locks, host.sockets, shared, host.notifySystemd ?? (() => {}));
  });
  for (const complaint of complaints) await say(`ecs-ipam: ${complaint}\n`);
  return status;
}

async function run(args: string[], env: Env, services: Services, locks: FileLocks, serve: Serve): Promise<number> {
  if (args.length > 0) {
    const { runCli } = await import('../cli/program.ts');
    return runCli(args, env, { write, readStdin, locks, serve }, services);
  }
  if (env.CNI_COMMAND) {
    return deliver(await answer(env, readStdin, services), services);
  }
  const versions = SUPPORTED_VERSIONS.join(', ');
  await say(`ecs-ipam: CNI IP address management plugin\nCNI protocol versions supported: ${versions}\n`);
  await say("A container runtime sets CNI_COMMAND; for the command line see 'ecs-ipam --help'.\n");
  return 0;
}

/** Prints the answer; where it cannot be printed, undoes what it tells of. Returns the exit status. */
async function deliver({ status, stdout, takeBack }: Answer, { log }: Services): Promise<number> {
  try {
    await write('stdout', stdout);
    return status;
  } catch (error) {
    const problem = `the result cannot be written: ${(error as Error).message}`;
    log.error(problem);
    await takeBack?.();
    await say(`ecs-ipam: ${problem}\n`);
    return 1;
  }
}

function readBootId(): string {
  try {
    return readFileSync(BOOT_ID_PATH, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
