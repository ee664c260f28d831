// Calls as processes, with environments of any bytes, that no other way of starting one would take.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { compile } from '../../support/compile.ts';
import { EXECUTABLE, type Run } from '../../support/plugin.ts';
import { start } from '../../support/start.ts';
import { writable } from './streams.ts';

const SOURCE = fileURLToPath(new URL('execute.c', import.meta.url));
/** What it ends with if it cannot become the program. */
const FAILED = 99;

const PROGRAM = compile(SOURCE, 'execute', '-std=gnu11', '-O1');

export interface Call {
  /** `NAME=value` as a rule. */
  environment: readonly Buffer[];
  /** Undefined: closed. A number: so many zeros, or as many as are taken. */
  stdin: Buffer | number | undefined;
}

async function writeZeros(to: Writable, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(1 << 20);
  for (let written = 0; !to.destroyed && written < bytes; written += chunk.length) {
    if (!to.write(chunk)) await writable(to);
  }
  to.end();
}

/** Runs the plugin; `scratch` is a directory of the caller's own. Fails if stdout is no text. */
export async function runAsIs({ environment, stdin }: Call, scratch: string, cwd: string): Promise<Run> {
  const file = join(scratch, 'environment');
  writeFileSync(file, Buffer.concat(environment.flatMap(entry => [entry, Buffer.alloc(1)])));
  const { child, done } = start({
    command: PROGRAM,
    args: [file, stdin === undefined ? 'closed' : 'open', EXECUTABLE],
    stdin: null,
    cwd,
    encoding: 'latin1',
  });
  if (typeof stdin === 'number') await writeZeros(child.stdin!, stdin);
  else child.stdin!.end(stdin);
  const run = await done;
  assert.is.not(run.status, FAILED, 'the program was not started');
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return { ...run, stdout: decoder.decode(Buffer.from(run.stdout, 'latin1')) };
}
