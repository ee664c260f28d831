// A real daemon under thousands of strange requests: each is answered in order, and its memory does not grow.

import { join } from 'node:path';
import { inspect } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { residentBytes, startDaemon } from '../daemon/support/daemon.ts';
import { Line, requestFrame } from '../daemon/support/frames.ts';
import { inParallel } from '../integration/support/process.ts';
import { effort, tried } from '../support/effort.ts';
import { cniEnv, type Env, type Run } from '../support/plugin.ts';
import { bytesOf, changed, soundConfiguration } from './support/configurations.ts';
import { environment } from './support/environments.ts';
import { checkResult, codesOf, orderly } from './support/oracle.ts';
import { quickDirectory } from './support/plugin.ts';
import { valuesOf } from './support/property.ts';

const test = suite('daemon');

const LINES = 4;
/** Rows of cases; those of the first two are for the daemon to warm up. */
const ROWS = 12;
/** What a garbage collector may not have got round to; a kilobyte kept of each request would be more at length. */
const MEMORY_BYTES = 96 << 20;
/** What a path that leads nowhere, or to something else, may end in besides. */
const OF_A_STORE = [5, 11, 105];

const directory = quickDirectory();
const store = join(directory, 'store.mdb');

interface Request {
  env: Env;
  stdin: Uint8Array;
}

/** An environment with a sound configuration, or a configuration with a sound environment. */
function requestsOf(row: number, count: number): Request[] {
  const environments = valuesOf(count, environment(directory, store), row);
  const configurations = valuesOf(count, changed(soundConfiguration), row);
  const sound = valuesOf(count, soundConfiguration, row + ROWS);
  return environments.map((env, i) =>
    i % 2 === 0
      ? { env, stdin: Buffer.from(JSON.stringify(sound[i])) }
      : {
          env: cniEnv(env.CNI_COMMAND ?? 'ADD', store, { CNI_CONTAINERID: `c${i}` }),
          stdin: bytesOf(configurations[i]!),
        },
  );
}

/** The configuration that frees leases without an owner: only their addresses can. */
function withAddresses(document: { ipam: object }, addresses: string[]): object {
  const keys = addresses.map(address => [address.includes(':') ? 'ipv6-address' : 'ipv4-address', address]);
  return { ...document, ipam: { ...document.ipam, ...Object.fromEntries(keys) } };
}

test('strange requests: each is answered in order, and the memory of the daemon does not grow', async () => {
  const casesOfRow = effort(400, 12_000);
  const daemon = await startDaemon({ lifeMs: effort(120_000, 3_600_000) });
  const lines = Array.from({ length: LINES }, () => new Line(daemon.socket));
  let given = 0;
  const ask = async (line: Line, { env, stdin }: Request): Promise<void> => {
    const command = env.CNI_COMMAND ?? '';
    const codes = [...codesOf(command), ...(env.IPAM_DB_PATH === store ? [] : OF_A_STORE)];
    const answered = (run: Run | undefined): Run => {
      if (run === undefined) throw new Error('the daemon has closed the connection');
      return run;
    };
    const outcome = orderly(command, answered(await line.ask(requestFrame(env, stdin))), codes);
    if (command !== 'ADD' || outcome === 'silent' || 'code' in outcome) return;
    given++;
    const document = JSON.parse(new TextDecoder().decode(stdin));
    const addresses = checkResult(outcome.result, document, env.CNI_ARGS);
    const hasOwner = Boolean(env.CNI_CONTAINERID || document.ipam.id);
    const named = hasOwner ? stdin : Buffer.from(JSON.stringify(withAddresses(document, addresses)));
    const freed = await line.ask(requestFrame({ ...env, CNI_COMMAND: 'DEL' }, named));
    assert.is(orderly('DEL', answered(freed)), 'silent');
  };
  const grown: number[] = [];
  for (let row = 0; row < ROWS; row++) {
    const requests = requestsOf(row, casesOfRow);
    const perLine = lines.map((line, i) => ({ line, own: requests.filter((_, at) => at % LINES === i) }));
    await inParallel(perLine, LINES, async ({ line, own }) => {
      for (const request of own) {
        await ask(line, request).catch(error => {
          throw new Error(`row ${row}: ${inspect(request, { maxStringLength: 300 })}\n${error.stack}`);
        });
      }
    });
    grown.push(residentBytes(daemon.pid));
  }
  for (const line of lines) line.close();
  const { stderr } = await daemon.end('SIGTERM');
  assert.is(stderr.replace(/ecs-ipamd: (listening on .*|stopped)\n/g, ''), '');
  const growth = grown.at(-1)! - Math.max(...grown.slice(0, 2));
  tried(
    `${ROWS * casesOfRow} requests to one daemon; ${given} were given addresses; memory ${grown.map(bytes => bytes >> 20)} MiB`,
  );
  assert.ok(growth < MEMORY_BYTES, `memory grew by ${growth} bytes: ${grown}`);
});

test.run();
