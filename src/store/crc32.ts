// CRC-32 (ISO-HDLC, the one of zlib and Ethernet): polynomial 0x04C11DB7, reflected.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xedb88320 : 0);
  return remainder;
});

/** CRC-32 of the bytes before `end`, going on from that of what comes before them. */
export function crc32(bytes: Uint8Array, before = 0, end = bytes.length): number {
  let remainder = ~before;
  for (let i = 0; i < end; i++) remainder = TABLE[(remainder ^ bytes[i]!) & 0xff]! ^ (remainder >>> 8);
  return ~remainder >>> 0;
}
