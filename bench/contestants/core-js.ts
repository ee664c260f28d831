// The same core as plain JavaScript: binaryen translates build/core.wasm. 64-bit numbers become pairs of 32-bit ones.

import { readFileSync } from 'node:fs';
import { type CoreExports, instantiateCore } from '../../src/core/wasm.ts';
import { type Contestant, ipv6Place } from './contestant.ts';
import { keep, ownModule } from './own-copy.ts';

interface Binaryen {
  default: {
    Features: { All: number };
    readBinary(bytes: Uint8Array): { setFeatures(features: number): void; emitAsmjs(): string; dispose(): void };
  };
}

type Core = typeof import('./core-allocator.ts');

export async function coreJs(): Promise<Contestant> {
  const { CoreAllocator } = (await ownModule(new URL('core-allocator.ts', import.meta.url))) as Core;
  const instantiate = await translate();
  check(CoreAllocator, instantiate);
  return { name: 'the same core as JavaScript', open: place => new CoreAllocator(keep(instantiate()), place) };
}

async function translate(): Promise<() => CoreExports> {
  const { default: binaryen } = (await import('binaryen' as string)) as Binaryen;
  const module = binaryen.readBinary(readFileSync(new URL('../../build/core.wasm', import.meta.url)));
  module.setFeatures(binaryen.Features.All);
  const text = module.emitAsmjs();
  module.dispose();
  // A function of its own instead of a module, to be called once for each tree; and growth detaches the old memory, as
  // WebAssembly's does, for that is how its users notice.
  const end = text.indexOf('var retasmFunc');
  const grown = '   buffer = newBuffer;\n';
  if (end < 0 || !text.includes(grown)) throw new Error('core.wasm as JavaScript: binaryen writes it in another way');
  const body = text.slice(0, end).replace(grown, `   structuredClone(buffer, { transfer: [buffer] });\n${grown}`);
  return new Function(`${body}\nreturn asmFunc({});`) as () => CoreExports;
}

/** Both must do the same: what is translated wrongly would be measured for nothing. */
function check(CoreAllocator: Core['CoreAllocator'], instantiate: () => CoreExports): void {
  const place = ipv6Place(15);
  const both = [instantiateCore(), instantiate()].map(core => new CoreAllocator(core, place));
  let random = 1;
  const tell = (work: (allocator: (typeof both)[number]) => unknown) => {
    const [wasm, js] = both.map(work);
    if (String(wasm) !== String(js)) throw new Error(`core.wasm as JavaScript: ${js}, WebAssembly says ${wasm}`);
  };
  for (let i = 0; i < 20_000; i++) {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    // More is marked than cleared: nodes become full, and the memory grows on the way.
    const offset = BigInt(random >>> 17);
    if (random % 5 < 2) tell(allocator => [allocator.acquireAt(0), allocator.handleAt(0)]);
    else if (random % 5 < 4) tell(allocator => allocator.take(allocator.handleOf(offset)));
    else tell(allocator => allocator.release(allocator.handleOf(offset)));
    tell(allocator => [allocator.core.nodeCount(), allocator.bytes()]);
  }
}
