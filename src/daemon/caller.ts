// One connection to the daemon: requests one after another, each answered, each answer confirmed.

import type { Connection, Receiver } from './connection.ts';
import { CONFIRMATION_BYTES, decodeRequest, FrameError, type RequestFrame, requestBytes } from './frame.ts';

/** How long a caller may take to send a request, and to confirm its answer. */
const WAIT_MS = 10_000;

export class Caller implements Receiver {
  readonly #connection: Connection;
  #chunks: Buffer[] = [];
  #receivedBytes = 0;
  #answers = 0;
  /** Whose turn it is: the caller's, to send a request or to confirm an answer, or the daemon's, to give the answer. */
  #turn: 'request' | 'answer' | 'confirmation' = 'request';
  #isGone = false;
  /** What the daemon waits for from this caller. */
  #awaited: { bytes: number; sinceMs: number; settle: () => void } | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  received(chunk: Buffer): void {
    if (this.#turn === 'answer') {
      this.#connection.destroy(); // a byte of it would confirm what is not yet said
      return;
    }
    this.#chunks.push(chunk);
    this.#receivedBytes += chunk.length;
    if (this.#awaited !== undefined && this.#receivedBytes >= this.#awaited.bytes) this.#awaited.settle();
  }

  gone(): void {
    this.#isGone = true;
    this.#awaited?.settle();
  }

  /** Whether it has had its answer and asks for nothing more at the moment. */
  get isBetweenRequests(): boolean {
    return this.#answers > 0 && this.#turn === 'request' && this.#receivedBytes === 0;
  }

  /**
   * The next request, or undefined if the caller goes before it is whole.
   *
   * @throws FrameError for what is no request, and past the time limit
   */
  async receive(): Promise<RequestFrame | undefined> {
    const sinceMs = performance.now();
    for (let wanted = 1; ; ) {
      await this.#await(wanted, sinceMs);
      if (this.#receivedBytes < wanted) {
        if (this.#isGone || this.#answers > 0) return undefined;
        throw new FrameError(`was not whole after ${WAIT_MS} ms`);
      }
      wanted = requestBytes(this.#joined());
      if (this.#receivedBytes < wanted) continue;
      this.#turn = 'answer';
      const request = decodeRequest(this.#joined(), wanted);
      this.#drop(wanted);
      return request;
    }
  }

  /**
   * Sends an answer; true once the caller has confirmed that it has printed it. A caller that stands still may have
   * printed it too, and what it knows of must not be given to somebody else: past the time limit it counts as
   * delivered.
   */
  async deliver(answer: Uint8Array): Promise<boolean> {
    if (this.#isGone) return false;
    this.#turn = 'confirmation';
    this.#connection.send(answer);
    this.#answers++;
    await this.#await(CONFIRMATION_BYTES, performance.now());
    if (this.#receivedBytes < CONFIRMATION_BYTES) {
      const standsStill = !this.#isGone;
      this.close();
      return standsStill;
    }
    this.#drop(CONFIRMATION_BYTES);
    this.#turn = 'request';
    return true;
  }

  /** Gives up waiting if it has taken too long. */
  checkTime(nowMs: number): void {
    if (this.#awaited !== undefined && nowMs - this.#awaited.sinceMs > WAIT_MS) this.#awaited.settle();
  }

  close(): void {
    this.#connection.destroy();
  }

  /** Waits until so many bytes are there, the caller has gone, or its time is over. */
  #await(bytes: number, sinceMs: number): Promise<void> | undefined {
    if (this.#receivedBytes >= bytes || this.#isGone) return undefined;
    return new Promise(resolve => {
      const settle = () => {
        this.#awaited = undefined;
        resolve();
      };
      this.#awaited = { bytes, sinceMs, settle };
    });
  }

  /** What has been received and not been consumed. */
  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }

  #drop(length: number): void {
    this.#receivedBytes -= length;
    this.#chunks = this.#receivedBytes === 0 ? [] : [this.#joined().subarray(length)];
  }
}
