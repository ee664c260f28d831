// What any answer of the plugin has to be, and what a result may say: read from the request again, by other ways.

import { isIP } from 'node:net';
import { inspect } from 'node:util';
import * as assert from 'uvu/assert';
import { addressOf, numberOf, widthOf } from '../../pool/support/text.ts';
import type { Run } from '../../support/plugin.ts';

/** Codes that a command may end with where the store and the machine are sound. */
const CODES = new Map<string, readonly number[]>([
  ['ADD', [1, 4, 6, 7, 101, 102, 103]],
  ['CHECK', [1, 4, 6, 7, 104]],
  ['DEL', [1, 4, 6, 7]],
  ['GC', [1, 4, 6, 7]],
  ['STATUS', [1, 4, 6, 7, 50]],
  ['VERSION', []],
]);
const NO_COMMAND = [4];

export const codesOf = (command: string): readonly number[] => CODES.get(command) ?? NO_COMMAND;

export interface Result {
  cniVersion: string;
  ips?: { version?: string; address: string; gateway?: string }[];
  ip4?: { ip: string; gateway?: string; routes: Route[] };
  ip6?: { ip: string; gateway?: string; routes: Route[] };
  routes?: Route[];
}

interface Route {
  dst: string;
  gw?: string;
  [attribute: string]: unknown;
}

export type Outcome = { result: Result } | { code: number; msg: string } | 'silent';

const prototypeKeys = () =>
  [Object, Array, String, Function].map(({ prototype }) => Reflect.ownKeys(prototype).length).join();
const soundPrototypes = prototypeKeys();

const told = (run: Run) => JSON.stringify({ ...run, stdout: run.stdout.slice(0, 2000) });

/** The one JSON object of an answer: on one line, with nothing before or behind it. */
function objectOf(run: Run): Record<string, unknown> {
  assert.match(run.stdout, /^\{[^\n]*\}\n$/, told(run));
  return JSON.parse(run.stdout);
}

/**
 * Fails unless an answer is in order: ended by itself; one JSON object or nothing on stdout; an error that was foreseen
 * with one of `codes`, or what the command prints where it succeeds.
 */
export function orderly(command: string, run: Run, codes: readonly number[] = codesOf(command)): Outcome {
  assert.is(prototypeKeys(), soundPrototypes, 'a prototype was changed');
  assert.not.match(run.stderr, /^\s+at |node:internal|panic|unexpected error/m, told(run));
  if (run.status === 0) {
    if (command !== 'ADD' && command !== 'VERSION') {
      assert.is(run.stdout, '', told(run));
      return 'silent';
    }
    return { result: objectOf(run) as unknown as Result };
  }
  assert.is(run.status, 1, told(run));
  const { cniVersion, code, msg, details, ...rest } = objectOf(run);
  assert.type(cniVersion, 'string', told(run));
  assert.ok(typeof msg === 'string' && msg !== '', told(run));
  assert.not.match(msg as string, 'unexpected error', told(run));
  assert.ok(details === undefined || typeof details === 'string', told(run));
  assert.equal(Object.keys(rest), [], told(run));
  assert.ok(codes.includes(code as number), `${command}: code ${code} is none of ${codes}: ${told(run)}`);
  return { code: code as number, msg: msg as string };
}

interface Asked {
  subnet: string;
  gateway: string | undefined;
  requested: string[];
  /** As it was asked for under the key of the subnet's own family. */
  address: string | undefined;
  routes: Route[];
}

type Json = Record<string, unknown>;
const child = (value: unknown, key: string): Json => ((value as Json | undefined)?.[key] ?? {}) as Json;

/** What an accepted request asks of a family; undefined if nothing. */
function askedOf(family: 4 | 6, document: Json, args: string): Asked | undefined {
  const ipam = child(document, 'ipam') as Record<string, string | null | undefined>;
  const subnet = ipam[`ipv${family}-subnet`];
  if (subnet == null) return undefined;
  const address = ipam[`ipv${family}-address`] ?? undefined;
  const elsewhere = [
    ...args.split(';').flatMap(part => (part.startsWith('IP=') && part.length > 3 ? [part.slice(3)] : [])),
    ...((child(child(document, 'args'), 'cni').ips ?? []) as string[]),
    ...((child(document, 'runtimeConfig').ips ?? []) as string[]),
  ];
  return {
    subnet,
    gateway: ipam[`ipv${family}-gateway`] || undefined,
    address,
    requested: [
      ...(address === undefined ? [] : [address]),
      ...elsewhere.filter(text => text.includes(':') === (family === 6)),
    ],
    routes: (ipam[`ipv${family}-routes`] ?? []) as unknown as Route[],
  };
}

/** First and last address of a prefix, and its length; fails for what is none. */
function rangeOf(prefix: string, family: 4 | 6): { first: bigint; last: bigint; bits: number } {
  const [text = '', length = ''] = prefix.split('/');
  assert.is(isIP(text), family, `accepted, and no prefix of IPv${family}: ${prefix}`);
  assert.not.match(text, '%', prefix);
  const bits = Number(length);
  const hostBits = BigInt(widthOf(text) - bits);
  assert.ok(/^\d{1,3}$/.test(length) && hostBits >= 0n, `accepted, and no length: ${prefix}`);
  const first = (numberOf(text) >> hostBits) << hostBits;
  return { first, last: first + (1n << hostBits) - 1n, bits };
}

/** What a result gives in a family, whatever the version. */
function givenOf({ ips, ip4, ip6 }: Result, family: 4 | 6): { address: string; gateway?: string } | undefined {
  const old = family === 4 ? ip4 : ip6;
  if (old !== undefined) return { ...old, address: old.ip };
  const given = (ips ?? []).filter(({ address }) => address.includes(':') === (family === 6));
  assert.ok(given.length <= 1, `several addresses of IPv${family}: ${JSON.stringify(ips)}`);
  return given[0];
}

/**
 * Fails unless a result gives exactly what the request asked for: in each subnet that is configured one address that
 * may be given, and nothing else.
 *
 * @returns the addresses
 */
export function checkResult(result: Result, document: Json, args = ''): string[] {
  assert.is(result.cniVersion, document.cniVersion || '0.1.0');
  return ([4, 6] as const).flatMap(family => {
    const [asked, given] = [askedOf(family, document, args), givenOf(result, family)];
    assert.is(given === undefined, asked === undefined, `IPv${family}: ${inspect({ asked, given })}`);
    return asked === undefined ? [] : [checkFamily(family, asked, given!, result)];
  });
}

function checkFamily(family: 4 | 6, asked: Asked, given: { address: string; gateway?: string }, result: Result) {
  const what = inspect({ asked, given });
  const { first, last, bits } = rangeOf(asked.subnet, family);
  const [address = '', shownBits] = given.address.split('/');
  assert.is(isIP(address), family, what);
  const value = numberOf(address);
  const width = widthOf(address);
  assert.is(address, addressOf(value, width), `${what}: not in canonical form`);
  assert.ok(value >= first && value <= last, `${what}: outside of the subnet`);
  const [hostBits, isWhole] = [width - bits, width - bits < 2];
  assert.ok(isWhole || value !== first, `${what}: the network address`);
  assert.ok(isWhole || family === 6 || value !== last, `${what}: the broadcast address`);
  const defaultGateway = hostBits === 0 ? undefined : isWhole ? first : first + 1n;
  const gateway = asked.gateway === undefined ? defaultGateway : numberOf(asked.gateway);
  assert.is(given.gateway === undefined ? undefined : numberOf(given.gateway), gateway, `${what}: gateway`);
  assert.is.not(value, gateway, `${what}: the gateway's own address`);
  for (const text of asked.requested) assert.is(numberOf(text), value, `${what}: not the address that was requested`);
  assert.is(Number(shownBits), Number(asked.address?.split('/')[1] ?? bits), `${what}: length`);
  const routes = result.routes ?? (family === 4 ? result.ip4 : result.ip6)!.routes;
  const own = routes.filter(({ dst }) => dst.includes(':') === (family === 6));
  assert.is(own.length, asked.routes.length, `${what}: routes`);
  for (const [i, route] of asked.routes.entries()) {
    const gw = route.gw ? numberOf(route.gw) : gateway;
    assert.is(own[i]!.gw === undefined ? undefined : numberOf(own[i]!.gw), gw, `${what}: gateway of a route`);
    for (const [name, number] of Object.entries(own[i]!)) {
      if (typeof number === 'number') assert.ok(Number.isSafeInteger(number), `${what}: ${name} ${number}`);
    }
  }
  return address;
}
