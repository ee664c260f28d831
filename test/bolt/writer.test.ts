// Files for the Go plugin: read back by our reader, by one that is written apart from it, and by bbolt itself where it
// is installed.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readGoStore, writeGoStore } from '../../src/bolt/plugin.ts';
import { parseAddress } from '../../src/net/address.ts';
import { Random } from '../support/random.ts';
import { checkFile } from './oracle.ts';
import { contentOf, FIXTURES, fixture, readContent } from './support.ts';

const test = suite('bolt writer');

for (const name of FIXTURES) {
  test(`${name}: read, written and read again, row by row`, () => {
    const store = readGoStore(fixture(name));
    const file = writeGoStore(store);
    assert.equal(readContent(file), contentOf(store));
    const rows = checkFile(file);
    assert.is(rows.size, store.leases.length + store.cursors.length);
    // bbolt keeps a small bucket inline, which the oracle does not read.
    if (name === 'large-v4') assert.equal(rows, checkFile(fixture(name)));
  });
}
test('the oracle finds nothing wrong with files of any size', () => {
  const random = new Random('bolt files');
  for (const count of [0, 1, 2, 3, 60, 61, 62, 200, 5_000, 20_000]) {
    const leases = Array.from({ length: count }, (_, i) => ({
      address: parseAddress(i % 2 === 0 ? `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` : `2001:db8::${i.toString(16)}`),
      id: random.chance(0.1) ? '' : 'ü'.repeat(random.chance(0.01) ? 4_000 : random.below(40)),
      isGateway: random.chance(0.01),
    })).map(lease => (lease.isGateway ? { ...lease, id: '' } : lease));
    const cursors = count > 2 ? [leases[2]!.address] : [];
    const file = writeGoStore({ leases, cursors });
    assert.is(checkFile(file).size, count + cursors.length);
    assert.equal(readContent(file), contentOf({ leases, cursors }));
  }
});
test('100,000 leases', () => {
  const leases = Array.from({ length: 100_000 }, (_, i) => ({
    address: Uint8Array.of(10, i >> 16, i >> 8, i),
    id: `task-${i}`,
    isGateway: false,
  }));
  assert.is(readGoStore(writeGoStore({ leases, cursors: [] })).leases.length, 100_000);
});

test.run();
