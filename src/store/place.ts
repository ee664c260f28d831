// Puts a file in place whole and durable: nobody ever sees half of it, and no killed process leaves half of it.

import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Moves a file that is written to its place, in the same directory. */
export function replaceBy(draft: string, path: string): void {
  sync(draft);
  renameSync(draft, path);
  sync(dirname(path));
}

/** The same, but nothing is replaced, not even what has come meanwhile. The draft stays: whoever made it removes it. */
export function placeNew(draft: string, path: string): void {
  sync(draft);
  linkSync(draft, path);
  sync(dirname(path));
}

/** Writes a file beside its place, and lets `place` put it there. */
export function writeWhole(path: string, content: Uint8Array | string, place: typeof replaceBy): void {
  const draft = `${path}.new`;
  try {
    writeFileSync(draft, content, { mode: 0o600 });
    place(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Makes what was created, renamed or removed in a directory durable; or the content of a file. */
export function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
