// Style is a test: the layering of the sources, the length of files, and what may not be imported where.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('style');

const root = fileURLToPath(new URL('..', import.meta.url));
const files = (directory: string) =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !file.endsWith('.generated.ts'))
    .map(file => join(directory, file));
const source = (file: string) => readFileSync(join(root, file), 'utf8');

/** Folders of src, and the library's entry, each of which may import from those before it: one direction only. */
const LAYERS = ['net', 'bolt', 'core', 'store', 'ipam', 'index.ts', 'cni', 'daemon', 'cli', 'bin'];

/** What a file imports, with relative paths resolved against the root. */
function imports(file: string): string[] {
  const specifiers = Array.from(source(file).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g), match => match[1]!);
  return specifiers.map(specifier =>
    specifier.startsWith('.') ? relative(root, join(root, dirname(file), specifier)) : specifier,
  );
}

test('imports go one way through the layers', () => {
  const layerOf = (file: string) => LAYERS.indexOf(file.split('/')[1]!);
  for (const file of files('src')) {
    assert.ok(layerOf(file) >= 0, `${file} is in no layer`);
    for (const imported of imports(file).filter(imported => imported.startsWith('src/'))) {
      assert.ok(layerOf(imported) <= layerOf(file), `${file} imports ${imported}`);
    }
  }
});

// [imported module, the files that may import it, why]
const CONFINED: [RegExp, RegExp, string][] = [
  [/^@assemblyscript\/loader$/, /^src\/core\/wasm\.ts$/, 'one file instantiates the core'],
  [/^lmdb$/, /^src\/store\/lmdb\.ts$/, 'one file knows lmdb-js'],
  [/store\/lmdb\.ts$/, /^src\/store\/(guard|create|resident)\.ts$/, 'nobody opens a store without its lock'],
  [
    /store\/(guard|resident|flock-\w+)\.ts$/,
    /^src\/(store|daemon|bin)\//,
    'the store is chosen in bin, and kept open by the daemon',
  ],
  [/store\/memory\.ts$/, /^$/, 'the store in memory is for tests'],
  [/^commander$/, /^src\/cli\//, 'the plugin starts without the command line'],
  [/^bun:/, /^src\/(store\/flock|bin\/notify)-bun\.ts$/, 'all else runs on Node too'],
  [/^node:/, /^src\/(store|cni|daemon|cli|bin)\//, 'addresses, core and rules run anywhere'],
];

test('modules stay where they belong', () => {
  for (const file of files('src')) {
    for (const imported of imports(file)) {
      for (const [module, allowed, why] of CONFINED) {
        assert.ok(!module.test(imported) || allowed.test(file), `${file} imports ${imported}: ${why}`);
      }
    }
  }
});

test('the core imports nothing but itself', () => {
  for (const file of files('assembly')) {
    for (const imported of imports(file)) assert.match(imported, /^assembly\/\w+$/, `${file} imports ${imported}`);
  }
});

test('nothing but the build reads another machine: no paths of one, no registry hosts', () => {
  const lock = source('package-lock.json');
  assert.not(/"resolved": "http/.test(lock), 'package-lock.json names a registry host');
});

const MOST_LINES = 420;

test(`no file is longer than ${MOST_LINES} lines of at most 120 characters`, () => {
  for (const file of ['src', 'assembly', 'test', 'scripts'].flatMap(files)) {
    const lines = source(file).split('\n');
    assert.ok(lines.length <= MOST_LINES, `${file} has ${lines.length} lines`);
    // Literals that the formatter cannot break stay as they are.
    const long = lines.findIndex(line => line.length > 120 && !/['"`]/.test(line));
    assert.ok(long < 0, `${file}:${long + 1} has ${lines[long]?.length} characters`);
  }
});

test.run();
