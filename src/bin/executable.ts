// Entry point of the compiled executable, on Bun.

import { bunFileLocks } from '../store/flock-bun.ts';
import { main } from './main.ts';
import { notifySystemd } from './notify-bun.ts';
import { bunSockets } from './sockets-bun.ts';

process.exitCode = await main(process.argv.slice(2), process.env, {
  locks: bunFileLocks,
  sockets: bunSockets,
  notifySystemd,
  sha256: text => Bun.SHA256.hash(text),
});
