// Text <-> addresses of 4 or 16 big-endian bytes (RFC 791, RFC 4291).

export const IPV4_BYTES = 4;
export const IPV6_BYTES = 16;

const GROUPS = 8; // of 16 bits each

export type Family = 4 | 6;

/** 4 for four bytes, 6 for sixteen. */
export function familyOf(address: Uint8Array): Family {
  return address.length === IPV4_BYTES ? 4 : 6;
}

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
  const bytes = text.includes(':') ? parseIPv6(text) : parseIPv4(text);
  if (bytes === undefined) throw new SyntaxError(`${JSON.stringify(text)} is not an IP address`);
  return bytes;
}

function parseIPv4(text: string): Uint8Array | undefined {
  const octets = text.split('.');
  if (octets.length !== IPV4_BYTES || !octets.every(octet => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) < 256)) {
    return undefined;
  }
  return Uint8Array.from(octets, Number);
}

function parseIPv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 1 ? [] : parseGroups(halves[1]!, true);
  if (head === undefined || tail === undefined) return undefined;
  const zeros = GROUPS - head.length - tail.length;
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return undefined;
  const groups = [...head, ...new Array<number>(zeros).fill(0), ...tail];
  return Uint8Array.from(groups.flatMap(group => [group >> 8, group & 0xff]));
}

/** The 16-bit groups of one side of `::`. The address's end may be an IPv4 address. */
function parseGroups(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    if (isEnd && i === parts.length - 1 && part.includes('.')) {
      const tail = parseIPv4(part);
      if (tail === undefined) return undefined;
      groups.push((tail[0]! << 8) | tail[1]!, (tail[2]! << 8) | tail[3]!);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/** Canonical text of an address of 4 or 16 bytes: dotted decimal, or RFC 5952. */
export function formatAddress(address: Uint8Array): string {
  if (address.length === IPV4_BYTES) return address.join('.');
  if (address.length !== IPV6_BYTES) throw new RangeError(`an address has 4 or 16 bytes, not ${address.length}`);
  const groups = Array.from({ length: GROUPS }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!);
  // RFC 5952 section 5: mixed notation where the prefix alone tells that an IPv4 address is embedded (::ffff:0:0/96).
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${address.slice(12).join('.')}`;
  }
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map(group => group.toString(16));
  if (length < 2) return hex.join(':'); // section 4.2.2: a single zero group stays
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

/** RFC 5952 section 4.2.3: the longest run of zero groups, the first of equals. */
function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < GROUPS; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

export function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
