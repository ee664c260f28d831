#!/usr/bin/env node
// Entry point of the npm package's command, on Node: for trying and developing. It starts far slower than the
// executable.

import { createHash } from 'node:crypto';
import { nodeFileLocks } from '../store/flock-node.ts';
import { main } from './main.ts';
import { nodeSockets } from './sockets-node.ts';

process.exitCode = await main(process.argv.slice(2), process.env, {
  locks: nodeFileLocks,
  sockets: nodeSockets,
  sha256: text => createHash('sha256').update(text).digest(),
});
