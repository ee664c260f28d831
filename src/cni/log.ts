// The plugin's log: lines appended to a file, in the Go plugin's format and under its variables.

import { appendFileSync } from 'node:fs';
import loglevel from 'loglevel';
import type { Env } from './environment.ts';

/** A message, or what makes it if it is going to be written. */
type Message = string | (() => string);

export type Log = Record<'debug' | 'info' | 'warn' | 'error', (message: Message) => void>;

/** The Go plugin's names, seelog's, as loglevel's. */
const LEVELS: Record<string, loglevel.LogLevelDesc> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
  critical: 'error',
  off: 'silent',
};

const SILENT = loglevel.getLogger('ecs-ipam');
SILENT.setLevel('silent', false);

/**
 * The log of ECS_CNI_LOG_FILE at level ECS_CNI_LOGLEVEL (default info). Without a file nothing is logged. A file that
 * cannot be written is said once to `complain`, and fails nothing.
 */
export function openLog(env: Env, complain: (message: string) => void): Log {
  const path = env.ECS_CNI_LOG_FILE ?? '';
  if (path === '') return SILENT;
  const level = LEVELS[(env.ECS_CNI_LOGLEVEL ?? '').toLowerCase()] ?? 'info';
  let isBroken = false;
  const write = (method: string, message: string) => {
    if (isBroken) return;
    const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    try {
      appendFileSync(path, `${time} [${method.toUpperCase()}] ${message}\n`, { mode: 0o600 });
    } catch (error) {
      isBroken = true;
      complain(`ECS_CNI_LOG_FILE ${path}: ${(error as Error).message}`);
    }
  };
  const log = loglevel.getLogger(`ecs-ipam ${path}`);
  log.methodFactory = method => message => write(method, typeof message === 'function' ? message() : message);
  log.setLevel(level, false);
  return log;
}
