// What arrives together is committed together: a request that is refused fails alone, and strace shows that each answer
// is sent after a commit that began when its request was there.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holdFlock, letGo } from '../integration/support/hold.ts';
import { addressOf, distinct, held, network, refused, silent } from '../integration/support/ipam.ts';
import { sleep } from '../integration/support/process.ts';
import type { SystemCall } from '../integration/support/strace.ts';
import { cniEnv, type Run, temporaryStore } from '../support/plugin.ts';
import { testWith } from '../support/requirements.ts';
import { ask } from './support/frames.ts';
import { startTraced } from './support/traced.ts';

const test = suite('batching');

const IN_FLIGHT = 64;
const large = network({ 'ipv4-subnet': '10.0.0.0/16', 'ipv6-subnet': '2001:db8::/64' });
const full = network({ 'ipv4-subnet': '10.1.0.0/30' });
const requesting = (address: string) => network({ 'ipv4-subnet': '10.0.0.0/16', 'ipv4-address': address });

interface Commit {
  began: number;
  ended: number;
}

/** The commits to a store: pages, then a flush, then the meta page through a synchronous descriptor. */
function commitsOf(calls: SystemCall[], store: string): Commit[] {
  const synchronous = new Set<number>();
  const commits: Commit[] = [];
  let began: number | undefined;
  let flushed: number | undefined;
  for (const { name, args, strings, result, fd = -1, file, began: at, ended } of calls) {
    if (name === 'openat' && strings[0] === store && args.includes('O_DSYNC')) {
      synchronous.add(Number.parseInt(result, 10));
    }
    if (file !== store) continue;
    if (name === 'fdatasync') flushed = ended;
    if (!/^p?writev?(64)?$/.test(name)) continue;
    if (!synchronous.has(fd)) {
      began ??= at;
      flushed = undefined;
    } else {
      assert.ok(began !== undefined && flushed !== undefined && flushed < at, `meta page before its pages: ${args}`);
      commits.push({ began, ended });
      began = undefined;
    }
  }
  return commits;
}

/** Each frame with this magic that the daemon has sent or received, by the socket's inode. */
const framesOf = (calls: SystemCall[], name: string, magic: string): Map<string, SystemCall> =>
  new Map(
    calls.filter(call => call.name === name && call.strings[0]?.startsWith(magic)).map(call => [call.file!, call]),
  );

testWith(
  test,
  ['strace', 'flock'],
  `${IN_FLIGHT} requests in flight: few commits, each answered after its own`,
  async () => {
    const daemon = await startTraced('openat,write,writev,pwrite64,pwritev,fdatasync,recvfrom,sendto');
    const store = temporaryStore();
    const request = (command: string, conf: unknown, owner: string) =>
      ask(daemon.socket, cniEnv(command, store, { CNI_CONTAINERID: owner }), conf) as Promise<Run>;
    assert.is(addressOf(await request('ADD', full, 'last')), '10.1.0.2');
    assert.is(addressOf(await request('ADD', large, 'holder')), '10.0.0.2');
    assert.is(addressOf(await request('ADD', large, 'leaver')), '10.0.0.3');
    const commitsBefore = commitsOf(daemon.callsSoFar(), store).length;
    assert.is(commitsBefore, 3, 'one after another: a commit each');

    const lock = await holdFlock(store);
    const good = Array.from({ length: IN_FLIGHT - 6 }, (_, i) => request('ADD', large, `c${i}`));
    const bad: [code: number, run: Promise<Run>][] = [
      [101, request('ADD', full, 'too-many')],
      [102, request('ADD', requesting('10.0.0.2'), 'thief')],
      [103, request('ADD', large, 'holder')],
      [7, request('ADD', requesting('10.9.9.9'), 'outside')],
      [7, request('ADD', network({ 'ipv4-subnet': 'nonsense' }), 'invalid')],
    ];
    const left = request('DEL', large, 'leaver');
    silent(await request('CHECK', large, 'holder'), 'CHECK, for which nothing has to be written');
    await sleep(100);
    await letGo(lock);

    const addresses = (await Promise.all(good)).map((run, i) => addressOf(run, `ADD ${i}`));
    distinct(addresses, 'ADDs');
    for (const [code, run] of bad) refused(await run, code);
    silent(await left, 'DEL');
    const expected = [...addresses, '10.0.0.2', '10.1.0.2'].sort();
    assert.equal(
      (await held(store)).filter(address => !address.includes(':')),
      expected,
    );
    const calls = await daemon.stop();
    const commits = commitsOf(calls, store);
    const batches = commits.length - commitsBefore;
    assert.ok(batches >= 1 && batches <= IN_FLIGHT / 8, `${batches} commits for ${IN_FLIGHT} requests`);
    const requests = framesOf(calls, 'recvfrom', 'ecsq');
    let seen = 0;
    for (const [socket, answer] of framesOf(calls, 'sendto', 'ecsa')) {
      const asked = requests.get(socket);
      assert.ok(asked, `${socket} was answered and has not asked`);
      if (!answer.strings[0]!.includes('ips')) continue; // a refusal, or silence
      const isDurable = commits.some(({ began, ended }) => asked.ended < began && ended < answer.began);
      assert.ok(isDurable, `${socket}: asked at ${asked.ended}, answered at ${answer.began}`);
      seen++;
    }
    assert.is(seen, 3 + good.length, 'ADDs that succeeded in the trace');
  },
);

test.run();
