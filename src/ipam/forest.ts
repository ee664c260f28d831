// One tree for each family, over the nodes of a ledger.

import { Tree } from '../core/tree.ts';
import { type CoreExports, instantiateCore } from '../core/wasm.ts';
import { type Family, octetsOf } from '../net/address.ts';
import type { Lease } from '../store/lease.ts';
import type { Ledger, ReadLedger } from './ledger.ts';

const FAMILIES: readonly Family[] = [4, 6];

/** Instances of the core are made once and serve one forest after another. */
const cores = new Map<Family, CoreExports>();
let current: Forest | undefined;

/**
 * Valid for one transaction, as a tree remembers the nodes that it has read; and only until the next forest is made.
 * Transactions are synchronous, so no two of them need a forest at once.
 */
export class Forest {
  readonly #ledger: ReadLedger;
  readonly #trees = new Map<Family, Tree>();
  /** Whether the rows are what the trees are: an operation that fails on the way leaves it false. */
  #isSaved = false;

  constructor(ledger: ReadLedger) {
    this.#ledger = ledger;
    current = this;
  }

  /** The forest for an operation that saves it last of all: the one of the operation before in the same transaction. */
  static of(ledger: Ledger): Forest {
    if (current === undefined || !current.#isSaved) return new Forest(ledger);
    return current.#ledger.sharesTransaction(ledger) ? current : new Forest(ledger);
  }

  tree(family: Family): Tree {
    if (current !== this) throw new Error('this forest has been followed by another one');
    this.#isSaved = false;
    let tree = this.#trees.get(family);
    if (tree === undefined) {
      const core = cores.get(family) ?? instantiateCore();
      cores.set(family, core);
      const octets = octetsOf(family);
      tree = new Tree(octets, prefix => this.#ledger.node(family, prefix), core);
      this.#trees.set(family, tree);
    }
    return tree;
  }

  /** Writes the nodes that have changed. */
  save(ledger: Ledger): void {
    for (const family of FAMILIES) {
      for (const change of this.#trees.get(family)?.takeChanges() ?? []) ledger.putNode(family, change);
    }
    this.#isSaved = true;
  }

  /** Makes a leaf agree with the leases under it: the lease is the truth, the tree its index. */
  rebuildLeaf({ address }: Lease, family: Family): void {
    const tree = this.tree(family);
    for (const lease of this.#ledger.leasesInLeaf(address.subarray(0, -1))) tree.mark(lease.address);
  }
}
