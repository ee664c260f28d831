// The only file that instantiates the WASM core. Its exports are described in assembly/index.ts.

import { instantiateSync } from '@assemblyscript/loader';
import { CORE_BASE64 } from './bytes.generated.ts';

/** Raw exports of the core. Numbers are signed 32-bit, as WebAssembly has them; booleans are 0 or 1. */
export interface CoreExports {
  memory: WebAssembly.Memory;
  scratch(): number;
  configure(octets: number, hosted: number): void;
  setSubnet(prefixBits: number, reserve: number): void;
  setRange(): void;
  exclude(): void;
  isInRange(): number;
  isReserved(): number;
  setCursor(): void;
  clearCursor(): void;
  getCursor(): number;
  find(): number;
  acquire(): number;
  release(word0: number, word1: number, word2: number, word3: number): number;
  test(): number;
  mark(): number;
  clear(): number;
  freeRun(): number;
  usedRun(): number;
  markRun(): void;
  clearRun(): void;
  countUsed(): number;
  countUsable(): number;
  wantedLevel(): number;
  supply(present: number): void;
  popDirty(): number;
  nodeCount(): number;
  nodeAt(i: number): number;
  putNode(level: number): number;
}

let defaultModule: WebAssembly.Module | undefined;

/** For tests on the debug build: the module that `instantiateCore` uses from now on where no other is given. */
export function useCoreModule(module: WebAssembly.Module): void {
  defaultModule = module;
}

/** A new instance of the core, with a memory of its own. The release build, unless another module is given. */
export function instantiateCore(module?: WebAssembly.Module): CoreExports {
  if (module === undefined) {
    defaultModule ??= new WebAssembly.Module(decodeBase64(CORE_BASE64));
    module = defaultModule;
  }
  // The instance's own exports: the loader's are wrapped, and each call through them costs a third more.
  return instantiateSync(module).instance.exports as unknown as CoreExports;
}

/** The host does it where it can: by hand it would be a fifth of a one-shot process's time. */
function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const host = Uint8Array as { fromBase64?(text: string): Uint8Array<ArrayBuffer> };
  if (host.fromBase64 !== undefined) return host.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
