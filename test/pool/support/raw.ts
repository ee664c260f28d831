// The instance of the core inside a pool: to look at its nodes without text, and to free whole runs, for which the
// library has no call.

import { A, B, BITS, KEY, NODE_BYTES, Scratch } from '../../../src/core/scratch.ts';
import type { CoreExports } from '../../../src/core/wasm.ts';
import type { AddressPool } from '../../../src/index.ts';
import type { CoreNode, Run } from '../../core/support/core.ts';

let made: WebAssembly.Instance | undefined;
const { Instance } = WebAssembly;
WebAssembly.Instance = class extends Instance {
  constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
    super(module, imports);
    made = this;
  }
};

/** Makes a pool, and keeps hold of its core. */
export function poolWithCore(make: () => AddressPool): { pool: AddressPool; core: RawCore } {
  const pool = make();
  return { pool, core: new RawCore(made!.exports as unknown as CoreExports) };
}

export class RawCore {
  readonly #exports: CoreExports;
  readonly #scratch: Scratch;

  constructor(exports: CoreExports) {
    this.#exports = exports;
    this.#scratch = new Scratch(exports);
  }

  get nodeCount(): number {
    return this.#exports.nodeCount();
  }

  nodes(): CoreNode[] {
    const nodes: CoreNode[] = [];
    for (let level = this.#exports.nodeAt(0); level >= 0; level = this.#exports.nodeAt(nodes.length)) {
      const bytes = this.#scratch.bytes;
      const view = new DataView(bytes.buffer, bytes.byteOffset + KEY, 16);
      const first = view.getBigUint64(0, true) | (view.getBigUint64(8, true) << 64n);
      nodes.push({ level, first, bits: bytes.slice(BITS, BITS + NODE_BYTES) });
    }
    return nodes;
  }

  /** All of it must be used. The pool's own count does not hear of it. */
  clearRun({ first, last }: Run): void {
    this.#write(A, first);
    this.#write(B, last);
    this.#exports.clearRun();
  }

  #write(field: number, index: bigint): void {
    this.#scratch.writeIndex(field, Uint8Array.from(Buffer.from(index.toString(16).padStart(32, '0'), 'hex')));
  }
}
