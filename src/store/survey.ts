// What is in a store's file, whatever state it is in: its rows, and what is wrong with its pages. Reads with read(2),
// and changes nothing. For whoever holds the store's lock.

import { StoreError } from './error.ts';
import { headerProblems, transactionOf } from './header.ts';
import { hasBoltMagic } from './inspect.ts';
import { ALL_KEYS, compareKeys, isWithin, joined, type KeyRange, only, successor, widened } from './key-range.ts';
import { PageFile } from './page-file.ts';
import { DEFAULT_PAGE_BYTES, decodeMeta, META_BYTES, type Meta } from './pages.ts';
import { describeKey } from './records.ts';
import { leavesOf, mergeRows, scanLeaves, withoutStale } from './salvage.ts';
import { walkTrees } from './trees.ts';
import { isSealed } from './value.ts';
import type { Entry, Problem } from './walk.ts';

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
  const problems = headerProblems(file, metas);
  const isDoubtful = problems.length > 0;
  const [newest] = metas
    .filter(meta => meta !== undefined)
    .map(meta => (isDoubtful ? { ...meta, transaction: transactionOf(file, meta) } : meta))
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

function surveyTrees(file: PageFile, meta: Meta, isDoubtful: boolean): Survey {
  const entries: Entry[] = [];
  const trees = walkTrees(file, meta, row => entries.push(row));
  const { free, reached, contested } = trees;
  const { problems: rowProblems, sound, unreadable, lost: lostRows } = checkRows(entries);
  const lost = joined(
    isDoubtful || contested.length > 0 ? [ALL_KEYS] : [...betweenSound(sound, trees.lost), ...lostRows],
  );

  // Leaves that no tree leads to: those of a later transaction only if its header may be lost, else those in use.
  const isStale = (page: number) => free.problems.length === 0 && free.pages.has(page);
  const isCandidate = (page: number, transaction: number) =>
    !reached.has(page) && (transaction > meta.transaction ? isDoubtful : !isStale(page));
  const lastPage = isDoubtful ? Number.POSITIVE_INFINITY : meta.lastPage;
  const candidates = lost.length === 0 ? [] : scanLeaves(file, meta.pageBytes, lastPage, isCandidate);
  const leaves = withoutStale([
    ...leavesOf(entries, page => free.pages.has(page)),
    ...leavesOf(candidates, () => true),
  ]);
  const rows = mergeRows(leaves).filter(row => reached.has(row.page) || lost.some(range => isWithin(range, row.key)));
  const salvaged = rows.filter(row => !reached.has(row.page)).length;

  const problems = [...free.problems, ...trees.problems, ...rowProblems, ...contested];
  if (salvaged > 0) {
    const problem = `${salvaged} of them are cut off, and were found in leaves beside the tree`;
    problems.push({ subject: 'rows', problem });
  }
  // Without the free list, what was salvaged may be stale copies, and stand for nothing that is in use.
  const certain = rows.length - (free.problems.length > 0 || isDoubtful ? salvaged : 0);
  return { problems, rows, unreadable, lost, counted: meta.rows.entries, certain, salvaged };
}

/**
 * Ranges up to the sound rows around them: what bounds them comes from branches, which have no checksums, and may be
 * damaged as well.
 */
function betweenSound(sound: readonly Entry[], ranges: readonly KeyRange[]): KeyRange[] {
  if (ranges.length === 0) return [];
  const keys = sound.map(({ key }) => key).sort(compareKeys);
  return ranges.map(range => widened(range, keys));
}

/** Looks at the checksums of rows. Around a wrong one, which may be its key's, a row may be missing. */
function checkRows(entries: readonly Entry[]): Pick<Survey, 'problems' | 'unreadable' | 'lost'> & { sound: Entry[] } {
  const sound: Entry[] = [];
  const wrong: (readonly [Entry, number])[] = [];
  for (const [i, entry] of entries.entries()) {
    if (isSealed(entry.key, entry.value)) sound.push(entry);
    else wrong.push([entry, i]);
  }
  return {
    sound,
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
