// Prefixes: an address and how many of its leading bits count (RFC 4632, RFC 4291 section 2.3).

import { addressBits, formatAddress, parseAddress } from './address.ts';

export interface Prefix {
  /** 4 or 16 bytes, big-endian; bits past the length are kept as they were written. */
  address: Uint8Array;
  /** Prefix length: 0..32 or 0..128. */
  bits: number;
}

/**
 * Reads `address/length`.
 *
 * @throws SyntaxError that quotes the text
 */
export function parsePrefix(text: string): Prefix {
  const refuse = (problem: string) => new SyntaxError(`${JSON.stringify(text)} is not a prefix: ${problem}`);
  const slash = text.indexOf('/');
  const lengthText = slash < 0 ? '' : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(lengthText)) throw refuse('expected address/length');
  let address: Uint8Array;
  try {
    address = parseAddress(text.slice(0, slash));
  } catch (error) {
    throw refuse((error as Error).message);
  }
  const bits = Number(lengthText);
  if (bits > addressBits(address)) throw refuse(`the length exceeds ${addressBits(address)}`);
  return { address, bits };
}

/**
 * Reads an address with or without a length.
 *
 * @throws SyntaxError that quotes the text
 */
export function parseAddressOrPrefix(text: string): { address: Uint8Array; bits: number | undefined } {
  return text.includes('/') ? parsePrefix(text) : { address: parseAddress(text), bits: undefined };
}

export function formatPrefix({ address, bits }: Prefix): string {
  return `${formatAddress(address)}/${bits}`;
}

/** The address with all bits past the prefix length cleared, or set. */
function withHostBits({ address, bits }: Prefix, ones: boolean): Uint8Array {
  return address.map((byte, i) => {
    const hostMask = 0xff >> Math.min(8, Math.max(0, bits - i * 8));
    return ones ? byte | hostMask : byte & ~hostMask;
  });
}

/** Lowest address of the prefix. */
export const firstAddress = (prefix: Prefix): Uint8Array => withHostBits(prefix, false);

/** Highest address of the prefix. */
export const lastAddress = (prefix: Prefix): Uint8Array => withHostBits(prefix, true);

/** Whether the address is of the prefix's family and lies in it. */
export function contains({ address: network, bits }: Prefix, address: Uint8Array): boolean {
  if (address.length !== network.length) return false;
  const octets = bits >> 3;
  for (let i = 0; i < octets; i++) if (address[i] !== network[i]) return false;
  return (((address[octets] ?? 0) ^ (network[octets] ?? 0)) & (0xff00 >> (bits & 7)) & 0xff) === 0;
}
