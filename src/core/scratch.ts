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
    for (let i = end + 1; i < INDEX_BYTES; i++) bytes[field + i] = 0;
  }

  /** Writes all 16 bytes of A, big-endian, into `target` at `offset`. Written out: a loop takes four times as long. */
  copyA(target: Uint8Array, offset: number): void {
    const { bytes } = this;
    target[offset + 0] = bytes[15]!;
    target[offset + 1] = bytes[14]!;
    target[offset + 2] = bytes[13]!;
    target[offset + 3] = bytes[12]!;
    target[offset + 4] = bytes[11]!;
    target[offset + 5] = bytes[10]!;
    target[offset + 6] = bytes[9]!;
    target[offset + 7] = bytes[8]!;
    target[offset + 8] = bytes[7]!;
    target[offset + 9] = bytes[6]!;
    target[offset + 10] = bytes[5]!;
    target[offset + 11] = bytes[4]!;
    target[offset + 12] = bytes[3]!;
    target[offset + 13] = bytes[2]!;
    target[offset + 14] = bytes[1]!;
    target[offset + 15] = bytes[0]!;
  }

  /** The lowest `length` bytes of the index at `field`, big-endian, without the `skipped` lowest of all. */
  readIndex(field: number, length: number, skipped = 0): Uint8Array {
    const { bytes } = this;
    const index = new Uint8Array(length);
    const last = field + skipped + length - 1;
    for (let i = 0; i < length; i++) index[i] = bytes[last - i]!;
    return index;
  }
}
