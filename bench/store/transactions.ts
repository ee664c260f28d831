// How often a store has been committed to.

import { closeSync, openSync, readSync } from 'node:fs';
import { DEFAULT_PAGE_BYTES, decodeMeta } from '../../src/store/pages.ts';

/** LMDB counts its transactions, on two meta pages in turn. */
export function committedTransactions(path: string): number {
  const file = openSync(path, 'r');
  try {
    const transactions = [0, 1].map(page => {
      const bytes = Buffer.alloc(DEFAULT_PAGE_BYTES);
      readSync(file, bytes, 0, bytes.length, page * DEFAULT_PAGE_BYTES);
      return Number(decodeMeta(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))?.transaction ?? 0n);
    });
    return Math.max(...transactions);
  } finally {
    closeSync(file);
  }
}
