// Text <-> addresses of 4 or 16 big-endian bytes (RFC 791, RFC 4291).

export { sameBytes as sameAddress } from './bytes.ts';

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

const GROUPS = 8; // of 16 bits each

export type Family = 4 | 6;

/** 4 for four bytes, 6 for sixteen. */
export function familyOf(address: Uint8Array): Family {
  return address.length === IPV4_BYTES ? 4 : 6;
}

/** Octets of a family's addresses: 4 or 16. */
export const octetsOf = (family: Family): number => (family === 4 ? IPV4_BYTES : IPV6_BYTES);

/** Bits of an address: 32 or 128. */
export function addressBits(address: Uint8Array): number {
  return address.length * 8;
}

/**
 * Reads one IPv4 address in dotted decimal, or one IPv6 address (RFC 4291 section 2.2, its mixed form included).
 * Leading zeros in IPv4, zones, brackets, lengths and blanks are refused.
 *
 * @returns 4 or 16 bytes, big-endian
 * @throws SyntaxError that quotes the text
 */
export function parseAddress(text: string): Uint8Array {
  const bytes = text.includes(':') ? parseIPv6(text) : parseIPv4(text, 0);
  if (bytes === undefined) throw new SyntaxError(`${JSON.stringify(text)} is not an IP address`);
  return bytes;
}

const ZERO = 0x30; // '0'
const LOWER_A = 0x61; // 'a'
const COLON = 0x3a;
const DOT = 0x2e;

/** Value of a hexadecimal digit's character code; past 15 for anything else. */
function digitOf(code: number): number {
  if (code < LOWER_A - 0x20) return (code - ZERO) >>> 0 < 10 ? code - ZERO : 16;
  const letter = (code | 0x20) - LOWER_A;
  return letter < 6 ? letter + 10 : 16;
}

/** Dotted decimal from `start` to the end of the text. */
function parseIPv4(text: string, start: number): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV4_BYTES);
  let at = start;
  for (let i = 0; i < IPV4_BYTES; i++) {
    if (i > 0 && text.charCodeAt(at++) !== DOT) return undefined;
    const begin = at;
    let octet = 0;
    for (; at < text.length && at < begin + 3; at++) {
      const digit = digitOf(text.charCodeAt(at));
      if (digit > 9) break;
      octet = octet * 10 + digit;
    }
    const hasLeadingZero = at > begin + 1 && text.charCodeAt(begin) === ZERO;
    if (at === begin || octet > 255 || hasLeadingZero) return undefined;
    bytes[i] = octet;
  }
  return at === text.length ? bytes : undefined;
}

function parseIPv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(IPV6_BYTES);
  let length = 0; // of what has been read
  let gap = -1; // where `::` stands
  let at = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return undefined;
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    if (length === IPV6_BYTES) return undefined;
    const begin = at;
    let group = 0;
    for (; at < text.length && at < begin + 4; at++) {
      const digit = digitOf(text.charCodeAt(at));
      if (digit > 15) break;
      group = group * 16 + digit;
    }
    if (text.charCodeAt(at) === DOT) {
      const tail = length <= IPV6_BYTES - IPV4_BYTES ? parseIPv4(text, begin) : undefined;
      if (tail === undefined) return undefined;
      bytes.set(tail, length);
      length += IPV4_BYTES;
      break;
    }
    if (at === begin) return undefined;
    bytes[length++] = group >> 8;
    bytes[length++] = group & 0xff;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== COLON || at === text.length) return undefined;
    if (text.charCodeAt(at) !== COLON) continue;
    if (gap >= 0) return undefined;
    gap = length;
    at++;
  }
  if (gap < 0) return length === IPV6_BYTES ? bytes : undefined;
  if (length === IPV6_BYTES) return undefined; // `::` stands for one group at least
  bytes.copyWithin(IPV6_BYTES - (length - gap), gap, length);
  bytes.fill(0, gap, IPV6_BYTES - (length - gap));
  return bytes;
}

/** Text of each byte: as short as can be, that behind a colon, and as two digits. `toString(16)` is slow. */
const HEXADECIMAL = Array.from({ length: 256 }, (_, byte) => byte.toString(16));
const COLON_HEXADECIMAL = HEXADECIMAL.map(digits => `:${digits}`);
const TWO_DIGITS = HEXADECIMAL.map(digits => digits.padStart(2, '0'));

/** Canonical text of an address of 4 or 16 bytes: dotted decimal, or RFC 5952. */
export function formatAddress(address: Uint8Array): string {
  if (address.length === IPV4_BYTES) return formatIPv4(address, 0);
  if (address.length !== IPV6_BYTES) throw new RangeError(`an address has 4 or 16 bytes, not ${address.length}`);
  // RFC 5952 section 5: mixed notation where the prefix alone tells that an IPv4 address is embedded.
  if (isIPv4Mapped(address)) return `::ffff:${formatIPv4(address, 12)}`;
  const gap = longestZeroRun(address);
  let text = '';
  for (let group = 0; group < GROUPS; group++) {
    if (group === gap.start) {
      // What follows brings the second colon along, unless nothing does.
      text += gap.end === GROUPS ? '::' : ':';
      group = gap.end - 1;
      continue;
    }
    const [high, low] = [address[group * 2]!, address[group * 2 + 1]!];
    const lead = group === 0 ? HEXADECIMAL : COLON_HEXADECIMAL;
    text += high === 0 ? lead[low]! : lead[high]! + TWO_DIGITS[low]!;
  }
  return text;
}

/** Whether the address is one of ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
export function isIPv4Mapped(address: Uint8Array): boolean {
  if (address.length !== IPV6_BYTES || address[10] !== 0xff || address[11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return true;
}

const formatIPv4 = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

/**
 * RFC 5952 section 4.2.3: the longest run of zero groups, the first of equals; none of a single one (4.2.2). `start` is
 * GROUPS if there is none.
 */
function longestZeroRun(address: Uint8Array): { start: number; end: number } {
  let start = GROUPS;
  let end = GROUPS + 1;
  for (let group = 0, length = 0, longest = 1; group < GROUPS; group++) {
    if (address[group * 2] !== 0 || address[group * 2 + 1] !== 0) {
      length = 0;
    } else if (++length > longest) {
      longest = length;
      end = group + 1;
      start = end - length;
    }
  }
  return { start, end };
}
