// The host's clock stands still, or goes back between calls: leases stay whose they are, and nothing is lost.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Daemon, NOBODY, startDaemon, stopDaemon } from '../daemon/support/daemon.ts';
import { connected, decodeAnswer, received, requestFrame } from '../daemon/support/frames.ts';
import { cniEnv, temporaryStore } from '../support/plugin.ts';
import { exits, ipam } from '../tools/support.ts';
import { hostClock } from './support/clock.ts';
import {
  add,
  addressesOf,
  addressOf,
  check,
  del,
  distinct,
  dualStack,
  held,
  list,
  refused,
  silent,
} from './support/ipam.ts';
import { sleep } from './support/process.ts';

const test = suite('clock');

const clock = hostClock();
const conf = dualStack();

/** A second later, an hour back, on, before 1970 was over, years ahead, and back to where it began. */
const TIMES = [
  '2026-03-01T12:00:00.000Z',
  '2026-03-01T12:00:01.000Z',
  '2026-03-01T11:00:01.000Z',
  '2026-03-01T11:00:01.500Z',
  '1970-01-01T00:00:07.000Z',
  '2041-07-01T00:00:00.000Z',
  '2026-03-01T12:00:00.000Z',
];

let daemon: Daemon;
test.before(async () => {
  clock.set(TIMES[0]!);
  daemon = await startDaemon({ env: clock.env });
});
test.after(() => stopDaemon(daemon));

for (const way of ['one-shot processes', 'a daemon', 'both']) {
  test(`${way}: whatever the clock says, leases are of its time, given once, and given back`, async () => {
    const store = temporaryStore();
    const envOf = (i: number) => ({
      ...clock.env,
      ...(way === 'a daemon' || (way === 'both' && i % 2 === 1) ? daemon.env : NOBODY),
    });
    const given: string[] = [];
    for (const [i, time] of TIMES.entries()) {
      clock.set(time);
      const parameters = { store, conf, owner: `c${i}`, env: envOf(i) };
      const addresses = addressesOf(await add(parameters), time);
      given.push(...addresses);
      refused(await add(parameters), 103, 'the same owner again');
      silent(await check(parameters), 'CHECK');
      const own = (await list(store)).filter(({ containerId }) => containerId === `c${i}`);
      assert.equal(
        own.map(({ address, since }) => [address, since]),
        addresses.map(address => [address, time]),
      );
    }
    distinct(given, way);
    assert.equal(await held(store), [...given].sort());
    exits(await ipam(store, 'fsck'), 0, 'clean');
    for (const [i, time] of [...TIMES.entries()].reverse()) {
      clock.set(time);
      silent(await del({ store, conf, owner: `c${i}`, env: envOf(i) }), `DEL at ${time}`);
    }
    assert.equal(await held(store), []);
  });
}

for (const [what, first, second] of [
  ['stands still', TIMES[0]!, TIMES[0]!],
  ['goes back a little', TIMES[1]!, TIMES[0]!],
  ['goes back by an hour', TIMES[1]!, TIMES[2]!],
] as const) {
  test(`the clock ${what}: an ADD that is taken back takes nothing of the same owner's next one with it`, async () => {
    const store = temporaryStore();
    const asked = dualStack({ 'ipv4-address': '10.0.0.4', 'ipv6-address': '2001:db8::4' });
    clock.set(first);
    const socket = await connected(daemon.socket);
    socket.write(requestFrame(cniEnv('ADD', store, { CNI_CONTAINERID: 'c1' }), asked));
    assert.is(addressOf(decodeAnswer(await received(socket), 0)!), '10.0.0.4');
    silent(await del({ store, conf: asked, env: daemon.env }), 'DEL');
    clock.set(second);
    const addresses = addressesOf(await add({ store, conf: asked, env: daemon.env }), 'the second ADD');
    socket.destroy(); // the first answer is not confirmed
    await sleep(200);
    silent(await check({ store, conf, env: daemon.env }), 'CHECK');
    assert.equal(await held(store), addresses.sort());
  });
}

test.run();
