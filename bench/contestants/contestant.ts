// What hands out addresses, in the one shape in which all of them are measured.

/** Where addresses come from. The first address is never handed out, of IPv4 the last one neither. */
export interface Place {
  subnet: string;
  first: bigint;
  size: bigint;
  bytes: 4 | 16;
}

const DB8 = 0x20010db8n << 96n;

export const SLASH_48: Place = { subnet: '2001:db8::/48', first: DB8, size: 1n << 80n, bytes: 16 };

/** The first 2^bits addresses of 2001:db8::. */
export const ipv6Place = (bits: number): Place => ({
  subnet: `2001:db8::/${128 - bits}`,
  first: DB8,
  size: 1n << BigInt(bits),
  bytes: 16,
});

/** The first 2^bits addresses of 10.0.0.0. */
export const ipv4Place = (bits: number): Place => ({
  subnet: `10.0.0.0/${32 - bits}`,
  first: 0x0a000000n,
  size: 1n << BigInt(bits),
  bytes: 4,
});

export const lastUsableOffset = ({ size, bytes }: Place): bigint => (bytes === 4 ? size - 2n : size - 1n);

/** How many results an allocator keeps until they are asked for. */
export const SLOTS = 1024;

export interface Contestant {
  name: string;
  /** An allocator with all of the place free. */
  open(place: Place): Allocator;
}

/** `Handle` is what its user holds of an address: text, bytes, a number. Making one is never part of a figure. */
export interface Allocator<Handle = unknown> {
  /** Takes the next free address behind the last one, once around, and keeps it in a slot. False if none is left. */
  acquireAt(slot: number): boolean;
  /** The address in a slot. */
  handleAt(slot: number): Handle;
  handleOf(offset: bigint): Handle;
  /** Takes this very one; false if it was taken. */
  take(handle: Handle): boolean;
  /** Gives one back; false if it was not taken. */
  release(handle: Handle): boolean;
  /** Takes the next `count` at once, by the fastest way there is. */
  fill(count: number): void;
  /** Memory by its own account; those who keep all in V8's heap have none. */
  bytes?(): number;
  /** For memory that V8 does not collect. */
  close?(): void;
}

/** Big-endian bytes of an address. */
export function bytesOf({ first, bytes }: Place, offset: bigint): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  const value = first + offset;
  view.setBigUint64(0, value >> 64n);
  view.setBigUint64(8, value);
  // A copy lies in V8's heap, as what a program holds does.
  return new Uint8Array(view.buffer).slice(16 - bytes);
}
