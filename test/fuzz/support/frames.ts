// Requests to the daemon as bytes: sound ones of all commands, what can be made of them, and ways to send it.

import type { Socket } from 'node:net';
import { decodeRequest, FrameError, requestBytes } from '../../../src/daemon/frame.ts';
import { requestFrame } from '../../daemon/support/frames.ts';
import { sleep } from '../../integration/support/process.ts';
import { cniEnv, type Env } from '../../support/plugin.ts';
import type { Random } from '../../support/random.ts';
import { soundConfiguration } from './configurations.ts';
import { type Field, mutated, type Sample } from './mutation.ts';
import { valuesOf } from './property.ts';
import { writable } from './streams.ts';

const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'];
const CONFIGURATIONS = 5;
const HEAD_BYTES = 8;
/** How long the requests of the corpus let the daemon wait for a store. */
export const TIMEOUT = '10s';

/** Requests of every command. */
export function frameCorpus(store: string): Sample[] {
  const attachments = { 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }] };
  return COMMANDS.flatMap((command, row) =>
    valuesOf(CONFIGURATIONS, soundConfiguration, row).map((document, i): Sample => {
      const env: Env = cniEnv(command, store, {
        CNI_CONTAINERID: `c${i}`,
        CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=web-0',
        IPAM_DB_CONNECTION_TIMEOUT: TIMEOUT,
        ...(i === 0 ? { ECS_CNI_LOG_FILE: '/data/log', ECS_CNI_LOGLEVEL: 'info' } : {}),
      });
      const version = i < 2 ? { cniVersion: '1.1.0' } : {};
      const bytes = requestFrame(env, { ...document, ...version, ...(command === 'GC' ? attachments : {}) });
      return { name: `${command} ${i}`, bytes, fields: fieldsOf(bytes) };
    }),
  );
}

interface Parts {
  variables: Buffer[];
  stdin: Buffer;
}

function partsOf(frame: Buffer): Parts {
  const variables: Buffer[] = [];
  let at = 12;
  for (let count = frame.readUInt32BE(8); count > 0; count--) {
    const end = at + 4 + frame.readUInt32BE(at);
    variables.push(frame.subarray(at, end));
    at = end;
  }
  return { variables, stdin: frame.subarray(at) };
}

/** The length of all, the count, the length of each variable. */
function fieldsOf(frame: Buffer): Field[] {
  const own = partsOf(frame).variables.map(({ byteOffset }) => byteOffset - frame.byteOffset);
  return [4, 8, ...own].map(at => ({ at, bytes: 4 }));
}

/** The length that a frame announces is the one that it has. */
function sealed(frame: Buffer): Buffer {
  if (frame.length >= HEAD_BYTES) frame.writeUInt32BE(frame.length - HEAD_BYTES, 4);
  return frame;
}

/** Whole parts left out, repeated, taken from another request, in another order. */
function recombined(a: Parts, b: Parts, random: Random): Buffer {
  const variables = [...a.variables, ...b.variables.filter(() => random.chance(0.3))].filter(() => random.chance(0.95));
  const order = variables.map(variable => ({ variable, key: random.chance(0.5) ? random.fraction() : 0 }));
  const sorted = order.sort((x, y) => x.key - y.key).map(({ variable }) => variable);
  if (random.chance(0.2)) sorted.push(random.pick(a.variables));
  const head = Buffer.from('ecsq\0\0\0\0\0\0\0\0', 'latin1');
  head.writeUInt32BE(sorted.length, 8);
  return sealed(Buffer.concat([head, ...sorted, random.pick([a, a, b]).stdin]));
}

export function changedFrame(corpus: readonly Sample[], random: Random): Buffer {
  const [sample, other] = [random.pick(corpus), random.pick(corpus)];
  const kind = random.below(10);
  if (kind < 2) return recombined(partsOf(sample.bytes), partsOf(other.bytes), random);
  if (kind < 3) return Buffer.concat([sample.bytes, other.bytes]);
  const bytes = mutated(sample, corpus, 'big-endian', random);
  return kind < 7 ? sealed(bytes) : bytes;
}

/**
 * What a daemon has to make of these bytes: an answer to a call with this environment; nothing, as they are no request
 * or not all of one; or either, where something comes behind the request before it is answered.
 */
export type Prospect = { kind: 'answer' | 'either'; env: Env } | { kind: 'refusal' | 'incomplete' };

export function prospectOf(bytes: Buffer): Prospect {
  try {
    // A head that is not whole is looked at when it is.
    const length = bytes.length < HEAD_BYTES ? HEAD_BYTES : requestBytes(bytes);
    if (bytes.length < length) return { kind: 'incomplete' };
    const { env } = decodeRequest(bytes, length);
    return { kind: bytes.length === length ? 'answer' : 'either', env };
  } catch (error) {
    if (error instanceof FrameError) return { kind: 'refusal' };
    throw error;
  }
}

/** Sends bytes in up to six pieces, some with pauses between them. */
export async function sendInPieces(socket: Socket, bytes: Buffer, random: Random): Promise<void> {
  const cuts = Array.from({ length: random.below(6) }, () => random.below(bytes.length + 1)).sort((a, b) => a - b);
  for (const [i, end] of [...cuts, bytes.length].entries()) {
    if (socket.destroyed) return; // the daemon has refused what it has
    if (i > 0 && random.chance(0.3)) await sleep(random.below(4));
    if (!socket.write(bytes.subarray(cuts[i - 1] ?? 0, end))) await writable(socket);
  }
}
