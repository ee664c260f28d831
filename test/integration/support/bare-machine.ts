// A machine that has libraries, /proc and /dev, and nothing else: what runs there can write to nothing of ours.

import { dirname } from 'node:path';
import { EXECUTABLE } from '../../support/plugin.ts';

const SCRIPT = `set -e
root=$0
cd "$root"
mkdir -p usr proc dev opt/cni/bin
for path in /usr/lib /usr/lib64 /lib /lib64; do
  if [ -L $path ]; then cp -P $path .$path
  elif [ -d $path ]; then mkdir -p .$path; mount --bind $path .$path
  fi
done
mount --bind /proc proc
mount --bind /dev dev
mount --bind "$1" opt/cni/bin
shift
exec chroot "$root" "$@"`;

/** The command that runs a command of /opt/cni/bin with this directory as its root; the process stays the same. */
export const onBareMachine = (root: string, command: string, ...args: string[]): string[] => [
  ...['unshare', '-m', 'sh', '-c', SCRIPT, root, dirname(EXECUTABLE), `/opt/cni/bin/${command}`],
  ...args,
];
