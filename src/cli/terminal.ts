// What a command says, and what it needs to run.

import type { Services } from '../cni/commands.ts';
import { CniError, ErrorCode } from '../cni/error.ts';
import type { FileLocks } from '../store/flock.ts';
import type { StoreLocation } from '../store/transaction.ts';

const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** What a shell sees of a command that SIGPIPE has ended. */
const EXIT_PIPE = 128 + 13; // 141

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

  /** @throws ClosedPipe if whoever reads has gone */
  async flush(): Promise<void> {
    await this.#send('stdout');
    await this.#send('stderr');
  }

  /** Writes what is left. Where that cannot be, the status tells. */
  async end(): Promise<void> {
    await this.#send('stdout').catch(error => this.failOf(error));
    await this.#send('stderr').catch(() => {
      this.status ||= EXIT_FAILED; // nobody is left to be told
    });
  }

  /** The end of a command by an error of ours: quiet if nobody reads what it says, as it is with other commands. */
  failOf(error: Error): void {
    if (error instanceof ClosedPipe) this.status ||= EXIT_PIPE;
    else this.fail(error.message);
  }

  async #send(stream: Stream): Promise<void> {
    const text = this.#kept[stream];
    this.#kept[stream] = '';
    if (text === '') return;
    try {
      await this.#write(stream, text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') throw new ClosedPipe(stream, { cause: error });
      throw new CniError(ErrorCode.io, `${stream} cannot be written: ${(error as Error).message}`);
    }
  }
}

/** Whoever has read what a command prints has gone. */
export class ClosedPipe extends Error {}

export interface CommandContext {
  /** The store that options and environment name. */
  location(): StoreLocation;
  terminal: Terminal;
  readStdin(): Promise<Uint8Array>;
  services: Services;
  locks: FileLocks;
}
