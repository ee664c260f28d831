// ip-address calculates with BigInt.

import type { Contestant } from './contestant.ts';
import { StringSetAllocator, type Texts } from './string-set.ts';

type Address = { fromBigInt(value: bigint): { correctForm(): string } };

export async function ipAddress(): Promise<Contestant> {
  const { Address4, Address6 } = (await import('ip-address' as string)) as Record<'Address4' | 'Address6', Address>;
  const texts: Texts = ({ first, bytes }) => {
    const Address = bytes === 4 ? Address4 : Address6;
    let value = first;
    return () => Address.fromBigInt(++value).correctForm();
  };
  return { name: 'ip-address, Set of strings', open: place => new StringSetAllocator(place, texts) };
}
