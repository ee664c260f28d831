// The plugin's log: lines appended to a file, in the Go plugin's format and under its variables.

import { appendFileSync, closeSync, constants, openSync } from 'node:fs';
import loglevel from 'loglevel';
import type { Env } from './environment.ts';

/** A message, or what makes it if it is going to be written. */
type Message = string | (() => string);

type Method = 'debug' | 'info' | 'warn' | 'error';

export type Log = Record<Method, (message: Message) => void>;

/** The Go plugin's names, seelog's, as loglevel's. */
const LEVELS = new Map<string, loglevel.LogLevelDesc>([
  ['trace', 'trace'],
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['error', 'error'],
  ['critical', 'error'],
  ['off', 'silent'],
]);

const nothing = () => {};
const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** A pipe that nobody reads is a file that cannot be written: nothing waits for its log. */
const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;

function append(path: string, line: string): void {
  const fd = openSync(path, APPEND, 0o600);
  try {
    appendFileSync(fd, line);
  } finally {
    closeSync(fd);
  }
}

/** Writes a message of a call to that call's log file. */
type Write = (method: string, message: Message) => void;

/** The logger of a level: it only knows what is written at all. loglevel keeps its loggers, so calls share them. */
function loggerAt(level: loglevel.LogLevelDesc): Record<Method, (write: Write, message: Message) => void> {
  const logger = loglevel.getLogger(`ecs-ipam at ${level}`);
  logger.methodFactory = method => (write: Write, message: Message) => write(method, message);
  logger.setLevel(level, false);
  return logger;
}

/**
 * The log of ECS_CNI_LOG_FILE at level ECS_CNI_LOGLEVEL (default info). Without a file nothing is logged. A file that
 * cannot be written is said once to `complain`, and fails nothing.
 */
export function openLog(env: Env, complain: (message: string) => void): Log {
  const path = env.ECS_CNI_LOG_FILE ?? '';
  if (path === '') return SILENT;
  const logger = loggerAt(LEVELS.get((env.ECS_CNI_LOGLEVEL ?? '').toLowerCase()) ?? 'info');
  let isBroken = false;
  const write: Write = (method, message) => {
    if (isBroken) return;
    const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const text = typeof message === 'function' ? message() : message;
    try {
      append(path, `${time} [${method.toUpperCase()}] ${text}\n`);
    } catch (error) {
      isBroken = true;
      complain(`ECS_CNI_LOG_FILE ${path}: ${(error as Error).message}`);
    }
  };
  return {
    debug: message => logger.debug(write, message),
    info: message => logger.info(write, message),
    warn: message => logger.warn(write, message),
    error: message => logger.error(write, message),
  };
}
