// The scratch memory through which indexes and nodes pass (assembly/index.ts has its layout).

import type { CoreExports } from './wasm.ts';

export const INDEX_BYTES = 16;
/** Bytes of a node: 256 bits, bit 0 the lowest address (assembly/node.ts). */
export const NODE_BYTES = 32;

/** Offsets of the fields. */
export const A = 0;
export const B = 16;
export const KEY = 32;
export const BITS = 48;
const SCRATCH_BYTES = 80;

/** What calls answer with. */
export const OK = 0;
export const NEED = 2;

export class Scratch {
  readonly #core: CoreExports;
  readonly #ptr: number;
  #view: Uint8Array;

  constructor(core: CoreExports) {
    this.#core = core;
    this.#ptr = core.scratch() >>> 0;
    this.#view = new Uint8Array(core.memory.buffer, this.#ptr, SCRATCH_BYTES);
  }

  /**
   * The memory itself. Growing the core's memory detaches views of it: they are renewed here, and only here. (A
   * detached view has no length; asking the memory for its buffer would cost ten times an acquire.)
   */
  get bytes(): Uint8Array {
    if (this.#view.length === 0) {
      this.#view = new Uint8Array(this.#core.memory.buffer, this.#ptr, SCRATCH_BYTES);
    }
    return this.#view;
  }

  /** Writes a big-endian number of at most 16 bytes into the index at `field`, which is little-endian. */
  writeIndex(field: number, index: Uint8Array): void {
    const { bytes } = this;
    const end = index.length - 1;
    for (let i = 0; i <= end; i++) bytes[field + i] = index[end - i]!;
    bytes.fill(0, field + index.length, field + INDEX_BYTES);
  }

  /** The lowest `length` bytes of the index at `field`, big-endian. */
  readIndex(field: number, length: number): Uint8Array {
    return this.bytes.slice(field, field + length).reverse();
  }
}
