// What a command says, and what it needs to run.

import type { Services } from '../cni/commands.ts';
import type { FileLocks } from '../store/flock.ts';
import type { StoreLocation } from '../store/transaction.ts';

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

type Stream = 'stdout' | 'stderr';

/** Keeps what is printed, as commander does not wait for its output, until it is written whole. */
export class Terminal {
  readonly #write: (stream: Stream, text: string) => Promise<void>;
  readonly #kept: Record<Stream, string> = { stdout: '', stderr: '' };
  /** What the process will exit with. */
  status = 0;

  constructor(write: (stream: Stream, text: string) => Promise<void>) {
    this.#write = write;
  }

  write(stream: Stream, text: string): void {
    this.#kept[stream] += text;
  }

  print(line: string): void {
    this.write('stdout', `${line}\n`);
  }

  warn(message: string): void {
    this.write('stderr', `ecs-ipam: ${message}\n`);
  }

  fail(message: string, status = EXIT_FAILED): void {
    this.warn(message);
    this.status = status;
  }

  async flush(): Promise<void> {
    for (const stream of ['stdout', 'stderr'] as const) {
      const text = this.#kept[stream];
      this.#kept[stream] = '';
      if (text !== '') await this.#write(stream, text);
    }
  }
}

export interface CommandContext {
  /** The store that options and environment name. */
  location(): StoreLocation;
  terminal: Terminal;
  readStdin(): Promise<Uint8Array>;
  services: Services;
  locks: FileLocks;
}
