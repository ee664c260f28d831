// Judges every n-th state of a recorded run in a process of its own: a store that makes LMDB crash ends only that.
// Arguments: a file with the recording, which share, of how many shares, tears, subsets, how many states at most.
// Says which state is next before it is judged, and last how many there were of each kind.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { deserialize } from 'node:v8';
import { temporaryDirectory } from '../support/plugin.ts';
import { Random } from '../support/random.ts';
import { storeBelow } from './events.ts';
import { judge } from './judge.ts';
import type { Recording } from './record.ts';
import { type State, statesOf } from './states.ts';

const [file = '', ...numbers] = process.argv.slice(2);
const [share = 0, shares = 1, tears = 0, subsets = 0, most = 0] = numbers.map(Number);
const { root, events, lock } = deserialize(readFileSync(file)) as Recording;
const directory = temporaryDirectory();
/** LMDB's lock file may be there, empty or as the run has left it: its writer has died with the machine. */
const WRITER_WORD_AT = 64;
const staleLock = Buffer.from(lock);
staleLock.writeUInt32LE(4711, WRITER_WORD_AT);
const sample = new Random('sample');
const counts: Record<string, number> = {};

const total = [...statesOf(events, root, { tears, subsets })].length;
let number = 0;
for (const state of statesOf(events, root, { tears, subsets })) {
  number++;
  const isChosen = sample.chance(most / total) || state.kind === 'names';
  if (!isChosen || number % shares !== share) continue;
  console.log(`state ${number}, event ${state.at} of ${events.length}: ${state.kind}, ${state.what}`);
  await judge(laidOut(state), state);
  counts[state.kind] = (counts[state.kind] ?? 0) + 1;
}
console.log(`judged ${JSON.stringify({ states: total, counts })}`);

/** Puts the files of a state where the product looks for them. */
function laidOut(state: State): string {
  const files = state.files();
  rmSync(directory, { recursive: true });
  const moved = (path: string) => join(directory, path.slice(root.length));
  mkdirSync(dirname(moved(storeBelow(root))), { recursive: true });
  for (const [path, content] of files) writeFileSync(moved(path), content);
  const store = moved(storeBelow(root));
  const found = sample.pick([undefined, new Uint8Array(staleLock.length), staleLock]);
  if (found !== undefined && files.has(storeBelow(root))) writeFileSync(`${store}-lock`, found);
  return store;
}
