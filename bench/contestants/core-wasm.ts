// The core as it is, called by its ABI.

import { instantiateCore } from '../../src/core/wasm.ts';
import type { Contestant } from './contestant.ts';
import { keep, ownModule } from './own-copy.ts';

export async function coreWasm(): Promise<Contestant> {
  const url = new URL('core-allocator.ts', import.meta.url);
  const { CoreAllocator } = (await ownModule(url)) as typeof import('./core-allocator.ts');
  return { name: 'core in WebAssembly, by its ABI', open: place => new CoreAllocator(keep(instantiateCore()), place) };
}
