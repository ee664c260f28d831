// Environments of all kinds, CNI_ARGS among them: each call ends as the specification has it, and what it gives is what
// was asked for.

import loglevel from 'loglevel';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDurationMs } from '../../src/cni/duration.ts';
import { openLog } from '../../src/cni/log.ts';
import { effort, tried } from '../support/effort.ts';
import { environment } from './support/environments.ts';
import { checkResult, codesOf, orderly } from './support/oracle.ts';
import { Plugin } from './support/plugin.ts';
import { holds } from './support/property.ts';

const test = suite('environments');
const plugin = new Plugin();

const CONFIGURATION = {
  cniVersion: '1.1.0',
  name: 'net',
  ipam: { type: 'ecs-ipam', 'ipv4-subnet': '10.0.0.0/24', 'ipv6-subnet': '2001:db8::/64' },
};
const STDIN = Buffer.from(JSON.stringify(CONFIGURATION));

/** What a path that leads nowhere, or to something else, may end in besides. */
const OF_A_STORE = [5, 11, 105];

test('environments: a result, silence or a code of its own, and DEL gives back what ADD gave', async () => {
  const cases = effort(5_000, 300_000);
  let given = 0;
  await holds(cases, environment(plugin.directory, plugin.store), async env => {
    await plugin.nextCase();
    const command = env.CNI_COMMAND ?? '';
    const codes = [...codesOf(command), ...(env.IPAM_DB_PATH === plugin.store ? [] : OF_A_STORE)];
    const outcome = orderly(command, await plugin.run(env, STDIN), codes);
    if (command !== 'ADD' || outcome === 'silent' || 'code' in outcome) return;
    given++;
    checkResult(outcome.result, CONFIGURATION, env.CNI_ARGS);
    const del = { ...env, CNI_COMMAND: 'DEL' };
    assert.is(orderly('DEL', await plugin.run(del, STDIN)), 'silent');
    if (env.IPAM_DB_PATH === plugin.store) assert.equal(await plugin.held(), []);
  });
  tried(`${cases} environments in ${plugin.calls} calls; ${given} were given addresses`);
  assert.ok(given > cases / 20, `${given} of ${cases} given`);
});

test('durations: what no Go program would read is refused, in a time that its length determines', () => {
  assert.is(parseDurationMs('9'.repeat(3_000_000)), undefined);
  assert.is(parseDurationMs(`${'1'.repeat(1_000_000)}.${'1'.repeat(1_000_000)}`), undefined);
  assert.is(parseDurationMs('1s'.repeat(500_000)), 500_000_000);
});

test('log files leave nothing behind: there is one logger for each level', () => {
  for (let i = 0; i < 1000; i++) openLog({ ECS_CNI_LOG_FILE: `/nonexistent/${i}`, ECS_CNI_LOGLEVEL: 'warn' }, () => {});
  assert.ok(Object.keys(loglevel.getLoggers()).length <= 7);
});

test.after(() => plugin.startOver());
test.run();
