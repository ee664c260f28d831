// Calls of all kinds as a process may get them: fuzzed environments and configurations, and then what only bytes can
// say.

import { cniEnv, type Env } from '../../support/plugin.ts';
import type { Random } from '../../support/random.ts';
import { bytesOf, changed, soundConfiguration } from './configurations.ts';
import { environment } from './environments.ts';
import type { Call } from './processes.ts';
import { valuesOf } from './property.ts';

/** The kernel takes no longer entry: MAX_ARG_STRLEN, with its NUL. */
const LONGEST_ENTRY = (128 << 10) - 1;
const GIGABYTE = 1 << 30;

export interface CallCase extends Call {
  /** Codes that the call may end with besides those of its command. */
  codes: number[];
}

/** What is not UTF-8, and what looks like it. */
const ILL_FORMED = [
  [0xff],
  [0xfe, 0xff],
  [0xc0, 0x80],
  [0xc3],
  [0x80, 0x80],
  [0xed, 0xa0, 0x80], // a surrogate, encoded
  [0xf4, 0x90, 0x80, 0x80], // past the last code point
  [0xf0, 0x9f, 0x92], // cut off
].map(bytes => Buffer.from(bytes));

const entry = (name: string, value: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${name}=`), Buffer.from(value)]);

/** Where a store or a log lies: what is done to these must not lead out of the directory of the test. */
const isPath = (bytes: Buffer): boolean =>
  /^(IPAM_DB_PATH|ECS_CNI_LOG_FILE|IPAM_SOCKET)=/.test(bytes.toString('latin1'));

type Change = (entries: Buffer[], random: Random) => Buffer[];

/** One of the entries, but for those that are paths, in another form. */
function withOne(entries: Buffer[], random: Random, work: (bytes: Buffer) => Buffer[]): Buffer[] {
  const places = [...entries.keys()].filter(i => !isPath(entries[i]!));
  if (places.length === 0) return entries;
  const at = random.pick(places);
  return entries.flatMap((bytes, i) => (i === at ? work(bytes) : [bytes]));
}

const CHANGES: Change[] = [
  function illFormed(entries, random) {
    return withOne(entries, random, bytes => {
      const at = random.below(bytes.length + 1);
      return [Buffer.concat([bytes.subarray(0, at), random.pick(ILL_FORMED), bytes.subarray(at)])];
    });
  },
  function illFormedPath(entries, random) {
    return entries.map(bytes => (isPath(bytes) ? Buffer.concat([bytes, random.pick(ILL_FORMED)]) : bytes));
  },
  function illFormedName(entries, random) {
    const name = [random.pick(['CNI_', 'IPAM_', 'ECS_CNI_', '', 'X']), random.pick(ILL_FORMED).toString('latin1')];
    return [...entries, Buffer.from(`${name.join('')}=x`, 'latin1')];
  },
  function long(entries, random) {
    return withOne(entries, random, bytes => {
      const fill = random.pick(['x', 'IP=10.0.0.9;', ';', '=', ' ', '9', 'é', '\xff']);
      const filled = Buffer.alloc(Math.max(0, LONGEST_ENTRY - bytes.length), Buffer.from(fill, 'latin1'));
      return [Buffer.concat([bytes, filled])];
    });
  },
  function twice(entries, random) {
    return withOne(entries, random, bytes => {
      const value = random.pick(['', 'DEL', 'VERSION', 'eth1', 'c2', 'IP=10.0.0.77', '1ns']);
      const other = Buffer.from(`${bytes.toString('latin1').split('=')[0]}=${value}`, 'latin1');
      return random.chance(0.5) ? [bytes, other] : [other, bytes];
    });
  },
  function anotherStore(entries) {
    const path = entries.find(bytes => bytes.toString('latin1').startsWith('IPAM_DB_PATH='));
    return path === undefined ? entries : [...entries, Buffer.concat([path, Buffer.from('.other')])];
  },
  function noVariable(entries, random) {
    const odd = random.pick(['', '=', '=x', 'CNI_', 'CNI_ARGS', 'CNI_COMMAND', 'IPAM_X', 'ECS_CNI_LOG_FILE', '\xff']);
    const at = random.below(entries.length + 1);
    return [...entries.slice(0, at), Buffer.from(odd, 'latin1'), ...entries.slice(at)];
  },
  function ofARuntime(entries, random) {
    const variables = [
      'BUN_OPTIONS=--preload /nonexistent.js',
      'BUN_BE_BUN=1',
      'BUN_JSC_useJIT=0',
      `BUN_${'x'.repeat(random.pick([1, 251, 252, 253, 3000]))}=1`,
      'BUN_NOT_SET',
      'NODE_OPTIONS=--require /nonexistent.js',
      'ECS_IPAM_LOCK_FD=0',
      'ECS_IPAM_LOCK_FD=99',
      'ECS_IPAM_WAITED=1',
      'LISTEN_FDS=1',
      'NOTIFY_SOCKET=/nonexistent',
      'LANG=\xff',
      'TZ=:/nonexistent',
    ];
    return [Buffer.from(random.pick(variables), 'latin1'), ...entries];
  },
  function many(entries) {
    return [...entries, ...Array.from({ length: 3000 }, (_, i) => Buffer.from(`CNI_${i}=${i}`))];
  },
  function none() {
    return [];
  },
];

interface Input {
  stdin: Buffer | number | undefined;
  codes: number[];
}

const CODE_IO = 5;
/** Longer than a request may be. */
const TOO_LONG = (4 << 20) + 1;

const INPUTS: ((configuration: Buffer, random: Random) => Input)[] = [
  () => ({ stdin: undefined, codes: [CODE_IO] }),
  () => ({ stdin: Buffer.alloc(0), codes: [] }),
  () => ({ stdin: GIGABYTE, codes: [CODE_IO] }),
  configuration => ({ stdin: Buffer.concat([configuration, Buffer.alloc(TOO_LONG, ' ')]), codes: [CODE_IO] }),
  configuration => ({ stdin: Buffer.concat([configuration, Buffer.alloc(1 << 20, ' ')]), codes: [] }),
  configuration => ({ stdin: Buffer.concat([Buffer.from('\ufeff'), configuration]), codes: [] }),
  configuration => ({ stdin: Buffer.from(`\ufeff${configuration}`, 'utf16le'), codes: [] }),
  (_, random) => ({ stdin: Buffer.alloc(1 << random.below(22), random.pick(['[', '{"a":', '[[]', '"'])), codes: [] }),
  (configuration, random) => {
    const at = random.below(configuration.length + 1);
    const parts = [configuration.subarray(0, at), random.pick(ILL_FORMED), configuration.subarray(at)];
    return { stdin: Buffer.concat(parts), codes: [] };
  },
];

const entriesOf = (env: Env): Buffer[] =>
  Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [entry(name, value)]));

/** So many calls on stores in a directory; the one that most of them are for is `store`. */
export function callsOf(count: number, directory: string, store: string, part: number, random: Random): CallCase[] {
  const environments = valuesOf(count, environment(directory, store), part);
  const sound = valuesOf(count, soundConfiguration, part);
  const strange = valuesOf(count, changed(soundConfiguration), part);
  return environments.map((env, i) => {
    const configuration = Buffer.from(JSON.stringify(sound[i]));
    const kind = random.below(10);
    if (kind < 3) return { environment: entriesOf(withStore(env, store)), stdin: configuration, codes: [] };
    const command = random.pick(['ADD', 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION']);
    const plain = entriesOf(cniEnv(command, store, { CNI_CONTAINERID: `c${random.below(20)}` }));
    if (kind < 5) return { environment: plain, stdin: Buffer.from(bytesOf(strange[i]!)), codes: [] };
    if (kind < 7) return { environment: plain, ...random.pick(INPUTS)(configuration, random) };
    let entries = random.chance(0.5) ? plain : entriesOf(withStore(env, store));
    for (let changes = 1 + random.below(2); changes > 0; changes--) entries = random.pick(CHANGES)(entries, random);
    const environment = entries.map(bytes => bytes.subarray(0, LONGEST_ENTRY));
    return { environment, stdin: configuration, codes: [] };
  });
}

/** Never the store of the machine, which a call without a path is for. */
const withStore = (env: Env, store: string): Env => (env.IPAM_DB_PATH?.trim() ? env : { ...env, IPAM_DB_PATH: store });
