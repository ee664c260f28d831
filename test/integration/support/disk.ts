// Small disks that can be filled. Needs root.

import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { tool } from './process.ts';

const PAGE_BYTES = 4096;

/** Mounts a small file system, and unmounts it whatever happens. */
export async function onSmallDisk(options: string, use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync('/var/lib/ecs-ipam-test-disk-');
  try {
    await tool('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', directory);
    try {
      await use(directory);
    } finally {
      await tool('umount', '-l', directory);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Fills the disk but for some pages; gives what frees it again. */
export function fillDisk(directory: string, freePages = 0): () => void {
  const path = join(directory, 'filler');
  const fd = openSync(path, 'w');
  const page = Buffer.alloc(PAGE_BYTES, 1);
  try {
    for (;;) writeSync(fd, page);
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, 'ENOSPC', `filling ${path}: ${error}`);
  }
  const { size } = fstatSync(fd);
  ftruncateSync(fd, Math.max(0, Math.floor(size / PAGE_BYTES) - freePages) * PAGE_BYTES);
  closeSync(fd);
  return () => rmSync(path);
}
