// Standard input and output by system calls, the same on Bun and Node. Either may be a pipe that somebody has made
// non-blocking: then calls fail with EAGAIN until it is ready. (Bun.write begins again from the start there, and
// process.stdout.write followed by an exit cuts at a pipe's size.)

import { readSync, writeSync } from 'node:fs';

const STDIN = 0;
const DESCRIPTORS = { stdout: 1, stderr: 2 } as const;
const CHUNK_BYTES = 65536;
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 16;

/** All of stdin. */
export async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const length = await whenReady(() => readSync(STDIN, chunk));
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
  }
}

/** Writes all of the text, however slowly it is read. */
export async function write(stream: keyof typeof DESCRIPTORS, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let offset = 0; offset < bytes.length; ) {
    offset += await whenReady(() => writeSync(DESCRIPTORS[stream], bytes, offset));
  }
}

/** Tells people something. Nothing depends on whether anybody reads it. */
export const say = (text: string): Promise<void> => write('stderr', text).catch(() => {});

async function whenReady<T>(call: () => T): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, 2 * waitMs)) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    await new Promise(resolve => setTimeout(resolve, waitMs));
  }
}
