// File locks through libc, for the executable that Bun compiles.

import { dlopen, FFIType, ptr } from 'bun:ffi';
import type { FileLocks } from './flock.ts';

// Linux, <fcntl.h> and <sys/file.h>; the same numbers on x86-64 and arm64.
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const F_GETLK = 5;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;

// struct flock: l_type i16 @0, l_whence i16 @2, l_start i64 @8, l_len i64 @16, l_pid i32 @24
const STRUCT_FLOCK_BYTES = 32;

const libc = dlopen('libc.so.6', {
  flock: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  fcntl: { args: [FFIType.i32, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
});

export const bunFileLocks: FileLocks = {
  tryFlock: (fd, exclusive) => libc.symbols.flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) === 0,

  isRecordLocked(fd) {
    // A read lock would collide with writers only: ask as a writer would, over the whole file.
    const request = new DataView(new ArrayBuffer(STRUCT_FLOCK_BYTES));
    request.setInt16(0, F_WRLCK, true);
    const answer = libc.symbols.fcntl(fd, F_GETLK, ptr(request.buffer));
    const type = request.getInt16(0, true);
    if (answer !== 0 || (type !== F_UNLCK && type !== F_RDLCK && type !== F_WRLCK)) {
      throw new Error(`fcntl(F_GETLK) answered ${answer}, type ${type}`);
    }
    return type !== F_UNLCK;
  },
};
