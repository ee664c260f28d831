// How many nodes a hosted tree asks for.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BUILDS, type Build, Core, hex } from './support/core.ts';
import { HostedTree, Rows } from './support/hosted.ts';

const MAX = (1n << 128n) - 1n;
/** Up from a leaf to the root, and down again. */
const SCAN_NODES = 31;

/** A tree in which everything is used but these indexes, and its rows. */
function allBut(build: Build, free: bigint[]): [HostedTree, Rows] {
  const core = new Core(build, 16);
  core.markRun({ first: 0n, last: MAX });
  for (const index of free) core.clear(index);
  const rows = new Rows(16);
  rows.addAll(core);
  return [new HostedTree(build, 16, rows), rows];
}

for (const build of BUILDS) {
  const test = suite(`nodes asked for, ${build.name}`);

  test('the first find in an empty ::/0: the way from a leaf to the root', () => {
    const rows = new Rows(16);
    const tree = new HostedTree(build, 16, rows);
    tree.setSubnet(0n, 0, 1);
    assert.is(hex(tree.find()), '0x1');
    assert.is(rows.askedCount, 16);
    assert.ok(tree.mark(1n));
    assert.is(rows.askedCount, 16);
    assert.is(hex(tree.find()), '0x2');
    assert.is(rows.askedCount, 16, 'what is not there is remembered');
    assert.is(tree.tree.takeChanges().length, 1);
  });

  test('find in a sequence: the leaf alone, but for the end of each', () => {
    const rows = new Rows(16);
    let askedCount = 0;
    for (let i = 0n; i < 1000n; i++) {
      const tree = new HostedTree(build, 16, rows); // another process each time
      tree.setSubnet(0n, 0, 0);
      if (i > 0n) tree.setCursor(i - 1n);
      rows.askedCount = 0;
      assert.is(hex(tree.find()), hex(i));
      assert.ok(rows.askedCount <= 16, `${rows.askedCount} nodes asked for at ${i}`);
      askedCount += rows.askedCount;
      tree.mark(i);
      rows.apply(tree.tree.takeChanges());
    }
    assert.ok(askedCount < 1100, `${askedCount} nodes asked for 1000 addresses`);
  });

  test('find from one end of ::/0 to the other: up and down once', () => {
    const [tree, rows] = allBut(build, [0n, MAX]);
    tree.setSubnet(0n, 0, 0);
    tree.setCursor(0n);
    assert.is(hex(tree.find()), hex(MAX));
    assert.is(rows.askedCount, SCAN_NODES);
    assert.ok(tree.mark(MAX));
    assert.is(rows.askedCount, SCAN_NODES);
    assert.is(hex(tree.find()), '0x0', 'around');
    assert.ok(rows.askedCount <= 2 * SCAN_NODES, `${rows.askedCount} nodes`);
  });

  test('find around the end of ::/0: two scans', () => {
    const middle = 0x8080_8080_8080_8080_8080_8080_8080_8080n;
    for (const low of [1n, 0x40n << 120n, middle - 1n]) {
      const [tree, rows] = allBut(build, [low, middle]);
      tree.setSubnet(0n, 0, 0);
      tree.setCursor(middle);
      assert.is(hex(tree.find()), hex(low));
      assert.ok(rows.askedCount <= 2 * SCAN_NODES, `${rows.askedCount} nodes`);
      const { askedCount } = rows;
      assert.ok(tree.mark(low));
      assert.is(hex(tree.find()), hex(middle));
      assert.ok(tree.mark(middle));
      assert.is(tree.find(), undefined);
      assert.ok(rows.askedCount <= askedCount + SCAN_NODES);
      rows.apply(tree.tree.takeChanges());
      assert.is(rows.size, 1, 'the full root');
    }
  });

  test('a full root alone: nothing free, asked for once', () => {
    const [tree, rows] = allBut(build, []);
    tree.setSubnet(0n, 0, 0);
    assert.is(tree.find(), undefined);
    assert.is(rows.askedCount, 16);
    assert.ok(tree.clear(5n));
    rows.apply(tree.tree.takeChanges());
    assert.is(rows.size, 16, 'the way down to the leaf');
    assert.is(hex(tree.find()), '0x5');
    assert.is(rows.askedCount, 16);
  });

  test('find goes on from a leaf that stays partial into a new one: all that mark asks for is asked for', () => {
    for (const octets of [4, 16]) {
      const core = new Core(build, octets);
      core.markRun({ first: 1n, last: 255n }); // the network address is never used
      const rows = new Rows(octets);
      rows.addAll(core);
      const tree = new HostedTree(build, octets, rows);
      tree.setSubnet(0n, 0, 1);
      tree.setCursor(100n);
      assert.is(hex(tree.find()), '0x100');
      assert.is(rows.askedCount, octets + 1, 'two leaves, and what lies above both');
      assert.ok(tree.mark(0x100n));
      assert.is(rows.askedCount, octets + 1);
    }
  });

  test('find of an address in a leaf that is yet to come: what lies above the node that tells so is not asked for', () => {
    const core = new Core(build, 4);
    core.markRun({ first: 0x0a000000n, last: 0x0a00feffn });
    const rows = new Rows(4);
    rows.addAll(core);
    const tree = new HostedTree(build, 4, rows);
    tree.setSubnet(0x0a000000n, 16, 0);
    tree.setCursor(0x0a00feffn);
    assert.is(hex(tree.find()), '0xa00ff00');
    assert.is(rows.askedCount, 2, 'the leaf, and the node above it, all but full');
    assert.ok(tree.mark(0x0a00ff00n));
    assert.is(rows.askedCount, 2);
  });

  test('mark of the last free address of a leaf asks for its parents, find has done so', () => {
    const core = new Core(build, 4);
    core.markRun({ first: 0x0a000000n, last: 0x0a00fffen });
    const rows = new Rows(4);
    rows.addAll(core);
    for (const look of ['find', 'isUsed'] as const) {
      const tree = new HostedTree(build, 4, rows);
      tree.setSubnet(0x0a000000n, 16, 0);
      if (look === 'find') assert.is(hex(tree.find()), '0xa00ffff');
      else assert.not(tree.isUsed(0x0a00ffffn));
      rows.askedCount = 0;
      assert.ok(tree.mark(0x0a00ffffn));
      assert.is(rows.askedCount, 0, look);
      const gone = tree.tree.takeChanges().filter(change => change.bits === undefined);
      assert.is(gone.length, 2, 'the leaf and the node above it go, into one bit');
    }
  });

  test.run();
}
