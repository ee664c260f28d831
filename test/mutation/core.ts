// Compiles the core in this process: a compiler that is warm takes a third of a second.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from 'assemblyscript/asc';

/** The core below a root, as asconfig.json has it; undefined if it does not compile. */
export async function compileCore(root: string, target: 'release' | 'debug'): Promise<Uint8Array | undefined> {
  let wasm: Uint8Array | undefined;
  const { error } = await main(['--config', 'asconfig.json', '--target', target], {
    readFile: name =>
      /^(asconfig\.json|assembly\/\w+\.ts)$/.test(name) ? readFileSync(join(root, name), 'utf8') : null,
    writeFile: (name, content) => {
      if (name.endsWith('.wasm')) wasm = content as Uint8Array;
    },
    listFiles: () => [],
    stdout: { write: () => {} },
    stderr: { write: () => {} },
  });
  return error === null ? wasm : undefined;
}
