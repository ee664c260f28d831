// Builds everything: the core, the npm package's JavaScript, and the executable.
// Usage: bun scripts/build.ts [--missing]   (--missing: only if something is not there yet)

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildConstants } from './constants.ts';
import { buildExecutable, copyInPlace, nativePlatform } from './executable.ts';
import { buildLauncher } from './launcher.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const PRODUCTS = [
  'build/core.wasm',
  'build/core.debug.wasm',
  'dist/bin/node.js',
  'dist/bin/ecs-ipamd',
  'dist/bin/ecs-ipam',
];

if (process.argv.includes('--missing') && PRODUCTS.every(product => existsSync(join(root, product)))) process.exit(0);

const constants = buildConstants(root);

mkdirSync(join(root, 'build'), { recursive: true });
run('node', 'node_modules/assemblyscript/bin/asc.js', '--config', 'asconfig.json', '--target', 'release');
run('node', 'node_modules/assemblyscript/bin/asc.js', '--config', 'asconfig.json', '--target', 'debug');
embedCore();
embedUnits();
run('node', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json');
stampVersion();
chmodSync(join(root, 'dist/bin/node.js'), 0o755);
const binDir = join(root, 'dist/bin');
await buildExecutable(root, binDir, constants, nativePlatform(root));
// Without a C compiler the executable stands in for the launcher: slower, and the same.
const hasLauncher = buildLauncher(root, binDir, process.env.CC ?? 'cc');
if (!hasLauncher) copyInPlace(join(binDir, 'ecs-ipamd'), join(binDir, 'ecs-ipam'));
const launcher = hasLauncher ? 'launcher' : 'the executable: no C compiler';
console.log(`built build/core.wasm, dist/, dist/bin/ecs-ipamd and dist/bin/ecs-ipam (${launcher})`);

function run(command: string, ...args: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) {
    console.error(`${[command, ...args].join(' ')} failed\n${stdout}${stderr}${error ?? ''}`);
    process.exit(1);
  }
}

/** The core as a module: what imports it needs no file system, no fetch and no bundler's help. */
function embedCore(): void {
  const base64 = readFileSync(join(root, 'build/core.wasm')).toString('base64');
  writeFileSync(
    join(root, 'src/core/bytes.generated.ts'),
    `// Generated from build/core.wasm by scripts/build.ts.\nexport const CORE_BASE64 = '${base64}';\n`,
  );
}

/** The systemd units as a module, for the executable to install. */
function embedUnits(): void {
  const names = ['ecs-ipam.socket', 'ecs-ipam.service'];
  const units = names.map(name => [name, readFileSync(join(root, 'contrib/systemd', name), 'utf8')]);
  writeFileSync(
    join(root, 'src/cli/units.generated.ts'),
    '// Generated from contrib/systemd by scripts/build.ts.\n' +
      `export const UNITS: Record<string, string> = ${JSON.stringify(Object.fromEntries(units), undefined, 2)};\n`,
  );
}

/** Puts the build's constants into the compiled version module, as the bundler does for the executable. */
function stampVersion(): void {
  const path = join(root, 'dist/cli/version.js');
  const lines = Object.entries(constants).map(([name, value]) => `const ${name} = ${value};\n`);
  writeFileSync(path, lines.join('') + readFileSync(path, 'utf8'));
}
