// Holds the lock of a store, as a process that stands still would.

import { printed, type Started, start } from './process.ts';

/** Holds `<store>.flock` exclusively until it is killed or its stdin is closed. */
export async function holdFlock(store: string): Promise<Started> {
  const script = 'exec 9>>"$0" && flock -x 9 && echo held && exec cat';
  const holder = start({ command: 'sh', args: ['-c', script, `${store}.flock`], stdin: null, limitMs: 60_000 });
  await printed(holder, 'held');
  return holder;
}

export async function letGo({ child, done }: Started): Promise<void> {
  child.stdin?.end();
  await done;
}
