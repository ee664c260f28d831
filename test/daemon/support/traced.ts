// A daemon whose system calls are written down.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { sleep } from '../../integration/support/process.ts';
import { parseTrace, type SystemCall } from '../../integration/support/strace.ts';
import { temporaryDirectory } from '../../support/plugin.ts';
import { type Daemon, PROGRAM, startDaemon, stopDaemon } from './daemon.ts';

export interface TracedDaemon extends Daemon {
  callsSoFar(): SystemCall[];
  /** Ends the daemon; all of its calls. */
  stop(): Promise<SystemCall[]>;
}

/** @param what the names of the calls, with commas between */
export async function startTraced(what: string): Promise<TracedDaemon> {
  const output = join(temporaryDirectory(), 'trace');
  const daemon = await startDaemon({
    command: ['strace', '-D', '-f', '-y', '-s', '80', '-e', `trace=${what}`, '-o', output, PROGRAM, 'serve'],
  });
  const read = () => readFileSync(output, 'utf8');
  return {
    ...daemon,
    callsSoFar: () => parseTrace(read()),
    stop: async () => {
      await stopDaemon(daemon);
      const isWhole = new RegExp(`^${daemon.pid} +\\+\\+\\+ exited`, 'm'); // short numbers are padded
      for (let waits = 0; !isWhole.test(read()); waits++) {
        assert.ok(waits < 1000, 'the trace does not end');
        await sleep(10);
      }
      return parseTrace(read());
    },
  };
}
