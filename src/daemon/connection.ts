// Sockets as the daemon sees them. The host brings them: the daemon's own time is a part of every call, and the
// host's plainest sockets cost the least of it.

/** A path to make a socket at, or the descriptor of one that is listening already (systemd's socket activation). */
export type Place = { path: string } | { fd: number };

/** The daemon's end of a connection. */
export interface Connection {
  /** Sends all of it behind what has been sent before. What nobody takes any more is lost; `gone` says so. */
  send(bytes: Uint8Array): void;
  /** Ends it at once, with what has not been sent yet. */
  destroy(): void;
}

/** What happens to a connection. */
export interface Receiver {
  /** The bytes are the receiver's to keep. */
  received(bytes: Buffer): void;
  /** The other end sends nothing more, or the connection has ended. It may be said twice. */
  gone(): void;
}

export interface SocketServer {
  /** Rejects with the system's error if it cannot listen there. */
  listen(place: Place): Promise<void>;
  /** Takes no more connections; those that are there stay. */
  close(): void;
}

/** `accept` is called for each connection. */
export type MakeSocketServer = (accept: (connection: Connection) => Receiver) => SocketServer;
