// File locks on Node, which has none of its own: flock(1) of util-linux takes the lock on a descriptor that it
// inherits. The lock belongs to the open file, so it stays with this process when flock(1) has gone.

import { spawnSync } from 'node:child_process';
import { fstatSync, readFileSync } from 'node:fs';
import { StoreError } from './error.ts';
import type { FileLocks } from './flock.ts';

/** What flock(1) exits with when the lock is taken (its --conflict-exit-code). */
const CONFLICT = 75;
const INHERITED_FD = 3;

export const nodeFileLocks: FileLocks = {
  tryFlock(fd, exclusive) {
    const mode = exclusive ? '--exclusive' : '--shared';
    const args = [mode, '--nonblock', '--conflict-exit-code', String(CONFLICT), String(INHERITED_FD)];
    const { status, error, stderr } = spawnSync('flock', args, { stdio: ['ignore', 'ignore', 'pipe', fd] });
    if (error !== undefined) {
      const why =
        'code' in error && error.code === 'ENOENT' ? 'it is not installed (package util-linux)' : error.message;
      throw new StoreError('io', `on Node the store's lock needs flock(1): ${why}`);
    }
    if (status !== 0 && status !== CONFLICT) throw new StoreError('io', `flock(1) failed: ${stderr}`);
    return status === 0;
  },

  isRecordLocked(fd) {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    // proc(5): "1: POSIX  ADVISORY  WRITE 4711 08:01:131 0 EOF", the device as major:minor in hexadecimal.
    const hex = (value: bigint) => value.toString(16).padStart(2, '0');
    const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
    const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
    const file = `${hex(major)}:${hex(minor)}:${ino}`;
    return readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .some(line => line.includes(' POSIX ') && line.split(/\s+/).includes(file));
  },
};
