// Both trees of a store's file together: the rows, and the free list, which must not name what they use.

import { compareNumbers, readFreeList } from './free-list.ts';
import { compareKeys, type KeyRange } from './key-range.ts';
import type { PageFile } from './page-file.ts';
import type { Meta } from './pages.ts';
import { type Entry, type Problem, TreeWalk } from './walk.ts';

export interface FreeList {
  problems: Problem[];
  /** The pages that it names. */
  pages: Set<number>;
}

export interface Trees {
  free: FreeList;
  /** Of the tree of the rows. */
  problems: Problem[];
  /** Keys whose rows may be missing. */
  lost: KeyRange[];
  /** Pages that either tree uses. */
  reached: ReadonlySet<number>;
  /** Pages that are in use and on the free list. */
  contested: Problem[];
}

/** `counts` tells the entries whose pages are wanted. */
export function walkFreeList(
  file: PageFile,
  meta: Meta,
  reached: Set<number>,
  counts: (entry: Entry) => boolean = () => true,
): FreeList {
  const entries: Entry[] = [];
  const walk = new TreeWalk('free list', file, meta, compareNumbers, reached, entry => entries.push(entry));
  walk.walk(meta.freePages);
  const pages = new Set<number>();
  const problems = [...walk.problems, ...readFreeList(entries.filter(counts), meta.lastPage, pages)];
  return { problems, pages };
}

/** Walks through all that is in use; `keep` is given the rows. */
export function walkTrees(file: PageFile, meta: Meta, keep: (row: Entry) => void): Trees {
  const reached = new Set<number>();
  const free = walkFreeList(file, meta, reached);
  const walk = new TreeWalk('rows', file, meta, compareKeys, reached, keep);
  walk.walk(meta.rows);
  const contested = [...free.pages]
    .filter(page => reached.has(page))
    .map(page => ({
      subject: `page ${page}`,
      problem: 'is in use and on the free list: it would be overwritten',
    }));
  return { free, problems: walk.problems, lost: walk.lost, reached, contested };
}
