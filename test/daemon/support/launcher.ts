// The launcher built with sanitizers: what it does wrong with memory ends it.

import { copyFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { compile } from '../../support/compile.ts';
import { type Env, type Run, temporaryDirectory } from '../../support/plugin.ts';
import { type Started, type StartOptions, start } from '../../support/start.ts';
import { NOBODY, PROGRAM } from './daemon.ts';

const SOURCE = fileURLToPath(new URL('../../../src/launcher/launcher.c', import.meta.url));
const FLAGS = ['-std=gnu11', '-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** What a sanitizer ends the process with. */
const FINDING = 99;

let built: string | undefined;

/** A launcher in a directory of its own, beside the program; or another file, or null: none. */
export function buildLauncher(program: string | null = PROGRAM): string {
  built ??= compile(SOURCE, 'ecs-ipam', ...FLAGS);
  const launcher = join(temporaryDirectory(), 'ecs-ipam');
  copyFileSync(built, launcher);
  if (program !== null) symlinkSync(program, join(dirname(launcher), 'ecs-ipamd'));
  return launcher;
}

const SANITIZERS: Env = {
  ASAN_OPTIONS: `exitcode=${FINDING}`,
  LSAN_OPTIONS: `exitcode=${FINDING}`,
  UBSAN_OPTIONS: `exitcode=${FINDING}:print_stacktrace=1`,
};

/** Starts the launcher; no daemon answers unless `env` names one. */
export function launch(launcher: string, { env = {}, ...options }: StartOptions): Started {
  const started = start({ command: launcher, ...options, env: { ...NOBODY, ...SANITIZERS, ...env } });
  return { ...started, done: started.done.then(withoutFindings) };
}

/** Fails if a sanitizer has found anything. */
function withoutFindings(run: Run): Run {
  assert.is.not(run.status, FINDING, run.stderr);
  assert.not.match(run.stderr, /Sanitizer|runtime error/);
  return run;
}
