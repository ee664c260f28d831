// The daemon's sockets, on Node.

import { createServer } from 'node:net';
import type { MakeSocketServer } from '../daemon/connection.ts';

export const nodeSockets: MakeSocketServer = accept => {
  const server = createServer({ allowHalfOpen: true }, socket => {
    const receiver = accept({ send: bytes => void socket.write(bytes), destroy: () => void socket.destroy() });
    socket.on('data', bytes => receiver.received(bytes));
    socket.on('end', () => receiver.gone()).on('close', () => receiver.gone());
    socket.on('error', () => socket.destroy()); // it has gone: 'close' follows
  });
  return {
    listen: place =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(place, () => {
          server.off('error', reject);
          resolve();
        });
      }),
    close: () => void server.close(),
  };
};
