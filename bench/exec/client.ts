// A client that keeps many requests in flight with the daemon, without a process for each.

import { connect } from 'node:net';
import { configuration, environment, owner } from './calls.ts';

export interface Load {
  socket: string;
  store: string;
  /** Number of the first owner. */
  from: number;
  requests: number;
  inFlight: number;
}

export interface Figures {
  perSecond: number;
  /** From sending a request to the end of its answer, ascending. */
  ms: number[];
}

const HEAD_BYTES = 8;

/** An ADD for each owner; each must succeed. */
export async function addMany({ socket, store, from, requests, inFlight }: Load): Promise<Figures> {
  const ms: number[] = [];
  let next = from;
  const end = from + requests;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: Math.min(inFlight, requests) }, async () => {
      const connection = await open(socket);
      while (next < end) {
        const number = next++;
        const env = { ...environment('ADD', number), IPAM_DB_PATH: store };
        const sentMs = performance.now();
        const answer = await connection.call(frame(env, configuration(owner(number))));
        ms.push(performance.now() - sentMs);
        if (answer.readUInt32BE(HEAD_BYTES) !== 0) throw new Error(answer.toString('utf8', HEAD_BYTES + 8));
      }
      connection.close();
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  return { perSecond: requests / seconds, ms: ms.sort((a, b) => a - b) };
}

/** src/daemon/frame.ts has the layout. */
function frame(env: Record<string, string>, stdin: string): Buffer {
  const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const parts: Buffer[] = [Buffer.from('ecsq'), number(0), number(entries.length)];
  for (const entry of entries) parts.push(number(Buffer.byteLength(entry)), Buffer.from(entry));
  const bytes = Buffer.concat([...parts, Buffer.from(stdin)]);
  bytes.writeUInt32BE(bytes.length - HEAD_BYTES, 4);
  return bytes;
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const CONFIRMATION = Buffer.alloc(1);

interface Connection {
  call(request: Buffer): Promise<Buffer>;
  close(): void;
}

async function open(path: string): Promise<Connection> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  let received: Buffer = Buffer.alloc(0);
  let settle: { resolve(answer: Buffer): void; reject(error: Error): void } | undefined;
  let isFirst = true;
  const lost = (why: string) => settle?.reject(new Error(`an answer is lost: ${why}`));
  socket.on('error', error => lost(error.message)).on('close', () => lost('connection closed'));
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    if (received.length < HEAD_BYTES || received.length < HEAD_BYTES + received.readUInt32BE(4)) return;
    const answer = received;
    received = Buffer.alloc(0);
    settle?.resolve(answer);
    settle = undefined;
  });
  return {
    call: request =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject };
        socket.write(isFirst ? request : Buffer.concat([CONFIRMATION, request])); // confirms the answer before
        isFirst = false;
      }),
    close: () => socket.end(CONFIRMATION),
  };
}
