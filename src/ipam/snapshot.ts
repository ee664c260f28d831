// A pool as bytes.
//
//   0 "ecsp"   4 version (1)   5 length of the options (u32)   9 the options as JSON
//   then: 1 if there is a cursor (u8), the cursor (16), the number of nodes (u32), the nodes, CRC-32 of all before
// (u32)
//   node: level (u8), first index (16), bits (32); upper levels first
//
// Numbers are big-endian, indexes too.

import { INDEX_BYTES, NODE_BYTES } from '../core/scratch.ts';
import { crc32 } from '../store/crc32.ts';

const MAGIC = [...'ecsp'].map(char => char.charCodeAt(0));
const VERSION = 1;
const HEAD_BYTES = 9;
const CHECKSUM_BYTES = 4;

export interface SnapshotNode {
  level: number;
  firstIndex: Uint8Array;
  bits: Uint8Array;
}

export interface Snapshot {
  /** What the pool was made with: JSON. */
  options: unknown;
  cursor: Uint8Array | undefined;
  /** Upper levels first. */
  nodes: SnapshotNode[];
}

export function encodeSnapshot({ options, cursor, nodes }: Snapshot): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(options));
  const nodeBytes = 1 + INDEX_BYTES + NODE_BYTES;
  const length = HEAD_BYTES + json.length + 1 + INDEX_BYTES + 4 + nodes.length * nodeBytes + CHECKSUM_BYTES;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set([...MAGIC, VERSION]);
  view.setUint32(5, json.length);
  bytes.set(json, HEAD_BYTES);
  let offset = HEAD_BYTES + json.length;
  bytes[offset++] = cursor === undefined ? 0 : 1;
  if (cursor !== undefined) bytes.set(cursor, offset + INDEX_BYTES - cursor.length);
  offset += INDEX_BYTES;
  view.setUint32(offset, nodes.length);
  offset += 4;
  for (const { level, firstIndex, bits } of nodes) {
    bytes[offset] = level;
    bytes.set(firstIndex, offset + 1 + INDEX_BYTES - firstIndex.length);
    bytes.set(bits, offset + 1 + INDEX_BYTES);
    offset += nodeBytes;
  }
  view.setUint32(offset, crc32(bytes.subarray(0, offset)));
  return bytes;
}

/** @throws SyntaxError for what is no whole snapshot */
export function decodeSnapshot(snapshot: Uint8Array): Snapshot {
  // A Buffer is a Uint8Array whose slices are no copies: what is read here has to be one of its own.
  const bytes = new Uint8Array(snapshot);
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  const view = new DataView(bytes.buffer);
  if (body.length < HEAD_BYTES || MAGIC.some((byte, i) => body[i] !== byte)) throw damaged('it does not begin as one');
  if (body[4] !== VERSION) throw damaged(`version ${body[4]}, where ${VERSION} is known`);
  if (crc32(body) !== view.getUint32(body.length)) throw damaged('checksum mismatch');
  const reader = new Reader(body, 5);
  const options = parseOptions(reader.take(reader.number()));
  const hasCursor = reader.take(1)[0] === 1;
  const cursor = reader.take(INDEX_BYTES);
  const nodes: SnapshotNode[] = [];
  for (let count = reader.number(); count > 0; count--) {
    const level = reader.take(1)[0]!;
    if (level > (nodes.at(-1)?.level ?? level)) throw damaged('its nodes are out of order');
    nodes.push({ level, firstIndex: reader.take(INDEX_BYTES), bits: reader.take(NODE_BYTES) });
  }
  if (!reader.atEnd) throw damaged('it goes on behind its end');
  return { options, cursor: hasCursor ? cursor : undefined, nodes };
}

function parseOptions(json: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(json));
  } catch {
    throw damaged('its options are no JSON');
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #offset: number;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw damaged('it ends too early');
    const taken = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  number(): number {
    return new DataView(this.take(4).buffer).getUint32(0);
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }
}

export const damaged = (finding: string): SyntaxError => new SyntaxError(`snapshot: ${finding}`);
