// Speaks to a daemon as the launcher does, without a process for each call.

import { connect, type Socket } from 'node:net';
import type { Env, Run } from '../../support/plugin.ts';

const number = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** A request frame. A string or bytes go in as they are, anything else as JSON. */
export function requestFrame(env: Env, stdin: unknown): Buffer {
  const entries = Object.entries(env).filter(entry => entry[1] !== undefined);
  const variables = entries.flatMap(([name, value]) => {
    const text = Buffer.from(`${name}=${value}`);
    return [number(text.length), text];
  });
  const isWritten = typeof stdin === 'string' || stdin instanceof Uint8Array;
  const body = [number(entries.length), ...variables, Buffer.from(isWritten ? stdin : JSON.stringify(stdin))];
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

/** A connection that carries one request after another, and is made anew where the daemon has closed it. */
export class Line {
  readonly #path: string;
  #socket: Socket | undefined;
  #bytes = Buffer.alloc(0);
  #wake = () => {};

  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined if the daemon closes the connection instead of answering. */
  async ask(frame: Uint8Array): Promise<Run | undefined> {
    const startMs = performance.now();
    const socket = this.#isOpen ? this.#socket! : await this.#connect();
    socket.write(frame);
    for (;;) {
      const answer = decodeAnswer(this.#bytes, performance.now() - startMs);
      if (answer !== undefined) {
        this.#bytes = Buffer.alloc(0);
        socket.write(Buffer.alloc(1));
        return answer;
      }
      if (!this.#isOpen) return undefined;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#socket?.destroy();
  }

  get #isOpen(): boolean {
    return this.#socket?.readable === true && this.#socket.writable;
  }

  async #connect(): Promise<Socket> {
    this.close();
    this.#bytes = Buffer.alloc(0);
    const socket = await connected(this.#path);
    this.#socket = socket;
    socket.on('data', chunk => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        socket.destroy();
        this.#wake();
      });
    }
    return socket;
  }
}
