// CRoaring as an addon of Node.js.

import type { Contestant } from './contestant.ts';
import { ownModule } from './own-copy.ts';
import type { Bitmap } from './roaring-allocator.ts';

type Package = { default: { RoaringBitmap32: new () => Bitmap } };
type Allocators = typeof import('./roaring-allocator.ts');

/** Its own account is of the serialised form, which is about what it holds in memory. */
const size = (bitmap: Bitmap) =>
  (bitmap as Bitmap & { getSerializationSizeInBytes(format: string): number }).getSerializationSizeInBytes('portable');

const own = async () => {
  const { RoaringBitmap32 } = ((await import('roaring' as string)) as Package).default;
  return { RoaringBitmap32, ...((await ownModule(new URL('roaring-allocator.ts', import.meta.url))) as Allocators) };
};

export async function roaring(): Promise<Contestant> {
  const { RoaringBitmap32, RoaringAllocator } = await own();
  return { name: 'roaring (native)', open: place => new RoaringAllocator(new RoaringBitmap32(), place, size) };
}

export async function roaringAdd(): Promise<Contestant> {
  const { RoaringBitmap32, RoaringAdder } = await own();
  return { name: 'roaring (native), add alone', open: place => new RoaringAdder(new RoaringBitmap32(), place, size) };
}
