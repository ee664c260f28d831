// Random histories of all commands over overlapping subnets: containers, ids and nobody, addresses of choice and any,
// reboots. Through every way in the answers are the oracle's, and after every history so are the leases, fsck finds
// nothing (so the tree says what the leases say), and in the end everything can be given back.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { effort, tried } from '../support/effort.ts';
import { seed } from '../support/random.ts';
import { type Command, disagreement } from './command.ts';
import { type Front, inMemory, oneShot, onLmdb, throughDaemon } from './fronts.ts';
import { type Asked, askedOf, type Setting, SUBNETS4, SUBNETS6, settled } from './histories.ts';
import { isListed } from './listed.ts';
import { Oracle } from './oracle.ts';

const test = suite('model');

const SMALL: Setting = { subnets4: SUBNETS4, subnets6: SUBNETS6, containers: 60, ids: 20 };
const FEW: Setting = { subnets4: SUBNETS4.slice(0, 4), subnets6: SUBNETS6.slice(0, 3), containers: 12, ids: 4 };
/** Enough to fill a /22, and for the tree to grow levels. */
const MANY: Setting = { subnets4: SUBNETS4, subnets6: SUBNETS6, containers: 700, ids: 100 };

const COMPARE_EVERY = 50;

class History {
  readonly #front: Front;
  readonly #oracle = new Oracle();
  readonly codes = new Map<number, number>();

  constructor(front: Front) {
    this.#front = front;
  }

  async run(steps: readonly (Asked | 'reboot')[]): Promise<void> {
    for (const [i, step] of steps.entries()) {
      if (step === 'reboot') this.#reboot(i);
      else await this.#ask(settled(step, this.#oracle));
      if (i % COMPARE_EVERY === COMPARE_EVERY - 1) await this.#compare();
    }
    await this.#compare();
    await this.#giveEverythingBack();
  }

  #reboot(i: number): void {
    const bootId = `boot after ${i}`;
    this.#oracle.bootId = bootId;
    this.#front.reboot?.(bootId);
  }

  async #ask(command: Command): Promise<void> {
    const expected = this.#oracle.apply(command);
    const problem = disagreement(await this.#front.answer(command), expected);
    if (problem !== undefined) assert.unreachable(`${JSON.stringify(command)}: ${problem}`);
    this.codes.set(expected.code, (this.codes.get(expected.code) ?? 0) + 1);
  }

  async #compare(): Promise<void> {
    isListed(await this.#front.listed(), this.#oracle);
    await this.#front.check();
  }

  /** Gateways stay. */
  async #giveEverythingBack(): Promise<void> {
    const everything = ['0.0.0.0/0', '::/0'].map(subnet => ({ subnet, gateway: undefined, requested: undefined }));
    const rest = { name: 'DEL', previous: [], valid: [], whenFull: 'ready' } as const;
    for (const [address, { asker, isGateway }] of [...this.#oracle.listed()]) {
      if (isGateway) continue;
      const isNamed = asker.id !== '' || asker.containerId !== '';
      const [v4, v6] = everything as [Command['wishes'][0], Command['wishes'][0]];
      const own = { ...(address.includes(':') ? v6 : v4), requested: address };
      await this.#ask({ ...rest, asker, wishes: isNamed ? everything : [own] });
    }
    assert.ok(
      Array.from(this.#oracle.listed()).every(([, { isGateway }]) => isGateway),
      'only gateways are left',
    );
    await this.#compare();
  }
}

interface Way {
  name: string;
  open: () => Promise<Front>;
  setting: Setting;
  /** Longest history; they are half as long on an average. */
  steps: number;
  histories: number;
}

const WAYS: Way[] = [
  { name: 'memory, few addresses', open: inMemory, setting: FEW, steps: 200, histories: effort(40, 4_000) },
  { name: 'memory', open: inMemory, setting: SMALL, steps: 800, histories: effort(10, 600) },
  { name: 'memory, many owners', open: inMemory, setting: MANY, steps: effort(1_500, 6_000), histories: effort(5, 24) },
  { name: 'LMDB', open: onLmdb, setting: SMALL, steps: 500, histories: effort(5, 400) },
  { name: 'the executable', open: oneShot, setting: FEW, steps: 60, histories: effort(3, 120) },
  { name: 'the daemon', open: throughDaemon, setting: SMALL, steps: 300, histories: effort(4, 300) },
];

for (const { name, open, setting, steps, histories } of WAYS) {
  test(name, async () => {
    const codes = new Map<number, number>();
    const step: fc.Arbitrary<Asked | 'reboot'> = fc.oneof(
      { weight: 400, arbitrary: askedOf(setting) },
      { weight: 1, arbitrary: fc.constant('reboot' as const) },
    );
    const history = fc.array(step, { minLength: 1, maxLength: steps, size: 'max' });
    const property = fc.asyncProperty(history, async asked => {
      const front = await open();
      try {
        const run = new History(front);
        // Without a way to start the host again, it stays the same boot.
        await run.run(front.reboot === undefined ? asked.filter(step => step !== 'reboot') : asked);
        for (const [code, count] of run.codes) codes.set(code, (codes.get(code) ?? 0) + count);
      } finally {
        await front.close();
      }
    });
    await fc.assert(property, { seed, numRuns: histories, includeErrorInReport: true });
    const total = [...codes.values()].reduce((sum, count) => sum + count, 0);
    const refused = [...codes].filter(([code]) => code !== 0).sort(([a], [b]) => a - b);
    tried(
      `${name}: ${histories} histories, ${total} commands, refused by code: ` +
        refused.map(([code, count]) => `${code} ${count}`).join(', '),
    );
  });
}

test.run();
