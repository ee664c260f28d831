// netmask: an address is a block of one, and the next one is the next block.

import type { Contestant } from './contestant.ts';
import { StringSetAllocator, type Texts } from './string-set.ts';

interface Block {
  base: string;
  next(): Block;
}
type Package = { Netmask: new (text: string) => Block };

export async function netmask(): Promise<Contestant> {
  const { Netmask } = (await import('netmask' as string)) as Package;
  const texts: Texts = ({ subnet, bytes }) => {
    let block = new Netmask(`${subnet.split('/')[0]}/${bytes * 8}`);
    return () => {
      block = block.next();
      return block.base;
    };
  };
  return { name: 'netmask, Set of strings', open: place => new StringSetAllocator(place, texts) };
}
