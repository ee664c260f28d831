// One call of the plugin, from its beginning to the judgement of its answer.

import type { Command, Outcome, Reply } from '../model/command.ts';
import { disagreement } from '../model/command.ts';
import type { Asked } from '../model/histories.ts';
import type { Oracle } from '../model/oracle.ts';
import { counts } from './counts.ts';
import type { Process } from './schedule.ts';

export interface Call {
  number: number;
  command: Command;
  timeoutMs: number;
  beganMs: number;
  process: Process;
  /** What it has to answer, once its transaction is visible or what it reads has been read. */
  expected?: Outcome;
  isSynced: boolean;
  /** Its transaction has failed. */
  hasFailed: boolean;
  /** From then on whatever it writes takes back what it has written. */
  isAnswered: boolean;
  /** It will get no answer: its process has been killed. */
  isLost: boolean;
  /** Nobody knows of what it has taken: it has to be taken back. */
  owes: boolean;
}

/** What a runtime does. */
export interface Calling {
  asked: Asked;
  through: 'daemon' | 'process';
  timeoutMs: number;
  /** How long the answer takes to be heard. */
  answerMs: number;
  /** It has gone by the time that the answer comes. */
  isGone: boolean;
  /** The same is said again so much later. */
  againAfterMs: number | undefined;
}

/** What an answer may take beyond its time limit: a commit under way, and the pauses between looks at the lock. */
const SLACK_MS = 40;

export const newCall = (given: Pick<Call, 'number' | 'command' | 'timeoutMs' | 'beganMs' | 'process'>): Call => ({
  ...given,
  isSynced: false,
  hasFailed: false,
  isAnswered: false,
  isLost: false,
  owes: false,
});

/** Whether an ADD has taken what its caller has to be told of. */
export const hasTaken = ({ command, hasFailed, expected }: Call): boolean =>
  command.name === 'ADD' && !hasFailed && expected?.code === 0;

/**
 * What is wrong with an answer that is on its way; undefined if nothing is. Whatever it says has to stay true.
 *
 * @param busyUntilMs when a batch has tried all that had no room together by itself: whoever is there waits for it
 */
export function judge(
  call: Call,
  reply: Reply,
  { nowMs, busyUntilMs }: { nowMs: number; busyUntilMs: number },
  oracle: Oracle,
): string | undefined {
  const { command, timeoutMs, beganMs, expected } = call;
  const tookMs = nowMs - beganMs;
  const code = reply.status === 0 ? 0 : (JSON.parse(reply.stdout) as { code: number }).code;
  const untilMs = Math.max(beganMs + timeoutMs, beganMs < busyUntilMs ? busyUntilMs : 0);
  if (nowMs > untilMs + SLACK_MS) return `took ${tookMs} ms, though it had ${timeoutMs}`;
  if (call.hasFailed) {
    counts.failed++;
    return code === 5 || code === 105 ? undefined : `its commit failed, and it is answered with ${code}`;
  }
  if (expected === undefined && code === 11) {
    counts.lockedOut++;
    return tookMs < timeoutMs ? `gave up after ${tookMs} of ${timeoutMs} ms` : undefined;
  }
  if (code !== 0) counts.refused++;
  // What is refused without a look at the store is wrong in any state of it.
  const problem = disagreement(reply, expected ?? oracle.copy().apply(command));
  if (problem !== undefined || code !== 0) return problem;
  if (expected === undefined) return 'succeeds without a look at the store';
  const isRead = command.name === 'CHECK' || command.name === 'STATUS';
  return isRead || call.isSynced ? undefined : 'is answered before it is durable';
}
