// The few parts of Bun that the executable uses. (Bun's own types would let Node's and browsers' code use all of it.)

declare const Bun: {
  CryptoHasher: new (algorithm: 'sha256') => { update(text: string): { digest(): Uint8Array } };
};

declare module 'bun:ffi' {
  export const FFIType: { i32: 'i32'; u64: 'u64'; ptr: 'ptr' };
  export function dlopen<S extends string>(
    path: string,
    symbols: Record<S, { args: ('i32' | 'u64' | 'ptr')[]; returns: 'i32' }>,
  ): { symbols: Record<S, (...args: unknown[]) => number> };
  export function ptr(memory: ArrayBufferLike | ArrayBufferView): number;
}
