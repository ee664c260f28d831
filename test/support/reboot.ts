// A host after its next boot: the boot id changes by a file bound over it in a mount namespace of its own. Needs root
// and unshare(1).

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXECUTABLE, temporaryDirectory } from './plugin.ts';

const bootFile = join(temporaryDirectory(), 'boot_id');
writeFileSync(bootFile, '5d3c1f0e-0000-4000-8000-00000000b007\n');

/** What runs the executable there. */
export const rebooted = (...args: string[]) => ({
  command: 'unshare',
  args: [
    '-m',
    'sh',
    '-c',
    'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$0" "$@"',
    EXECUTABLE,
    bootFile,
    ...args,
  ],
});
