// The daemon's sockets, on Bun: without the streams that node:net puts around them.

import type { Connection, MakeSocketServer, Place, Receiver } from '../daemon/connection.ts';

class BunConnection implements Connection {
  readonly #socket: BunSocket<BunConnection>;
  receiver!: Receiver;
  /** What the kernel has not taken yet. */
  #unsent: Uint8Array[] = [];

  constructor(socket: BunSocket<BunConnection>) {
    this.#socket = socket;
  }

  send(bytes: Uint8Array): void {
    this.#unsent.push(bytes);
    if (this.#unsent.length === 1) this.drain();
  }

  destroy(): void {
    this.#socket.terminate();
  }

  /** Sends what is left for as long as the kernel takes it. */
  drain(): void {
    for (let bytes = this.#unsent[0]; bytes !== undefined; bytes = this.#unsent[0]) {
      const sent = Math.max(0, this.#socket.write(bytes)); // below 0: it has gone, and 'close' follows
      if (sent < bytes.length) {
        this.#unsent[0] = bytes.subarray(sent);
        return;
      }
      this.#unsent.shift();
    }
  }
}

export const bunSockets: MakeSocketServer = accept => {
  const socket: BunSocketHandler<BunConnection> = {
    open: socket => {
      socket.data = new BunConnection(socket);
      socket.data.receiver = accept(socket.data);
    },
    data: ({ data }, bytes) => data.receiver.received(bytes),
    drain: ({ data }) => data.drain(),
    end: ({ data }) => data.receiver.gone(),
    close: ({ data }) => data.receiver.gone(),
    error: ({ data }) => data.destroy(), // it has gone: 'close' follows
  };
  let listener: BunListener | undefined;
  return {
    listen: async (place: Place) => {
      const at = 'fd' in place ? { fd: place.fd } : { unix: place.path };
      listener = Bun.listen({ ...at, allowHalfOpen: true, socket });
    },
    close: () => listener?.stop(),
  };
};
