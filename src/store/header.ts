// The header of a store's file: two meta pages, of one transaction and of the one after it. LMDB takes the one with the
// larger number; where that number is wrong, it would go on from an earlier state, and forget what came after it.

import type { PageFile } from './page-file.ts';
import { decodePageHeader, hasPlainTrees, type Meta, PAGE_HEADER_BYTES } from './pages.ts';
import type { Problem } from './walk.ts';

/** What no machine maps: 64 TiB. */
const MOST_MAP_BYTES = 2 ** 46;

/** What is wrong with the meta pages; undefined is one that LMDB would not take. */
export function headerProblems(file: PageFile, metas: readonly (Meta | undefined)[]): Problem[] {
  const problems = metas.flatMap((meta, page): Problem[] => {
    const problem =
      meta === undefined
        ? 'is no header of LMDB'
        : (metaProblem(meta, page) ?? rootsProblem(meta, othersRoots(file, meta)));
    return problem === undefined ? [] : [{ subject: `meta page ${page}`, problem }];
  });
  const [first, second] = metas;
  if (first !== undefined && second !== undefined && !areConsecutive(first.transaction, second.transaction)) {
    const problem = `are of transactions ${first.transaction} and ${second.transaction}, not of one after the other`;
    problems.push({ subject: 'meta pages', problem });
  }
  return problems;
}

/** A new store has 0 on both pages. */
const areConsecutive = (a: number, b: number): boolean => Math.abs(a - b) === 1 || (a === 0 && b === 0);

/**
 * The transactions that wrote the roots of a meta page's trees, if it is of none of them. It should be of one, since
 * each transaction writes the root of a tree at least; and the pages of the state before the newest are overwritten by
 * none before its meta page is (mdb_find_oldest), so this holds of either meta page at any time.
 */
function othersRoots(file: PageFile, { freePages, rows, pageBytes, transaction }: Meta): number[] {
  const roots = [freePages.root, rows.root].filter(root => root !== undefined && (root + 1) * pageBytes <= file.size);
  const pages = roots.map(root => decodePageHeader(file.read(root! * pageBytes, PAGE_HEADER_BYTES)));
  const transactions = pages.filter(({ kind }) => kind !== 'other').map(page => page.transaction);
  return transactions.includes(transaction) ? [] : transactions;
}

function rootsProblem({ transaction }: Meta, others: readonly number[]): string | undefined {
  if (others.length === 0) return undefined;
  return `is of transaction ${transaction}, and the roots of its trees of ${others.join(' and ')}`;
}

/** The transaction of a meta page whose own number may be damaged. */
export function transactionOf(file: PageFile, meta: Meta): number {
  const others = othersRoots(file, meta);
  return others.length === 0 ? meta.transaction : Math.max(...others);
}

function metaProblem(meta: Meta, page: number): string | undefined {
  const { transaction, lastPage, mapBytes, pageBytes } = meta;
  if (transaction % 2 !== page && transaction !== 0) return `is of transaction ${transaction}, which is the other's`;
  if (!hasPlainTrees(meta)) return 'has the flags of other trees than ours';
  const bytes = (lastPage + 1) * pageBytes;
  return mapBytes < bytes || mapBytes > MOST_MAP_BYTES
    ? `maps ${mapBytes} bytes, and the pages are ${bytes}`
    : undefined;
}
