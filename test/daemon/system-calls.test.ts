// What a lone ADD costs the daemon in system calls, from the request to the answer: the lock and the looks at the files
// that make sure of the store, the pages, one flush, the commit record.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addressOf, network } from '../integration/support/ipam.ts';
import type { SystemCall } from '../integration/support/strace.ts';
import { cniEnv, type Run, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { ask } from './support/frames.ts';
import { startTraced } from './support/traced.ts';

const test = suite('system calls');

const conf = network({ 'ipv4-subnet': '10.0.0.0/16', 'ipv6-subnet': '2001:db8::/64' });
const WARM_UP = 20;
const ADDS = 100;

/** At most so many of each for one ADD. Pages that lie beside one another are one write, after a seek. */
const MOST: Record<string, number> = {
  openat: 1, // the lock's file
  flock: 1,
  statx: 6, // the store and LMDB's lock file, as the request comes and under the lock; the lock's own, open and by name
  close: 1,
  fdatasync: 1,
  'pages written': 11,
  lseek: 5,
};

/** The calls of each ADD, from its request to its answer. */
function callsOfAdds(calls: SystemCall[]): SystemCall[][] {
  const adds: SystemCall[][] = [];
  let current: SystemCall[] | undefined;
  for (const call of calls) {
    if (call.name === 'recvfrom' && call.strings[0]?.startsWith('ecsq')) current = [];
    else if (call.name === 'sendto' && call.strings[0]?.startsWith('ecsa') && current !== undefined) {
      adds.push(current);
      current = undefined;
    } else current?.push(call);
  }
  return adds;
}

/** The calls by name; what writes pages counts as the pages that it writes. */
function countsOf(calls: readonly SystemCall[], store: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name, args, file } of calls) {
    const isPages = file === store && /^p?writev?(64)?$/.test(name);
    const key = isPages ? 'pages written' : name;
    counts.set(key, (counts.get(key) ?? 0) + (isPages ? Math.max(1, args.split('iov_len=4096').length - 1) : 1));
  }
  return counts;
}

testWith(test, ['strace'], 'a lone ADD of both families', async () => {
  const daemon = await startTraced('openat,flock,statx,close,fdatasync,pwrite64,writev,lseek,recvfrom,sendto');
  const store = temporaryStore();
  const add = async (number: number) =>
    addressOf((await ask(daemon.socket, cniEnv('ADD', store, { CNI_CONTAINERID: `c${number}` }), conf)) as Run);
  for (let number = 0; number < WARM_UP + ADDS; number++) await add(number);
  const adds = callsOfAdds(await daemon.stop()).slice(WARM_UP);
  assert.is(adds.length, ADDS);
  let growths = 0;
  for (const calls of adds) {
    const counts = countsOf(calls, store);
    // Now and then the file grows by pages that are kept for DELs: it is opened once more.
    if ((counts.get('openat') ?? 0) > 1) {
      growths++;
      continue;
    }
    for (const [name, most] of Object.entries(MOST)) {
      const count = counts.get(name) ?? 0;
      assert.ok(count <= most, `${count} of ${name}, at most ${most}`);
    }
    assert.is(counts.get('fdatasync'), 1, 'flushes');
  }
  assert.ok(growths <= ADDS / 20, `${growths} of ${ADDS} ADDs let the file grow`);
});

test.run();
