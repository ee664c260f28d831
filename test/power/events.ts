// What a run did to its files, and what it told whom, in order: read from the trace of strace -f -y -xx.

import { join } from 'node:path';
import { parseTrace, type SystemCall } from '../integration/support/strace.ts';

export type Event =
  | { kind: 'open'; path: string }
  | { kind: 'write'; path: string; offset: number; bytes: Buffer; isSynchronous: boolean }
  | { kind: 'truncate'; path: string; size: number }
  /** Of a file or a directory. */
  | { kind: 'flush'; path: string }
  | { kind: 'mkdir'; path: string }
  | { kind: 'rename'; path: string; to: string }
  | { kind: 'remove'; path: string }
  | ({ kind: 'asked' } & Call)
  | ({ kind: 'answered'; addresses: string[] } & Call);

/** One call of the plugin. */
export interface Call {
  command: string;
  owner: string;
}

const STDOUT = 1;

/** The system calls that an event is made of. */
export const TRACED = [
  ['openat', 'lseek', 'write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'ftruncate', 'fdatasync', 'fsync'],
  ['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'recvfrom', 'read', 'sendto'],
].flat();

/** With -xx every byte of a string or a path is `\xNN`. */
const unhex = (text: string): Buffer => Buffer.from(text.replaceAll('\\x', ''), 'hex');

/** The strings among the arguments; hexadecimal ones hold no quote. */
const dataOf = ({ args }: SystemCall): Buffer[] =>
  args.split('"').flatMap((part, i) => (i % 2 === 1 ? [unhex(part)] : []));

const pathsOf = (call: SystemCall): string[] => dataOf(call).map(data => data.toString());

/**
 * The events of a trace that concern files and directories below `root`, and calls of the plugin: those that a daemon
 * got through its socket, or the `only` one that a process was started for.
 */
export function eventsOf(trace: string, root: string, only?: Call): Event[] {
  const reader = new Reader(root, only);
  for (const call of parseTrace(trace)) if (!call.result.startsWith('-1')) reader.take(call);
  return reader.end();
}

class Reader {
  readonly #root: string;
  readonly #only: Call | undefined;
  readonly #events: Event[] = [];
  /** By descriptor and path: whether it writes synchronously, and where it stands. */
  readonly #descriptors = new Map<string, { isSynchronous: boolean; position: number }>();
  /** What came through a socket since the last answer. */
  readonly #received = new Map<string, { data: Buffer; call: Call | undefined }>();

  constructor(root: string, only: Call | undefined) {
    this.#root = root;
    this.#only = only;
    if (only !== undefined) this.#events.push({ kind: 'asked', ...only });
  }

  end(): Event[] {
    // A DEL says nothing: its answer is that it has ended.
    if (this.#only?.command === 'DEL') this.#answer(this.#only, Buffer.alloc(0));
    return this.#events;
  }

  take(call: SystemCall): void {
    const path = call.file === undefined ? '' : unhex(call.file).toString();
    const isAnswer = this.#only !== undefined && call.fd === STDOUT && call.name.includes('write');
    if (isAnswer) this.#answer(this.#only!, Buffer.concat(dataOf(call)));
    else if (path.startsWith('socket:')) this.#talk(call, path);
    else if (call.fd === undefined) this.#changeNames(call);
    else if (this.#isWithin(path)) this.#changeFile(call, path);
  }

  /** Locks are no part of what is stored. */
  #isWithin(path: string): boolean {
    return `${path}/`.startsWith(`${this.#root}/`) && !/(-lock|\.flock)$/.test(path);
  }

  #changeNames(call: SystemCall): void {
    const [path = '', to = ''] = pathsOf(call);
    if (!this.#isWithin(path)) return;
    if (call.name === 'openat') {
      const fd = Number.parseInt(call.result, 10);
      this.#descriptors.set(`${fd} ${path}`, { isSynchronous: /O_D?SYNC/.test(call.args), position: 0 });
      this.#events.push({ kind: 'open', path });
      if (call.args.includes('O_TRUNC')) this.#events.push({ kind: 'truncate', path, size: 0 });
    } else if (call.name.startsWith('rename')) {
      this.#events.push({ kind: 'rename', path, to });
    } else if (call.name.startsWith('unlink')) {
      this.#events.push({ kind: 'remove', path });
    } else if (call.name.startsWith('mkdir')) {
      this.#events.push({ kind: 'mkdir', path });
    }
  }

  #changeFile(call: SystemCall, path: string): void {
    const descriptor = this.#descriptors.get(`${call.fd} ${path}`);
    if (descriptor === undefined) throw new Error(`${call.name} of ${path}, which was never opened`);
    const numbers = call.args.split(/"[^"]*"|,|\s/).filter(part => /^\d+$/.test(part));
    const last = Number(numbers.at(-1));
    if (call.name === 'lseek') descriptor.position = Number(call.result);
    else if (call.name === 'ftruncate') this.#events.push({ kind: 'truncate', path, size: last });
    else if (/^f(data)?sync$/.test(call.name)) this.#events.push({ kind: 'flush', path });
    else if (call.name.includes('write')) {
      const isAt = call.name.startsWith('p');
      const bytes = Buffer.concat(dataOf(call)).subarray(0, Number(call.result));
      if (bytes.length !== Number(call.result)) throw new Error(`${call.name} of ${path}: the trace is cut off`);
      const offset = isAt ? last : descriptor.position;
      if (!isAt) descriptor.position += bytes.length;
      this.#events.push({ kind: 'write', path, offset, bytes, isSynchronous: descriptor.isSynchronous });
    }
  }

  #talk(call: SystemCall, socket: string): void {
    const data = Buffer.concat(dataOf(call));
    const received = this.#received.get(socket) ?? { data: Buffer.alloc(0), call: undefined };
    if (call.name === 'recvfrom' || call.name === 'read') {
      const all = Buffer.concat([received.data, data]);
      const text = all.toString('latin1');
      const [, command = ''] = /CNI_COMMAND=([A-Z]+)/.exec(text) ?? [];
      const [, owner = ''] = /CNI_CONTAINERID=([\w.-]+)/.exec(text) ?? [];
      const asked = received.call === undefined && command !== '' && owner !== '' ? { command, owner } : undefined;
      if (asked !== undefined) this.#events.push({ kind: 'asked', ...asked });
      this.#received.set(socket, { data: all, call: received.call ?? asked });
    } else if (received.call !== undefined && data.subarray(0, 4).toString() === 'ecsa') {
      if (data.readUInt32BE(8) !== 0) throw new Error(`${received.call.command} failed: ${data.subarray(16)}`);
      this.#answer(received.call, data.subarray(16, 16 + data.readUInt32BE(12)));
      this.#received.delete(socket);
    }
  }

  #answer(call: Call, stdout: Buffer): void {
    const { ips = [] } = stdout.length === 0 ? {} : JSON.parse(stdout.toString());
    const addresses = ips.map(({ address }: { address: string }) => address.replace(/\/.*/, ''));
    if (call.command === 'ADD' && addresses.length === 0) throw new Error(`ADD of ${call.owner}: ${stdout}`);
    this.#events.push({ kind: 'answered', ...call, addresses });
  }
}

/** The store's path below the directory that is traced: its own directories are made by the run. */
export const storeBelow = (root: string): string => join(root, 'data', 'ipam', 'store.mdb');
