// An ADD whose result cannot be delivered is taken back: no main plugin calls DEL after a failed ADD.

import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cniEnv, EXECUTABLE, run, temporaryStore } from '../support/plugin.ts';

const test = suite('delivery of the result');

const CONFIG = JSON.stringify({
  cniVersion: '1.0.0',
  name: 'net',
  ipam: { type: 'ecs-ipam', 'ipv4-subnet': '10.0.0.0/24', 'ipv6-subnet': '2001:db8::/64' },
});

async function containers(store: string): Promise<string[]> {
  const { stdout } = await run({ args: ['list', '--json'], env: { IPAM_DB_PATH: store } });
  const leases: { kind: string; address: string }[] = JSON.parse(stdout);
  return leases.filter(lease => lease.kind === 'container').map(lease => lease.address);
}

test('stdout on a full device: exit 1, a word on stderr, nothing leased', async () => {
  const store = temporaryStore();
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(EXECUTABLE, [], {
    input: CONFIG,
    encoding: 'utf8',
    env: cniEnv('ADD', store) as NodeJS.ProcessEnv,
    stdio: ['pipe', full, 'pipe'],
  });
  closeSync(full);
  assert.is(status, 1);
  assert.match(stderr, /the result cannot be written/);
  assert.not.match(stderr, /\bat\b.*:\d+:\d+/, 'no stack trace');
  assert.equal(await containers(store), []);
});

test('a reader that has gone: nothing leased', async () => {
  const store = temporaryStore();
  // The pipe's reader ends at once; the ADD begins a moment later.
  const script = `(sleep 0.3; "${EXECUTABLE}"; echo "exit $?" >&2) | true`;
  const { stderr } = spawnSync('sh', ['-c', script], {
    input: CONFIG,
    encoding: 'utf8',
    env: { ...cniEnv('ADD', store), PATH: process.env.PATH },
  });
  assert.match(stderr, /exit 1/);
  assert.equal(await containers(store), []);
});

test.run();
