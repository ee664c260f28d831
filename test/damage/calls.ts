// What every call on a damaged store has to be: over by itself, and in the words of the specification.

import * as assert from 'uvu/assert';
import { errorOf, resultOf } from '../integration/support/ipam.ts';
import type { Run } from '../support/plugin.ts';
import { told } from '../tools/support.ts';

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'STATUS';

/** Codes that damage may lead to. A tree that is wrong may also call a pool full, and an owner's row be gone. */
const CODES: Record<Command, readonly number[]> = {
  ADD: [5, 101, 102, 103, 105],
  DEL: [5, 105],
  CHECK: [5, 104, 105],
  STATUS: [50],
};

/** Those that are about the file name it. */
const NAMING_CODES = [5, 50, 105];

/** How a call ended: 'done', or with the code of its error. */
export type Ending = 'done' | `code ${number}` | 'code 105 for a signal';

/** A process of one call may end by a signal within LMDB, which its launcher turns into code 105; no daemon may. */
export function endingOf(run: Run, command: Command, store: string, isByDaemon: boolean, what: string): Ending {
  assert.is(run.signal, null, `${what}: ${told(run)}`);
  if (run.status === 0) {
    if (command === 'ADD') assert.is(resultOf(run, what).ips.length, 2, what);
    else assert.is(run.stdout, '', `${what}: ${told(run)}`);
    return 'done';
  }
  assert.is(run.status, 1, `${what}: ${told(run)}`);
  const { code, msg } = errorOf(run, what);
  const isForSignal = code === 105 && /ended by signal/.test(msg);
  assert.ok(isForSignal || CODES[command].includes(code), `${what}: ${told(run)}`);
  if (NAMING_CODES.includes(code)) assert.ok(msg.includes(store), `${what}: the path is not named: ${msg}`);
  if (isByDaemon) assert.not(isForSignal, `${what}: ${told(run)}`);
  return isForSignal ? 'code 105 for a signal' : `code ${code}`;
}
