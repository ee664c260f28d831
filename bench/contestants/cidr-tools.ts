// cidr-tools lists the addresses of a prefix, one at a time.

import type { Contestant } from './contestant.ts';
import { StringSetAllocator, type Texts } from './string-set.ts';

type Package = { expandCidr(cidr: string): Iterable<string> };

export async function cidrTools(): Promise<Contestant> {
  const { expandCidr } = (await import('cidr-tools' as string)) as Package;
  const texts: Texts = ({ subnet }) => {
    const addresses = expandCidr(subnet)[Symbol.iterator]();
    addresses.next(); // the network's own
    return () => addresses.next().value;
  };
  return { name: 'cidr-tools, Set of strings', open: place => new StringSetAllocator(place, texts) };
}
