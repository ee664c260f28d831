// What an integration test needs of the machine. A test whose needs are not met is skipped, and says what to install;
// with ECS_IPAM_TEST_ALL=1 it fails instead.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Test } from 'uvu';

const onPath = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

const REQUIREMENTS = {
  root: { met: () => process.getuid?.() === 0, remedy: 'run as root' },
  ip: { met: () => onPath('ip'), remedy: 'apt-get install iproute2' },
  ping: { met: () => onPath('ping'), remedy: 'apt-get install iputils-ping' },
  strace: { met: () => onPath('strace'), remedy: 'apt-get install strace' },
  systemd: { met: () => onPath('systemd-analyze'), remedy: 'apt-get install systemd' },
  flock: { met: () => onPath('flock'), remedy: 'apt-get install util-linux' },
  setpriv: { met: () => onPath('setpriv'), remedy: 'apt-get install util-linux' },
  prlimit: { met: () => onPath('prlimit'), remedy: 'apt-get install util-linux' },
  perl: { met: () => onPath('perl'), remedy: 'apt-get install perl-base' },
  socketActivate: { met: () => onPath('systemd-socket-activate'), remedy: 'apt-get install systemd' },
  unshare: { met: () => onPath('unshare'), remedy: 'apt-get install util-linux' },
  cniPlugins: { met: () => existsSync('/usr/lib/cni/bridge'), remedy: 'apt-get install containernetworking-plugins' },
  readelf: { met: () => onPath('readelf'), remedy: 'apt-get install binutils' },
  crossCompiler: {
    met: () => onPath('aarch64-linux-gnu-gcc') && existsSync('/usr/aarch64-linux-gnu/lib/libc.a'),
    remedy: 'apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross',
  },
  qemu: {
    met: () => onPath('qemu-aarch64') && existsSync('/usr/aarch64-linux-gnu/lib/libstdc++.so.6'),
    remedy: 'apt-get install qemu-user libstdc++6-arm64-cross',
  },
  chromium: { met: () => existsSync('/usr/bin/chromium'), remedy: 'apt-get install chromium' },
} as const;

export type Requirement = keyof typeof REQUIREMENTS;

/** Registers `handler` as a test, or skips it with a word on what is missing. */
export function testWith(
  test: Pick<Test, 'skip'> & ((name: string, handler: () => Promise<void> | void) => void),
  needs: Requirement[],
  name: string,
  handler: () => Promise<void> | void,
): void {
  const unmet = needs.filter(need => !REQUIREMENTS[need].met());
  if (unmet.length === 0) {
    test(name, handler);
    return;
  }
  const remedies = unmet.map(need => REQUIREMENTS[need].remedy).join('; ');
  if (process.env.ECS_IPAM_TEST_ALL === '1') {
    test(name, () => {
      throw new Error(`${name}: cannot run here (${remedies})`);
    });
  } else {
    console.log(`skipped: ${name} (${remedies})`);
    test.skip(name);
  }
}
