// What the tests of this folder say to the plugin and read from it. All errors name the run they saw.

import * as assert from 'uvu/assert';
import { cniEnv, type Env, type Run } from '../../support/plugin.ts';
import { execute, type Started, type StartOptions, start } from './process.ts';

export interface Network {
  cniVersion?: string;
  name?: string;
  ipam: Record<string, unknown>;
  [key: string]: unknown;
}

export interface Lease {
  address: string;
  kind: string;
  [key: string]: unknown;
}

export interface CniError {
  code: number;
  msg: string;
  details?: string;
}

/** The network of most tests. */
export function network(ipam: Record<string, unknown> = { 'ipv4-subnet': '10.0.0.0/24' }): Network {
  return { cniVersion: '1.1.0', name: 'net', type: 'bridge', ipam: { type: 'ecs-ipam', ...ipam } };
}

export const dualStack = (ipam: Record<string, unknown> = {}): Network =>
  network({ 'ipv4-subnet': '10.0.0.0/24', 'ipv6-subnet': '2001:db8::/64', ...ipam });

/** The network with an owner in `ipam.id`. */
export const withId = (conf: Network, id: string): Network => ({ ...conf, ipam: { ...conf.ipam, id } });

export interface Call {
  store: string;
  conf: Network;
  /** Container id. */
  owner?: string;
  env?: Env;
  options?: StartOptions;
}

/** Starts one command of the plugin on behalf of a container. */
export function begin(command: string, { store, conf, owner = 'c1', env = {}, options = {} }: Call): Started {
  return start({ stdin: conf, ...options, env: cniEnv(command, store, { CNI_CONTAINERID: owner, ...env }) });
}

export const call = (command: string, parameters: Call): Promise<Run> => begin(command, parameters).done;
export const add = (parameters: Call): Promise<Run> => call('ADD', parameters);
export const del = (parameters: Call): Promise<Run> => call('DEL', parameters);
export const check = (parameters: Call): Promise<Run> => call('CHECK', parameters);

export const STATUS_ENV: Env = { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '' };
export const status = ({ env, ...rest }: Call): Promise<Run> =>
  call('STATUS', { ...rest, env: { ...STATUS_ENV, ...env } });

const told = (run: Run) =>
  `exit ${run.status ?? run.signal} after ${Math.round(run.ms)} ms\nstdout: ${run.stdout.slice(0, 2000)}\nstderr: ${run.stderr.slice(0, 2000)}`;

/** Fails unless the run succeeded with nothing on stdout. */
export function silent(run: Run, what = 'run'): void {
  assert.ok(run.status === 0 && run.stdout === '', `${what}: expected silent success, got ${told(run)}`);
}

/** The one JSON object of a successful run. */
export function resultOf(
  run: Run,
  what = 'run',
): Record<string, unknown> & { ips: { address: string; gateway?: string }[] } {
  assert.is(run.status, 0, `${what}: expected success, got ${told(run)}`);
  try {
    return JSON.parse(run.stdout);
  } catch (error) {
    throw new Error(`${what}: stdout is not one JSON object (${error}): ${told(run)}`);
  }
}

/** Addresses of a successful ADD, without lengths. */
export const addressesOf = (run: Run, what = 'ADD'): string[] =>
  resultOf(run, what).ips.map(({ address }) => address.replace(/\/\d+$/, ''));

/** The first address of a successful ADD. */
export const addressOf = (run: Run, what = 'ADD'): string => addressesOf(run, what)[0] as string;

/** The JSON error of a run that failed in an orderly manner. */
export function errorOf(run: Run, what = 'run'): CniError {
  assert.ok(run.status !== null && run.status !== 0, `${what}: expected a JSON error, got ${told(run)}`);
  let error: CniError;
  try {
    error = JSON.parse(run.stdout);
  } catch {
    throw new Error(`${what}: stdout is not one JSON error: ${told(run)}`);
  }
  assert.ok(
    Number.isInteger(error.code) && typeof error.msg === 'string' && error.msg !== '',
    `${what}: no code or msg: ${told(run)}`,
  );
  return error;
}

/** Fails unless the run ended with a JSON error of one of these codes. */
export function refused(run: Run, codes: number | number[], what = 'run'): CniError {
  const error = errorOf(run, what);
  assert.ok([codes].flat().includes(error.code), `${what}: expected code ${codes}, got ${told(run)}`);
  return error;
}

/** Fails unless the command line failed by itself and said why; gives what it said. */
export function complained(run: Run, what: string): string {
  const text = run.stdout + run.stderr;
  assert.ok(run.status !== null && run.status !== 0 && text !== '', `${what}: expected a complaint, got ${told(run)}`);
  return text;
}

export const listRun = (store: string, env: Env = {}, options: StartOptions = {}): Promise<Run> =>
  execute({ args: ['list', '--json'], ...options, env: { IPAM_DB_PATH: store, ...env } });

export function leasesOf(run: Run, what = 'list --json'): Lease[] {
  assert.is(run.status, 0, `${what}: expected success, got ${told(run)}`);
  let leases: Lease[];
  try {
    leases = JSON.parse(run.stdout);
  } catch {
    throw new Error(`${what}: not JSON: ${told(run)}`);
  }
  assert.ok(Array.isArray(leases), `${what}: not an array: ${told(run)}`);
  for (const lease of leases) {
    assert.ok(typeof lease.address === 'string' && typeof lease.kind === 'string', `${what}: ${JSON.stringify(lease)}`);
  }
  return leases;
}

/** All leases of a store, gateways included. */
export const list = async (store: string): Promise<Lease[]> => leasesOf(await listRun(store));

/** Addresses held by containers, sorted. */
export async function held(store: string): Promise<string[]> {
  const leases = await list(store);
  return leases
    .filter(({ kind }) => kind === 'container')
    .map(({ address }) => address)
    .sort();
}

/** Fails unless containers hold exactly these addresses. */
export async function holdsExactly(store: string, addresses: string[], what = 'store'): Promise<void> {
  const actual = new Set(await held(store));
  const lost = addresses.filter(address => !actual.delete(address));
  assert.equal({ lost, tooMany: [...actual] }, { lost: [], tooMany: [] }, what);
}

/** Fails unless no address comes twice. */
export function distinct(addresses: string[], what: string): void {
  const twice = addresses.filter((address, index) => addresses.indexOf(address) !== index);
  assert.equal(twice, [], `${what}: given twice`);
}
