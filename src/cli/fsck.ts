// `ecs-ipam fsck`: checks a store.

import type { Command } from 'commander';
import { toCniError } from '../cni/error.ts';
import { type Finding, sentence } from '../store/finding.ts';
import { takeOffline } from '../store/offline.ts';
import { lookForStore } from '../store/survey.ts';
import { examine } from './examine.ts';
import type { CommandContext } from './terminal.ts';

const EXIT_FOUND = 1;
const EXIT_UNREADABLE = 2;

interface FsckOptions {
  json?: boolean;
}

/** What `--json` prints. */
interface Report {
  path: string;
  status: 'clean' | 'found' | 'unreadable';
  findings: Finding[];
  /** Leases whose rows are sound. */
  leases: number;
  /** Why nothing was read. */
  error?: string;
}

export function addFsckCommand(root: Command, context: CommandContext): void {
  root
    .command('fsck')
    .description(
      'Check a store: header and pages, checksums, and tree, owners and pools against the leases. Nobody else opens it ' +
        'meanwhile, and nothing is changed. Exits with 0: clean, 1: something was found, 2: unreadable.',
    )
    .argument('[path]', 'the store (default: as --db)')
    .option('--json', 'as a JSON object')
    .addHelpText('after', '\nExample:\n  $ ecs-ipam fsck /data/ecs-ipam.mdb')
    .action(async (givenPath: string | undefined, options: FsckOptions) => {
      const path = givenPath ?? context.location().path;
      let report: Report;
      try {
        report = await check(path, context);
      } catch (error) {
        report = { path, status: 'unreadable', findings: [], leases: 0, error: toCniError(error).message };
      }
      say(report, options, context);
    });
}

async function check(path: string, { location, locks, services }: CommandContext): Promise<Report> {
  lookForStore(path);
  return takeOffline({ ...location(), path }, locks, file => {
    const { findings, hasHeader, content } = examine(file, services.sha256);
    const status = findings.length === 0 ? 'clean' : hasHeader ? 'found' : 'unreadable';
    return { path: file, status, findings, leases: content.leases.size };
  });
}

function say(report: Report, { json }: FsckOptions, { terminal }: CommandContext): void {
  const { path, status, findings, leases, error } = report;
  if (json) terminal.print(JSON.stringify(report, undefined, 2));
  else {
    for (const finding of findings) terminal.print(sentence(finding));
    const count = findings.length === 1 ? '1 finding' : `${findings.length} findings`;
    if (error === undefined) terminal.print(`store ${path}: ${status === 'clean' ? 'clean' : count}, ${leases} leases`);
  }
  if (error !== undefined) terminal.warn(error);
  terminal.status = { clean: 0, found: EXIT_FOUND, unreadable: EXIT_UNREADABLE }[status];
}
