// Which tests are to notice a mutant: the quickest first, as the first that fails ends it.

interface Target {
  /** Matches the root-relative names of the sources. */
  sources: RegExp;
  /** Test files below test/. */
  tests: string[];
}

const TREE = ['core/pool', 'core/tree', 'core/nodes-asked', 'core/memory', 'core/hosted'];
const POOLS = ['pool/acquire', 'pool/many', 'pool/options', 'pool/snapshot', 'pool/histories'];
const LEASES = ['ipam/ledger', 'ipam/release', 'ipam/acquire', 'ipam/import'];

const TARGETS: Target[] = [
  { sources: /^assembly\/(u128|node|exclude|arena)\.ts$/, tests: [...TREE, 'core/arithmetic', ...POOLS, 'core/model'] },
  { sources: /^assembly\//, tests: [...TREE, ...POOLS, 'core/model'] },
  { sources: /^src\/ipam\/(pool|unit|option|run|snapshot)\.ts$/, tests: POOLS },
  { sources: /^src\/ipam\/subnet\.ts$/, tests: ['ipam/subnet', ...POOLS, ...LEASES] },
  { sources: /^src\/ipam\/(audit|claims|content|rebuild)\.ts$/, tests: ['ipam/rebuild', 'ipam/audit'] },
  { sources: /^src\/ipam\/(reclaim|collect)\.ts$/, tests: ['ipam/collect', 'ipam/reclaim', ...LEASES] },
  { sources: /^src\/ipam\//, tests: LEASES },
];

/** The sources that are mutated, each a file below the root or a folder of them. */
export const FOLDERS = ['assembly', 'src/ipam'];

export function testsOf(file: string): string[] {
  const target = TARGETS.find(({ sources }) => sources.test(file));
  if (target === undefined) throw new Error(`${file}: no tests are named for it`);
  return target.tests.map(test => `test/${test}.test.ts`);
}
