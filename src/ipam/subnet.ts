// Which addresses of a subnet are usable, and its default gateway.

import { RESERVE_BROADCAST, RESERVE_NETWORK } from '../core/tree.ts';
import { addressBits, type Family, familyOf, sameAddress } from '../net/address.ts';
import { contains, firstAddress, formatPrefix, lastAddress, type Prefix } from '../net/prefix.ts';

/**
 * A subnet from which addresses are handed out.
 *
 * IPv4: network and broadcast address are reserved (RFC 1122 section 3.2.1.3), but for /31, where both addresses are
 * usable (RFC 3021), and /32. IPv6: the network address is reserved, being the subnet-router anycast address
 * (RFC 4291 section 2.6.1), but for /127 (RFC 6164) and /128.
 */
export class Subnet {
  readonly family: Family;
  /** The network address, and the length. */
  readonly prefix: Prefix;
  readonly last: Uint8Array;

  constructor(prefix: Prefix) {
    this.prefix = { address: firstAddress(prefix), bits: prefix.bits };
    this.last = lastAddress(prefix);
    this.family = familyOf(prefix.address);
  }

  get network(): Uint8Array {
    return this.prefix.address;
  }

  get bits(): number {
    return this.prefix.bits;
  }

  get #hostBits(): number {
    return addressBits(this.network) - this.bits;
  }

  /** What the core is to reserve: RESERVE_NETWORK, RESERVE_BROADCAST, both or 0. */
  get reserve(): number {
    if (this.#hostBits < 2) return 0;
    return this.family === 4 ? RESERVE_NETWORK | RESERVE_BROADCAST : RESERVE_NETWORK;
  }

  /** Number of addresses, reserved ones included. */
  get size(): bigint {
    return 1n << BigInt(this.#hostBits);
  }

  /** The first usable address; undefined for a subnet of a single address. */
  get defaultGateway(): Uint8Array | undefined {
    if (this.#hostBits === 0) return undefined;
    const gateway = this.network.slice();
    if (this.#hostBits > 1) gateway[gateway.length - 1]! |= 1;
    return gateway;
  }

  contains(address: Uint8Array): boolean {
    return contains(this.prefix, address);
  }

  /** Why the subnet itself never hands the address out; undefined if it may. */
  reservedAs(address: Uint8Array): 'network address' | 'broadcast address' | undefined {
    if (this.reserve & RESERVE_NETWORK && sameAddress(address, this.network)) return 'network address';
    if (this.reserve & RESERVE_BROADCAST && sameAddress(address, this.last)) return 'broadcast address';
    return undefined;
  }

  toString(): string {
    return formatPrefix(this.prefix);
  }
}
