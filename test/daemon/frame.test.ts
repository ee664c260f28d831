// Request frames from bytes that anybody may have sent: a request whose parts are what was sent, or a FrameError.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRequest, FrameError, MOST_REQUEST_BYTES, requestBytes } from '../../src/daemon/frame.ts';
import { seed } from '../support/random.ts';
import { requestFrame } from './support/frames.ts';

const test = suite('frames');
const HEAD_BYTES = 8;
const parameters = { seed, numRuns: 2_000 };

const name = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(...'ABCDEFGHIJ_0123') });
const text = fc.string({ maxLength: 40, unit: 'grapheme' }).filter(value => !value.includes('\0'));
const env = fc.dictionary(name, text, { maxKeys: 8, noNullPrototype: true });
const stdin = fc.string({ maxLength: 200, unit: 'grapheme' });

test('what was sent is what is read', () => {
  fc.assert(
    fc.property(env, stdin, (env, stdin) => {
      const frame = requestFrame(env, stdin);
      assert.is(requestBytes(frame), frame.length);
      const request = decodeRequest(frame, frame.length);
      assert.equal(request.env, env);
      assert.is(Buffer.from(request.stdin).toString(), stdin);
    }),
    parameters,
  );
});

test('the beginning of a frame tells how much of it is still to come', () => {
  const frame = requestFrame({ CNI_COMMAND: 'ADD' }, '{}');
  for (let length = 1; length < frame.length; length++) {
    assert.is(requestBytes(frame.subarray(0, length)), length < HEAD_BYTES ? HEAD_BYTES : frame.length);
  }
});

test('any change of bytes gives a request or a FrameError, never anything else', () => {
  const change = fc.record({ at: fc.nat(), remove: fc.nat(6), insert: fc.uint8Array({ maxLength: 6 }) });
  let refused = 0;
  fc.assert(
    fc.property(env, stdin, fc.array(change, { minLength: 1, maxLength: 4 }), (env, stdin, changes) => {
      let bytes = requestFrame(env, stdin);
      for (const { at, remove, insert } of changes) {
        const from = at % bytes.length;
        bytes = Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)]);
      }
      try {
        const wanted = requestBytes(bytes);
        if (wanted > bytes.length) return;
        const request = decodeRequest(bytes, wanted);
        assert.ok(request.stdin.length < wanted);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        refused++;
      }
    }),
    parameters,
  );
  assert.ok(refused > 100, `only ${refused} refused`);
});

const numbers = (...values: number[]) => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i);
  return bytes;
};
const frameOf = (...body: Buffer[]) => {
  const bytes = Buffer.concat(body);
  return Buffer.concat([Buffer.from('ecsq'), numbers(bytes.length), bytes]);
};
const lies: [what: string, frame: Buffer, problem: RegExp][] = [
  ['nothing behind the head', frameOf(), /shorter than it says/],
  ['more variables than there are', frameOf(numbers(2, 3), Buffer.from('A=1')), /shorter than it says/],
  ['four thousand million variables', frameOf(numbers(0xffffffff)), /shorter than it says/],
  ['a variable longer than the frame', frameOf(numbers(1, 4), Buffer.from('A=1')), /shorter than it says/],
  ['a variable of 4 GiB', frameOf(numbers(1, 0xffffffff), Buffer.from('A=1')), /shorter than it says/],
  ['a variable without =', frameOf(numbers(1, 3), Buffer.from('ABC')), /without a name/],
  ['a variable without a name', frameOf(numbers(1, 3), Buffer.from('=BC')), /without a name/],
  ['an empty variable', frameOf(numbers(1, 0)), /without a name/],
  ['a NUL in a variable', frameOf(numbers(1, 4), Buffer.from('A=\0b')), /no environment can hold/],
];
for (const [what, frame, problem] of lies) {
  test(`refused: ${what}`, () => {
    assert.is(requestBytes(frame), frame.length);
    assert.throws(() => decodeRequest(frame, frame.length), problem);
  });
}

test('refused as early as can be: another beginning, a byte more than the most', () => {
  for (const beginning of ['x', 'ex', 'ecsa', 'GET / HTTP/1.1\r\n', '\0']) {
    assert.throws(() => requestBytes(Buffer.from(beginning)), /does not begin as a request/);
  }
  const head = (length: number) => Buffer.concat([Buffer.from('ecsq'), numbers(length)]);
  assert.is(requestBytes(head(MOST_REQUEST_BYTES)), HEAD_BYTES + MOST_REQUEST_BYTES);
  for (const length of [MOST_REQUEST_BYTES + 1, 0xffffffff]) {
    assert.throws(
      () => requestBytes(head(length)),
      `announces ${length} bytes, at most ${MOST_REQUEST_BYTES} are read`,
    );
  }
});

test.run();
