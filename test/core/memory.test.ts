// The core's memory, exactly: what it imports, when it grows, what a node takes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../support/random.ts';
import { Model } from './model.ts';
import { BUILDS, Core, hex } from './support/core.ts';
import { HostedTree, Rows } from './support/hosted.ts';
import { checkNodes } from './support/invariants.ts';

const PAGE_BYTES = 65_536;
const NODE_BYTES = 62; // at most, all included
const DB8 = 0x20010db8n << 96n;

for (const build of BUILDS) {
  const test = suite(`memory, ${build.name}`);

  test('imports', () => {
    const imports = WebAssembly.Module.imports(build.module).map(({ module, name }) => `${module}.${name}`);
    assert.equal(imports, build.name === 'release' ? [] : ['env.abort']);
  });

  test('a million addresses of a /48 in sequence: no growth, a handful of nodes', () => {
    const core = new Core(build, 16);
    core.setSubnet(DB8, 48, 1);
    const { exports } = core;
    const { byteLength } = exports.memory.buffer;
    let mostNodes = 0;
    for (let i = 1; i <= 1_000_000; i++) {
      if (exports.acquire() !== 0) assert.unreachable(`acquire number ${i}`);
      if (exports.nodeCount() > mostNodes) mostNodes = exports.nodeCount();
    }
    assert.is(hex(core.cursor()), hex(DB8 + 1_000_000n));
    assert.is(hex(core.countUsed()), hex(1_000_000n));
    assert.is(exports.memory.buffer.byteLength, byteLength);
    assert.ok(mostNodes <= 10, `${mostNodes} nodes`);
  });

  test('a node takes less than 62 bytes', () => {
    const core = new Core(build, 16);
    const random = new Random('scattered');
    // The table is doubled when 7/8 of it are full: the most bytes for a node are right behind that.
    const milestones = [100_000, Math.floor((131_072 * 7) / 8) + 1];
    for (let count = 1; count <= milestones.at(-1)!; count++) {
      while (!core.mark(random.between(0n, core.maxIndex)));
      if (!milestones.includes(count)) continue;
      assert.is(core.nodeCount, count);
      const bytes = core.exports.memory.buffer.byteLength;
      assert.ok(bytes < count * NODE_BYTES + PAGE_BYTES, `${bytes} bytes for ${count} nodes`);
    }
  });

  test('a page is filled with nodes of 52 bytes, and the table is doubled when 7/8 of it are full', () => {
    const core = new Core(build, 16);
    const pagesOf = () => core.exports.memory.buffer.byteLength / PAGE_BYTES;
    const grown: number[] = []; // how many nodes there were when memory grew by a page
    const doubled: number[] = []; // and by more: a table of 65,536 entries is two pages larger than the one before
    let pages = pagesOf();
    for (let count = 1; count <= 50_000; count++) {
      core.mark(BigInt(count) << 8n);
      if (count > 20_000 && pagesOf() > pages) (pagesOf() === pages + 1 ? grown : doubled).push(count);
      pages = pagesOf();
    }
    const between = (from: number, to: number) => {
      const counts = grown.filter(count => count > from && count < to);
      return counts.slice(1).map((count, i) => count - counts[i]!);
    };
    assert.equal(doubled, [(32_768 * 7) / 8 + 1]);
    const nodes = [...between(0, doubled[0]!), ...between(doubled[0]!, 50_000)];
    assert.ok(nodes.length > 20, `${nodes.length} pages`);
    for (const count of nodes) assert.ok(count === 1260 || count === 1261, `${count} nodes in a page`);
  });

  test('their order takes 4 bytes for each node', () => {
    const core = new Core(build, 16);
    const grown: number[] = [];
    let { byteLength } = core.exports.memory.buffer;
    for (let count = 1; count <= 3500; count++) {
      core.mark(BigInt(count) << 8n);
      if (count < 1800 || count % 10 !== 0) continue; // from 1793 nodes on the table is that of 3584
      assert.is(hex(core.usedRun(0n)?.first), '0x100');
      if (core.exports.memory.buffer.byteLength > byteLength) grown.push(count);
      ({ byteLength } = core.exports.memory.buffer);
    }
    const [before, after] = grown.slice(-2) as [number, number];
    // 65,536 / 56 = 1170.3
    assert.ok(after - before === 1170 || after - before === 1180, `${after - before} nodes in a page, at ${grown}`);
  });

  test('memory that is released is used again', () => {
    const core = new Core(build, 16);
    const fill = () => {
      for (let i = 0n; i < 20_000n; i++) assert.ok(core.mark(i << 8n));
    };
    const empty = () => {
      for (let i = 0n; i < 20_000n; i++) assert.ok(core.clear(i << 8n));
    };
    fill();
    empty();
    const { byteLength } = core.exports.memory.buffer;
    for (let i = 0; i < 5; i++) {
      fill();
      assert.is(core.nodeCount, 20_000);
      empty();
      assert.is(core.nodeCount, 0);
    }
    core.exports.configure(16, 0);
    fill();
    assert.is(core.exports.memory.buffer.byteLength, byteLength);
  });

  test('a hosted tree keeps one slot for a node, however often it comes and goes', () => {
    const rows = new Rows(4);
    const tree = new HostedTree(build, 4, rows);
    const { byteLength } = tree.memory.buffer;
    for (let i = 0; i < 3000; i++) {
      assert.ok(tree.mark(5n));
      assert.ok(tree.clear(5n));
    }
    assert.is(tree.memory.buffer.byteLength, byteLength);
  });

  test('exclusions make room for themselves below the nodes', () => {
    const core = new Core(build, 4);
    core.setSubnet(0x0a000000n, 8, 0);
    for (let i = 0n; i < 3000n; i++) assert.ok(core.mark(0x0a000000n + i * 512n));
    for (let i = 0n; i < 3000n; i++) core.exclude({ first: 0x0a000001n + i * 4n, last: 0x0a000001n + i * 4n });
    assert.is(core.nodeCount, 3000);
    // Room for exclusions is doubled, 32 bytes each.
    const bytes = core.exports.memory.buffer.byteLength;
    assert.ok(bytes < 3000 * (NODE_BYTES + 2 * 32) + PAGE_BYTES, `${bytes} bytes`);
    for (let i = 0n; i < 3000n; i++) {
      assert.ok(core.isUsed(0x0a000000n + i * 512n));
      assert.ok(core.isReserved(0x0a000001n + i * 4n));
      assert.not(core.isReserved(0x0a000002n + i * 4n));
    }
    assert.is(hex(core.acquire()), '0xa000002');
    assert.is(hex(core.acquire()), '0xa000003');
    assert.is(hex(core.acquire()), '0xa000004');
    assert.is(hex(core.acquire()), '0xa000006');
    assert.is(hex(core.countUsed()), hex(3004n));
  });

  test('an exclusion takes 32 bytes, and as many are kept free when room is made', () => {
    const core = new Core(build, 4);
    const exclude = (i: bigint) => core.exclude({ first: 2n * i, last: 2n * i });
    const pagesOf = () => core.exports.memory.buffer.byteLength / PAGE_BYTES;
    // Room is made for 2 (n + 1) when n are there: for 2, 6, 14 and so on, 8190 and 16,382 of them.
    for (let i = 0n; i < 8190n; i++) exclude(i);
    assert.is(pagesOf(), 5, '8190 of them, and nodes');
    core.exclude({ first: 1n, last: 1n });
    assert.is(pagesOf(), 5, 'what becomes one with others needs no room');
    for (let i = 8190n; i < 8193n; i++) exclude(i);
    assert.is(pagesOf(), 9, '16,382 of them, and nodes');
  });

  test('a hosted tree goes on working while its memory grows', () => {
    const core = new Core(build, 4);
    for (let i = 0n; i < 5000n; i++) core.mark(i << 16n);
    const rows = new Rows(4);
    rows.addAll(core);
    const tree = new HostedTree(build, 4, rows);
    const window = { first: 0n, last: 255n };
    const model = new Model({ octets: 4, window, surrounded: false });
    for (let i = 0n; i < 5000n; i++) model.mark(i << 16n);
    // Views that are detached by growth would read and write nothing.
    for (let i = 0n; i < 5000n; i++) {
      assert.ok(tree.isUsed(i << 16n));
      tree.setCursor((i << 16n) - (i === 0n ? 0n : 1n));
      assert.is(hex(tree.find()), hex((i << 16n) + 1n));
      assert.ok(tree.mark((i << 16n) + 0x8000n));
      model.mark((i << 16n) + 0x8000n);
    }
    rows.apply(tree.tree.takeChanges());
    assert.is(rows.size, 10_000);
    checkNodes(rows.nodes(), 4, model);
    for (const index of [...model.used]) {
      assert.ok(tree.clear(index));
      model.clear(index);
    }
    rows.apply(tree.tree.takeChanges());
    assert.is(rows.size, 0);
  });

  test.run();
}
