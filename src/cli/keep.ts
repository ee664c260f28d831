// The list of `ecs-ipam gc --keep`: who is known to live.

import { fstatSync, readFileSync, statSync } from 'node:fs';
import * as v from 'valibot';
import { CniError, ErrorCode, invalidConfiguration } from '../cni/error.ts';
import type { KeepList } from '../ipam/reclaim.ts';

const STDIN_FD = 0;

/** How long a runtime may take after an ADD until it lists the container. */
const GRACE_MS = 60_000;

/** Texts, or leases as `list --json` prints them, which their addresses stand for. */
const JsonSchema = v.array(
  v.union([
    v.string(),
    v.pipe(
      v.object({ address: v.string() }),
      v.transform(lease => lease.address),
    ),
  ]),
);

/**
 * The owners and addresses that a file names: one on each line, or a JSON array. '-' is stdin.
 *
 * An empty list is refused. It would free everything, and is what a command leaves that has failed to write one.
 */
export async function readKeepList(file: string, readStdin: () => Promise<Uint8Array>): Promise<KeepList> {
  const { text, writtenMs } = await read(file, readStdin);
  const names = text.trimStart().startsWith('[') ? parseJson(file, text) : parseLines(text);
  if (names.length === 0) throw invalidConfiguration('--keep', file, 'names nobody, and would free every lease');
  return { names, asOfMs: writtenMs - GRACE_MS };
}

const parseLines = (text: string): string[] =>
  text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '');

function parseJson(file: string, text: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalidConfiguration('--keep', file, `begins as JSON, but is none: ${(error as Error).message}`);
  }
  const result = v.safeParse(JsonSchema, value);
  if (!result.success) {
    throw invalidConfiguration('--keep', file, 'is not an array of texts, or of leases with an address');
  }
  return result.output;
}

async function read(file: string, readStdin: () => Promise<Uint8Array>): Promise<{ text: string; writtenMs: number }> {
  try {
    const stat = file === '-' ? fstatSync(STDIN_FD) : statSync(file);
    const bytes = file === '-' ? await readStdin() : readFileSync(file);
    // Who writes into a pipe has been started together with this process, and looks later.
    const writtenMs = stat.isFile() ? stat.mtimeMs : performance.timeOrigin;
    return { text: new TextDecoder().decode(bytes), writtenMs };
  } catch (error) {
    throw new CniError(ErrorCode.io, `--keep ${file}: ${(error as Error).message}`);
  }
}
