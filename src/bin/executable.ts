// Entry point of the compiled executable, on Bun.

import { bunFileLocks } from '../store/flock-bun.ts';
import { main } from './main.ts';
import { notifySystemd } from './notify-bun.ts';

process.exitCode = await main(process.argv.slice(2), process.env, {
  locks: bunFileLocks,
  notifySystemd,
  sha256: text => new Bun.CryptoHasher('sha256').update(text).digest(),
});
