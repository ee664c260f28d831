// The examples, and what the README shows, run as they stand.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('examples');

const root = fileURLToPath(new URL('../..', import.meta.url));
const BUN = join(root, 'node_modules/.bin/bun');

/** Standard output; the package's own name resolves to it, as the folder is its own. */
function run(command: string, args: string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', input, timeout: 60_000 });
  assert.is(status, 0, `${command} ${args.join(' ')}\n${stdout}\n${stderr}\n${input}`);
  assert.is(stderr, '');
  return stdout;
}

const POOL_OUTPUT = `laptop 10.8.0.2, phone 10.8.0.3, 2 of 126 in use
the next one is 10.8.0.4: a released address comes back as late as possible
in use: 10.8.0.3 to 10.8.0.4
`;

test('examples/pool.mjs, in ten lines', () => {
  assert.is(run('node', ['examples/pool.mjs']), POOL_OUTPUT);
  assert.is(run(BUN, ['examples/pool.mjs']), POOL_OUTPUT);
  const lines = readFileSync(join(root, 'examples/pool.mjs'), 'utf8').trim().split('\n');
  assert.ok(lines.filter(line => line !== '' && !line.startsWith('//')).length <= 10);
});

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = Array.from(readme.matchAll(/^```js\n([\s\S]*?)^```$/gm), match => match[1]!);

test('the README shows the library', () => {
  assert.ok(blocks.some(block => block.includes("from 'ecs-ipam'")));
});

for (const block of blocks.filter(block => block.startsWith('import'))) {
  const title = block.split('\n').find(line => !line.startsWith('import') && line !== '');
  test(`README: ${title}`, () => {
    const output = run('node', ['--input-type=module'], block);
    assert.is(run(BUN, ['run', '-'], block), output);
    // `console.log(...); // output`: a comment that looks like addresses is what is printed.
    for (const [, comment] of block.matchAll(/^console\.log\(.*\); \/\/ ([0-9a-f:./ ]+)$/gm)) {
      assert.ok(output.split('\n').includes(comment!), `${output} has no line ${comment}`);
    }
    // `const name = pool.acquire(); // 'address'`: so is the value of a name.
    for (const [, name, value] of block.matchAll(/^const (\w+) = .*; \/\/ '([^']+)'/gm)) {
      const printed = run('node', ['--input-type=module'], `${block}\nconsole.log(${name});`);
      assert.is(printed.trim().split('\n').at(-1), value);
    }
    const nodes = / in (\d+) nodes/.exec(output);
    if (nodes !== null) assert.ok(Number(nodes[1]) <= 10, output);
  });
}

test.run();
