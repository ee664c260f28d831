// What a configuration says of one family: the subnet, its gateway and routes, and the address that is asked for.

import * as v from 'valibot';
import { reservedAs } from '../ipam/allocator.ts';
import { Subnet } from '../ipam/subnet.ts';
import { type Family, familyOf, formatAddress, isIPv4Mapped, parseAddress, sameAddress } from '../net/address.ts';
import { formatPrefix, type Prefix, parseAddressOrPrefix, parsePrefix } from '../net/prefix.ts';
import { CniError, ErrorCode, invalidConfiguration } from './error.ts';

export interface Route {
  readonly dst: string;
  readonly gw?: string;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
}

/** What is configured for one family. */
export interface PoolConfig {
  readonly subnet: Subnet;
  readonly gateway: Uint8Array | undefined;
  /** The gateway as the result shows it. */
  readonly gatewayText: string | undefined;
  readonly requested: Uint8Array | undefined;
  /** Where `requested` was asked for, and as what text. */
  readonly requestedBy: Readonly<{ key: string; text: string }> | undefined;
  /** Prefix length that the result shows. */
  readonly shownBits: number;
  readonly routes: readonly Route[];
}

// null means absent everywhere, as for Go's JSON decoder. A larger number would not come out as it went in.
const count = v.nullish(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));

export const RouteSchema = v.object({
  dst: v.string(),
  gw: v.nullish(v.string()),
  mtu: count,
  advmss: count,
  priority: count,
  table: count,
  scope: count,
});
const ROUTE_ATTRIBUTES = ['mtu', 'advmss', 'priority', 'table', 'scope'] as const;

type RouteText = v.InferOutput<typeof RouteSchema>;

/** One family's part of `ipam` as it is written. */
export interface PoolText {
  subnet: string | null | undefined;
  address: string | null | undefined;
  gateway: string | null | undefined;
  routes: readonly RouteText[] | null | undefined;
}

/** An address that is asked for: where, and as what text. */
export interface Wanted {
  key: string;
  text: string;
  address: Uint8Array;
  /** Length that the result shows; undefined: the subnet's. */
  shownBits: number | undefined;
}

/** @throws CniError of code 7 for what is no address, with or without a length */
export function parseWanted({ key, text }: { key: string; text: string }): Wanted {
  return { key, text, address: parseHost(key, text).address, shownBits: undefined };
}

/** An address with or without a length. */
export function parseHost(key: string, text: string): { address: Uint8Array; bits: number | undefined } {
  return located(key, () => parseAddressOrPrefix(text));
}

const keyOf = <K extends keyof PoolText>(family: Family, what: K) => `ipv${family}-${what}` as const;

/**
 * Pools that no address is asked of, by what they are written as: all containers of a network bring the same, and a
 * daemon need not read it again for each.
 */
const known = new Map<string, PoolConfig>();
const MOST_KNOWN = 256;

/**
 * Undefined where no subnet is configured.
 *
 * @param wantedElsewhere what is asked for in either family, but for the configuration's own address
 * @throws CniError of code 7 that names the key and the value
 */
export function parsePool(family: Family, text: PoolText, wantedElsewhere: readonly Wanted[]): PoolConfig | undefined {
  const wanted = wantedElsewhere.filter(({ address }) => familyOf(address) === family);
  if (text.address != null) wanted.unshift(parseOwnAddress(family, text.address));
  if (wanted.length > 0) return readPool(family, text, wanted);
  // No part that is accepted has a space in it, and an empty gateway is none.
  const routes = text.routes == null ? '' : JSON.stringify(text.routes);
  const written = `${family} ${text.subnet ?? ''} ${text.gateway ?? ''} ${routes}`;
  const before = known.get(written);
  if (before !== undefined) return before;
  const pool = readPool(family, text, wanted);
  if (known.size >= MOST_KNOWN) known.clear();
  if (pool !== undefined) known.set(written, pool);
  return pool;
}

function parseOwnAddress(family: Family, text: string): Wanted {
  const key = keyOf(family, 'address');
  const { address, bits } = parseHost(key, text);
  requireFamily(family, key, text, address);
  return { key, text, address, shownBits: bits };
}

function readPool(family: Family, text: PoolText, wanted: readonly Wanted[]): PoolConfig | undefined {
  const gatewayKey = keyOf(family, 'gateway');
  const gateway = text.gateway ? located(gatewayKey, () => parseAddress(text.gateway!)) : undefined;
  if (gateway) requireFamily(family, gatewayKey, text.gateway, gateway);
  const routesKey = keyOf(family, 'routes');
  const routes = (text.routes ?? []).map((route, i) => parseRoute(family, `${routesKey}[${i}]`, route));

  if (text.subnet == null) {
    // A gateway or routes alone are idle, as they were in the Go plugin; an address cannot be had.
    const first = wanted[0];
    if (first === undefined) return undefined;
    throw invalidConfiguration(first.key, first.text, `no ${keyOf(family, 'subnet')} is configured`);
  }
  const subnet = parseSubnet(family, keyOf(family, 'subnet'), text.subnet);
  for (const { key, text, address } of wanted) {
    if (!subnet.contains(address)) throw invalidConfiguration(key, text, `outside ipv${family}-subnet ${subnet}`);
    if (!sameAddress(address, wanted[0]!.address)) {
      const other = `${wanted[0]!.key} asks for ${formatAddress(wanted[0]!.address)}`;
      throw invalidConfiguration(key, text, `${other}: at most one IPv${family} address can be requested`);
    }
  }
  if (gateway) requireUsableGateway(subnet, gatewayKey, text.gateway!, gateway);
  const effectiveGateway = gateway || subnet.defaultGateway;
  const gatewayText = effectiveGateway && formatAddress(effectiveGateway);
  return {
    subnet,
    gateway: effectiveGateway,
    gatewayText,
    requested: wanted[0]?.address,
    requestedBy: wanted[0],
    shownBits: wanted[0]?.shownBits ?? subnet.bits,
    routes: gatewayText === undefined ? routes : routes.map(route => withGateway(route, gatewayText)),
  };
}

function parseSubnet(family: Family, key: string, text: string): Subnet {
  const prefix: Prefix = located(key, () => parsePrefix(text));
  requireFamily(family, key, text, prefix.address);
  const subnet = new Subnet(prefix);
  if (isIPv4Mapped(subnet.network) && subnet.bits >= 96) {
    throw invalidConfiguration(key, text, 'IPv4-mapped addresses are not for interfaces (RFC 4291 section 2.5.5.2)');
  }
  return subnet;
}

function requireUsableGateway(subnet: Subnet, key: string, text: string, gateway: Uint8Array): void {
  if (!subnet.contains(gateway)) throw invalidConfiguration(key, text, `outside ipv${subnet.family}-subnet ${subnet}`);
  const reserved = subnet.reservedAs(gateway);
  if (reserved !== undefined) throw invalidConfiguration(key, text, `is the ${reserved} of ${subnet}`);
}

/** @throws CniError of code 7 if the requested address is one that is never handed out */
export function requireUsableRequest(pool: PoolConfig): void {
  const { requested, requestedBy, subnet } = pool;
  const reserved = requested && reservedAs(pool, requested);
  if (reserved === undefined) return;
  throw invalidConfiguration(requestedBy!.key, requestedBy!.text, `is the ${reserved} of ${subnet}`);
}

function parseRoute(family: Family, key: string, route: RouteText): Route {
  const dst = located(`${key}.dst`, () => parsePrefix(route.dst));
  requireFamily(family, `${key}.dst`, route.dst, dst.address);
  const parsed: { -readonly [K in keyof Route]: Route[K] } = { dst: formatPrefix(dst) };
  if (route.gw) {
    const gw = located(`${key}.gw`, () => parseAddress(route.gw!));
    requireFamily(family, `${key}.gw`, route.gw, gw);
    parsed.gw = formatAddress(gw);
  }
  for (const attribute of ROUTE_ATTRIBUTES) {
    const value = route[attribute];
    if (value != null) parsed[attribute] = value;
  }
  return parsed;
}

const withGateway = ({ dst, gw, ...attributes }: Route, gateway: string): Route => ({
  dst,
  gw: gw ?? gateway,
  ...attributes,
});

function requireFamily(family: Family, key: string, text: unknown, address: Uint8Array): void {
  if (familyOf(address) !== family) throw invalidConfiguration(key, text, `is not IPv${family}`);
}

function located<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SyntaxError) throw new CniError(ErrorCode.configuration, `${key}: ${error.message}`);
    throw error;
  }
}
