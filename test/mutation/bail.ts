// Runs a test file with uvu until the first test that fails. Usage: bun test/mutation/bail.ts FILE

import { pathToFileURL } from 'node:url';

// What uvu's own command line does before it loads a file (its run() cannot: it looks for the files itself).
Object.assign(globalThis, { UVU_DEFER: 1, UVU_QUEUE: [['']], UVU_INDEX: 0 });
const { exec } = await import('uvu');
await import(pathToFileURL(process.argv[2]!).href);
await exec(true);
