// The network configuration on stdin: decoded, checked, and turned into what the allocator is asked.

import * as v from 'valibot';
import type { Attachment } from '../ipam/collect.ts';
import { MAX_ID_BYTES } from '../store/lease.ts';
import { isIdentifier } from './environment.ts';
import { CniError, ErrorCode, invalidConfiguration } from './error.ts';
import {
  type PoolConfig,
  type PoolText,
  parseHost,
  parsePool,
  parseWanted,
  RouteSchema,
  requireUsableRequest,
} from './pool-config.ts';
import {
  type CniVersion,
  COMMAND_SINCE,
  type Command,
  DEFAULT_VERSION,
  isAtLeast,
  isSupported,
  SUPPORTED_VERSIONS,
} from './version.ts';

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

// null means absent everywhere, as for Go's JSON decoder.
const list = <T extends v.GenericSchema>(item: T) => v.nullish(v.array(item));

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
  const id = (ipam.id ?? '').toWellFormed();
  const idBytes = Buffer.byteLength(id);
  if (idBytes > MAX_ID_BYTES) {
    const problem = `${idBytes} bytes long, at most ${MAX_ID_BYTES} fit`;
    throw invalidConfiguration('ipam.id', `${id.slice(0, 40)}…`, problem);
  }

  const wanted = [
    ...requestedAddresses.map(text => ({ key: 'CNI_ARGS IP', text })),
    ...(config.args?.cni?.ips ?? []).map(text => ({ key: 'args.cni.ips', text })),
    ...(config.runtimeConfig?.ips ?? []).map(text => ({ key: 'runtimeConfig.ips', text })),
  ].map(parseWanted);
  const pools = [parsePool(4, ipv4TextOf(ipam), wanted), parsePool(6, ipv6TextOf(ipam), wanted)].filter(
    pool => pool !== undefined,
  );
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

const ipv4TextOf = (ipam: Ipam): PoolText => ({
  subnet: ipam['ipv4-subnet'],
  address: ipam['ipv4-address'],
  gateway: ipam['ipv4-gateway'],
  routes: ipam['ipv4-routes'],
});

const ipv6TextOf = (ipam: Ipam): PoolText => ({
  subnet: ipam['ipv6-subnet'],
  address: ipam['ipv6-address'],
  gateway: ipam['ipv6-gateway'],
  routes: ipam['ipv6-routes'],
});

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
