// Where the daemon is reached: a socket that it makes at a path, or one that systemd has made and passes on.

import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { CniError, ErrorCode } from '../cni/error.ts';
import type { FileLocks } from '../store/flock.ts';
import { isSame } from '../store/same-file.ts';
import type { Place, SocketServer } from './connection.ts';

/** struct sockaddr_un has room for 108 bytes, the last one a NUL. */
const MOST_PATH_BYTES = 107;
/** Whoever has looked up the path before it vanished has connected by then. */
const LAST_CALL_MS = 100;

export interface Listening {
  /**
   * Takes no more callers, and turns none away: those who had connected are handed to the server, those who come later
   * find no socket and help themselves. (On systemd's socket they wait for the next daemon.)
   */
  end(): Promise<void>;
}

export const describe = (place: Place): string => ('fd' in place ? `descriptor ${place.fd}` : place.path);

/** @throws CniError that names the place: another daemon listens there, something else is there, or it is no place */
export async function listen(server: SocketServer, place: Place, locks: FileLocks): Promise<Listening> {
  try {
    return 'fd' in place ? await listenOn(server, place.fd) : await listenAt(server, place.path, locks);
  } catch (error) {
    server.close();
    throw new CniError(ErrorCode.io, `${describe(place)}: ${(error as Error).message}`, undefined, { cause: error });
  }
}

async function listenOn(server: SocketServer, fd: number): Promise<Listening> {
  await server.listen({ fd });
  return { end: async () => server.close() };
}

async function listenAt(server: SocketServer, path: string, locks: FileLocks): Promise<Listening> {
  if (Buffer.byteLength(path) > MOST_PATH_BYTES) {
    throw new Error(`is longer than ${MOST_PATH_BYTES} bytes, no caller could reach it`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  // The host removes, when the server closes, the name that it was bound to. At the path there may be a successor then.
  const draft = `${path}.${randomUUID().slice(0, 8)}`;
  const file = await alone(dirname(path), locks, async () => {
    await requireVacant(path);
    await server.listen({ path: draft });
    chmodSync(draft, 0o600);
    renameSync(draft, path);
    return lstatSync(path);
  });
  return {
    end: async () => {
      const isReachable = isSame(file, lstatSync(path, { throwIfNoEntry: false }));
      if (isReachable) renameSync(path, draft);
      await pause(LAST_CALL_MS);
      if (isReachable) await comeLast(draft);
      server.close();
    },
  };
}

/** Runs `work` while no other daemon starts in this directory. */
async function alone<T>(directory: string, locks: FileLocks, work: () => Promise<T>): Promise<T> {
  const fd = openSync(directory, 'r');
  try {
    if (!locks.tryFlock(fd, true)) throw new Error('another daemon is starting there');
    return await work();
  } finally {
    closeSync(fd);
  }
}

/** What a daemon has left behind does not matter; anything else stays. */
async function requireVacant(path: string): Promise<void> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket()) throw new Error('is there, and is not a socket');
  const refusal = await new Promise<NodeJS.ErrnoException | undefined>(resolve => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', resolve);
  });
  if (refusal === undefined) throw new Error('another daemon is listening there');
  if (refusal.code !== 'ECONNREFUSED') throw new Error(`is there: ${refusal.message}`);
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));

/** Connects, and waits until it is served: so is whoever has connected before. */
function comeLast(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.end());
    socket
      .on('close', () => resolve())
      .on('error', reject)
      .resume();
  });
}
