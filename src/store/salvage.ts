// Finds rows that the tree of a damaged store no longer leads to.
//
// LMDB never changes a page in place: whoever changes a leaf writes a new one, and the old one stays in the file, with
// leases that may have been freed since, until a later transaction takes its page. So a leaf that nothing points to is
// either in use and cut off by the damage, or stale. Two facts tell them apart:
//
//   - what the free list names is stale, if the list itself is sound;
//   - of two leaves whose keys overlap the older is stale. Were it in use, it would be in the newer one's tree too, and
//     no tree has overlapping leaves.
//
// What passes both counts as in use. A row that is kept wrongly costs an address until somebody frees it; a lease that
// is lost wrongly gives a container's address to another one.

import { compareKeys } from './key-range.ts';
import type { PageFile } from './page-file.ts';
import { decodePage, META_PAGES, readOverflow } from './pages.ts';
import { isSealed } from './value.ts';
import type { Entry } from './walk.ts';

/** The sound rows of a leaf page: at least one. */
export interface Leaf {
  transaction: number;
  rows: Entry[];
  first: Uint8Array;
  last: Uint8Array;
  /** Whether it may be stale: it is used only where no newer leaf overlaps it. */
  isDoubtful: boolean;
}

/** Entries as the leaves that they lie in, without those whose checksums are wrong. */
export function leavesOf(entries: readonly Entry[], isDoubtful: (page: number) => boolean): Leaf[] {
  const byPage = new Map<number, Entry[]>();
  for (const entry of entries) {
    if (!isSealed(entry.key, entry.value)) continue;
    const rows = byPage.get(entry.page);
    if (rows === undefined) byPage.set(entry.page, [entry]);
    else rows.push(entry);
  }
  return [...byPage].map(([page, rows]) => {
    rows.sort((a, b) => compareKeys(a.key, b.key));
    const { transaction } = rows[0]!;
    return { transaction, rows, first: rows[0]!.key, last: rows.at(-1)!.key, isDoubtful: isDoubtful(page) };
  });
}

/** Entries of the leaf pages that `isCandidate` lets pass, up to the last page or the end of the file. */
export function scanLeaves(
  file: PageFile,
  pageBytes: number,
  lastPage: number,
  isCandidate: (page: number, transaction: number) => boolean,
): Entry[] {
  const entries: Entry[] = [];
  for (let page = META_PAGES; page <= lastPage && (page + 1) * pageBytes <= file.size; page++) {
    const content = decodePage(file.read(page * pageBytes, pageBytes));
    const { number, kind, transaction } = content;
    if (kind !== 'leaf' || number !== page || !isCandidate(page, transaction)) continue;
    for (const { key, value } of content.entries) {
      const bytes = 'page' in value ? readOverflow(file, pageBytes, value) : value;
      if (bytes !== undefined) entries.push({ key, value: bytes, page, transaction });
    }
  }
  return entries;
}

/** The leaves without the doubtful ones that a newer leaf overlaps. */
export function withoutStale(leaves: readonly Leaf[]): Leaf[] {
  const stale = new Set<Leaf>();
  let open: Leaf[] = []; // that may overlap what begins next
  for (const leaf of [...leaves].sort((a, b) => compareKeys(a.first, b.first))) {
    open = open.filter(other => compareKeys(other.last, leaf.first) >= 0);
    for (const other of open) {
      if (leaf.isDoubtful && leaf.transaction < other.transaction) stale.add(leaf);
      if (other.isDoubtful && other.transaction < leaf.transaction) stale.add(other);
    }
    open.push(leaf);
  }
  return leaves.filter(leaf => !stale.has(leaf));
}

/** The rows of leaves in order; of several with one key the newest. */
export function mergeRows(leaves: readonly Leaf[]): Entry[] {
  const rows = leaves.flatMap(leaf => leaf.rows);
  rows.sort((a, b) => compareKeys(a.key, b.key) || b.transaction - a.transaction);
  return rows.filter((row, i) => i === 0 || compareKeys(rows[i - 1]!.key, row.key) !== 0);
}
