// How much a commit writes: the disk's share of an ADD, which must not grow with the store. Counted by the kernel
// (proc(5), io), as the pages go out by system calls of this very process. What the file grows by is counted apart:
// that is the reserve for a full disk, and no commit's.

import { readFileSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acquire } from '../../src/ipam/allocator.ts';
import { nodeFileLocks } from '../../src/store/flock-node.ts';
import { openStore } from '../../src/store/guard.ts';
import type { Store } from '../../src/store/transaction.ts';
import { WriteBack } from '../../src/store/write-back.ts';
import { holder, ledgerOf, pool, surroundings } from '../ipam/support.ts';
import { temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';

const test = suite('pages written');

const PAGE_BYTES = 4096;
const LEASES = 20_000;
const requests = [pool('10.0.0.0/8'), pool('2001:db8::/48')];

const bytesWritten = () => Number(/^wchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))![1]);

let owners = 0;

const location = { path: temporaryStore(), timeoutMs: 5000 };
/** How often the file has grown. */
let growths = 0;

/** Dual-stack ADDs in one commit, as the daemon does them; the pages that each of them cost. */
async function pagesOf(store: Store, adds: number): Promise<number> {
  const before = bytesWritten();
  const sizeBefore = statSync(location.path).size;
  await store.write(transaction => {
    const rows = new WriteBack(transaction);
    for (let i = 0; i < adds; i++) {
      const id = `arn:aws:ecs:eu-west-1:123456789012:task/test/${owners++}`;
      rows.attempt(work => acquire(ledgerOf(work), holder(id), requests, surroundings()));
    }
    rows.flush();
  });
  const grownBytes = statSync(location.path).size - sizeBefore;
  if (grownBytes > 0) growths++;
  return (bytesWritten() - before - grownBytes) / PAGE_BYTES / adds;
}

testWith(test, ['flock'], `with ${LEASES} leases: at most 11 pages for a lone ADD, 2 for one of 64`, async () => {
  const store = (await openStore(location, 'create', nodeFileLocks))!;
  while (owners < LEASES) await pagesOf(store, 500);
  // A full page that is split now and then costs two or three more: the mean is what is promised.
  const lone: number[] = [];
  growths = 0;
  for (let round = 0; round < 100; round++) lone.push(await pagesOf(store, 1));
  assert.ok(growths <= 5, `the file grew with ${growths} of 100 ADDs`);
  const mean = lone.reduce((sum, pages) => sum + pages) / lone.length;
  assert.ok(mean > 1 && mean <= 11, `a lone ADD wrote ${mean} pages in the mean`);
  assert.ok(Math.max(...lone) <= 15, `a lone ADD wrote ${Math.max(...lone)} pages`);
  console.log(`a lone ADD wrote ${mean.toFixed(1)} pages in the mean`);
  for (let round = 0; round < 20; round++) {
    const shared = await pagesOf(store, 64);
    assert.ok(shared > 0 && shared <= 2, `one of 64 wrote ${shared} pages`);
  }
  await store.close();
});

test.run();
