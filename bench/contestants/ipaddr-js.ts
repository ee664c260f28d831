// ipaddr.js cannot add: the bytes are counted by hand, the text is its own.

import { bytesOf, type Contestant } from './contestant.ts';
import { StringSetAllocator, type Texts } from './string-set.ts';

type Package = { default: { fromByteArray(bytes: ArrayLike<number>): { toString(): string } } };

export async function ipaddrJs(): Promise<Contestant> {
  const { default: ipaddr } = (await import('ipaddr.js' as string)) as Package;
  const texts: Texts = place => {
    const bytes = [...bytesOf(place, 0n)];
    return () => {
      for (let i = bytes.length - 1; i >= 0; i--) {
        bytes[i] = (bytes[i]! + 1) & 255;
        if (bytes[i] !== 0) break;
      }
      return ipaddr.fromByteArray(bytes).toString();
    };
  };
  return { name: 'ipaddr.js, Set of strings', open: place => new StringSetAllocator(place, texts) };
}
