// What a pool hands out: single addresses, or prefixes of one length. Each has a number, its index in the core: an
// address its value, a prefix the value of its leading bits.

import { type Family, formatAddress, octetsOf, sameAddress } from '../net/address.ts';
import { firstAddress, parseAddressOrPrefix } from '../net/prefix.ts';

export class Unit {
  readonly family: Family;
  /** Prefix length of what is handed out: 32 or 128 for addresses. */
  readonly bits: number;
  /** Bytes of an address. */
  readonly addressBytes: number;
  /** Bytes of an index in the core: the unit's bits, rounded up. */
  readonly indexBytes: number;
  /** How far an address is shifted right to become an index, in bits. */
  readonly shift: number;
  /** Whether single addresses are handed out: an index is an address then. */
  readonly isAddress: boolean;

  constructor(family: Family, bits: number) {
    this.family = family;
    this.bits = bits;
    this.addressBytes = octetsOf(family);
    this.indexBytes = Math.max(1, Math.ceil(bits / 8));
    this.shift = this.addressBytes * 8 - bits;
    this.isAddress = this.shift === 0;
  }

  /** The index of the unit that an address lies in, big-endian, `indexBytes` long. */
  toIndex(address: Uint8Array): Uint8Array {
    if (this.isAddress) return address;
    const index = new Uint8Array(this.indexBytes);
    // Byte i of the address, counted from the end, spreads over two bytes of the index. What lies beyond an end is
    // undefined, which is 0 to a shift.
    const [bytes, bits] = [this.shift >> 3, this.shift & 7];
    for (let i = 0; i < index.length; i++) {
      const from = address.length - 1 - bytes - i;
      index[index.length - 1 - i] = (address[from]! >> bits) | (address[from - 1]! << (8 - bits));
    }
    return index;
  }

  /**
   * Whether a number below 256^indexBytes is an index. The core sees to the rest: it counts in bytes, and knows nothing
   * of bits.
   */
  isIndex(bytes: Uint8Array): boolean {
    return bytes[bytes.length - this.indexBytes]! >> (this.bits - 8 * (this.indexBytes - 1)) === 0;
  }

  /** The first address of an index's unit. Writes `addressBytes` bytes into `target` at `offset`. */
  writeAddress(index: Uint8Array, target: Uint8Array, offset: number): void {
    const { addressBytes } = this;
    const [bytes, bits] = [this.shift >> 3, this.shift & 7];
    for (let i = 0; i < addressBytes; i++) {
      const from = index.length - 1 - i + bytes;
      target[offset + addressBytes - 1 - i] = (index[from]! << bits) | (index[from + 1]! >> (8 - bits));
    }
  }

  /** Canonical text: an address, or a prefix with its length. */
  format(index: Uint8Array): string {
    const address = new Uint8Array(this.addressBytes);
    this.writeAddress(index, address, 0);
    return this.isAddress ? formatAddress(address) : `${formatAddress(address)}/${this.bits}`;
  }

  /**
   * The index of an address's or a prefix's text. A pool of prefixes takes the prefix with its length or its first
   * address; a pool of addresses takes addresses.
   *
   * @throws SyntaxError for what is no address or prefix, RangeError for another family or length
   */
  parse(text: string): Uint8Array {
    const { address, bits = this.bits } = parseAddressOrPrefix(text);
    if (address.length !== this.addressBytes) throw new RangeError(`${text}: is not IPv${this.family}`);
    if (bits !== this.bits) throw new RangeError(`${text}: the pool hands out /${this.bits}`);
    this.checkFirst(address, text);
    return this.toIndex(address);
  }

  /** @throws RangeError that names `text` unless a unit begins with the address */
  checkFirst(address: Uint8Array, text: string): void {
    const { bits } = this;
    if (this.isAddress || sameAddress(firstAddress({ address, bits }), address)) return;
    throw new RangeError(`${text}: has bits set behind its length of ${bits}`);
  }
}
