// The network configuration on stdin: decoded, checked, and turned into what the allocator is asked.

import * as v from 'valibot';
import { reservedAs } from '../ipam/allocator.ts';
import type { Attachment } from '../ipam/collect.ts';
import { Subnet } from '../ipam/subnet.ts';
import { type Family, familyOf, formatAddress, isIPv4Mapped, parseAddress, sameAddress } from '../net/address.ts';
import { formatPrefix, type Prefix, parseAddressOrPrefix, parsePrefix } from '../net/prefix.ts';
import { MAX_ID_BYTES } from '../store/lease.ts';
import { isIdentifier } from './environment.ts';
import { CniError, ErrorCode, invalidConfiguration } from './error.ts';
import {
  type CniVersion,
  COMMAND_SINCE,
  type Command,
  DEFAULT_VERSION,
  isAtLeast,
  isSupported,
  SUPPORTED_VERSIONS,
} from './version.ts';

export interface Route {
  dst: string;
  gw?: string;
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  scope?: number;
}

/** What is configured for one family. */
export interface PoolConfig {
  subnet: Subnet;
  gateway: Uint8Array | undefined;
  requested: Uint8Array | undefined;
  /** Where `requested` was asked for, and as what text. */
  requestedBy: { key: string; text: string } | undefined;
  /** Prefix length that the result shows. */
  shownBits: number;
  routes: Route[];
}

export interface NetworkConfig {
  cniVersion: CniVersion;
  /** Empty if absent. */
  name: string;
  /** `ipam.id`; empty if absent. */
  id: string;
  /** IPv4 before IPv6. At least one. */
  pools: PoolConfig[];
  reportsExhaustion: boolean;
  /** Addresses of prevResult. Only CHECK reads them. */
  previousAddresses: Uint8Array[];
  /** GC's list; undefined if there is none. */
  validAttachments: Attachment[] | undefined;
}

/** A configuration that is a JSON object whose version is known. */
export interface Document {
  cniVersion: CniVersion;
  content: Record<string, unknown>;
}

// null means absent everywhere, as for Go's JSON decoder. A larger number would not come out as it went in.
const count = v.nullish(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const list = <T extends v.GenericSchema>(item: T) => v.nullish(v.array(item));

const RouteSchema = v.object({
  dst: v.string(),
  gw: v.nullish(v.string()),
  mtu: count,
  advmss: count,
  priority: count,
  table: count,
  scope: count,
});
const ROUTE_ATTRIBUTES = ['mtu', 'advmss', 'priority', 'table', 'scope'] as const;

const text = v.nullish(v.string());
const IpamSchema = v.object({
  id: text,
  'ipv4-subnet': text,
  'ipv4-address': text,
  'ipv4-gateway': text,
  'ipv4-routes': list(RouteSchema),
  'ipv6-subnet': text,
  'ipv6-address': text,
  'ipv6-gateway': text,
  'ipv6-routes': list(RouteSchema),
  statusWhenFull: v.nullish(v.picklist(['ready', 'unavailable'])),
});
const Ips = v.nullish(v.object({ ips: list(v.string()) }));
const AttachmentsSchema = list(v.object({ containerID: v.string(), ifname: v.string() }));
const ConfigSchema = v.object({
  ipam: IpamSchema,
  args: v.nullish(v.object({ cni: Ips })),
  runtimeConfig: Ips,
  'cni.dev/valid-attachments': AttachmentsSchema,
  'cni.dev/attachments': AttachmentsSchema,
});
const PreviousSchema = v.nullish(v.object({ ips: list(v.object({ address: v.string() })) }));

const strictDecoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

type Ipam = v.InferOutput<typeof IpamSchema>;

/** @throws CniError of code 6 for what is no JSON object of ours, of code 1 for a version that we do not speak */
export function decodeConfig(stdin: Uint8Array): Document {
  let content: unknown;
  try {
    content = JSON.parse(strictDecoder.decode(stdin));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new CniError(ErrorCode.decoding, `network configuration on stdin: not JSON: ${problem}`);
  }
  if (!isObject(content)) {
    throw new CniError(ErrorCode.decoding, `network configuration on stdin: not a JSON object: ${excerpt(content)}`);
  }
  for (const key of ['cniVersion', 'name']) {
    const value = content[key] ?? '';
    if (typeof value !== 'string') {
      throw new CniError(ErrorCode.decoding, `${key} ${excerpt(value)}: not a string`);
    }
  }
  const cniVersion = (content.cniVersion as string | null | undefined) || DEFAULT_VERSION;
  if (!isSupported(cniVersion)) {
    throw new CniError(
      ErrorCode.incompatibleVersion,
      `cniVersion ${JSON.stringify(cniVersion)}: incompatible CNI version`,
      `config is ${JSON.stringify(cniVersion)}, plugin supports ${JSON.stringify(SUPPORTED_VERSIONS)}`,
    );
  }
  return { cniVersion, content };
}

/** @throws CniError of code 1 if the command came with a later version than the configuration's */
export function requireCommandVersion(command: Command, version: CniVersion): void {
  if (isAtLeast(version, COMMAND_SINCE[command])) return;
  throw new CniError(
    ErrorCode.incompatibleVersion,
    `cniVersion ${JSON.stringify(version)}: does not allow ${command}`,
    `config is "${version}", ${command} needs "${COMMAND_SINCE[command]}" or newer`,
  );
}

/**
 * @param requestedAddresses `ip[/len]` texts from the environment
 * @throws CniError of code 7 that names the key and the value
 */
export function parseConfig(
  { cniVersion, content }: Document,
  command: Command,
  requestedAddresses: readonly string[],
): NetworkConfig {
  const name = (content.name as string | null | undefined) ?? '';
  if (name === '' && isAtLeast(cniVersion, '0.4.0')) {
    throw invalidConfiguration('name', name, `required from cniVersion 0.4.0 on`);
  }
  if (name !== '' && !isIdentifier(name)) {
    throw invalidConfiguration('name', name, 'is not a network name: letters, digits, _ . - and no other first');
  }
  if (!isObject(content.ipam)) {
    const problem = `ipam ${excerpt(content.ipam ?? null)}: missing, or not an object`;
    throw new CniError(ErrorCode.configuration, problem);
  }
  const config = parseShape(ConfigSchema, content);
  const { ipam } = config;
  // What is stored is UTF-8, which has no lone surrogates: the id is the text that will be read back.
  const utf8Id = encoder.encode(ipam.id ?? '');
  const id = decoder.decode(utf8Id);
  if (utf8Id.length > MAX_ID_BYTES) {
    const problem = `${utf8Id.length} bytes long, at most ${MAX_ID_BYTES} fit`;
    throw invalidConfiguration('ipam.id', `${id.slice(0, 40)}…`, problem);
  }

  const wanted = [
    ...requestedAddresses.map(text => ({ key: 'CNI_ARGS IP', text })),
    ...(config.args?.cni?.ips ?? []).map(text => ({ key: 'args.cni.ips', text })),
    ...(config.runtimeConfig?.ips ?? []).map(text => ({ key: 'runtimeConfig.ips', text })),
  ].map(parseWanted);
  const pools = [parsePool(4, ipam, wanted), parsePool(6, ipam, wanted)].filter(pool => pool !== undefined);
  if (command === 'ADD') pools.forEach(requireUsableRequest);
  if (pools.length === 0)
    throw new CniError(ErrorCode.configuration, 'ipam: neither ipv4-subnet nor ipv6-subnet is given');

  return {
    cniVersion,
    name,
    id,
    pools,
    reportsExhaustion: ipam.statusWhenFull !== 'ready',
    previousAddresses: command === 'CHECK' ? parsePrevious(content.prevResult) : [],
    validAttachments: command === 'GC' ? parseAttachments(config) : undefined,
  };
}

interface Wanted {
  key: string;
  text: string;
  address: Uint8Array;
  /** Length that the result shows; undefined: the subnet's. */
  shownBits: number | undefined;
}

/** An address with or without a length. */
function parseHost(key: string, text: string): { address: Uint8Array; bits: number | undefined } {
  return located(key, () => parseAddressOrPrefix(text));
}

function parseWanted({ key, text }: { key: string; text: string }): Wanted {
  return { key, text, address: parseHost(key, text).address, shownBits: undefined };
}

function parsePool(family: Family, ipam: Ipam, wantedElsewhere: readonly Wanted[]): PoolConfig | undefined {
  const key = <K extends 'subnet' | 'address' | 'gateway' | 'routes'>(what: K) => `ipv${family}-${what}` as const;
  const wanted = wantedElsewhere.filter(({ address }) => familyOf(address) === family);
  const addressText = ipam[key('address')];
  if (addressText != null) {
    const { address, bits } = parseHost(key('address'), addressText);
    requireFamily(family, key('address'), addressText, address);
    wanted.unshift({ key: key('address'), text: addressText, address, shownBits: bits });
  }
  const gatewayText = ipam[key('gateway')] || undefined;
  const gateway = gatewayText && located(key('gateway'), () => parseAddress(gatewayText));
  if (gateway) requireFamily(family, key('gateway'), gatewayText, gateway);
  const routes = (ipam[key('routes')] ?? []).map((route, i) => parseRoute(family, `${key('routes')}[${i}]`, route));

  const subnetText = ipam[key('subnet')];
  if (subnetText == null) {
    // A gateway or routes alone are idle, as they were in the Go plugin; an address cannot be had.
    const first = wanted[0];
    if (first !== undefined) throw invalidConfiguration(first.key, first.text, `no ${key('subnet')} is configured`);
    return undefined;
  }
  const subnet = parseSubnet(family, key('subnet'), subnetText);
  for (const { key, text, address } of wanted) {
    if (!subnet.contains(address)) throw invalidConfiguration(key, text, `outside ipv${family}-subnet ${subnet}`);
    if (!sameAddress(address, wanted[0]!.address)) {
      const other = `${wanted[0]!.key} asks for ${formatAddress(wanted[0]!.address)}`;
      throw invalidConfiguration(key, text, `${other}: at most one IPv${family} address can be requested`);
    }
  }
  if (gateway) requireUsableGateway(subnet, key('gateway'), gatewayText!, gateway);
  const effectiveGateway = gateway || subnet.defaultGateway;
  return {
    subnet,
    gateway: effectiveGateway,
    requested: wanted[0]?.address,
    requestedBy: wanted[0],
    shownBits: wanted[0]?.shownBits ?? subnet.bits,
    routes: effectiveGateway ? routes.map(route => withGateway(route, effectiveGateway)) : routes,
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
function requireUsableRequest(pool: PoolConfig): void {
  const { requested, requestedBy, subnet } = pool;
  const reserved = requested && reservedAs(pool, requested);
  if (reserved === undefined) return;
  throw invalidConfiguration(requestedBy!.key, requestedBy!.text, `is the ${reserved} of ${subnet}`);
}

function parseRoute(family: Family, key: string, route: v.InferOutput<typeof RouteSchema>): Route {
  const dst = located(`${key}.dst`, () => parsePrefix(route.dst));
  requireFamily(family, `${key}.dst`, route.dst, dst.address);
  const parsed: Route = { dst: formatPrefix(dst) };
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

const withGateway = ({ dst, gw, ...attributes }: Route, gateway: Uint8Array): Route => ({
  dst,
  gw: gw ?? formatAddress(gateway),
  ...attributes,
});

function requireFamily(family: Family, key: string, text: unknown, address: Uint8Array): void {
  if (familyOf(address) !== family) throw invalidConfiguration(key, text, `is not IPv${family}`);
}

function parsePrevious(previous: unknown): Uint8Array[] {
  const ips = parseShape(PreviousSchema, previous, 'prevResult')?.ips ?? [];
  return ips.map(({ address }, i) => parseHost(`prevResult.ips[${i}].address`, address).address);
}

function parseAttachments(config: v.InferOutput<typeof ConfigSchema>): Attachment[] | undefined {
  const keys = ['cni.dev/valid-attachments', 'cni.dev/attachments'] as const;
  // An absent key leaves the word to the other; null is an empty list.
  const key = keys.find(key => config[key] !== undefined);
  if (key === undefined) return undefined;
  return (config[key] ?? []).map(({ containerID, ifname }) => ({ containerId: containerID, interfaceName: ifname }));
}

/** @throws CniError of code 7 that names the first key that does not fit */
function parseShape<T extends v.GenericSchema>(schema: T, value: unknown, at = ''): v.InferOutput<T> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = issue.path?.map(({ key }) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('') ?? '';
  const key = `${at}${path}`.replace(/^\./, '').replace(/^ipam\.(?=ipv)/, '');
  throw new CniError(
    ErrorCode.configuration,
    `${key} ${excerpt(issue.input)}: expected ${issue.expected ?? 'something else'}`,
  );
}

function located<T>(key: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SyntaxError) throw new CniError(ErrorCode.configuration, `${key}: ${error.message}`);
    throw error;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const MOST_EXCERPT = 80;

/** A value as JSON, short enough for a message. What is nested deeper than that is left out: it may go on for ever. */
function excerpt(value: unknown): string {
  const depths = new Map<unknown, number>();
  const json =
    JSON.stringify(value, function (this: unknown, _key, part: unknown) {
      const depth = (depths.get(this) ?? 0) + 1;
      depths.set(part, depth);
      return depth > MOST_EXCERPT ? null : part;
    }) ?? 'undefined';
  return json.length > MOST_EXCERPT ? `${json.slice(0, MOST_EXCERPT - 1)}…` : json;
}
