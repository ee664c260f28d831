// Writing more than the other side takes at once.

import type { Writable } from 'node:stream';

/** Until the stream takes more, or is closed. */
export const writable = (stream: Writable): Promise<void> =>
  stream.destroyed
    ? Promise.resolve()
    : new Promise(resolve => {
        for (const event of ['drain', 'close']) stream.once(event, () => resolve());
      });
