// Entry point of the compiled executable, on Bun.

import { bunFileLocks } from '../store/flock-bun.ts';
import { main } from './main.ts';

process.exitCode = await main(process.argv.slice(2), process.env, {
  locks: bunFileLocks,
  sha256: text => new Bun.CryptoHasher('sha256').update(text).digest(),
  readStdin: () => Bun.stdin.bytes(),
  write: async (stream, text) => {
    // Bun.write of an empty text truncates a file, even one that was opened to append.
    if (text === '') return;
    // process.stdout.write followed by an exit would cut at a pipe's size; this waits until all is written.
    await Bun.write(stream === 'stdout' ? Bun.stdout : Bun.stderr, text);
  },
});
