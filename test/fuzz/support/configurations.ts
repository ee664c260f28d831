// Network configurations: sound ones of every form, and what can be made of them.

import fc from 'fast-check';
import { addressOf } from '../../pool/support/text.ts';
import { type Change, change, changes, type Patch, patched, patches, textOf, treeOf } from './documents.ts';

const WIDTH = { 4: 32, 6: 128 } as const;
type Family = keyof typeof WIDTH;

const attribute = fc.option(fc.nat(100_000), { nil: undefined });

/** A route of a family; its destination may lie anywhere. */
const route = (family: Family) =>
  fc.record({
    dst: fc.tuple(address(family), fc.nat(WIDTH[family])).map(([text, bits]) => `${text}/${bits}`),
    gw: fc.option(fc.oneof(address(family), fc.constant('')), { nil: undefined }),
    mtu: attribute,
    priority: attribute,
    scope: attribute,
  });

/** An address, in one of the forms that its text may have. */
const address = (family: Family): fc.Arbitrary<string> =>
  family === 4 ? fc.ipV4() : fc.ipV6().filter(text => !/^[0:]*:ffff:/i.test(text));

/** An address of a number, in its canonical form, or an IPv6 address in full. */
function written(value: bigint, family: Family, isLong: boolean): string {
  if (family === 4 || !isLong) return addressOf(value, WIDTH[family]);
  return value.toString(16).toUpperCase().padStart(32, '0').match(/.{4}/g)!.join(':');
}

interface Wish {
  value: bigint;
  bits: number;
  isLong: boolean;
  gateway: bigint | undefined;
  requested: bigint | undefined;
  where: 'ipam' | 'ipam with length' | 'args' | 'runtimeConfig';
  routes: Record<string, unknown>[] | null | undefined;
}

const wish = (family: Family): fc.Arbitrary<Wish> =>
  fc.record({
    value: fc.bigInt(0n, (1n << BigInt(WIDTH[family])) - 1n).filter(value => value >> 32n !== 0xffffn),
    bits: fc.oneof(
      fc.nat(WIDTH[family]),
      fc.nat(5).map(bits => WIDTH[family] - bits),
    ),
    isLong: fc.boolean(),
    gateway: fc.option(fc.bigInt(0n, 1n << 128n), { nil: undefined }),
    requested: fc.option(fc.bigInt(0n, 1n << 128n), { nil: undefined }),
    where: fc.constantFrom('ipam', 'ipam with length', 'args', 'runtimeConfig'),
    routes: fc.option(fc.array(route(family), { maxLength: 3 }), { nil: undefined }),
  });

interface FamilyPart {
  ipam: Record<string, unknown>;
  args: string[];
  runtimeConfig: string[];
}

/** A wish that can be met: a gateway and an address that are usable, and not the same. */
function granted(family: Family, { value, bits, isLong, where, routes, ...wish }: Wish): FamilyPart {
  const hostBits = WIDTH[family] - bits;
  const size = 1n << BigInt(hostBits);
  const network = (value >> BigInt(hostBits)) << BigInt(hostBits);
  const [first, last] = hostBits < 2 ? [0n, size - 1n] : [1n, size - (family === 4 ? 2n : 1n)];
  const usable = (offset: bigint) => first + (offset % (last - first + 1n));
  const text = (offset: bigint) => written(network + offset, family, isLong);
  const gateway = wish.gateway === undefined || first === last ? undefined : usable(wish.gateway);
  const effective = gateway ?? (hostBits === 0 ? undefined : first);
  let requested = wish.requested === undefined ? undefined : usable(wish.requested);
  if (requested === effective) requested = undefined;
  const key = (what: string) => `ipv${family}-${what}`;
  const part: FamilyPart = { ipam: {}, args: [], runtimeConfig: [] };
  part.ipam[key('subnet')] = `${written(value, family, isLong)}/${bits}`;
  if (gateway !== undefined) part.ipam[key('gateway')] = text(gateway);
  if (routes !== undefined) part.ipam[key('routes')] = routes;
  if (requested !== undefined) {
    if (where === 'args') part.args = [text(requested)];
    else if (where === 'runtimeConfig') part.runtimeConfig = [`${text(requested)}/${bits}`];
    else part.ipam[key('address')] = where === 'ipam' ? text(requested) : `${text(requested)}/${bits}`;
  }
  return part;
}

const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type Document = Record<string, unknown>;

/** A configuration that an ADD on an empty store has to be able to serve. */
export const soundConfiguration: fc.Arbitrary<Document> = fc
  .record({
    version: fc.constantFrom(...VERSIONS, '1.1.0', '1.1.0'),
    name: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,20}$/),
    // Ids that are no well-formed text are U+FFFD in places to everybody who reads them as UTF-8.
    id: fc.option(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 1000 }),
        fc.string().map(text => `\ufeff${text}`),
      ),
      {
        nil: undefined,
      },
    ),
    wishes: fc
      .tuple(fc.option(wish(4), { nil: undefined }), fc.option(wish(6), { nil: undefined }))
      .filter(wishes => wishes.some(wish => wish !== undefined)),
    status: fc.constantFrom(undefined, null, 'ready', 'unavailable'),
  })
  .map(({ version, name, id, wishes, status }) => {
    const parts = wishes.flatMap((wish, i) => (wish === undefined ? [] : [granted(i === 0 ? 4 : 6, wish)]));
    const [args, runtimeConfig] = [parts.flatMap(part => part.args), parts.flatMap(part => part.runtimeConfig)];
    return {
      cniVersion: version,
      name,
      type: 'bridge',
      ipam: Object.assign({ type: 'ecs-ipam', id, statusWhenFull: status }, ...parts.map(part => part.ipam)),
      ...(args.length > 0 ? { args: { cni: { ips: args } } } : {}),
      ...(runtimeConfig.length > 0 ? { runtimeConfig: { ips: runtimeConfig } } : {}),
    };
  });

/** Keys that mean something in a configuration. */
const KEYS = [
  ...['cniVersion', 'name', 'ipam', 'args', 'cni', 'ips', 'runtimeConfig', 'prevResult', 'id', 'statusWhenFull'],
  ...['ipv4', 'ipv6'].flatMap(family => ['subnet', 'address', 'gateway', 'routes'].map(what => `${family}-${what}`)),
  ...['dst', 'gw', 'mtu', 'table', 'cni.dev/valid-attachments', 'cni.dev/attachments', 'containerID', 'ifname'],
];

export interface ChangedDocument {
  document: Document;
  changes: Change[];
  patches: Patch[];
}

/** A configuration with something done to it, more often to what it says than to its bytes. */
export const changed = (document: fc.Arbitrary<Document>): fc.Arbitrary<ChangedDocument> =>
  fc.record({
    document,
    changes: changes(KEYS),
    patches: fc.oneof({ weight: 3, arbitrary: fc.constant<Patch[]>([]) }, { weight: 1, arbitrary: patches(3) }),
  });

export function bytesOf({ document, changes, patches }: ChangedDocument): Uint8Array {
  // Members that are undefined are not there.
  const tree = treeOf(JSON.parse(JSON.stringify(document)));
  for (const one of changes) change(tree, one);
  return patches.reduce(patched, new Uint8Array(Buffer.from(textOf(tree))));
}
