// The frames between launcher and daemon; src/launcher/launcher.c speaks the same. Numbers are big-endian u32.
//
//   request:  "ecsq"  length of the rest   count   count × (length, "NAME=value")   stdin to the end
//   answer:   "ecsa"  length of the rest   exit status   length of stdout, stdout   stderr to the end
//
// The caller confirms an answer by one byte once it has printed it, and may then send another request: a connection
// carries them one after another, and the daemon closes it when it has been between two of them for some seconds.
//
// Nothing here asks for the ArrayBuffer of what it reads or writes, as a DataView or `subarray` would: the engine makes
// one for each array then, which costs more than all the rest.

const REQUEST_MAGIC = Buffer.from('ecsq');
const ANSWER_MAGIC = 'ecsa';
const NUMBER_BYTES = 4;
const HEAD_BYTES = 8;

/** Longest request after its head: a configuration has a few kilobytes. */
export const MOST_REQUEST_BYTES = 4 << 20;

export const CONFIRMATION_BYTES = 1;

export interface RequestFrame {
  env: Record<string, string>;
  stdin: Uint8Array;
}

export interface AnswerFrame {
  status: number;
  stdout: string;
  stderr: string;
}

/**
 * How many bytes the request at the beginning of `received` has: those of its head, as long as it is not all there.
 *
 * @throws FrameError for what is no request
 */
export function requestBytes(received: Uint8Array): number {
  for (let i = 0; i < Math.min(received.length, REQUEST_MAGIC.length); i++) {
    if (received[i] !== REQUEST_MAGIC[i]) throw new FrameError('does not begin as a request');
  }
  if (received.length < HEAD_BYTES) return HEAD_BYTES;
  const length = numberAt(received, NUMBER_BYTES);
  if (length > MOST_REQUEST_BYTES) {
    throw new FrameError(`announces ${length} bytes, at most ${MOST_REQUEST_BYTES} are read`);
  }
  return HEAD_BYTES + length;
}

/**
 * Takes a whole request apart: the first `length` of the bytes.
 *
 * @throws FrameError if its parts do not fit
 */
export function decodeRequest(bytes: Buffer, length: number): RequestFrame {
  let offset = HEAD_BYTES;
  const number = () => {
    if (offset + NUMBER_BYTES > length) throw new FrameError('is shorter than it says');
    offset += NUMBER_BYTES;
    return numberAt(bytes, offset - NUMBER_BYTES);
  };
  const env: Record<string, string> = {};
  for (let count = number(); count > 0; count--) {
    const end = number() + offset;
    if (end > length) throw new FrameError('is shorter than it says');
    const entry = bytes.toString('utf8', offset, end);
    offset = end;
    const equals = entry.indexOf('=');
    if (equals < 1) throw new FrameError('has a variable without a name');
    if (entry.includes('\0')) throw new FrameError('has a variable that no environment can hold');
    env[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
  return { env, stdin: Uint8Array.prototype.slice.call(bytes, offset, length) };
}

const numberAt = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;

export function encodeAnswer({ status, stdout, stderr }: AnswerFrame): Uint8Array {
  const outBytes = Buffer.byteLength(stdout);
  const outOffset = HEAD_BYTES + 2 * NUMBER_BYTES;
  const bytes = Buffer.allocUnsafe(outOffset + outBytes + Buffer.byteLength(stderr));
  bytes.write(ANSWER_MAGIC, 'latin1');
  putNumber(bytes, NUMBER_BYTES, bytes.length - HEAD_BYTES);
  putNumber(bytes, HEAD_BYTES, status);
  putNumber(bytes, HEAD_BYTES + NUMBER_BYTES, outBytes);
  bytes.write(stdout, outOffset);
  bytes.write(stderr, outOffset + outBytes);
  return bytes;
}

function putNumber(bytes: Uint8Array, offset: number, value: number): void {
  for (let i = 0; i < NUMBER_BYTES; i++) bytes[offset + i] = value >>> (24 - 8 * i);
}

export class FrameError extends Error {
  override name = 'FrameError';
}
