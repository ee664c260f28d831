// Network configurations of all kinds, sound and changed: each call ends as the specification has it, a result keeps
// the rules, and who has been given an address can give it back.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { effort, tried } from '../support/effort.ts';
import { cniEnv } from '../support/plugin.ts';
import { bytesOf, changed, type Document, soundConfiguration } from './support/configurations.ts';
import { checkResult, type Outcome, orderly } from './support/oracle.ts';
import { Plugin } from './support/plugin.ts';
import { holds } from './support/property.ts';

const test = suite('configurations');
const plugin = new Plugin();

const env = (command: string) => cniEnv(command, plugin.store, { IPAM_DB_CONNECTION_TIMEOUT: '1s' });
const call = async (command: string, stdin: Uint8Array): Promise<Outcome> =>
  orderly(command, await plugin.run(env(command), stdin));

/** After a failure: what it has left must not make the next case fail. */
async function afresh(error: unknown): Promise<never> {
  await plugin.startOver();
  throw error;
}

const codeOf = (outcome: Outcome) => (typeof outcome === 'object' && 'code' in outcome ? outcome.code : 0);

/** The life of an attachment: what an ADD gave is held, is given once, and is given back. False if it gave nothing. */
async function live(stdin: Uint8Array): Promise<boolean> {
  const added = await call('ADD', stdin);
  if (codeOf(added) !== 0) {
    // What was refused can be cleaned up after.
    await call('DEL', stdin);
    assert.equal(await plugin.held(), [], 'a refused ADD holds something');
    return false;
  }
  const document = JSON.parse(new TextDecoder().decode(stdin)) as Document & { cniVersion: string };
  const { result } = added as { result: Parameters<typeof checkResult>[0] };
  const addresses = checkResult(result, document);
  assert.equal(await plugin.held(), addresses);
  assert.ok([102, 103].includes(codeOf(await call('ADD', stdin))), 'the same ADD again');
  // Whoever is anonymous to CHECK, or calls it in a version that has no CHECK, is told so.
  const checked = await call('CHECK', stdin);
  if (codeOf(checked) !== 0) assert.ok([1, 7].includes(codeOf(checked)), JSON.stringify(checked));
  assert.is(await call('DEL', stdin), 'silent');
  assert.equal(await plugin.held(), [], 'left over after DEL');
  assert.is(await call('DEL', stdin), 'silent', 'DEL again');
  return true;
}

test('sound configurations: an ADD on an empty store gives what they ask for, once, until its DEL', async () => {
  const cases = effort(800, 20_000);
  await holds(cases, soundConfiguration, async document => {
    await plugin.startOver();
    assert.ok(await live(Buffer.from(JSON.stringify(document))), 'a sound configuration was refused');
  });
  tried(`${cases} sound configurations, each on a store of its own`);
});

/** Configurations that were documented, by name. */
const DOCUMENTED: Document[] = readdirSync(fileURLToPath(new URL('../fixtures', import.meta.url)))
  .filter(name => name.endsWith('.json') || name.endsWith('.conflist'))
  .map(name => JSON.parse(readFileSync(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url)), 'utf8')));

test('changed configurations: every command ends with a result, in silence or with a code of its own', async () => {
  const cases = effort(5_000, 200_000);
  const before = plugin.calls;
  let accepted = 0;
  await plugin.startOver();
  await holds(cases, changed(fc.oneof(soundConfiguration, fc.constantFrom(...DOCUMENTED))), async document => {
    await plugin.nextCase();
    const stdin = bytesOf(document);
    if (await live(stdin).catch(afresh)) accepted++;
    for (const command of ['CHECK', 'STATUS', 'GC', 'VERSION']) await call(command, stdin);
  });
  tried(`${cases} changed configurations in ${plugin.calls - before} calls; ${accepted} were accepted`);
  assert.ok(accepted > cases / 20 && accepted < (cases * 19) / 20, `${accepted} of ${cases} accepted`);
});

test.after(() => plugin.startOver());
test.run();
