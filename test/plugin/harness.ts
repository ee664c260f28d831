// What the black-box suite shares: one host with one store, the two shapes of an answer (success, error object), and
// a registrar that lets the cases of a file run side by side. Nothing here knows how the plugin is built.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cniEnv, type Env, type Run, type RunOptions, run, temporaryStore } from '../support/plugin.ts';

export const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

const CASES_AT_ONCE = 3;
const WATCHDOG_MS = 180_000;

// A plugin that hangs must not hang the suite: a file that is still running after this long fails as a whole.
setTimeout(() => {
  console.error(`still running after ${WATCHDOG_MS / 1000} s: ${process.argv[1]}`);
  process.exit(1);
}, WATCHDOG_MS).unref();

export interface Route {
  dst: string;
  gw?: string;
}

export interface FamilyResult {
  ip: string;
  gateway?: string;
  routes?: Route[];
}

export interface AddResult {
  cniVersion: string;
  ips?: { version?: string; address: string; gateway?: string }[];
  routes?: Route[];
  ip4?: FamilyResult;
  ip6?: FamilyResult;
  dns?: object;
  interfaces?: unknown;
}

export interface ErrorObject {
  cniVersion: string;
  code: number;
  msg: string;
  details?: unknown;
}

export type Subject = string | RegExp;
export type Config = Record<string, unknown>;

/** A network configuration; a key of `top` or `ipam` that is undefined is absent from the JSON. */
export const config = (ipam: Config, top: Config = {}): Config => ({
  cniVersion: '1.1.0',
  name: 'net1',
  type: 'bridge',
  ...top,
  ipam: { type: 'ecs-ipam', ...ipam },
});

/** The environment of another container. */
export const container = (id: string, ifname = 'eth0'): Env => ({
  CNI_CONTAINERID: id,
  CNI_NETNS: `/var/run/netns/${id}`,
  CNI_IFNAME: ifname,
});

/** Overrides under which the historic usage runs: nothing but CNI_COMMAND and CNI_IFNAME. */
export const HISTORIC: Env = { CNI_CONTAINERID: undefined, CNI_NETNS: undefined, CNI_PATH: undefined };

const show = ({ status, signal, stdout, stderr }: Run) =>
  `status ${status}, signal ${signal}\nstdout: ${stdout.slice(0, 2000)}\nstderr: ${stderr.slice(0, 2000)}`;

function parse(reply: Run): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(reply.stdout);
  } catch {
    assert.unreachable(`stdout is not exactly one JSON value\n${show(reply)}`);
  }
  assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value), `not an object\n${show(reply)}`);
  return value as Record<string, unknown>;
}

/** The reply is an error object with one of `codes`, and its message contains every subject. */
export function refused(reply: Run, codes: number | readonly number[], subjects: readonly Subject[]): ErrorObject {
  assert.is.not(reply.status, 0, `succeeded, expected code ${codes}\n${show(reply)}`);
  const error = parse(reply) as unknown as ErrorObject;
  assert.ok([codes].flat().includes(error.code), `code ${error.code}, expected ${codes}\n${show(reply)}`);
  assert.type(error.cniVersion, 'string', `cniVersion is no string\n${show(reply)}`);
  assert.type(error.msg, 'string', `msg is no string\n${show(reply)}`);
  for (const subject of subjects) {
    const named = typeof subject === 'string' ? error.msg.includes(subject) : subject.test(error.msg);
    assert.ok(named, `msg does not name ${subject}\n${show(reply)}`);
  }
  const unknown = Object.keys(error).filter(key => !['cniVersion', 'code', 'msg', 'details'].includes(key));
  assert.equal(unknown, [], `unknown keys\n${show(reply)}`);
  return error;
}

/** The reply is a success with one JSON object. */
export function result(reply: Run): AddResult {
  assert.is(reply.status, 0, `failed\n${show(reply)}`);
  return parse(reply) as unknown as AddResult;
}

/** The reply is a success that says nothing on stdout. */
export function silent(reply: Run): void {
  assert.is(reply.status, 0, `failed\n${show(reply)}`);
  assert.is(reply.stdout, '', `stdout is not empty\n${show(reply)}`);
}

/** The reply ends by itself: a success, or an error object with one of `codes`. */
export function tolerated(reply: Run, codes: readonly number[]): void {
  if (reply.status !== 0) refused(reply, codes, []);
}

/** The addresses of a result of any version, IPv4 first where the version has no order. */
export function addressesOf({ ips, ip4, ip6 }: AddResult): string[] {
  if (ips !== undefined) return ips.map(({ address }) => address);
  return [ip4, ip6].flatMap(family => (family === undefined ? [] : [family.ip]));
}

export const withoutLength = (address: string): string => address.replace(/\/.*/s, '');

/** One host: one store, and the commands that a runtime sends to it. */
export class Host {
  readonly store: string;
  readonly env: Env;

  constructor({ store = temporaryStore(), env = {} }: { store?: string; env?: Env } = {}) {
    this.store = store;
    this.env = env;
  }

  run(command: string, stdin: unknown, env: Env = {}, options: RunOptions = {}): Promise<Run> {
    return run({ ...options, stdin, env: cniEnv(command, this.store, { ...this.env, ...env }) });
  }

  async add(stdin: unknown, env: Env = {}): Promise<AddResult> {
    return result(await this.run('ADD', stdin, env));
  }

  /** ADD; the addresses that it gave. */
  async take(stdin: unknown, env: Env = {}): Promise<string[]> {
    return addressesOf(await this.add(stdin, env));
  }

  async succeed(command: string, stdin: unknown, env: Env = {}): Promise<void> {
    silent(await this.run(command, stdin, env));
  }

  async refuse(
    command: string,
    stdin: unknown,
    codes: number | readonly number[],
    subjects: readonly Subject[],
    env: Env = {},
  ): Promise<ErrorObject> {
    return refused(await this.run(command, stdin, env), codes, subjects);
  }

  /** ADDs for `count` containers `<prefix>0`, `<prefix>1` …, one after another; what each got. */
  async fill(stdin: unknown, count: number, prefix = 'fill'): Promise<string[]> {
    const taken: string[] = [];
    for (let i = 0; i < count; i++) taken.push(...(await this.take(stdin, container(`${prefix}${i}`))));
    return taken;
  }

  /** Every address that the store lists, gateways too, without lengths. */
  async listed(): Promise<string[]> {
    const reply = await run({ args: ['list', '--json'], env: { ...this.env, IPAM_DB_PATH: this.store } });
    assert.is(reply.status, 0, `list --json failed\n${show(reply)}`);
    const rows = JSON.parse(reply.stdout) as { address: string }[];
    assert.ok(Array.isArray(rows), `list --json is no array\n${show(reply)}`);
    return rows.map(({ address }) => withoutLength(address));
  }

  /** Of these addresses, the store lists exactly those of `held`; whatever else it lists does not matter. */
  async holds(held: readonly string[], free: readonly string[] = []): Promise<void> {
    const listed = await this.listed();
    for (const address of held) assert.ok(listed.includes(address), `${address} is not listed in ${listed}`);
    for (const address of free) assert.not(listed.includes(address), `${address} is still listed in ${listed}`);
  }
}

let running = 0;
const waiting: (() => void)[] = [];

async function limited(body: () => Promise<void> | void): Promise<void> {
  if (running >= CASES_AT_ONCE) await new Promise<void>(resolve => waiting.push(resolve));
  running++;
  try {
    await body();
  } finally {
    running--;
    waiting.shift()?.();
  }
}

/** A suite whose cases start when they are registered, a few at a time, and are reported in order. */
export function parallel(title: string) {
  const test = suite(title);
  const register = (name: string, body: () => Promise<void> | void): void => {
    const outcome = limited(body);
    outcome.catch(() => {}); // reported by the test below
    test(name, () => outcome);
  };
  return Object.assign(register, { skip: test.skip, run: test.run });
}
