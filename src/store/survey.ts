// What is in a store's file, whatever state it is in: its rows, and what is wrong with its pages. Reads with read(2),
// and changes nothing. For whoever holds the store's lock.

import { StoreError } from './error.ts';
import { compareNumbers, readFreeList } from './free-list.ts';
import { hasBoltMagic } from './inspect.ts';
import { ALL_KEYS, compareKeys, isWithin, joined, type KeyRange, only, successor } from './key-range.ts';
import { PageFile } from './page-file.ts';
import { DEFAULT_PAGE_BYTES, decodeMeta, decodePage, hasPlainTrees, META_BYTES, type Meta } from './pages.ts';
import { describeKey } from './records.ts';
import { leavesOf, mergeRows, scanLeaves, withoutStale } from './salvage.ts';
import { isSealed } from './value.ts';
import { type Entry, type Problem, TreeWalk } from './walk.ts';

/** What no machine maps: 64 TiB. */
const MOST_MAP_BYTES = 2 ** 46;

export interface Survey {
  problems: Problem[];
  /** Rows whose checksums are right, in the order of their keys, each key once. */
  rows: Entry[];
  /** Keys of rows whose checksums are wrong. */
  unreadable: Uint8Array[];
  /** Keys whose rows may be missing from `rows`. */
  lost: KeyRange[];
  /** How many rows there are by the header. Undefined if there is none: then every leaf of the file was looked at. */
  counted: number | undefined;
  /** How many of `rows` are among those for sure, not copies of an earlier state. */
  certain: number;
  /** How many of the rows were found where the tree does not lead. */
  salvaged: number;
}

/**
 * Whether there may be a store: looks without the lock, so that what is none gets no lock file beside it.
 *
 * @throws StoreError 'io' if the file is not there or cannot be read, 'damaged' if it is of another kind
 */
export function lookForStore(path: string): void {
  opened(path, () => {});
}

/** @throws StoreError as `lookForStore`, and 'damaged' if there is nothing of a store in the file */
export function surveyStore(path: string): Survey {
  return opened(path, file => {
    const header = readHeader(file);
    const survey =
      header.newest === undefined ? surveyLeaves(file) : surveyTrees(file, header.newest, header.isDoubtful);
    return { ...survey, problems: [...header.problems, ...survey.problems] };
  });
}

function opened<T>(path: string, look: (file: PageFile) => T): T {
  const found = PageFile.open(path, file => {
    file.requireRegular();
    if (hasBoltMagic(file)) throw file.finding('is a boltdb file of the Go plugin');
    return { value: look(file) };
  });
  if (found === undefined) throw new StoreError('io', `store ${path}: does not exist`);
  return found.value;
}

interface Header {
  /** The meta page that counts; undefined if neither does. */
  newest: Meta | undefined;
  /** Whether a later transaction than its own may have been committed: a meta page is damaged. */
  isDoubtful: boolean;
  problems: Problem[];
}

function readHeader(file: PageFile): Header {
  const metas = readMetas(file);
  const problems = metas.flatMap((meta, page): Problem[] => {
    const problem =
      meta === undefined
        ? 'is no header of LMDB'
        : (metaProblem(meta, page) ?? rootsProblem(meta, rootsOf(file, meta)));
    return problem === undefined ? [] : [{ subject: `meta page ${page}`, problem }];
  });
  const [first, second] = metas;
  if (first !== undefined && second !== undefined && !areConsecutive(first.transaction, second.transaction)) {
    const problem = `are of transactions ${first.transaction} and ${second.transaction}, not of one after the other`;
    problems.push({ subject: 'meta pages', problem });
  }
  const isDoubtful = problems.length > 0;
  const [newest] = metas
    .filter(meta => meta !== undefined)
    .map(meta => (isDoubtful ? { ...meta, transaction: transactionOf(meta, rootsOf(file, meta)) } : meta))
    .sort((a, b) => b.transaction - a.transaction);
  return { newest, isDoubtful, problems };
}

/** Both meta pages. Where the second one lies is the page size. */
function readMetas(file: PageFile): (Meta | undefined)[] {
  const first = decodeMeta(file.read(0, META_BYTES));
  for (const pageBytes of [first?.pageBytes ?? DEFAULT_PAGE_BYTES, DEFAULT_PAGE_BYTES]) {
    const second = decodeMeta(file.read(pageBytes, META_BYTES));
    if (second?.pageBytes === pageBytes) return [first?.pageBytes === pageBytes ? first : undefined, second];
  }
  return [first, undefined];
}

/** A new store has 0 on both pages. */
const areConsecutive = (a: number, b: number): boolean => Math.abs(a - b) === 1 || (a === 0 && b === 0);

/**
 * The transactions that wrote the roots of a meta page's trees. One of them is the meta page's own, since each
 * transaction writes the root of a tree at least; and the pages of the state before the newest are overwritten by none
 * before its meta page is (mdb_find_oldest), so this holds of either meta page at any time.
 */
function rootsOf(file: PageFile, { freePages, rows, pageBytes }: Meta): number[] {
  const roots = [freePages.root, rows.root].filter(root => root !== undefined && (root + 1) * pageBytes <= file.size);
  const pages = roots.map(root => decodePage(file.read(root! * pageBytes, pageBytes)));
  return pages.filter(({ kind }) => kind !== 'other').map(({ transaction }) => transaction);
}

function rootsProblem({ transaction }: Meta, roots: readonly number[]): string | undefined {
  if (roots.length === 0 || roots.includes(transaction)) return undefined;
  return `is of transaction ${transaction}, and the roots of its trees of ${roots.join(' and ')}`;
}

/** The transaction of a meta page whose own number may be damaged. */
const transactionOf = ({ transaction }: Meta, roots: readonly number[]): number =>
  roots.length === 0 || roots.includes(transaction) ? transaction : Math.max(...roots);

function metaProblem(meta: Meta, page: number): string | undefined {
  const { transaction, lastPage, mapBytes, pageBytes } = meta;
  if (transaction % 2 !== page && transaction !== 0) return `is of transaction ${transaction}, which is the other's`;
  if (!hasPlainTrees(meta)) return 'has the flags of other trees than ours';
  const bytes = (lastPage + 1) * pageBytes;
  return mapBytes < bytes || mapBytes > MOST_MAP_BYTES
    ? `maps ${mapBytes} bytes, and the pages are ${bytes}`
    : undefined;
}

function surveyTrees(file: PageFile, meta: Meta, isDoubtful: boolean): Survey {
  const reached = new Set<number>();
  const freeWalk = new TreeWalk('free list', file, meta, compareNumbers, reached);
  freeWalk.walk(meta.freePages);
  const free = new Set<number>();
  const freeProblems = [...freeWalk.problems, ...readFreeList(freeWalk.entries, meta.lastPage, free)];
  const walk = new TreeWalk('rows', file, meta, compareKeys, reached);
  walk.walk(meta.rows);
  const contested = [...free].filter(page => reached.has(page));
  const { problems: rowProblems, unreadable, lost: lostRows } = checkRows(walk.entries);
  const lost = joined(isDoubtful || contested.length > 0 ? [ALL_KEYS] : [...walk.lost, ...lostRows]);

  // Leaves that no tree leads to: those of a later transaction only if its header may be lost, else those in use.
  const isStale = (page: number) => freeProblems.length === 0 && free.has(page);
  const isCandidate = (page: number, transaction: number) =>
    !reached.has(page) && (transaction > meta.transaction ? isDoubtful : !isStale(page));
  const lastPage = isDoubtful ? Number.POSITIVE_INFINITY : meta.lastPage;
  const candidates = lost.length === 0 ? [] : scanLeaves(file, meta.pageBytes, lastPage, isCandidate);
  const leaves = withoutStale([...leavesOf(walk.entries, page => free.has(page)), ...leavesOf(candidates, () => true)]);
  const rows = mergeRows(leaves).filter(row => reached.has(row.page) || lost.some(range => isWithin(range, row.key)));
  const salvaged = rows.filter(row => !reached.has(row.page)).length;

  const problems = [...freeProblems, ...walk.problems, ...rowProblems];
  for (const page of contested) {
    problems.push({ subject: `page ${page}`, problem: 'is in use and on the free list: it would be overwritten' });
  }
  if (salvaged > 0) {
    const problem = `${salvaged} of them are cut off, and were found in leaves beside the tree`;
    problems.push({ subject: 'rows', problem });
  }
  // Without the free list, what was salvaged may be stale copies, and stand for nothing that is in use.
  const certain = rows.length - (freeProblems.length > 0 || isDoubtful ? salvaged : 0);
  return { problems, rows, unreadable, lost, counted: meta.rows.entries, certain, salvaged };
}

/** Looks at the checksums of rows. Around a wrong one, which may be its key's, a row may be missing. */
function checkRows(entries: readonly Entry[]): Pick<Survey, 'problems' | 'unreadable' | 'lost'> {
  const wrong = entries.map((entry, i) => [entry, i] as const).filter(([{ key, value }]) => !isSealed(key, value));
  return {
    problems: wrong.map(([{ key, page }]) => ({
      subject: describeKey(key),
      problem: `checksum mismatch on page ${page}`,
    })),
    unreadable: wrong.map(([{ key }]) => key),
    lost: wrong.flatMap(([{ key }, i]) => {
      const before = entries[i - 1];
      const around = { from: before === undefined ? ALL_KEYS.from : successor(before.key), to: entries[i + 1]?.key };
      return [only(key), around];
    }),
  };
}

function surveyLeaves(file: PageFile): Survey {
  const entries = scanLeaves(file, DEFAULT_PAGE_BYTES, Number.POSITIVE_INFINITY, () => true);
  const rows = mergeRows(withoutStale(leavesOf(entries, () => true)));
  if (rows.length === 0) {
    throw file.finding(`is no LMDB file that can be used, and has no row of a store in its ${file.size} bytes`);
  }
  return {
    problems: [],
    rows,
    unreadable: [],
    lost: [ALL_KEYS],
    counted: undefined,
    certain: 0,
    salvaged: rows.length,
  };
}
