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

/** Where the addon comes from. */
export const addonPackage = (arch: string): string => `@lmdb/lmdb-linux-${arch}`;
export const ADDON_FILE = 'node.napi.glibc.node';

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
  build(options: object): Promise<{ success: boolean; logs: unknown[]; metafile: { inputs: object } }>;
}
declare const Bun: BunBuild;

interface PluginBuilder {
  onResolve(filter: { filter: RegExp }, resolve: (args: { path: string }) => object | undefined): void;
  onLoad(filter: { filter: RegExp; namespace: string }, load: (args: { path: string }) => object): void;
}

/** What an executable is built for, and of. */
export interface Platform {
  arch: 'x64' | 'arm64';
  /** Bun for that platform, which becomes the executable; undefined: the one that runs this. */
  bun?: string;
  /** lmdb's addon for that platform. */
  addon: string;
}

/** The machine that builds. */
export function nativePlatform(root: string): Platform {
  const arch = process.arch as Platform['arch'];
  return { arch, addon: join(root, 'node_modules', addonPackage(arch), ADDON_FILE) };
}

/** Builds ecs-ipamd with the constants defined in it, and its addon; gives the names of the packages that are in it. */
export async function buildExecutable(
  root: string,
  outDir: string,
  constants: Record<string, string>,
  { arch, bun, addon }: Platform,
): Promise<string[]> {
  mkdirSync(outDir, { recursive: true });
  const { success, logs, metafile } = await Bun.build({
    entrypoints: [join(root, 'src/bin/executable.ts')],
    target: 'bun',
    format: 'esm',
    bytecode: true,
    minify: true,
    metafile: true,
    define: constants,
    compile: {
      outfile: join(outDir, 'ecs-ipamd.new'),
      autoloadBunfig: false,
      autoloadDotenv: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      ...(bun === undefined ? {} : { target: `bun-linux-${arch}`, executablePath: bun }),
    },
    plugins: [{ name: 'replacements', setup: (builder: PluginBuilder) => setUpReplacements(builder, root) }],
  });
  if (!success) throw new Error(`the executable does not build: ${logs.join('\n')}`);
  copyInPlace(addon, join(outDir, ADDON));
  renameSync(join(outDir, 'ecs-ipamd.new'), join(outDir, 'ecs-ipamd'));
  const inputs = Object.keys(metafile.inputs);
  const packages = inputs.map(path => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return [...new Set(packages.filter(name => name !== undefined))].sort();
}

/** Renamed into place: whoever runs the old one goes on running it. */
export function copyInPlace(from: string, to: string): void {
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
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
