// Speaks to a daemon as the launcher does, without a process for each call.

import { connect, type Socket } from 'node:net';
import type { Env, Run } from '../../support/plugin.ts';

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** A request frame. A string goes in as it is, anything else as JSON. */
export function requestFrame(env: Env, stdin: unknown): Buffer {
  const entries = Object.entries(env).filter(entry => entry[1] !== undefined);
  const variables = entries.flatMap(([name, value]) => {
    const text = Buffer.from(`${name}=${value}`);
    return [number(text.length), text];
  });
  const body = [
    number(entries.length),
    ...variables,
    Buffer.from(typeof stdin === 'string' ? stdin : JSON.stringify(stdin)),
  ];
  const length = body.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from('ecsq'), number(length), ...body]);
}

/** An answer frame; `lengths` lie where they are given. */
export function answerFrame(
  status: number,
  stdout: string,
  stderr = '',
  lengths: { all?: number; stdout?: number } = {},
): Buffer {
  const body = [
    number(status),
    number(lengths.stdout ?? Buffer.byteLength(stdout)),
    Buffer.from(stdout),
    Buffer.from(stderr),
  ];
  const length = body.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from('ecsa'), number(lengths.all ?? length), ...body]);
}

/** The answer as if a process had given it; undefined if the bytes are no whole answer. */
export function decodeAnswer(bytes: Buffer, ms: number): Run | undefined {
  if (bytes.length < 16 || bytes.toString('latin1', 0, 4) !== 'ecsa') return undefined;
  if (bytes.length !== 8 + bytes.readUInt32BE(4)) return undefined;
  const stdoutEnd = 16 + bytes.readUInt32BE(12);
  const [stdout, stderr] = [bytes.toString('utf8', 16, stdoutEnd), bytes.toString('utf8', stdoutEnd)];
  return { status: bytes.readUInt32BE(8), signal: null, stdout, stderr, ms };
}

/** A connection that has been made. */
export function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true }, () => resolve(socket));
    socket.on('error', reject);
  });
}

/** Everything that arrives until the other side ends or the answer is whole. */
export function received(socket: Socket): Promise<Buffer> {
  return new Promise(resolve => {
    let bytes = Buffer.alloc(0);
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk]);
      if (decodeAnswer(bytes, 0) !== undefined) resolve(bytes);
    });
    for (const event of ['end', 'close', 'error']) socket.on(event, () => resolve(bytes));
  });
}

/** One call from connection to confirmation. Undefined if the daemon closes the connection without an answer. */
export async function ask(path: string, env: Env, stdin: unknown): Promise<Run | undefined> {
  const startMs = performance.now();
  const socket = await connected(path);
  socket.write(requestFrame(env, stdin));
  const answer = decodeAnswer(await received(socket), performance.now() - startMs);
  if (answer !== undefined) socket.end(Buffer.alloc(1));
  else socket.destroy();
  return answer;
}
