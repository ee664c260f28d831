// The environment of a plugin call (CNI specification, section "Parameters").

import type { StoreLocation } from '../store/transaction.ts';
import { parseDurationMs } from './duration.ts';
import { CniError, ErrorCode } from './error.ts';
import { type CniVersion, COMMANDS, type Command, isAtLeast } from './version.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface CniEnvironment {
  /** Empty if absent. */
  containerId: string;
  /** Empty if absent. */
  interfaceName: string;
  /** The values of `IP` in CNI_ARGS. */
  requestedAddresses: string[];
}

const DEFAULT_STORE_PATH = '/data/ecs-ipam.mdb';
/** Where the Go plugin keeps its leases unless told otherwise. */
const GO_DEFAULT_STORE_PATH = '/data/eni-ipam.db';
const DEFAULT_TIMEOUT_MS = 5000;

/** Variables that a command needs in every version. */
const REQUIRED: Record<Command, readonly string[]> = {
  ADD: ['CNI_IFNAME'],
  CHECK: ['CNI_IFNAME'],
  DEL: ['CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: [],
  VERSION: [],
};

/** Variables that a command needs besides from version 0.4.0 on; before, a call by hand could leave them out. */
const REQUIRED_SINCE_0_4_0: Record<Command, readonly string[]> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS'],
  DEL: ['CNI_CONTAINERID'],
  GC: [],
  STATUS: [],
  VERSION: [],
};

const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Container ids and network names: the same rule for both. `$` alone would let a trailing newline pass. */
export const isIdentifier = (text: string): boolean => IDENTIFIER.test(text) && !text.endsWith('\n');

function invalid(variable: string, value: string, problem: string): CniError {
  return new CniError(ErrorCode.environment, `${variable} ${JSON.stringify(value)}: ${problem}`);
}

export function parseCommand(text: string): Command {
  const command = COMMANDS.find(command => command === text);
  if (command === undefined) throw invalid('CNI_COMMAND', text, `is none of ${COMMANDS.join(', ')}`);
  return command;
}

/** @throws CniError of code 4 that names all variables that are missing; without a version, of those always needed */
export function requireVariables(env: Env, command: Command, version?: CniVersion): void {
  const isNew = version !== undefined && isAtLeast(version, '0.4.0');
  const needed = [...(isNew ? REQUIRED_SINCE_0_4_0[command] : []), ...REQUIRED[command]];
  const missing = needed.filter(variable => !env[variable]);
  if (missing.length > 0) {
    throw new CniError(ErrorCode.environment, `${missing.join(', ')}: not set, and ${command} needs it`);
  }
}

/** What names the attachment. GC and STATUS have none: libcni exports these variables empty for them. */
export function parseAttachment(env: Env, command: Command): CniEnvironment {
  if (command === 'GC' || command === 'STATUS') return { containerId: '', interfaceName: '', requestedAddresses: [] };
  const containerId = env.CNI_CONTAINERID ?? '';
  if (containerId !== '' && !isIdentifier(containerId)) {
    throw invalid('CNI_CONTAINERID', containerId, 'is not a container id: letters, digits, _ . - and no other first');
  }
  const interfaceName = env.CNI_IFNAME ?? '';
  const problem = interfaceNameProblem(interfaceName);
  if (problem !== undefined) throw invalid('CNI_IFNAME', interfaceName, problem);
  return { containerId, interfaceName, requestedAddresses: parseArgs(env.CNI_ARGS ?? '') };
}

const encoder = new TextEncoder();

/** Linux' rules (dev_valid_name): IFNAMSIZ is 16, with the final NUL. */
function interfaceNameProblem(name: string): string | undefined {
  if (encoder.encode(name).length > 15) return 'is longer than 15 bytes';
  if (name === '.' || name === '..') return 'is not an interface name';
  return /[/:\s]/.test(name) ? 'has a slash, a colon or white space in it' : undefined;
}

/** `IgnoreUnknown=1;K8S_POD_NAME=web-0;IP=10.0.0.7/24`: the addresses asked for; other keys are not ours. */
function parseArgs(text: string): string[] {
  const addresses: string[] = [];
  for (const part of text.split(';')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals < 0) throw invalid('CNI_ARGS', text, `part ${JSON.stringify(part)} has no =`);
    const value = part.slice(equals + 1);
    if (part.slice(0, equals) === 'IP' && value !== '') addresses.push(value);
  }
  return addresses;
}

/** Where the store is, and how long to wait for it. */
export function parseStoreLocation(env: Env): StoreLocation {
  const path = env.IPAM_DB_PATH?.trim() ? env.IPAM_DB_PATH : undefined;
  const timeout = env.IPAM_DB_CONNECTION_TIMEOUT?.trim() ? env.IPAM_DB_CONNECTION_TIMEOUT : undefined;
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDurationMs(timeout);
  if (timeoutMs === undefined || timeoutMs < 0) {
    throw invalid('IPAM_DB_CONNECTION_TIMEOUT', timeout!, 'is not a duration such as 5s or 500ms');
  }
  return {
    path: path ?? DEFAULT_STORE_PATH,
    timeoutMs,
    waitedMs: env.ECS_IPAM_WAITED === '1' ? timeoutMs : 0, // the launcher has, in vain
    goStorePath: path === undefined ? GO_DEFAULT_STORE_PATH : undefined,
  };
}
