// Random commands over overlapping subnets, as fast-check makes them: what fails shrinks.

import fc from 'fast-check';
import type { Asker, Attachment, Command, Wish } from './command.ts';
import { type Oracle, rangeOf, textOf } from './oracle.ts';

/** A command before it is said. */
export interface Asked extends Pick<Command, 'name' | 'asker' | 'wishes' | 'whenFull'> {
  /** CHECK: none, what the asker holds by then, or an address. */
  previous: 'none' | 'held' | { address: string };
  /** GC: a container stays if the bit of its number, or of what 31 leaves of it, is set. */
  kept: number;
}

/** As it is said at this moment. */
export function settled({ previous, kept, ...rest }: Asked, oracle: Oracle): Command {
  const { name, asker, wishes } = rest;
  const held = () => (previous === 'held' ? oracle.heldBy(asker, wishes) : []);
  return {
    ...rest,
    previous: name !== 'CHECK' ? [] : typeof previous === 'object' ? [previous.address] : held(),
    valid: name !== 'GC' ? [] : attachmentsOf(MOST_CONTAINERS, kept),
  };
}

const MOST_CONTAINERS = 700;

/** What histories are about. */
export interface Setting {
  subnets4: readonly string[];
  subnets6: readonly string[];
  containers: number;
  ids: number;
}

// Overlapping, octet-aligned and not; most are small enough to fill up, and to be gone round again and again.
export const SUBNETS4 = [
  '10.0.0.0/29',
  '10.0.0.0/24',
  '10.0.0.0/27',
  '10.0.0.16/28',
  '10.0.0.64/26',
  '10.0.0.0/31',
  '10.0.1.0/32',
  '10.0.0.252/30',
  '10.0.0.0/22',
];
export const SUBNETS6 = [
  '2001:db8::/125',
  '2001:db8::/122',
  '2001:db8::20/123',
  '2001:db8::/127',
  '2001:db8::/116',
  '2001:db8::ff80/121',
  '2001:db8::/64',
];

const INTERFACES = ['eth0', 'eth1'];
const NETWORKS = ['net', 'other'];

/** `inOf` cases in so many are of a kind. */
const sometimes = <T>(inOf: number, seldom: fc.Arbitrary<T>, usual: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: inOf - 1, arbitrary: usual }, { weight: 1, arbitrary: seldom });

const bounds = (subnet: string) => rangeOf({ subnet, gateway: undefined, requested: undefined });

function addressAt(subnet: string, offset: number): string {
  const { first, last } = bounds(subnet);
  return textOf(first + (BigInt(offset) % (last - first + 1n)));
}

/** A gateway that a configuration may name; undefined where there is none but the default one. */
function lastUsable(subnet: string): string | undefined {
  const { first, last } = bounds(subnet);
  const isIPv6 = subnet.includes(':');
  return last - first < 3n ? undefined : textOf(isIPv6 ? last : last - 1n);
}

function wishOf(subnets: readonly string[]): fc.Arbitrary<Wish> {
  const offset = fc.nat(40);
  return fc
    .record({
      subnet: fc.constantFrom(...subnets),
      gateway: sometimes(12, fc.constant('last' as const), fc.constant(undefined)),
      requested: sometimes(5, offset, fc.constant(undefined)),
    })
    .map(({ subnet, gateway, requested }) => ({
      subnet,
      gateway: gateway && lastUsable(subnet),
      requested: requested === undefined ? undefined : addressAt(subnet, requested),
    }));
}

function askerOf({ containers, ids }: Setting): fc.Arbitrary<Asker> {
  const containerId = fc.nat(containers - 1).map(number => `c${number}`);
  const interfaceName = sometimes(6, fc.constant(INTERFACES[1]!), fc.constant(INTERFACES[0]!));
  const network = sometimes(4, fc.constant(NETWORKS[1]!), fc.constant(NETWORKS[0]!));
  const id = fc.nat(ids - 1).map(number => `id ${number}`);
  const none = fc.constant('');
  return fc.oneof(
    { weight: 12, arbitrary: fc.record({ id: none, containerId, interfaceName, network }) },
    { weight: 5, arbitrary: fc.record({ id, containerId: none, interfaceName, network }) },
    { weight: 2, arbitrary: fc.record({ id, containerId, interfaceName, network }) },
    { weight: 1, arbitrary: fc.record({ id: none, containerId: none, interfaceName, network }) },
  );
}

/** All attachments of the containers whose bits are set. */
function attachmentsOf(containers: number, bits: number): Attachment[] {
  const kept = Array.from({ length: containers }, (_, i) => i).filter(i => (bits >> (i % 31)) & 1);
  return kept.flatMap(i => INTERFACES.map(interfaceName => ({ containerId: `c${i}`, interfaceName })));
}

export function askedOf(setting: Setting): fc.Arbitrary<Asked> {
  const { subnets4, subnets6 } = setting;
  const [wish4, wish6] = [wishOf(subnets4), wishOf(subnets6)];
  const wishes: fc.Arbitrary<Wish[]> = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(wish4) },
    { weight: 5, arbitrary: fc.tuple(wish4, wish6) },
    { weight: 2, arbitrary: fc.tuple(wish6) },
  );
  return fc.record({
    name: fc.oneof(
      { weight: 60, arbitrary: fc.constant('ADD' as const) },
      { weight: 28, arbitrary: fc.constant('DEL' as const) },
      { weight: 7, arbitrary: fc.constant('CHECK' as const) },
      { weight: 4, arbitrary: fc.constant('STATUS' as const) },
      { weight: 1, arbitrary: fc.constant('GC' as const) },
    ),
    asker: askerOf(setting),
    wishes,
    previous: fc.oneof(
      { weight: 2, arbitrary: fc.constant('held' as const) },
      { weight: 1, arbitrary: fc.constant('none' as const) },
      { weight: 1, arbitrary: fc.nat(40).map(offset => ({ address: addressAt(subnets4[0]!, offset) })) },
    ),
    // Rarely more than half of them go.
    kept: fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => a | b),
    whenFull: fc.constantFrom('unavailable', 'ready'),
  });
}
