#!/usr/bin/env node
// Entry point of the npm package's command, on Node: for trying and developing. It starts far slower than the
// executable.

import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { nodeFileLocks } from '../store/flock-node.ts';
import { main } from './main.ts';

const CHUNK_BYTES = 65536;
const RETRY_MS = 1;

/** Runs a system call on a descriptor that may be non-blocking, until it is ready. */
async function whenReady<T>(call: () => T): Promise<T> {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await new Promise(resolve => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const length = await whenReady(() => readSync(0, chunk));
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
  }
}

process.exitCode = await main(process.argv.slice(2), process.env, {
  locks: nodeFileLocks,
  sha256: text => createHash('sha256').update(text).digest(),
  readStdin,
  write: async (stream, text) => {
    const bytes = new TextEncoder().encode(text);
    for (let offset = 0; offset < bytes.length; ) {
      offset += await whenReady(() => writeSync(stream === 'stdout' ? 1 : 2, bytes, offset));
    }
  },
});
