// Compiles the executable with Bun: one file, and the LMDB addon beside it.
//
// What has to be just so, and why:
// - the autoload switches: without them the executable runs code from bunfig.toml and takes variables from .env in the
//   current directory
// - lmdb's native.js looks for its addon with node-gyp-build, which cannot work in one file: the addon is loaded from
//   beside the executable instead (process.execPath is the real path, through symbolic links)
// - lmdb's other dependencies are for encodings that the store does not use; left out, the process starts faster

import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

const ADDON = 'lmdb.node';

/** Modules that stand in for others in the executable. */
const REPLACEMENTS: Record<string, string> = {
  'node-gyp-build-optional-packages': `
    export default function load() {
      const module = { exports: {} };
      const path = process.execPath;
      process.dlopen(module, path.slice(0, path.lastIndexOf('/') + 1) + '${ADDON}');
      return module.exports;
    }`,
  lmdb: `
    import { EventEmitter } from 'node:events';
    import * as fs from 'node:fs';
    import { setExternals } from 'lmdb/native.js';
    const unused = () => { throw new Error('not part of the executable'); };
    setExternals({
      arch: () => process.arch, fs, tmpdir: unused, MsgpackrEncoder: class {}, WeakLRUCache: class {},
      orderedBinary: {}, EventEmitter, os: 'linux', onExit: () => {}, isLittleEndian: true,
    });
    export { open } from 'lmdb/open.js';`,
};

interface BunBuild {
  build(options: object): Promise<{ success: boolean; logs: unknown[] }>;
}
declare const Bun: BunBuild;

interface PluginBuilder {
  onResolve(filter: { filter: RegExp }, resolve: (args: { path: string }) => object | undefined): void;
  onLoad(filter: { filter: RegExp; namespace: string }, load: (args: { path: string }) => object): void;
}

/** Builds dist/bin/ecs-ipamd with the constants defined in it. */
export async function buildExecutable(root: string, constants: Record<string, string>): Promise<void> {
  const outDir = join(root, 'dist/bin');
  mkdirSync(outDir, { recursive: true });
  const { success, logs } = await Bun.build({
    entrypoints: [join(root, 'src/bin/executable.ts')],
    target: 'bun',
    format: 'esm',
    bytecode: true,
    minify: true,
    define: constants,
    compile: {
      outfile: join(outDir, 'ecs-ipamd.new'),
      autoloadBunfig: false,
      autoloadDotenv: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    plugins: [{ name: 'replacements', setup: (builder: PluginBuilder) => setUpReplacements(builder, root) }],
  });
  if (!success) throw new Error(`the executable does not build: ${logs.join('\n')}`);
  // Renamed into place: whoever runs the old one goes on running it.
  const addon = `@lmdb/lmdb-${process.platform}-${process.arch}/node.napi.glibc.node`;
  copyFileSync(join(root, 'node_modules', addon), join(outDir, `${ADDON}.new`));
  renameSync(join(outDir, `${ADDON}.new`), join(outDir, ADDON));
  renameSync(join(outDir, 'ecs-ipamd.new'), join(outDir, 'ecs-ipamd'));
}

function setUpReplacements(builder: PluginBuilder, root: string): void {
  const namespace = 'replacement';
  builder.onResolve({ filter: /^[^./]/ }, ({ path }) => {
    if (path in REPLACEMENTS) return { path, namespace };
    // The exports of lmdb's package.json hide these two files.
    const file = /^lmdb\/(native|open)\.js$/.exec(path);
    return file === null ? undefined : { path: join(root, 'node_modules', path) };
  });
  builder.onLoad({ filter: /.*/, namespace }, ({ path }) => ({ loader: 'js', contents: REPLACEMENTS[path] }));
}
