// A program of its own that uses a store through lmdb-js and knows nothing of our `flock`.
// Usage: foreign.ts hold STORE          stands still inside a write transaction, after printing `held`
//        foreign.ts drop-nodes STORE    deletes all rows of the octet tree, and prints how many

import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';

interface Database {
  getKeys(range: object): Iterable<Buffer>;
  putSync(key: Buffer, value: Buffer): boolean;
  removeSync(key: Buffer): boolean;
  transactionSync(work: () => void): void;
  close(): Promise<void>;
}

// lmdb's own declarations do not compile in an ECMAScript module.
const lmdb: { open(options: object): Database } = createRequire(import.meta.url)('lmdb');

const [verb, path = ''] = process.argv.slice(2);
const db = lmdb.open({
  path,
  noSubdir: true,
  encoding: 'binary',
  keyEncoding: 'binary',
  overlappingSync: false,
});

/** A node's key is a byte longer than a lease's. */
const isNode = (key: Buffer) => (key[0] === 4 && key.length === 2 + 4) || (key[0] === 6 && key.length === 2 + 16);

if (verb === 'hold') {
  db.transactionSync(() => {
    db.putSync(Buffer.from('foreign'), Buffer.from('uncommitted'));
    writeSync(1, 'held\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
  });
} else if (verb === 'drop-nodes') {
  const keys = [...db.getKeys({})].map(key => Buffer.from(key)).filter(isNode);
  db.transactionSync(() => {
    for (const key of keys) db.removeSync(key);
  });
  writeSync(1, `${keys.length}\n`);
} else {
  throw new Error(`${verb}: unknown`);
}
await db.close();
