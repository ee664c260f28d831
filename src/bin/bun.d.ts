// The few parts of Bun that the executable uses. (Bun's own types would let Node's and browsers' code use all of it.)

interface BunSocket<Data> {
  data: Data;
  /** How many of the bytes the kernel has taken; below 0 if the connection has ended. */
  write(bytes: Uint8Array): number;
  terminate(): void;
}

interface BunSocketHandler<Data> {
  open(socket: BunSocket<Data>): void;
  data(socket: BunSocket<Data>, bytes: Buffer): void;
  drain(socket: BunSocket<Data>): void;
  end(socket: BunSocket<Data>): void;
  close(socket: BunSocket<Data>): void;
  error(socket: BunSocket<Data>, error: Error): void;
}

interface BunListener {
  stop(): void;
}

declare const Bun: {
  SHA256: { hash(text: string): Uint8Array };
  listen<Data>(options: {
    unix?: string;
    fd?: number;
    allowHalfOpen: boolean;
    socket: BunSocketHandler<Data>;
  }): BunListener;
};

declare module 'bun:ffi' {
  export const FFIType: { i32: 'i32'; u64: 'u64'; ptr: 'ptr' };
  export function dlopen<S extends string>(
    path: string,
    symbols: Record<S, { args: ('i32' | 'u64' | 'ptr')[]; returns: 'i32' }>,
  ): { symbols: Record<S, (...args: unknown[]) => number> };
  export function ptr(memory: ArrayBufferLike | ArrayBufferView): number;
}
