// `ecs-ipam fsck`: checks a store, and repairs it.

import type { Command } from 'commander';
import { toCniError } from '../cni/error.ts';
import { describeClaim } from '../ipam/claims.ts';
import { rebuild } from '../ipam/rebuild.ts';
import { StoreError } from '../store/error.ts';
import { type Finding, sentence } from '../store/finding.ts';
import { takeOffline } from '../store/offline.ts';
import { replaceStore } from '../store/replace.ts';
import { lookForStore, surveyStore } from '../store/survey.ts';
import { type Examination, examine, judge, requireSound } from './examine.ts';
import type { CommandContext } from './terminal.ts';

const EXIT_FOUND = 1;
const EXIT_UNREADABLE = 2;

interface FsckOptions {
  repair?: boolean;
  json?: boolean;
}

/** What `--json` prints. */
interface Report {
  path: string;
  status: 'clean' | 'found' | 'unreadable';
  findings: Finding[];
  /** Leases whose rows are sound. */
  leases: number;
  repair?: Repair;
  /** Why nothing was read, or repaired. */
  error?: string;
}

interface Repair {
  /** Where the damaged file is now. */
  keptAs: string;
  /** What is kept in use though its lease is lost. */
  recovered: string[];
}

export function addFsckCommand(root: Command, context: CommandContext): void {
  root
    .command('fsck')
    .description(
      'Check a store: header and pages, checksums, and tree, owners and pools against the leases. Nobody else opens it ' +
        'meanwhile, and nothing is changed without --repair. Exits with 0: clean, 1: something was found, ' +
        '2: unreadable.',
    )
    .argument('[path]', 'the store (default: as --db)')
    .option(
      '--repair',
      'where something is found, make a new store of the sound leases; the old file is kept beside it',
    )
    .option('--json', 'as a JSON object')
    .addHelpText('after', '\nExamples:\n  $ ecs-ipam fsck\n  $ ecs-ipam fsck --repair /data/ecs-ipam.mdb')
    .action(async (givenPath: string | undefined, options: FsckOptions) => {
      const path = givenPath ?? context.location().path;
      let report: Report;
      try {
        report = await check(path, options, context);
      } catch (error) {
        report = { path, status: 'unreadable', findings: [], leases: 0, error: toCniError(error).message };
      }
      say(report, options, context);
    });
}

async function check(path: string, options: FsckOptions, context: CommandContext): Promise<Report> {
  lookForStore(path);
  const { sha256 } = context.services;
  const offline = <T>(work: (path: string) => T | Promise<T>): Promise<T> =>
    takeOffline({ ...context.location(), path }, context.locks, work);
  if (!options.repair) {
    // Nobody has to wait for more than the reading.
    const [file, survey] = await offline(file => [file, surveyStore(file)] as const);
    return reportOf(file, judge(file, survey, sha256));
  }
  return offline(async file => {
    const examination = examine(file, sha256);
    const report = reportOf(file, examination);
    if (!examination.findings.some(finding => finding.isRepairable)) return report;
    return { ...report, status: 'found', repair: await repair(file, examination, context) };
  });
}

function reportOf(path: string, { findings, hasHeader, content }: Examination): Report {
  const status = findings.length === 0 ? 'clean' : hasHeader ? 'found' : 'unreadable';
  return { path, status, findings, leases: content.leases.size };
}

/** Puts a new store in the place of the damaged one, unless it is not sound itself. */
async function repair(path: string, examination: Examination, { services }: CommandContext): Promise<Repair> {
  const { sha256, log } = services;
  const { content, claims } = examination;
  const given = { bootId: services.bootId(), timeMs: Date.now() };
  const keptAs = await replaceStore(
    path,
    'damaged',
    transaction => rebuild(transaction, content, claims, given, sha256),
    draft => requireSound(draft, content.leases.size + claims.size, sha256),
  );
  if (keptAs === undefined) throw new StoreError('io', `store ${path}: has been removed`);
  const recovered = [...claims.values()].map(describeClaim);
  log.warn(`fsck: ${path} is rebuilt from ${content.leases.size} leases, ${recovered.length} are recovered; ${keptAs}`);
  return { keptAs, recovered };
}

function say(report: Report, { json }: FsckOptions, { terminal }: CommandContext): void {
  const { path, status, findings, leases, repair, error } = report;
  if (json) terminal.print(JSON.stringify(report, undefined, 2));
  else {
    for (const finding of findings) terminal.print(sentence(finding));
    const count = findings.length === 1 ? '1 finding' : `${findings.length} findings`;
    if (error === undefined) terminal.print(`store ${path}: ${status === 'clean' ? 'clean' : count}, ${leases} leases`);
    if (repair !== undefined) {
      terminal.print(`repaired: ${leases} leases are kept, and ${repair.recovered.length} addresses without one`);
      terminal.print(`the damaged file is ${repair.keptAs}`);
    }
  }
  if (error !== undefined) terminal.warn(error);
  terminal.status = { clean: 0, found: EXIT_FOUND, unreadable: EXIT_UNREADABLE }[status];
}
