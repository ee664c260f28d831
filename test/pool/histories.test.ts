// Random histories of pools against a model that is a set and a cursor. After every step the tree's invariants hold; in
// the end everything is released, and no node is left.

import { effort, tried } from '../support/effort.ts';
import { suitesOfBuilds } from './support/builds.ts';
import { History } from './support/history.ts';
import type { Kind } from './support/setting.ts';

/** Of each kind. */
const HISTORIES = effort(15, 1_000);
const STEPS = 5000;

const KINDS: [Kind, string][] = [
  ['small', 'up to 4,096 addresses or prefixes'],
  ['ranged', 'up to 5,000 of a large subnet'],
  ['large', 'a large subnet from its beginning on'],
  ['filled', 'a large subnet, all in use but for its end'],
];

suitesOfBuilds('histories', test => {
  test.after(() => tried(`${KINDS.length * HISTORIES} histories of ${STEPS} steps`));
  for (const [kind, reason] of KINDS) {
    for (let i = 0; i < HISTORIES; i++) {
      test(`${kind} ${i}: ${reason}`, () => new History(kind, `${kind} ${i}`).run(STEPS));
    }
  }
});
