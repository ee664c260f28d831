// Many works on one transaction, some of which fail halfway: what the store ends up with, and how often it is asked.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Transaction } from '../../src/store/transaction.ts';
import { WriteBack } from '../../src/store/write-back.ts';
import { Random } from '../support/random.ts';

const test = suite('write-back');
const key = (n: number) => Uint8Array.of(4, n >> 8, n & 0xff);
const value = (n: number) => Uint8Array.of(n & 0xff, (n >> 8) & 0xff);
const numberOf = (bytes: Uint8Array | undefined) => bytes && bytes[0]! + 256 * bytes[1]!;

/** A transaction that writes down what it is asked to do. */
async function onTransaction(work: (transaction: Transaction) => void): Promise<string[]> {
  const asked: string[] = [];
  await new MemoryStore().write(store => {
    const told = <T>(what: string, of: Uint8Array, answer: T): T => {
      asked.push(`${what} ${(of[1]! << 8) | of[2]!}`);
      return answer;
    };
    work({
      get: of => told('get', of, store.get(of)),
      range: (from, to) => store.range(from, to),
      put: (of, bytes) => told('put', of, store.put(of, bytes)),
      delete: of => told('delete', of, store.delete(of)),
    });
  });
  return asked;
}

test('a row that is read and changed again and again is read once and written once, in the order of the keys', async () => {
  const asked = await onTransaction(store => {
    const rows = new WriteBack(store);
    for (const n of [300, 7, 300, 7, 9]) {
      rows.attempt(transaction => {
        transaction.get(key(n));
        transaction.put(key(n), value(n));
      });
    }
    rows.attempt(transaction => transaction.delete(key(9)));
    rows.flush();
    rows.flush();
  });
  assert.equal(asked, ['get 300', 'get 7', 'get 9', 'put 7', 'delete 9', 'put 300']);
});

test('random works, a third of which fail after some changes, leave what the others did', async () => {
  const random = new Random('write-back');
  for (let round = 0; round < 200; round++) {
    const model = new Map<number, number>();
    await new MemoryStore().write(store => {
      const rows = new WriteBack(store);
      const look = (transaction: Transaction) => {
        const n = random.below(40);
        assert.is(numberOf(transaction.get(key(n))), model.get(n));
        const found = [...transaction.range(key(0), key(n))].map(row => [row.key[2], numberOf(row.value)]);
        const expected = [...model].filter(([known]) => known < n).sort(([a], [b]) => a - b);
        assert.equal(found, expected);
      };
      for (let job = 0; job < 20; job++) {
        const before = new Map(model);
        const fails = random.below(3) === 0;
        try {
          rows.attempt(transaction => {
            for (let step = random.below(6); step >= 0; step--) {
              const n = random.below(40);
              if (random.below(3) === 0) {
                transaction.delete(key(n));
                model.delete(n);
              } else {
                const written = random.below(65536);
                transaction.put(key(n), value(written));
                model.set(n, written);
              }
              if (random.below(4) === 0) look(transaction);
            }
            if (fails) throw new RangeError('on purpose');
          });
          assert.not(fails);
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          model.clear();
          for (const [n, written] of before) model.set(n, written);
        }
        rows.attempt(look);
      }
      rows.flush();
      const rest = [...store.range(key(0), key(100))].map(row => [row.key[2], numberOf(row.value)]);
      assert.equal(
        rest,
        [...model].sort(([a], [b]) => a - b),
      );
    });
  }
});

test.run();
