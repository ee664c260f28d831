// sd_notify(3): one datagram to systemd's socket, which neither Bun nor Node can send by themselves.

import { dlopen, FFIType, ptr } from 'bun:ffi';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const SUN_PATH_OFFSET = 2; // struct sockaddr_un: the family, u16, then the path

const libc = dlopen('libc.so.6', {
  socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
  sendto: {
    args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.ptr, FFIType.i32],
    returns: FFIType.i32,
  },
  close: { args: [FFIType.i32], returns: FFIType.i32 },
});

/** Tells systemd; that it does not listen is its own affair. */
export function notifySystemd(socketPath: string, message: string): void {
  const path = new TextEncoder().encode(socketPath);
  if (path[0] === '@'.charCodeAt(0)) path[0] = 0; // an abstract name
  const address = new Uint8Array(SUN_PATH_OFFSET + path.length);
  address[0] = AF_UNIX;
  address.set(path, SUN_PATH_OFFSET);
  const bytes = new TextEncoder().encode(message);
  const fd = libc.symbols.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  libc.symbols.sendto(fd, ptr(bytes.buffer), bytes.length, MSG_NOSIGNAL, ptr(address.buffer), address.length);
  libc.symbols.close(fd);
}
