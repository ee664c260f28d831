// What garbage collection frees, and how much of it at a time.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../../src/ipam/collect.ts';
import { pool } from './support.ts';
import { container, texts, World } from './world.ts';

const test = suite('collect');

test('of what the network no longer has, at most so many are freed, and the rest is counted', async () => {
  const world = new World();
  for (const name of ['c1', 'c2', 'c3']) await world.acquire(container(name), pool('10.0.0.0/24'));
  await world.acquire(container('c4', 'eth0', 'other'), pool('10.0.0.0/24'));
  const valid = [{ containerId: 'c2', interfaceName: 'eth0' }];
  const collectSome = async (most?: number) => {
    const { freed, left, errors } = await world.write(ledger => collect(ledger, 'net', valid, world.warn, most));
    assert.equal([errors, world.warnings], [[], []]);
    return [texts(freed), left];
  };
  assert.equal(await collectSome(1), [['10.0.0.2'], 1]);
  assert.equal([world.lease('10.0.0.2'), world.lease('10.0.0.4')?.containerId], [undefined, 'c3']);
  assert.equal(await collectSome(1), [['10.0.0.4'], 0]);
  assert.equal(await collectSome(), [[], 0]);
});

test.run();
