// The values of rows as bytes: written front to back behind one another, ended by the CRC-32 of key and value. LMDB has
// no checksums, and a flipped bit must not become a wrong answer. Numbers are big-endian; a text is its length in bytes
// (u32) and its UTF-8.
//
// This runs some twenty times for one ADD. Small arrays are copied byte by byte, and never looked at through a view: in
// the engines that run this, both cost less than a call of the library.

import { familyOf, octetsOf } from '../net/address.ts';
import { crc32 } from './crc32.ts';
import { StoreError } from './error.ts';

const CHECKSUM_BYTES = 4;
const TEXT_LENGTH_BYTES = 4;

const encoder = new TextEncoder();
/** A byte order mark is part of the text. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Writes one value after another; each begins with `begin` and ends with `take`. */
export class Writer {
  #bytes = new Uint8Array(1024);
  #length = 0;

  begin(): this {
    this.#length = 0;
    return this;
  }

  number(value: number, length: number): this {
    this.#reserve(length);
    for (let i = this.#length + length - 1; i >= this.#length; i--, value = Math.floor(value / 256)) {
      this.#bytes[i] = value % 256;
    }
    this.#length += length;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.#bytes[this.#length++] = bytes[i]!;
    return this;
  }

  text(value: string): this {
    this.#reserve(TEXT_LENGTH_BYTES + value.length);
    const start = this.#length + TEXT_LENGTH_BYTES;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) {
        const utf8 = encoder.encode(value);
        return this.number(utf8.length, TEXT_LENGTH_BYTES).bytes(utf8);
      }
      this.#bytes[start + i] = code;
    }
    this.number(value.length, TEXT_LENGTH_BYTES);
    this.#length += value.length;
    return this;
  }

  /** An address behind its family byte; none is family 0. */
  address(address: Uint8Array | undefined): this {
    if (address === undefined) return this.number(0, 1);
    return this.number(familyOf(address), 1).bytes(address);
  }

  take(): Uint8Array {
    return copyOf(this.#bytes, 0, this.#length);
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#bytes.length) return;
    const bytes = new Uint8Array(2 * needed);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}

function copyOf(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  const copy = new Uint8Array(length);
  for (let i = 0; i < length; i++) copy[i] = bytes[offset + i]!;
  return copy;
}

/** Appends the checksum. */
export function seal(key: Uint8Array, body: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(body.length + CHECKSUM_BYTES);
  for (let i = 0; i < body.length; i++) sealed[i] = body[i]!;
  const checksum = crc32(body, crc32(key));
  for (let i = 0; i < CHECKSUM_BYTES; i++) sealed[body.length + i] = checksum >>> (24 - 8 * i);
  return sealed;
}

/** Whether a value ends in its checksum. */
export function isSealed(key: Uint8Array, sealed: Uint8Array): boolean {
  const end = sealed.length - CHECKSUM_BYTES;
  if (end < 0) return false;
  let stored = 0;
  for (let i = end; i < sealed.length; i++) stored = stored * 256 + sealed[i]!;
  return stored === crc32(sealed, crc32(key), end);
}

/** Reads a value front to back; what runs past the end is damage. */
export class Reader {
  readonly #key: Uint8Array;
  readonly #describe: (key: Uint8Array) => string;
  readonly #sealed: Uint8Array;
  readonly #end: number;
  #offset = 0;

  /**
   * @param describe what the key stands for, in words
   * @throws StoreError 'damaged' if the checksum is not that of key and value
   */
  constructor(key: Uint8Array, sealed: Uint8Array, describe: (key: Uint8Array) => string) {
    if (!isSealed(key, sealed)) throw new StoreError('damaged', `${describe(key)}: checksum mismatch`);
    this.#key = key;
    this.#describe = describe;
    this.#sealed = sealed;
    this.#end = sealed.length - CHECKSUM_BYTES;
  }

  bytes(length: number): Uint8Array {
    const offset = this.#advance(length);
    return copyOf(this.#sealed, offset, length);
  }

  number(length: number): number {
    const offset = this.#advance(length);
    let value = 0;
    for (let i = offset; i < offset + length; i++) value = value * 256 + this.#sealed[i]!;
    return value;
  }

  text(): string {
    return decoder.decode(this.bytes(this.number(TEXT_LENGTH_BYTES)));
  }

  /** An address behind its family byte; family 0: none. */
  address(): Uint8Array | undefined {
    const family = this.number(1);
    if (family === 0) return undefined;
    if (family !== 4 && family !== 6) throw this.malformed();
    return this.bytes(octetsOf(family));
  }

  /** All that is left, as addresses. */
  addresses(): Uint8Array[] {
    const addresses: Uint8Array[] = [];
    while (this.#offset < this.#end) {
      const address = this.address();
      if (address === undefined) throw this.malformed();
      addresses.push(address);
    }
    return addresses;
  }

  end(): void {
    if (this.#offset < this.#end) throw this.malformed();
  }

  malformed(): StoreError {
    return new StoreError('damaged', `${this.#describe(this.#key)}: malformed value of ${this.#end} bytes`);
  }

  /** Where the next `length` bytes begin. */
  #advance(length: number): number {
    const offset = this.#offset;
    if (offset + length > this.#end) throw this.malformed();
    this.#offset += length;
    return offset;
  }
}
