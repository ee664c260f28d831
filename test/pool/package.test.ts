// The package as its users get it: packed, and installed from the registry's dependencies into an empty folder.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryDirectory } from '../support/plugin.ts';

const test = suite('package');

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** An empty folder, later one with the package in it. */
const folder = temporaryDirectory();
let tarball = '';
let packed: { path: string; size: number }[] = [];

/** Standard output of a command that has to succeed. */
function succeed(command: string, args: string[], cwd = folder): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 240_000 });
  assert.is(status, 0, `${command} ${args.join(' ')}\n${stdout}\n${stderr}\n${error ?? ''}`);
  return stdout;
}

test.before(() => {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', temporaryDirectory()];
  const [{ filename, files }] = JSON.parse(succeed('npm', args, root));
  packed = files;
  tarball = join(args.at(-1)!, filename);
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  succeed('npm', ['install', '--no-audit', '--no-fund', tarball]);
});

test('the tarball has what the package needs, and neither sources nor the executable', () => {
  const paths = packed.map(({ path }) => path);
  for (const path of [
    'README.md',
    'LICENSE',
    'assembly/README.md',
    'build/core.wasm',
    'dist/index.js',
    'dist/index.d.ts',
  ]) {
    assert.ok(paths.includes(path), path);
  }
  const odd = paths.filter(
    path => !/^(README\.md|LICENSE|package\.json|assembly\/README\.md|build\/core\.wasm)$/.test(path),
  );
  for (const path of odd) assert.match(path, /^dist\/.*\.(js|d\.ts)$/);
  assert.ok(statSync(tarball).size < 1_000_000, `${statSync(tarball).size} bytes`);
});

const LIBRARY = `
  const { AddressPool, parseAddress, formatAddress, parsePrefix, formatPrefix, ...more } = await import('ecs-ipam');
  if (Object.keys(more).length > 0) throw new Error('more exports: ' + Object.keys(more));
  const pool = new AddressPool('2001:db8::/48', { unit: 80 });
  const copy = (pool.acquire(), AddressPool.from(pool.snapshot()));
  const { address, bits } = parsePrefix(copy.acquire());
  console.log(formatAddress(address), bits, formatAddress(parseAddress('10.0.0.1')), pool.used, copy.used);
`;
const EXPECTED = '2001:db8:0:0:1:: 80 10.0.0.1 1n 2n\n';

/** All that the package depends on but for what the library needs is out of the way meanwhile. */
function withoutOtherModules(call: () => void): void {
  const [modules, away] = [join(folder, 'node_modules'), join(folder, 'away')];
  const others = ['lmdb', '@lmdb', 'commander', 'loglevel', 'valibot'];
  const moved = others.filter(name => statSync(join(modules, name), { throwIfNoEntry: false }) !== undefined);
  assert.ok(moved.includes('lmdb'), 'lmdb was installed');
  mkdirSync(away, { recursive: true });
  for (const name of moved) renameSync(join(modules, name), join(away, name));
  try {
    call();
  } finally {
    for (const name of moved) renameSync(join(away, name), join(modules, name));
  }
}

test('Node.js imports the library without lmdb', () => {
  withoutOtherModules(() => assert.is(succeed('node', ['--input-type=module', '-e', LIBRARY]), EXPECTED));
});

test('Bun imports the library without lmdb', () => {
  writeFileSync(join(folder, 'library.mjs'), LIBRARY);
  withoutOtherModules(() => assert.is(succeed(bin('bun'), ['library.mjs']), EXPECTED));
});

test('with lmdb there, it is not loaded, nor any other module that has a binary', () => {
  // Every binary that a process has loaded is in its map of memory.
  const maps = `
    const { readFileSync } = await import('node:fs');
    const binaries = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').some(line => line.endsWith('.node'));
    ${LIBRARY}
    console.log(binaries());
    await import('lmdb');
    console.log(binaries());
  `;
  assert.is(succeed('node', ['--input-type=module', '-e', maps]), `${EXPECTED}false\ntrue\n`);
});

test('the library needs no module of Node.js', () => {
  // Whatever it imports, by any specifier, is the package's own, or the loader.
  writeFileSync(
    join(folder, 'hooks.mjs'),
    `import { appendFileSync } from 'node:fs';
    export async function resolve(specifier, context, next) {
      const found = await next(specifier, context);
      if (context.parentURL?.includes('/node_modules/')) appendFileSync('resolved.txt', found.url + '\\n');
      return found;
    }`,
  );
  writeFileSync(join(folder, 'resolved.txt'), '');
  const register = `import { register } from 'node:module'; register('./hooks.mjs', 'file://${folder}/');`;
  assert.is(succeed('node', ['--input-type=module', '-e', `${register}${LIBRARY}`]), EXPECTED);
  const urls = readFileSync(join(folder, 'resolved.txt'), 'utf8').trim().split('\n');
  assert.ok(urls.length > 5, 'the hook has seen the imports');
  for (const url of urls) assert.match(url, /\/node_modules\/(ecs-ipam\/dist\/|@assemblyscript\/loader\/)/);
});

test('tsc --strict takes a consumer, and tells it what is wrong', () => {
  writeFileSync(
    join(folder, 'consumer.ts'),
    `import { AddressPool, type AddressPoolOptions, formatAddress, formatPrefix, parseAddress } from 'ecs-ipam';
    import { type PoolNode, type Prefix, parsePrefix, type Run } from 'ecs-ipam';
    const options: AddressPoolOptions = { gateway: '10.0.0.1', exclude: ['10.0.0.2'], range: ['10.0.0.1', '10.0.0.9'] };
    const pool: AddressPool = new AddressPool('10.0.0.0/24', options);
    const address: string | undefined = pool.acquire();
    const isTaken: boolean = pool.acquireInto(new Uint8Array(8), 4);
    const runs: Run[] = [...pool.acquireMany(3), ...pool.acquireMany(3n), ...pool];
    const answers: boolean[] = [pool.request('10.0.0.1'), pool.release('10.0.0.1'), pool.has('10.0.0.1')];
    const counts: [bigint, bigint, number, number] = [pool.used, pool.capacity, pool.nodeCount, pool.memoryBytes];
    const copy: AddressPool = AddressPool.from(pool.snapshot());
    const nodes: PoolNode[] = copy.nodes();
    const { address: bytes, bits }: Prefix = parsePrefix('10.0.0.0/8');
    const texts: string[] = [formatAddress(parseAddress('::1')), formatPrefix({ address: bytes, bits })];
    for (const { first, last } of pool) texts.push(first, last);
    export { address, answers, counts, isTaken, nodes, runs, texts };
    // @ts-expect-error: acquire may have nothing to give
    export const missing: string = pool.acquire();
    // @ts-expect-error: no such option
    new AddressPool('10.0.0.0/24', { gatway: '10.0.0.1' });
    // @ts-expect-error: read-only
    pool.used = 0n;
    `,
  );
  const strict = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', ''];
  succeed(bin('tsc'), [...strict, '--exactOptionalPropertyTypes', 'consumer.ts']);
  succeed(bin('tsc'), [...strict, '--lib', 'es2022', 'consumer.ts']);
  succeed(bin('tsc'), [...strict.slice(0, 3), 'esnext', '--moduleResolution', 'bundler', 'consumer.ts']);
});

test('npx ecs-ipam --version', () => {
  const answer = JSON.parse(succeed('npx', ['--no-install', 'ecs-ipam', '--version']));
  assert.ok(Object.values(answer).includes(version), JSON.stringify(answer));
});

test('ecs-ipam/core.wasm is a file of at most 8 KiB that imports nothing', () => {
  const resolve = `console.log(import.meta.resolve('ecs-ipam/core.wasm'))`;
  const path = fileURLToPath(succeed('node', ['--input-type=module', '-e', resolve]).trim());
  const bytes = readFileSync(path);
  assert.ok(bytes.length <= 8192, `${bytes.length} bytes`);
  const module = new WebAssembly.Module(bytes);
  assert.equal(WebAssembly.Module.imports(module), []);
  const { memory, scratch } = new WebAssembly.Instance(module).exports;
  assert.ok(memory instanceof WebAssembly.Memory && typeof scratch === 'function');
  assert.equal(bytes, readFileSync(join(root, 'build/core.wasm')));
});

test('publint finds nothing', () => {
  assert.match(succeed(bin('publint'), ['--strict', tarball]), /All good!/);
});

test('are the types wrong? They are not', () => {
  // ESM only, as the package says; core.wasm is a file to read, no module to import.
  const args = ['--profile', 'esm-only', '--exclude-entrypoints', './core.wasm', '--no-emoji', '--format', 'json'];
  const { analysis, problems } = JSON.parse(succeed(bin('attw'), [tarball, ...args]));
  assert.ok(Object.keys(analysis.entrypoints).includes('.'), 'the library was looked at');
  const all = Object.values<unknown[]>(problems ?? {}).flat() as { kind?: string; resolutionKind?: string }[];
  const seen = all.filter(({ resolutionKind }) => resolutionKind !== 'node10' && resolutionKind !== 'node16-cjs');
  assert.equal(seen, []);
});

test.run();
