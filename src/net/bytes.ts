// Short rows of bytes: addresses, keys.

/** Whether two are equal. Written out: a call of the library costs more for so few. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
