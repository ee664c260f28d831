// A host that knows of the core what assembly/README.md says, and nothing else: it reads that page for what to call and
// where things lie. (Python's `wasmtime` would be such a host; Debian bookworm has no package of it.)

import { readFileSync } from 'node:fs';

const page = readFileSync(new URL('../../../assembly/README.md', import.meta.url), 'utf8');
const bytes = readFileSync(new URL('../../../build/core.wasm', import.meta.url));

/** Cells of the rows of all tables on the page. */
const rows = page
  .split('\n')
  .filter(line => line.startsWith('| '))
  .map(line =>
    line
      .slice(1)
      .split(' |')
      .map(cell => cell.trim()),
  );

export interface FunctionSpec {
  name: string;
  parameterCount: number;
  hasResult: boolean;
}

/** `name(parameters) → result`, as the tables of functions have them. */
export const FUNCTIONS: FunctionSpec[] = rows.flatMap(([cell]) =>
  Array.from(cell!.matchAll(/`(\w+)\(([^)]*)\)( → [^`]+)?`/g), ([, name, parameters, result]) => ({
    name: name!,
    parameterCount: parameters === '' ? 0 : parameters!.split(',').length,
    hasResult: result !== undefined,
  })),
);

/** The field of the scratch memory: offset and length. */
function field(name: string): { offset: number; length: number } {
  const row = rows.find(([, cell]) => cell === name);
  if (row === undefined) throw new Error(`the page has no field ${name}`);
  return { offset: Number(row[0]), length: Number(row[2]) };
}

const FIELDS = { A: field('A'), B: field('B'), KEY: field('KEY'), BITS: field('BITS') };
type IndexField = 'A' | 'B' | 'KEY';

export const [DONE, NOT, NEED, OUTSIDE] = [0, 1, 2, 3];
export const GONE = 256;
export const NO_MORE = -1;
export const [RESERVE_FIRST, RESERVE_LAST] = [1, 2];

export class Host {
  readonly exports: WebAssembly.Exports;

  private constructor(exports: WebAssembly.Exports) {
    this.exports = exports;
  }

  static async load(): Promise<Host> {
    const { instance } = await WebAssembly.instantiate(bytes);
    return new Host(instance.exports);
  }

  call(name: string, ...parameters: number[]): number {
    const spec = FUNCTIONS.find(each => each.name === name);
    if (spec?.parameterCount !== parameters.length) throw new Error(`${name}: not as the page has it`);
    return (this.exports[name] as (...parameters: number[]) => number)(...parameters);
  }

  /** The memory may have grown: a new view each time. */
  #view(name: keyof typeof FIELDS): DataView<ArrayBuffer> {
    const { buffer } = this.exports.memory as WebAssembly.Memory;
    const { offset, length } = FIELDS[name];
    return new DataView(buffer as ArrayBuffer, this.call('scratch') + offset, length);
  }

  read(name: IndexField): bigint {
    const view = this.#view(name);
    return view.getBigUint64(0, true) | (view.getBigUint64(8, true) << 64n);
  }

  write(name: IndexField, index: bigint): void {
    const view = this.#view(name);
    view.setBigUint64(0, BigInt.asUintN(64, index), true);
    view.setBigUint64(8, index >> 64n, true);
  }

  get bits(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.#view('BITS');
    return new Uint8Array(buffer, byteOffset, byteLength).slice();
  }

  set bits(bits: Uint8Array) {
    const { buffer, byteOffset, byteLength } = this.#view('BITS');
    new Uint8Array(buffer, byteOffset, byteLength).set(bits);
  }

  /** A call whose operand is A. */
  on(name: string, index: bigint): number {
    this.write('A', index);
    return this.call(name);
  }

  /** The index in words of 32 bits, the lowest first. */
  release(index: bigint): number {
    const words = [0n, 32n, 64n, 96n].map(shift => Number((index >> shift) & 0xffff_ffffn));
    return this.call('release', ...words);
  }

  /** A call whose operands are A and B. */
  onRun(name: string, first: bigint, last: bigint): number {
    this.write('B', last);
    return this.on(name, first);
  }
}

/** A hosted tree with its rows in a map, by the page's two pieces of pseudo-code. */
export class HostedHost {
  readonly host: Host;
  readonly rows: Map<string, Uint8Array>;
  /** Most nodes that one call has asked for. */
  mostAsked = 0;

  constructor(host: Host, octets: number, rows: Map<string, Uint8Array>) {
    this.host = host;
    this.rows = rows;
    host.call('configure', octets, 1);
  }

  #row = (level: number) => `${level} ${this.host.read('KEY')}`;

  /** Makes the call until it has what it needs. */
  complete(name: string, index?: bigint): number {
    const { host } = this;
    return this.#complete(() => (index === undefined ? host.call(name) : host.on(name, index)));
  }

  release(index: bigint): number {
    return this.#complete(() => this.host.release(index));
  }

  #complete(call: () => number): number {
    const { host } = this;
    let asked = 0;
    let status = call();
    while (status === NEED) {
      asked++;
      const row = this.rows.get(this.#row(host.call('wantedLevel')));
      if (row !== undefined) host.bits = row;
      host.call('supply', row === undefined ? 0 : 1);
      status = call();
    }
    this.mostAsked = Math.max(this.mostAsked, asked);
    return status;
  }

  /** Writes what has changed. */
  save(): void {
    const { host, rows } = this;
    for (let level = host.call('popDirty'); level !== NO_MORE; level = host.call('popDirty')) {
      if (level & GONE) rows.delete(this.#row(level & 255));
      else rows.set(this.#row(level), host.bits);
    }
  }
}
