// A store's file, read in pieces with read(2). LMDB maps the file, and garbage or a missing end is a SIGSEGV or SIGBUS
// there, which no `catch` sees; here it is bytes.

import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { StoreError } from './error.ts';

export class PageFile {
  readonly path: string;
  readonly stat: Stats;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
    this.stat = fstatSync(fd);
  }

  /**
   * Opens the file for as long as `look` takes; undefined if there is none. Never waits for whoever opens a pipe's
   * other end.
   *
   * @throws StoreError 'io' if it cannot be read
   */
  static open<T>(path: string, look: (file: PageFile) => T): T | undefined {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new StoreError('io', `store ${path}: cannot be read: ${(error as Error).message}`, { cause: error });
    }
    try {
      return look(new PageFile(path, fd));
    } finally {
      closeSync(fd);
    }
  }

  get size(): number {
    return this.stat.size;
  }

  /** @throws StoreError 'damaged' */
  requireRegular(): void {
    if (!this.stat.isFile()) throw this.finding(this.stat.isDirectory() ? 'is a directory' : 'is not a regular file');
  }

  /** What lies past the end reads as zeros. */
  read(offset: number, bytes: number): DataView {
    const buffer = new Uint8Array(bytes);
    readSync(this.#fd, buffer, 0, bytes, offset);
    return new DataView(buffer.buffer);
  }

  finding(what: string): StoreError {
    return new StoreError('damaged', `store ${this.path}: ${what}`);
  }
}
