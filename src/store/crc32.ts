// CRC-32 (ISO-HDLC, the one of zlib and Ethernet): polynomial 0x04C11DB7, reflected.

const POLYNOMIAL = 0xedb88320;

/** Remainders of a byte with no zero bytes behind it, with one, two and three: 256 of each. */
const TABLE = new Int32Array(4 * 256);
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL : 0);
  TABLE[byte] = remainder;
}
for (let i = 256; i < TABLE.length; i++) TABLE[i] = TABLE[TABLE[i - 256]! & 0xff]! ^ (TABLE[i - 256]! >>> 8);

/** CRC-32 of the bytes before `end`, going on from that of what comes before them. */
export function crc32(bytes: Uint8Array, before = 0, end = bytes.length): number {
  let remainder = ~before;
  let i = 0;
  for (; i + 4 <= end; i += 4) {
    remainder =
      TABLE[768 + ((remainder ^ bytes[i]!) & 0xff)]! ^
      TABLE[512 + (((remainder >>> 8) ^ bytes[i + 1]!) & 0xff)]! ^
      TABLE[256 + (((remainder >>> 16) ^ bytes[i + 2]!) & 0xff)]! ^
      TABLE[(remainder >>> 24) ^ bytes[i + 3]!]!;
  }
  for (; i < end; i++) remainder = TABLE[(remainder ^ bytes[i]!) & 0xff]! ^ (remainder >>> 8);
  return ~remainder >>> 0;
}
