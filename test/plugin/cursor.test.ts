// CNI.md 4: the automatic choice, its cursor, and what exhaustion says.

import * as assert from 'uvu/assert';
import { type Config, config, container, Host, parallel, withoutLength } from './harness.ts';

const test = parallel('cursor');
const V4 = { 'ipv4-subnet': '10.0.0.0/24' };
const SMALL = { 'ipv4-subnet': '10.0.0.0/29' }; // .2 to .6
const V6 = { 'ipv6-subnet': '2001:db8::/64' };

// A script is a list of steps; an address that begins with a dot is one of 10.0.0.0.
//   a=.2        ADD by container a gives .2         a@.9     ADD by a that asks for .9 gives it
//   -a          DEL by a                            a!101    ADD by a is refused with 101
//   a@.9!102    ADD by a that asks for .9 is refused with 102, and .9 named
const STEP = /^(?:-(?<released>\w+)|(?<owner>\w+)(?:=(?<given>[\d.]+))?(?:@(?<asked>[\d.]+))?(?:!(?<code>\d+))?)$/;
const full = (address: string) => (address.startsWith('.') ? `10.0.0${address}` : address);

async function play(ipam: Config, script: string): Promise<void> {
  const host = new Host();
  for (const step of script.split(' ')) {
    const { groups } = STEP.exec(step) ?? {};
    if (groups === undefined) throw new Error(`no step: ${step}`);
    const { released, owner = '', given, asked, code } = groups;
    const stdin = config({ ...ipam, ...(asked ? { 'ipv4-address': full(asked) } : {}) });
    if (released) {
      await host.succeed('DEL', stdin, container(released));
    } else if (code) {
      await host.refuse('ADD', stdin, Number(code), asked && code !== '103' ? [full(asked)] : [], container(owner));
    } else {
      const taken = (await host.take(stdin, container(owner))).map(withoutLength);
      assert.equal(taken, [full(given ?? asked ?? '')], `${step} of ${script}`);
    }
  }
}

const SCRIPTS: [string, Config, string][] = [
  ['one after another', V4, 'a=.2 b=.3 c=.4'],
  ['around a gateway in the middle', { ...V4, 'ipv4-gateway': '10.0.0.3' }, 'a=.1 b=.2 c=.4 d=.5'],
  ['what was released a moment ago is not the next', V4, 'a=.2 -a b=.3 -b a=.4'],
  ['a DEL of an earlier one does not move it', V4, 'a=.2 b=.3 c=.4 -a d=.5'],
  ['all released: it goes on all the same', V4, 'a=.2 b=.3 -a -b c=.4'],
  ['an explicit ADD sets it', V4, 'a=.2 b@.50 c=.51'],
  ['an explicit ADD sets it, backwards too', V4, 'a@.50 b@.10 c=.11 d@.49 e=.51'],
  ['an explicit first ADD sets it', V4, 'a@.100 b=.101'],
  ['explicit, then released: it stays there', V4, 'a@.50 -a b=.51'],
  ['the last address, then round to the first', V4, 'a@.254 b=.2 c=.3'],
  ['the last address, gateway .8: round to .1', { ...V4, 'ipv4-gateway': '10.0.0.8' }, 'a@.254 b=.1'],
  ['over addresses in use', V4, 'a@.3 b@.4 c@.254 d=.2 e=.5'],
  ['the one gap before it, after going round', SMALL, 'a=.2 b=.3 c=.4 d=.5 e=.6 -b f=.3 g!101'],
  ['the one it stands on, as the very last', SMALL, 'a=.2 b=.3 c=.4 d=.5 e=.6 -e f=.6 g!101'],
  ['the gap that it meets first, not the one freed first', SMALL, 'a=.2 b=.3 c=.4 d=.5 -b e=.6 -a f=.2 g=.3'],
  ['an address comes back only after the round', SMALL, 'a=.2 -a a=.3 -a a=.4 -a a=.5 -a a=.6 -a a=.2'],
  ['a refused ADD leaves it: 103', V4, 'a=.2 a!103 a@.77!103 b=.3'],
  ['a refused ADD leaves it: 102', V4, 'a@.50 b=.51 c@.50!102 c=.52'],
  ['a refused ADD leaves it: 7, the gateway', V4, 'a=.2 b@.1!7 b=.3'],
  ['a refused ADD leaves it: 7, the broadcast', V4, 'a=.2 b@.255!7 b=.3'],
  ['a refused ADD leaves it: 7, outside', V4, 'a=.2 b@10.0.1.1!7 b=.3'],
  ['a refused ADD leaves it: 101', SMALL, 'a@.5 b=.6 c=.2 d=.3 e=.4 f!101 f!101 -d -a f=.5 g=.3'],
];
for (const [name, ipam, script] of SCRIPTS) test(name, () => play(ipam, script));

test('a refused ADD in one family leaves the cursor of the other', async () => {
  const host = new Host();
  const stdin = config({ ...V4, 'ipv6-subnet': '2001:db8::/127' });
  assert.equal(await host.take(stdin, container('a')), ['10.0.0.2/24', '2001:db8::1/127']);
  for (let i = 0; i < 3; i++) await host.refuse('ADD', stdin, 101, ['2001:db8::/127'], container('b'));
  assert.equal(await host.take(config(V4), container('b')), ['10.0.0.3/24']);
});
test('the families have a cursor each', async () => {
  const host = new Host();
  const both = { ...V4, ...V6 };
  await host.take(config({ ...both, 'ipv6-address': '2001:db8::ff' }), container('a'));
  assert.equal(await host.take(config(both), container('b')), ['10.0.0.3/24', '2001:db8::100/64']);
});
test('each subnet has its own cursor', async () => {
  const host = new Host();
  const other = { 'ipv4-subnet': '10.0.1.0/24' };
  await host.take(config({ ...V4, 'ipv4-address': '10.0.0.50' }), container('a'));
  assert.equal(await host.take(config(other), container('a')), ['10.0.1.2/24']);
  assert.equal(await host.take(config(V4), container('b')), ['10.0.0.51/24']);
});
test('an unmasked subnet is the same subnet', async () => {
  const host = new Host();
  await host.take(config({ ...V4, 'ipv4-address': '10.0.0.50' }), container('a'));
  assert.equal(await host.take(config({ 'ipv4-subnet': '10.0.0.77/24' }), container('b')), ['10.0.0.51/24']);
});
test('IPv6 wraps past its last address, which is a host', async () => {
  const host = new Host();
  const stdin = { 'ipv6-subnet': '2001:db8::/126' };
  assert.equal(await host.take(config({ ...stdin, 'ipv6-address': '2001:db8::3' }), container('a')), [
    '2001:db8::3/126',
  ]);
  assert.equal(await host.take(config(stdin), container('b')), ['2001:db8::2/126']);
  await host.refuse('ADD', config(stdin), 101, ['2001:db8::/126'], container('c'));
});
test('a whole /28, each address once, then 101, then whatever is freed', async () => {
  const host = new Host();
  const stdin = config({ 'ipv4-subnet': '10.0.0.16/28' });
  const taken = await host.fill(stdin, 13, 'n');
  assert.equal(
    taken,
    Array.from({ length: 13 }, (_, i) => `10.0.0.${18 + i}/28`),
  );
  await host.refuse('ADD', stdin, 101, ['10.0.0.16/28'], container('late'));
  await host.succeed('DEL', stdin, container('n7'));
  assert.equal(await host.take(stdin, container('late')), ['10.0.0.25/28']);
  await host.refuse('ADD', stdin, 101, ['10.0.0.16/28'], container('later'));
});

/** 101 names the subnet, and counts: what containers hold, and what is reserved. */
const EXHAUSTED: [Config, number, string, RegExp[]][] = [
  [SMALL, 5, '10.0.0.0/29', [/\b5\b/, /container/i, /network/i, /broadcast/i, /gateway/i]],
  [
    { ...SMALL, 'ipv4-gateway': '10.0.0.3' },
    5,
    '10.0.0.0/29',
    [/\b5\b/, /container/i, /network/i, /broadcast/i, /gateway/i],
  ],
  [
    { 'ipv4-subnet': '10.0.0.16/28' },
    13,
    '10.0.0.16/28',
    [/\b13\b/, /container/i, /network/i, /broadcast/i, /gateway/i],
  ],
  [{ 'ipv6-subnet': '2001:db8::/125' }, 6, '2001:db8::/125', [/\b6\b/, /container/i, /network/i, /gateway/i]],
  [{ 'ipv4-subnet': '10.0.0.2/31' }, 1, '10.0.0.2/31', [/\b1\b/, /container/i, /gateway/i]],
];
for (const [ipam, count, subnet, texts] of EXHAUSTED) {
  test(`101 for ${JSON.stringify(ipam)} tells what takes its addresses`, async () => {
    const host = new Host();
    await host.fill(config(ipam), count);
    const { msg, details } = await host.refuse('ADD', config(ipam), 101, [subnet]);
    const all = `${msg} ${JSON.stringify(details)}`;
    for (const text of texts) assert.match(all, text);
  });
}
test('101 counts the gateways that other configurations reserved', async () => {
  const host = new Host();
  await host.take(config({ ...SMALL, 'ipv4-gateway': '10.0.0.6' }), container('a'));
  await host.fill(config({ ...SMALL, 'ipv4-gateway': '10.0.0.5' }), 3);
  const { msg, details } = await host.refuse('ADD', config({ ...SMALL, 'ipv4-gateway': '10.0.0.5' }), 101, [
    '10.0.0.0/29',
  ]);
  const all = `${msg} ${JSON.stringify(details)}`;
  assert.match(all, /\b4\b/, `four containers: ${all}`);
  assert.match(all, /10\.0\.0\.6|\b2\b/, 'two gateways, by number or by address');
});

test.run();
