// Pages kept for the day on which the disk is full. LMDB never overwrites a page in use, so a DEL needs free pages as
// an ADD does: behind the last page some are allocated ahead, and no ADD is let near them. LMDB does not look at what
// lies behind its last page, and writes there when it needs a page.
//
// What is allocated is written, with zeros: a hole would only promise space. File systems that never write in place
// (btrfs, ZFS) promise nothing all the same.

import { closeSync, fstatSync, openSync, statfsSync, writeSync } from 'node:fs';
import { StoreError } from './error.ts';
import { newestMeta } from './inspect.ts';
import { PageFile } from './page-file.ts';
import { DEFAULT_PAGE_BYTES, META_PAGES } from './pages.ts';
import { walkFreeList } from './trees.ts';
import type { Entry } from './walk.ts';

/** Most pages that one ADD or DEL writes: 17 were seen, with 30,000 leases. */
const LONE_PAGES = 32;
/** The same for each further ADD of a transaction: 2 in the mean. */
const FURTHER_PAGES = 8;
/** The free list, of which a transaction may write everything anew, has at least so many pages' numbers in one. */
const LISTED_PAGES = 500;
/** Allocated at a time, beyond what is needed: a normal ADD makes no system call for the reserve. */
const AHEAD_PAGES = 64; // 256 KiB

export interface Extent {
  lastPage: number;
  pageBytes: number;
}

export class Reserve {
  readonly #path: string;
  /** The file is at least that long: others may have let it grow, and nobody shortens it. */
  #bytes: number;
  /** Why the file did not grow when it had to. */
  #problem: unknown;

  constructor(path: string, knownBytes: number) {
    this.#path = path;
    this.#bytes = knownBytes;
  }

  /**
   * How many of so many ADDs the next transaction may have, so that DELs find pages behind it; allocates some where
   * they run short. For whoever holds the store's lock exclusively.
   */
  admit(adds: number, { lastPage, pageBytes }: Extent): number {
    const usedBytes = (lastPage + 1) * pageBytes;
    const { lone, kept, needed } = demandOf(adds, lastPage);
    if (this.#bytes < usedBytes + needed * pageBytes) this.#grow(usedBytes + (needed + AHEAD_PAGES) * pageBytes);
    const room = Math.floor((this.#bytes - usedBytes) / pageBytes);
    if (room >= needed) return adds;
    const spare = room + countReusablePages(this.#path) - kept - lone;
    return spare < 0 ? 0 : Math.min(adds, 1 + Math.floor(spare / FURTHER_PAGES));
  }

  /** What is said to an ADD that was not admitted. */
  refusal(): StoreError {
    const problem = (this.#problem as Error).message;
    return new StoreError('io', `write: ${problem} (the pages left are kept for DEL)`, { cause: this.#problem });
  }

  #grow(bytes: number): void {
    try {
      const fd = openSync(this.#path, 'r+');
      try {
        this.#bytes = fstatSync(fd).size;
        const zeros = new Uint8Array(Math.max(0, bytes - this.#bytes));
        while (this.#bytes < bytes) this.#bytes += writeSync(fd, zeros, 0, bytes - this.#bytes, this.#bytes);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      this.#problem = error;
    }
  }
}

/** Pages that so many ADDs of one transaction may need, and with those that have to be left for DELs. */
function demandOf(adds: number, lastPage: number): { lone: number; kept: number; needed: number } {
  const lone = LONE_PAGES + Math.ceil(lastPage / LISTED_PAGES);
  // A transaction reuses what the last but one has freed, so two DELs live on the reserve before they feed it.
  const kept = 2 * lone;
  return { lone, kept, needed: kept + lone + FURTHER_PAGES * (adds - 1) };
}

const NO_STORE = { size: 0, lastPage: META_PAGES - 1, pageBytes: DEFAULT_PAGE_BYTES };

/**
 * Looks whether an ADD would be admitted, as far as that can be told without the lock: a commit meanwhile can only make
 * a full disk seem fuller.
 *
 * @param place the store, or where there is none, a directory on its disk
 * @throws StoreError 'io' if it would not
 */
export function requireRoom(path: string, place: string): void {
  const file = PageFile.open(path, file => (file.size === 0 ? undefined : { size: file.size, ...newestMeta(file) }));
  const { size, lastPage, pageBytes } = file ?? NO_STORE;
  const { needed } = demandOf(1, lastPage);
  const inFile = Math.floor(size / pageBytes) - (lastPage + 1);
  if (inFile >= needed) return;
  const { blocks, bfree, bsize } = statfsSync(place);
  if (blocks === 0) return; // the file system does not tell
  const found = inFile + Math.floor((bfree * bsize) / pageBytes);
  if (found >= needed || (file !== undefined && found + countReusablePages(path) >= needed)) return;
  const problem = `an ADD needs ${needed} pages, most of which are kept for DEL, and the disk has no room for them`;
  throw new StoreError('io', `store ${path}: no space left on device: ${problem}`);
}

/** Pages within the file that the next transaction may write anew: all that are free, but for those freed just now. */
function countReusablePages(path: string): number {
  const count = PageFile.open(path, file => {
    const meta = newestMeta(file);
    const newest = BigInt(meta.transaction);
    const isOlder = ({ key }: Entry) => Buffer.from(key).readBigUInt64LE() < newest;
    const { problems, pages } = walkFreeList(file, meta, new Set(), isOlder);
    return problems.length === 0 ? pages.size : 0;
  });
  return count ?? 0;
}
