// Reads what `strace -f -y` wrote: system calls in the order in which they began and ended.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Env, EXECUTABLE, type Run, temporaryDirectory } from '../../support/plugin.ts';
import { execute } from './process.ts';

export interface SystemCall {
  name: string;
  /** Everything between the brackets. */
  args: string;
  /** Path or name that belongs to the first argument, if that is a file descriptor. */
  file: string | undefined;
  fd: number | undefined;
  /** Strings among the arguments: paths of open and execve, data of write. */
  strings: string[];
  result: string;
  /** Numbers of the lines where it began and ended. */
  began: number;
  ended: number;
}

const LINE = /^(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$/s;

export function parseTrace(text: string): SystemCall[] {
  const unfinished = new Map<string, { name: string; text: string; began: number }>();
  const calls: SystemCall[] = [];
  for (const [number, line] of text.split('\n').entries()) {
    const [, pid = '', name, rest = '', resumedName, resumedRest = ''] = LINE.exec(line) ?? [];
    if (name !== undefined && rest.endsWith(' <unfinished ...>')) {
      unfinished.set(`${pid} ${name}`, { name, text: rest.slice(0, -' <unfinished ...>'.length), began: number });
    } else if (name !== undefined) {
      calls.push(systemCall(name, rest, number, number));
    } else if (resumedName !== undefined) {
      const start = unfinished.get(`${pid} ${resumedName}`);
      unfinished.delete(`${pid} ${resumedName}`);
      calls.push(systemCall(resumedName, `${start?.text ?? ''}${resumedRest}`, start?.began ?? number, number));
    }
  }
  for (const { name, text, began } of unfinished.values()) {
    calls.push(systemCall(name, `${text}) = ?`, began, Number.POSITIVE_INFINITY));
  }
  return calls.sort((a, b) => a.began - b.began);
}

function systemCall(name: string, text: string, began: number, ended: number): SystemCall {
  const end = text.lastIndexOf(') ');
  const args = end < 0 ? text : text.slice(0, end);
  const [, fd, file] = /^(\d+)<([^>]*)>/.exec(args) ?? [];
  const result = text.slice(end + 2).replace(/^ *= */, '');
  return {
    name,
    args,
    file,
    fd: fd === undefined ? undefined : Number(fd),
    // Only when asked for: a write of a megabyte takes long.
    get strings() {
      return [...args.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(match => match[1] as string);
    },
    result,
    began,
    ended,
  };
}

export interface Traced extends Run {
  calls: SystemCall[];
  text: string;
}

/** Runs the executable under strace; the trace is kept out of the way of what is traced. */
export async function trace(options: { env: Env; stdin: unknown; cwd?: string; what: string }): Promise<Traced> {
  const output = join(temporaryDirectory(), 'trace');
  const { what, ...rest } = options;
  const args = ['-f', '-y', '-s', '256', '-e', `trace=${what}`, '-o', output, EXECUTABLE];
  const run = await execute({ ...rest, command: 'strace', args });
  const text = readFileSync(output, 'utf8');
  return { ...run, text, calls: parseTrace(text) };
}
