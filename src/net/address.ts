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
  if (address.length === IPV4_BYTES) return formatIPv4(address, 0);
  if (address.length !== IPV6_BYTES) throw new RangeError(`an address has 4 or 16 bytes, not ${address.length}`);
  // RFC 5952 section 5: mixed notation where the prefix alone tells that an IPv4 address is embedded.
  if (isIPv4Mapped(address)) return `::ffff:${formatIPv4(address, 12)}`;
  const groups: number[] = [];
  for (let i = 0; i < IPV6_BYTES; i += 2) groups.push((address[i]! << 8) | address[i + 1]!);
  const { start, length } = longestZeroRun(groups);
  if (length < 2) return formatGroups(groups, 0, GROUPS); // section 4.2.2: a single zero group stays
  return `${formatGroups(groups, 0, start)}::${formatGroups(groups, start + length, GROUPS)}`;
}

/** Whether the address is one of ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
export function isIPv4Mapped(address: Uint8Array): boolean {
  if (address.length !== IPV6_BYTES || address[10] !== 0xff || address[11] !== 0xff) return false;
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false;
  return true;
}

const formatIPv4 = (bytes: Uint8Array, at: number): string =>
  `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;

function formatGroups(groups: readonly number[], from: number, end: number): string {
  let text = '';
  for (let i = from; i < end; i++) text += i === from ? groups[i]!.toString(16) : `:${groups[i]!.toString(16)}`;
  return text;
}

/** RFC 5952 section 4.2.3: the longest run of zero groups, the first of equals. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < GROUPS; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = end;
  }
  return best;
}

export function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
