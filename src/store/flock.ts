// The operating system's file locks, as the guard needs them. Bun reaches libc by itself (flock-bun.ts), Node does not
// and runs util-linux' flock(1) (flock-node.ts).

export interface FileLocks {
  /**
   * Takes flock(2) on an open file without waiting; false if another open file holds it. It goes with the file's last
   * descriptor, so the kernel frees it when the process dies.
   */
  tryFlock(fd: number, exclusive: boolean): boolean;
  /** Whether another process holds a POSIX record lock (fcntl(2) F_SETLK) on the file. */
  isRecordLocked(fd: number): boolean;
  /**
   * The descriptor of a lock file that this process has been started with, locked exclusively for as long as it lives:
   * the launcher holds it too.
   */
  inheritedFd?: number | undefined;
}
