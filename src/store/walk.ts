// Walks a B+tree of a store's file page by page, believing nothing: whatever the bytes are, it ends, and says what is
// wrong. Rules of LMDB that it checks: each page is there, is of the tree's kind for its depth, bears its own number
// and no later transaction than the newest, is reached once; keys ascend, and lie between those of the page above.

import { ALL_KEYS, isWithin, type KeyRange, only } from './key-range.ts';
import type { PageFile } from './page-file.ts';
import { decodePage, META_PAGES, type Overflow, readOverflow, type TreeInfo } from './pages.ts';

/** A key with its value, and where it was found. */
export interface Entry {
  key: Uint8Array;
  value: Uint8Array;
  page: number;
  /** The one that wrote the page. */
  transaction: number;
}

/** What is wrong with what. */
export interface Problem {
  subject: string;
  problem: string;
}

export type CompareKeys = (a: Uint8Array, b: Uint8Array) => number;

/** What bounds the pages of a file. */
export interface Bounds {
  pageBytes: number;
  lastPage: number;
  transaction: number;
}

const COUNTED = {
  entries: 'entries',
  leafPages: 'leaf pages',
  branchPages: 'branch pages',
  overflowPages: 'pages of long values',
} as const;

/** The most levels that LMDB itself can walk through (CURSOR_STACK). */
const MOST_LEVELS = 32;

export class TreeWalk {
  readonly problems: Problem[] = [];
  /** Keys whose entries may be missing. */
  readonly lost: KeyRange[] = [];
  readonly #file: PageFile;
  readonly #bounds: Bounds;
  readonly #compare: CompareKeys;
  /** Pages reached so far, in this walk or another one of the same file. */
  readonly #reached: Set<number>;
  readonly #counted = { entries: 0, branchPages: 0, leafPages: 0, overflowPages: 0 };
  /** Which tree of the file it is. */
  readonly #name: string;
  readonly #keep: (entry: Entry) => void;

  /** `keep` is given the entries in the order of the pages; of a damaged page what can be read of it. */
  constructor(
    name: string,
    file: PageFile,
    bounds: Bounds,
    compare: CompareKeys,
    reached: Set<number>,
    keep: (entry: Entry) => void,
  ) {
    this.#name = name;
    this.#file = file;
    this.#bounds = bounds;
    this.#compare = compare;
    this.#reached = reached;
    this.#keep = keep;
  }

  walk(tree: TreeInfo): void {
    if (tree.root !== undefined) this.#visit(tree.root, tree.depth, ALL_KEYS);
    if (this.problems.length > 0) return;
    for (const what of ['entries', 'leafPages', 'branchPages', 'overflowPages'] as const) {
      if (this.#counted[what] === tree[what]) continue;
      const problem = `the header counts ${tree[what]} ${COUNTED[what]}, and there are ${this.#counted[what]}`;
      this.problems.push({ subject: this.#name, problem });
      if (what === 'entries') this.lost.push(ALL_KEYS);
    }
  }

  #lose(page: number, problem: string, range: KeyRange): void {
    this.problems.push({ subject: `${this.#name}, page ${page}`, problem });
    this.lost.push(range);
  }

  /** `levels` are those from this page down to the leaves, both included. */
  #visit(number: number, levels: number, range: KeyRange): void {
    const absence =
      levels < 1 || levels > MOST_LEVELS ? `is root of a tree of ${levels} levels` : this.#claim(number, 1);
    if (absence !== undefined) {
      this.#lose(number, absence, range);
      return;
    }
    const { pageBytes, transaction } = this.#bounds;
    const page = decodePage(this.#file.read(number * pageBytes, pageBytes));
    const keys = page.kind === 'leaf' ? page.entries : page.children;
    const problem =
      page.problem ??
      (page.number !== number ? `bears the number of page ${page.number}` : undefined) ??
      (page.transaction > transaction ? `is of transaction ${page.transaction}, later than the newest` : undefined) ??
      ((page.kind === 'leaf') !== (levels === 1)
        ? `is a ${page.kind}, ${levels - 1} levels above the leaves`
        : undefined) ??
      this.#orderProblem(keys.map(node => node.key).slice(page.kind === 'branch' ? 1 : 0), range);
    if (problem !== undefined) this.#lose(number, problem, range);
    if (page.kind === 'leaf') {
      this.#counted.leafPages++;
      for (const { key, value } of page.entries) {
        if (page.number !== number && !isWithin(range, key)) continue; // it belongs elsewhere
        const bytes = 'page' in value ? this.#overflow(number, key, value) : value;
        if (bytes === undefined) continue;
        this.#counted.entries++;
        this.#keep({ key, value: bytes, page: number, transaction: page.transaction });
      }
    } else if (problem === undefined) {
      this.#counted.branchPages++;
      for (const [i, { key, child }] of page.children.entries()) {
        const from = i === 0 ? range.from : key;
        this.#visit(child, levels - 1, { from, to: page.children[i + 1]?.key ?? range.to });
      }
    }
  }

  /** Takes pages as reached; says why they cannot be. */
  #claim(first: number, count: number): string | undefined {
    const { pageBytes, lastPage } = this.#bounds;
    if (first < META_PAGES || first + count - 1 > lastPage) return `is none of pages ${META_PAGES} to ${lastPage}`;
    if ((first + count) * pageBytes > this.#file.size) return 'is missing: the file ends before';
    for (let number = first; number < first + count; number++) {
      if (this.#reached.has(number)) return 'is used twice';
      this.#reached.add(number);
    }
    return undefined;
  }

  #orderProblem(keys: readonly Uint8Array[], { from, to }: KeyRange): string | undefined {
    if (keys.length === 0) return undefined;
    if (keys.some((key, i) => i > 0 && this.#compare(keys[i - 1]!, key) >= 0)) return 'has keys that do not ascend';
    const fits = this.#compare(from, keys[0]!) <= 0 && (to === undefined || this.#compare(keys.at(-1)!, to) < 0);
    return fits ? undefined : 'has keys outside the range that the page above gives it';
  }

  /** The bytes of a long value; undefined if they cannot be read. */
  #overflow(leaf: number, key: Uint8Array, overflow: Overflow): Uint8Array | undefined {
    const { page, pages } = overflow;
    const absence = this.#claim(page, pages);
    const value = readOverflow(this.#file, this.#bounds.pageBytes, overflow);
    const problem = absence ?? (value === undefined ? 'is not the beginning of one of that length' : undefined);
    if (problem === undefined) this.#counted.overflowPages += pages;
    else this.#lose(leaf, `has a long value on page ${page}, which ${problem}`, only(key));
    return value;
  }
}
