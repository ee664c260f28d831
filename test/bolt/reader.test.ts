// Files of the Go plugin, whole and damaged: right data or a clear error, and an end in any case.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BoltError, BUCKET, decodeMeta, META_END, type Meta, type Row, viewOf } from '../../src/bolt/format.ts';
import { readBuckets } from '../../src/bolt/reader.ts';
import { writeBolt } from '../../src/bolt/writer.ts';
import { Random } from '../support/random.ts';
import { type Expected, expectedContent, FIXTURES, fixture, goRow, putMeta, readContent } from './support.ts';

const test = suite('bolt reader');
const PAGE = 4096;
const LONGEST_MS = 2_000;

/** The content, or what is wrong. Fails where it takes long or ends in anything but a BoltError. */
function attempt(file: Uint8Array, what: string): Expected | BoltError {
  const startMs = performance.now();
  try {
    return readContent(file);
  } catch (error) {
    assert.instance(error, BoltError, `${what}: ${(error as Error).stack}`);
    assert.ok((error as Error).message.length > 10, what);
    return error as BoltError;
  } finally {
    assert.ok(performance.now() - startMs < LONGEST_MS, `${what}: took ${performance.now() - startMs} ms`);
  }
}
function refused(file: Uint8Array, why: RegExp, what = String(why)): void {
  const outcome = attempt(file, what);
  assert.instance(outcome, BoltError, what);
  assert.match((outcome as BoltError).message, why, what);
}
const metaOf = (file: Uint8Array, number: number, pageBytes = PAGE): Meta =>
  decodeMeta(file.subarray(number * pageBytes, number * pageBytes + META_END), number) as Meta;
const copyOf = (name: string): Buffer => Buffer.from(fixture(name));
/** Changes a copy of the newest meta page. */
function withMeta(file: Buffer, change: (meta: Meta) => Partial<Meta>): Buffer {
  const number = metaOf(file, 0).transaction > metaOf(file, 1).transaction ? 0 : 1;
  const meta = metaOf(file, number);
  putMeta(file, number, { ...meta, ...change(meta) });
  return file;
}

for (const name of FIXTURES) {
  test(`${name}: leases, gateways and last known addresses`, () => {
    assert.equal(readContent(fixture(name)), expectedContent(name));
  });
  test(`${name} cut anywhere near a page's edge: refused`, () => {
    const file = fixture(name);
    const inUse = Number(metaOf(file, 0).highWater);
    for (let page = 0; page < inUse; page++) {
      for (const cut of [page * PAGE, page * PAGE + 1, page * PAGE + 40, (page + 1) * PAGE - 1]) {
        refused(file.subarray(0, cut), /truncated|cut off|not sound/, `${name} cut at ${cut}`);
      }
    }
    assert.equal(readContent(file.subarray(0, inUse * PAGE)), expectedContent(name), 'what lies behind is not needed');
  });
}

const FLIPS = 3_000;
for (const name of ['agent-v4', 'dual'] as const) {
  test(`${name} with a flipped bit: an error, or all that is not behind that bit`, () => {
    const random = new Random(`flips in ${name}`);
    const original = fixture(name);
    const whole = expectedContent(name);
    const older = copyOf(name);
    const newest = metaOf(older, 0).transaction > metaOf(older, 1).transaction ? 0 : 1;
    older.fill(0, newest * PAGE, newest * PAGE + META_END);
    const before = readContent(older);
    // Where there is something; what was never written takes no harm.
    const whole16 = (at: number) => original.subarray(at & ~15, (at | 15) + 1);
    const written = [...original.keys()].filter(at => whole16(at).some(byte => byte !== 0));
    let errors = 0;
    for (let i = 0; i < FLIPS; i++) {
      const file = copyOf(name);
      const bit = 8 * random.pick(written) + random.below(8);
      file[bit >> 3]! ^= 1 << (bit & 7);
      const what = `bit ${bit & 7} of byte ${bit >> 3}`;
      const outcome = attempt(file, what);
      if (outcome instanceof BoltError) errors++;
      // A meta page that is not sound leaves the commit before. A key or a value has no checksum: that row may differ.
      else if (JSON.stringify(outcome) !== JSON.stringify(before)) assert.ok(differences(whole, outcome) <= 2, what);
    }
    assert.ok(errors > 100, `only ${errors} errors`);
  });
}
/** Number of rows that only one of two files has, and of settings that differ. */
function differences(a: Expected, b: Expected): number {
  const rows = ({ leases, gateways, lastKnownIP, lastKnownIPv6 }: Expected) =>
    [...leases, ...gateways, { lastKnownIP }, { lastKnownIPv6 }].map(row => JSON.stringify(row));
  const [left, right] = [new Set(rows(a)), new Set(rows(b))];
  return [...left].filter(row => !right.has(row)).length + [...right].filter(row => !left.has(row)).length;
}

test('bytes overwritten at random: an end in any case', () => {
  const random = new Random('noise');
  for (let i = 0; i < 300; i++) {
    const file = copyOf(random.pick(FIXTURES));
    for (let patch = random.below(8); patch >= 0; patch--) {
      const at = random.below(Math.min(file.length, 16 * PAGE) - 64);
      for (let j = random.below(64); j >= 0; j--) file[at + j] = random.below(256);
    }
    attempt(file, `noise ${i}`);
  }
});

test('with the newer meta page damaged the one before counts, which is sound', () => {
  for (const name of FIXTURES) {
    const file = copyOf(name);
    const [first, second] = [metaOf(file, 0), metaOf(file, 1)];
    const newest = first.transaction > second.transaction ? 0 : 1;
    file[newest * PAGE + 70]! ^= 1;
    assert.is(attempt(file, name) instanceof BoltError, false);
    file[(1 - newest) * PAGE + 70]! ^= 1;
    refused(file, /meta page 0 has a wrong checksum/);
  }
});
test('without the first meta page the page size is found by looking', () => {
  for (const pageBytes of [1024, 4096, 16384, 65536]) {
    const file = writeBolt('IPAM', [goRow('10.0.0.2', 'a')], pageBytes);
    file.fill(0, 0, META_END);
    assert.equal(readContent(file).leases, [{ address: '10.0.0.2', id: 'a' }], String(pageBytes));
  }
});
test('page sizes other than 4096', () => {
  const rows = Array.from({ length: 700 }, (_, i) => goRow(`10.0.${i >> 8}.${i & 255}`, `task-${i}`));
  for (const pageBytes of [512, 1024, 8192, 16384, 65536]) {
    const { leases } = readContent(writeBolt('IPAM', rows, pageBytes));
    assert.is(leases.length, rows.length);
    assert.is(leases.find(({ address }) => address === '10.0.1.2')?.id, 'task-258');
  }
});
test('rows longer than a page', () => {
  const ids = ['x'.repeat(3 * PAGE), 'y'.repeat(PAGE - 60), 'z'.repeat(100_000)];
  const file = writeBolt(
    'IPAM',
    ids.map((id, i) => goRow(`10.0.0.${i + 2}`, id)),
  );
  assert.equal(
    readContent(file).leases.map(({ id }) => id),
    ids,
  );
});

/** A file whose root bucket's only leaf is replaced by one with these elements. */
function withRoot(elements: { row: Row; flags: number }[]): Uint8Array {
  const file = writeBolt('IPAM', []);
  const root = Number(metaOf(file, 0).root) * PAGE;
  const rows = writeBolt(
    'x',
    elements.map(({ row }) => row),
  );
  file.set(rows.subarray(3 * PAGE, 4 * PAGE), root); // its first leaf
  const view = viewOf(file);
  view.setBigUint64(root, BigInt(root / PAGE), true);
  for (const [i, { flags }] of elements.entries()) view.setUint32(root + 16 + 16 * i, flags, true);
  return file;
}
const bytesOf = (text: string) => new TextEncoder().encode(text);
/** An inline bucket: its header, and a leaf of number 0. */
function inline(rows: Row[]): Uint8Array {
  const leaf = writeBolt('x', rows).slice(3 * PAGE, 4 * PAGE);
  viewOf(leaf).setBigUint64(0, 0n, true);
  const used = 16 + rows.reduce((sum, { key, value }) => sum + 16 + key.length + value.length, 0);
  return Buffer.concat([new Uint8Array(16), leaf.subarray(0, used)]);
}

test('an inline bucket', () => {
  const value = inline([goRow('10.0.0.2', 'a'), goRow('62001:db8::2', 'a')]);
  const bucket = { row: { key: bytesOf('IPAM'), value }, flags: BUCKET };
  assert.equal(readContent(withRoot([bucket])).leases, [
    { address: '10.0.0.2', id: 'a' },
    { address: '2001:db8::2', id: 'a' },
  ]);
  for (const cut of [0, 8, 16, 24, 40, value.length - 1]) {
    const short = { row: { key: bytesOf('IPAM'), value: value.subarray(0, cut) }, flags: BUCKET };
    refused(withRoot([short]), /header has|cut off|elements|runs past/, `cut at ${cut}`);
  }
  const nested = { key: bytesOf('IPAM'), value: inline([]) };
  assert.equal(readContent(withRoot([{ row: nested, flags: BUCKET }])).leases, []);
});
test('no bucket at all: no leases; another bucket alone: not of the Go plugin', () => {
  assert.equal(readContent(withRoot([])).leases, []);
  refused(writeBolt('other', []), /not of the Go plugin.*"other"/);
  const both = [
    { row: { key: bytesOf('A'), value: inline([goRow('junk', 'x')]) }, flags: BUCKET },
    { row: { key: bytesOf('IPAM'), value: inline([goRow('10.0.0.2', 'a')]) }, flags: BUCKET },
  ];
  assert.is(readContent(withRoot(both)).leases.length, 1);
});
test('what is no bucket, and what is neither', () => {
  const row = { key: bytesOf('IPAM'), value: inline([]) };
  refused(withRoot([{ row, flags: 0 }]), /"IPAM" is not a bucket/);
  refused(withRoot([{ row, flags: 2 }]), /element 0 has flags 2/);
});

test('a tree that leads back to itself, in all ways', () => {
  const file = copyOf('large-v4');
  const meta = metaOf(file, metaOf(file, 0).transaction > metaOf(file, 1).transaction ? 0 : 1);
  const view = viewOf(file);
  const leafRoot = Number(meta.root) * PAGE; // the root bucket: "IPAM"
  const value = leafRoot + 16 + view.getUint32(leafRoot + 16 + 4, true) + 4;
  const branch = Number(view.getBigUint64(value, true)) * PAGE;
  assert.is(view.getUint16(branch + 8, true), 1, 'the fixture has a branch page');
  const children = [0, 1, 2].map(i => branch + 16 + 16 * i + 8);
  const [first, second] = children.map(at => view.getBigUint64(at, true));
  const redirected = (at: number, to: bigint) => {
    const copy = Buffer.from(file);
    copy.writeBigUInt64LE(to, at);
    return copy;
  };
  refused(redirected(children[1]!, first!), /is used twice/, 'two children are one page');
  refused(redirected(children[0]!, BigInt(branch / PAGE)), /is used twice/, 'a branch is its own child');
  refused(redirected(children[0]!, meta.root), /is used twice/, 'the root bucket is a child');
  refused(redirected(children[0]!, meta.freelist), /is used twice/, 'the list of free pages is a child');
  for (const meta of [0n, 1n]) refused(redirected(children[0]!, meta), /does not exist/, 'a meta page is a child');
  refused(redirected(children[0]!, meta.highWater), /does not exist/);
  refused(redirected(children[0]!, 0xffff_ffff_ffff_ffffn), /does not exist/);
  refused(redirected(value, BigInt(Number(meta.root))), /is used twice/, 'the bucket is its own root');
  const swapped = redirected(children[0]!, second!);
  swapped.writeBigUInt64LE(first!, children[1]!);
  refused(swapped, /out of order/, 'children swapped');
});
test('headers that lie', () => {
  const leaf = (file: Buffer) => Number(metaOf(file, 0).root) * PAGE;
  const patched = (at: (file: Buffer) => number, write: (file: Buffer, at: number) => void) => {
    const file = Buffer.from(writeBolt('IPAM', [goRow('10.0.0.2', 'a'), goRow('10.0.0.3', 'b')]));
    write(file, at(file));
    return file;
  };
  refused(
    patched(leaf, (file, at) => file.writeBigUInt64LE(77n, at)),
    /says that it is page 77/,
  );
  refused(
    patched(leaf, (file, at) => file.writeUInt16LE(0x12, at + 8)),
    /neither branch nor leaf/,
  );
  refused(
    patched(leaf, (file, at) => file.writeUInt16LE(0xffff, at + 10)),
    /65535 elements/,
  );
  refused(
    patched(leaf, (file, at) => file.writeUInt32LE(0xffffffff, at + 12)),
    /goes on for 4294967295 pages/,
  );
  refused(
    patched(leaf, (file, at) => file.writeUInt32LE(0xfffffff0, at + 20)),
    /element 0 lies at/,
  );
  refused(
    patched(leaf, (file, at) => file.writeUInt32LE(0xfffffff0, at + 24)),
    /runs past|element 0/,
  );
  refused(
    patched(leaf, (file, at) => file.writeUInt32LE(0xfffffff0, at + 28)),
    /runs past/,
  );
  refused(
    patched(
      () => 3 * PAGE,
      (file, at) => file.writeUInt32LE(1, at + 12),
    ),
    /is used twice/,
    'overflow into the next',
  );
});
test('the list of free pages', () => {
  const file = () => Buffer.from(writeBolt('IPAM', [goRow('10.0.0.2', 'a')]));
  const freelist = (pages: bigint[], count = pages.length) => {
    const changed = file();
    changed.writeUInt16LE(count, 2 * PAGE + 10);
    for (const [i, page] of pages.entries()) changed.writeBigUInt64LE(page, 2 * PAGE + 16 + 8 * i);
    return changed;
  };
  refused(freelist([3n]), /page 3: is in use, and in the list/);
  refused(freelist([2n]), /page 2: is in use, and in the list/);
  refused(freelist([1n]), /lists page 1/);
  refused(freelist([500n]), /lists page 500/);
  refused(freelist([], 600), /room for 510/);
  refused(freelist([600n], 0xffff), /lists 600 free pages/);
  refused(freelist([0xffff_ffff_ffff_ffffn], 0xffff), /room for/);
  assert.is(readContent(freelist([0n], 0xffff)).leases.length, 1, 'a long list that is empty');
  refused(
    withMeta(file(), () => ({ freelist: 3n })),
    /is not a list of free pages/,
  );
  refused(
    withMeta(file(), () => ({ freelist: 99n })),
    /does not exist/,
  );
  const without = withMeta(file(), () => ({ freelist: 0xffff_ffff_ffff_ffffn }));
  assert.is(readContent(without).leases.length, 1, 'bbolt can do without');
});

const FOREIGN: [key: string, text: string, why: RegExp][] = [
  ['lease', 'a', /row "lease": neither address nor setting/],
  ['10.0.0.256', 'a', /row "10.0.0.256"/],
  ['2001:db8::2', 'a', /row "2001:db8::2"/],
  ['lastKnownIP', 'nowhere', /row "lastKnownIP".*"nowhere"/],
  ['lastKnownIP', '2001:db8::2', /of the other family/],
];
for (const [key, text, why] of FOREIGN) {
  test(`a row ${key}: ${text} is not of the Go plugin`, () => refused(writeBolt('IPAM', [goRow(key, text)]), why));
}
test('a value without its prefix, and one that is not text', () => {
  const key = bytesOf('10.0.0.2');
  refused(writeBolt('IPAM', [{ key, value: new Uint8Array(7) }]), /its value has 7 bytes/);
  refused(writeBolt('IPAM', [{ key, value: new Uint8Array(9).fill(0xff) }]), /is not text/);
});
test('nothing, one byte, noise and text are no bolt files', () => {
  for (const file of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(8 * PAGE, 0x55), Buffer.from('{"leases":[]}')]) {
    assert.throws(
      () => readBuckets(file),
      (error: unknown) => error instanceof BoltError,
    );
  }
});

test.run();
