// Long random sequences against the model. After every step the tree's invariants hold, and its nodes tell of exactly
// the indexes that the model has. In the end everything is released, and no node is left.

import { suite } from 'uvu';
import { effort, tried } from '../support/effort.ts';
import type { WindowCase } from './model.ts';
import { BUILDS } from './support/core.ts';
import { Sequence } from './support/sequence.ts';

interface Case extends WindowCase {
  steps: number;
}

/** How many times the steps of a case are taken. */
const LENGTH = effort(3, 60);

const BIG = 70_000;
const DB8 = 0x20010db8n << 96n;

const CASES: Case[] = [
  {
    reason: '10.0.0.0/24: one leaf',
    octets: 4,
    subnet: 0x0a000000n,
    prefixBits: 24,
    reserve: 3,
    window: [0x0a000000n, 256],
    steps: 1500,
  },
  {
    reason: '10.0.252.0/22: four leaves, the last ones of a /16, and a bit around them',
    octets: 4,
    subnet: 0x0a00fc00n,
    prefixBits: 22,
    reserve: 3,
    window: [0x0a00fc00n - 300n, 1624],
    steps: 800,
  },
  {
    reason: '10.0.0.248/29: the end of a leaf',
    octets: 4,
    subnet: 0x0a0000f8n,
    prefixBits: 29,
    reserve: 3,
    window: [0x0a0000f0n, 32],
    steps: 1500,
  },
  {
    reason: '10.0.0.254/31: RFC 3021, all of it',
    octets: 4,
    subnet: 0x0a0000fen,
    prefixBits: 31,
    reserve: 0,
    window: [0x0a0000f8n, 16],
    steps: 800,
  },
  {
    reason: '10.254.0.0/15: two /16, from the middle of one into the other',
    octets: 4,
    subnet: 0x0afe0000n,
    prefixBits: 15,
    reserve: 3,
    window: [0x0afff000n - 0xffffn, BIG],
    steps: 200,
  },
  {
    reason: '0.0.0.0/0: its beginning, the rest used',
    octets: 4,
    subnet: 0n,
    prefixBits: 0,
    reserve: 3,
    window: [0n, BIG],
    surrounded: true,
    steps: 200,
  },
  {
    reason: '0.0.0.0/0: its end, the rest used',
    octets: 4,
    subnet: 0n,
    prefixBits: 0,
    reserve: 3,
    window: [(1n << 32n) - BigInt(BIG), BIG],
    surrounded: true,
    steps: 200,
  },
  {
    reason: '0.0.0.0/0: around 128.0.0.0, the rest free',
    octets: 4,
    subnet: 0n,
    prefixBits: 0,
    reserve: 3,
    window: [(1n << 31n) - 1000n, 2000],
    steps: 500,
  },
  {
    reason: '2001:db8::/48: its beginning',
    octets: 16,
    subnet: DB8,
    prefixBits: 48,
    reserve: 1,
    window: [DB8, BIG],
    steps: 200,
  },
  {
    reason: '2001:db8::/48: where the lower half of the index overflows',
    octets: 16,
    subnet: DB8,
    prefixBits: 48,
    reserve: 1,
    window: [DB8 + (1n << 64n) - 3000n, 6000],
    steps: 400,
  },
  {
    reason: '2001:db8:0:5::/64: its end, the rest used',
    octets: 16,
    subnet: DB8 + (5n << 64n),
    prefixBits: 64,
    reserve: 1,
    window: [DB8 + (6n << 64n) - BigInt(BIG), BIG + 100],
    surrounded: true,
    steps: 200,
  },
  {
    reason: '64:ff9b::/96: over a /104',
    octets: 16,
    subnet: 0x0064ff9bn << 96n,
    prefixBits: 96,
    reserve: 1,
    window: [(0x0064ff9bn << 96n) + (1n << 24n) - 4000n, 5000],
    steps: 400,
  },
  {
    reason: '2001:db8::ff00/120: one leaf',
    octets: 16,
    subnet: DB8 + 0xff00n,
    prefixBits: 120,
    reserve: 1,
    window: [DB8 + 0xff00n - 10n, 276],
    steps: 1000,
  },
  {
    reason: '2001:db8::fffe/127: RFC 6164, all of it',
    octets: 16,
    subnet: DB8 + 0xfffen,
    prefixBits: 127,
    reserve: 0,
    window: [DB8 + 0xfff8n, 16],
    steps: 800,
  },
  {
    reason: '::/0: its end, the rest used',
    octets: 16,
    subnet: 0n,
    prefixBits: 0,
    reserve: 0,
    window: [(1n << 128n) - BigInt(BIG), BIG],
    surrounded: true,
    steps: 200,
  },
  {
    reason: '::/0: around 0:0:0:1::, the rest used',
    octets: 16,
    subnet: 0n,
    prefixBits: 0,
    reserve: 1,
    window: [(1n << 64n) - 1500n, 3000],
    surrounded: true,
    steps: 400,
  },
  { reason: '1 octet', octets: 1, subnet: 0n, prefixBits: 0, reserve: 0, window: [0n, 256], steps: 1000 },
  { reason: '2 octets', octets: 2, subnet: 0n, prefixBits: 0, reserve: 1, window: [0n, 65536], steps: 200 },
  {
    reason: '3 octets: the end, the rest used',
    octets: 3,
    subnet: 0n,
    prefixBits: 0,
    reserve: 0,
    window: [(1n << 24n) - BigInt(BIG), BIG],
    surrounded: true,
    steps: 200,
  },
  {
    reason: '10 octets: /80 prefixes of a /16, around a carry',
    octets: 10,
    subnet: 0x2001n << 64n,
    prefixBits: 16,
    reserve: 0,
    window: [(0x2001n << 64n) + (1n << 40n) - 2000n, 4000],
    steps: 400,
  },
];

for (const build of BUILDS) {
  const test = suite(`model, ${build.name}`);
  for (const { reason, window, steps, surrounded = false, ...options } of CASES) {
    test(reason, () => {
      const [first, size] = window;
      const run = { first, last: first + BigInt(size) - 1n };
      const sequence = new Sequence(build, reason, { ...options, window: run, surrounded });
      for (let i = 0; i < steps * LENGTH; i++) sequence.step();
      sequence.finish();
    });
  }
  test.after(() => {
    const steps = CASES.reduce((sum, { steps }) => sum + steps * LENGTH, 0);
    tried(`${build.name}: ${steps} steps in ${CASES.length} windows`);
  });
  test.run();
}
