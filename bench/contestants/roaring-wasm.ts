// CRoaring compiled to WebAssembly.

import type { Contestant } from './contestant.ts';
import { ownModule } from './own-copy.ts';
import type { Bitmap } from './roaring-allocator.ts';

interface Package {
  default: { RoaringBitmap32: new () => Bitmap; roaringLibraryInitialize(): Promise<void> };
}

const size = (bitmap: Bitmap) =>
  (bitmap as Bitmap & { getSerializationSizeInBytes(portable: boolean): number }).getSerializationSizeInBytes(true);

export async function roaringWasm(): Promise<Contestant> {
  const { RoaringBitmap32, roaringLibraryInitialize } = ((await import('roaring-wasm' as string)) as Package).default;
  await roaringLibraryInitialize();
  const url = new URL('roaring-allocator.ts', import.meta.url);
  const { RoaringAllocator } = (await ownModule(url)) as typeof import('./roaring-allocator.ts');
  return { name: 'roaring-wasm', open: place => new RoaringAllocator(new RoaringBitmap32(), place, size) };
}
