// Compiles assembly/parts.ts, the parts of the core that the core itself does not export.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ASC = fileURLToPath(new URL('../../../node_modules/assemblyscript/bin/asc.js', import.meta.url));
const SOURCES = fileURLToPath(new URL('../assembly', import.meta.url));

/** u64 halves pass as signed 64-bit bigints, booleans and numbers as signed 32-bit numbers. */
export interface Parts {
  memory: WebAssembly.Memory;
  lessThan(aHi: bigint, aLo: bigint, bHi: bigint, bLo: bigint): number;
  equal(aHi: bigint, aLo: bigint, bHi: bigint, bLo: bigint): number;
  addHi(aHi: bigint, aLo: bigint, bHi: bigint, bLo: bigint): bigint;
  subHi(aHi: bigint, aLo: bigint, bHi: bigint, bLo: bigint): bigint;
  shlHi(hi: bigint, lo: bigint, n: number): bigint;
  shlLo(lo: bigint, n: number): bigint;
  shrHi(hi: bigint, n: number): bigint;
  shrLo(hi: bigint, lo: bigint, n: number): bigint;
  onesHi(n: number): bigint;
  onesLo(n: number): bigint;
  node(): number;
  fill(node: number, used: number): void;
  isEmpty(node: number): number;
  isFull(node: number): number;
  isUsed(node: number, bit: number): number;
  nextFreeBit(node: number, from: number): number;
  nextUsedBit(node: number, from: number): number;
  setBits(node: number, first: number, last: number, used: number): void;
  usedCount(node: number): number;
  hash(level: number, hi: bigint, lo: bigint): number;
  resetExclusions(): void;
  addExclusion(aHi: bigint, aLo: bigint, bHi: bigint, bLo: bigint): void;
  isExcluded(hi: bigint, lo: bigint): number;
  seekExclusion(hi: bigint, lo: bigint): number;
  firstHi(): bigint;
  firstLo(): bigint;
  lastHi(): bigint;
  lastLo(): bigint;
}

/** The compiler's options for each build, as asconfig.json has them. */
export const PART_OPTIONS = {
  release: ['-O3', '--converge', '--noAssert'],
  debug: ['--debug'],
} as const;

export function compileParts(build: keyof typeof PART_OPTIONS): Parts {
  const directory = mkdtempSync(join(tmpdir(), 'ecs-ipam-parts-'));
  try {
    const outFile = join(directory, 'parts.wasm');
    const options = [...PART_OPTIONS[build], '--runtime', 'stub', '--outFile', outFile];
    // A base directory of its own, so that the asconfig.json of the core does not apply.
    const { status, stderr } = spawnSync(process.execPath, [ASC, 'parts.ts', '--baseDir', SOURCES, ...options], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`asc of assembly/parts.ts: ${stderr}`);
    const abort = () => {
      throw new Error('an assertion failed');
    };
    const module = new WebAssembly.Module(readFileSync(outFile));
    return new WebAssembly.Instance(module, { env: { abort } }).exports as unknown as Parts;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
