// What every command has to answer and to leave behind, as slow as it likes: numbers in a map, looked at one by one. It
// knows nothing of trees, rows or transactions, and takes nothing from the sources but texts of addresses.

import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { type Asker, type Attachment, type Command, isAnonymousCall, type Outcome, type Wish } from './command.ts';

export interface Held {
  asker: Asker;
  /** A gateway's lease has nobody for an asker. */
  isGateway: boolean;
  subnetBits: number;
  bootId: string;
  /** Of the command that took it. */
  serial: number;
}

/** A wish in numbers. IPv6 addresses are far above all of IPv4, so a number alone tells the family. */
interface Range {
  first: bigint;
  last: bigint;
  bits: number;
  gateway: bigint | undefined;
  requested: bigint | undefined;
  reserved: Set<bigint>;
}

const CODE = { configuration: 7, notReady: 50, exhausted: 101, inUse: 102, alreadyHeld: 103, checkFailed: 104 };
const VERSION_TOO_OLD = 1;
const DONE: Outcome = { code: 0, addresses: [] };
const refusal = (code: number, said = ''): Outcome => ({ code, addresses: [], said });

const numbers = new Map<string, bigint>();
const texts = new Map<bigint, string>();

export function numberOf(address: string): bigint {
  let number = numbers.get(address);
  if (number === undefined) {
    number = BigInt(`0x${Buffer.from(parseAddress(address)).toString('hex')}`);
    numbers.set(address, number);
  }
  return number;
}

export function textOf(number: bigint): string {
  let text = texts.get(number);
  if (text === undefined) {
    const bytes = number < 1n << 32n ? 4 : 16;
    text = formatAddress(Uint8Array.from(Buffer.from(number.toString(16).padStart(2 * bytes, '0'), 'hex')));
    texts.set(number, text);
  }
  return text;
}

export function rangeOf({ subnet, gateway, requested }: Wish): Range {
  const [base = '', length] = subnet.split('/');
  const isIPv6 = base.includes(':');
  const bits = Number(length);
  const size = 1n << BigInt((isIPv6 ? 128 : 32) - bits);
  const first = numberOf(base) & ~(size - 1n);
  const last = first + size - 1n;
  const defaultGateway = size === 1n ? undefined : size === 2n ? first : first + 1n;
  const range: Range = {
    first,
    last,
    bits,
    gateway: gateway === undefined ? defaultGateway : numberOf(gateway),
    requested: requested === undefined ? undefined : numberOf(requested),
    reserved: new Set([...(size > 2n ? [first] : []), ...(size > 2n && !isIPv6 ? [last] : [])]),
  };
  if (range.gateway !== undefined) range.reserved.add(range.gateway);
  return range;
}

/** Who two askers are if they are one; undefined for somebody who has no name. */
function ownerOf({ id, containerId, interfaceName }: Asker): string | undefined {
  if (id !== '') return `id ${id}`;
  return containerId === '' ? undefined : `container ${containerId} ${interfaceName}`;
}

export class Oracle {
  /** In the order in which they were taken. */
  readonly leases = new Map<bigint, Held>();
  /** The last address given, by subnet. */
  readonly #cursors = new Map<string, bigint>();
  bootId = 'boot 0';

  /** Another one that knows the same. */
  copy(): Oracle {
    const copy = new Oracle();
    for (const [number, held] of this.leases) copy.leases.set(number, held);
    for (const [subnet, cursor] of this.#cursors) copy.#cursors.set(subnet, cursor);
    copy.bootId = this.bootId;
    return copy;
  }

  /** Carries a command out: what it has to answer. `serial` marks what it takes. */
  apply(command: Command, serial = 0): Outcome {
    const ranges = command.wishes.map(rangeOf);
    switch (command.name) {
      case 'ADD':
        return this.#add(command, ranges, serial);
      case 'DEL':
        return this.#delete(command.asker, ranges);
      case 'CHECK':
        return isAnonymousCall(command) ? refusal(VERSION_TOO_OLD) : this.#check(command, ranges);
      case 'GC':
        return this.#collect(command.asker.network, command.valid);
      case 'STATUS':
        return this.#status(command, ranges);
    }
  }

  /** Undoes what an ADD has taken and still has. */
  takeBack(serial: number): void {
    for (const [number, held] of this.leases) {
      if (held.serial === serial && !held.isGateway) this.leases.delete(number);
    }
  }

  /** The addresses that an asker holds in what it wishes for. */
  heldBy(asker: Asker, wishes: readonly Wish[]): string[] {
    return wishes.flatMap(wish => this.#heldIn(asker, rangeOf(wish))).map(textOf);
  }

  /** Who holds which address, as text. */
  *listed(): Iterable<[string, Held]> {
    for (const [number, held] of this.leases) yield [textOf(number), held];
  }

  #heldIn(asker: Asker, { first, last }: Range): bigint[] {
    const owner = ownerOf(asker);
    if (owner === undefined) return [];
    return [...this.leases]
      .filter(([number, held]) => number >= first && number <= last && !held.isGateway && ownerOf(held.asker) === owner)
      .map(([number]) => number);
  }

  #add({ asker, wishes }: Command, ranges: Range[], serial: number): Outcome {
    for (const { requested, reserved } of ranges) {
      if (requested !== undefined && reserved.has(requested)) return refusal(CODE.configuration, textOf(requested));
    }
    const given: bigint[] = [];
    for (const [i, range] of ranges.entries()) {
      const chosen = this.#choose(asker, range, wishes[i]!.subnet);
      if (typeof chosen !== 'bigint') return chosen;
      given.push(chosen);
    }
    for (const [i, range] of ranges.entries()) {
      for (const old of this.#heldIn(asker, range)) this.leases.delete(old);
      const common = { subnetBits: range.bits, bootId: this.bootId, serial };
      if (range.gateway !== undefined && !this.leases.has(range.gateway)) {
        const nobody = { id: '', containerId: '', interfaceName: '', network: asker.network };
        this.leases.set(range.gateway, { ...common, asker: nobody, isGateway: true });
      }
      this.leases.set(given[i]!, { ...common, asker, isGateway: false });
      this.#cursors.set(wishes[i]!.subnet, given[i]!);
    }
    return { code: 0, addresses: given.map(textOf) };
  }

  /** What an ADD must give out of one subnet, or why it must not. */
  #choose(asker: Asker, range: Range, subnet: string): bigint | Outcome {
    const { gateway, requested, reserved } = range;
    const own = this.#heldIn(asker, range);
    if (own.some(number => this.leases.get(number)!.bootId === this.bootId)) {
      return refusal(CODE.alreadyHeld, textOf(own.find(number => this.leases.get(number)!.bootId === this.bootId)!));
    }
    if (this.#isTaken(gateway) && !own.includes(gateway!)) return refusal(CODE.inUse, textOf(gateway!));
    if (requested !== undefined) {
      const isFree = !this.leases.has(requested) || own.includes(requested);
      return isFree ? requested : refusal(CODE.inUse, textOf(requested));
    }
    const free = this.#nextFree(range, subnet) ?? own.find(number => !reserved.has(number));
    return free ?? refusal(CODE.exhausted, `(${this.#containersIn(range)} by containers)`);
  }

  /** Whether a container holds the address. */
  #isTaken(number: bigint | undefined): boolean {
    return number !== undefined && this.leases.get(number)?.isGateway === false;
  }

  /** Behind the last address given, and around. */
  #nextFree({ first, last, reserved }: Range, subnet: string): bigint | undefined {
    const size = last - first + 1n;
    const start = (this.#cursors.get(subnet) ?? last) - first;
    for (let step = 1n; step <= size; step++) {
      const number = first + ((start + step) % size);
      if (!reserved.has(number) && !this.leases.has(number)) return number;
    }
    return undefined;
  }

  #containersIn({ first, last, reserved }: Range): number {
    const isCounted = (number: bigint) => number >= first && number <= last && !reserved.has(number);
    return [...this.leases].filter(([number, { isGateway }]) => !isGateway && isCounted(number)).length;
  }

  #delete(asker: Asker, ranges: Range[]): Outcome {
    const owner = ownerOf(asker);
    if (owner === undefined && ranges.every(({ requested }) => requested === undefined)) {
      return refusal(CODE.configuration);
    }
    for (const range of ranges) {
      if (range.requested === undefined) {
        for (const number of this.#heldIn(asker, range)) this.leases.delete(number);
        continue;
      }
      const held = this.leases.get(range.requested);
      if (held === undefined || held.isGateway) continue;
      const isOwn = owner !== undefined && ownerOf(held.asker) === owner;
      const isOpenToAll = held.asker.id !== '' || held.asker.containerId === '';
      if (isOwn || (asker.id === '' && isOpenToAll)) this.leases.delete(range.requested);
    }
    return DONE;
  }

  #check({ asker, previous }: Command, ranges: Range[]): Outcome {
    for (const range of ranges) {
      const own = this.#heldIn(asker, range);
      const inRange = previous.map(numberOf).filter(number => number >= range.first && number <= range.last);
      if (own.length === 0 || inRange.some(number => !own.includes(number))) return refusal(CODE.checkFailed);
    }
    return DONE;
  }

  #collect(network: string, valid: readonly Attachment[]): Outcome {
    for (const [number, { asker, isGateway }] of this.leases) {
      if (isGateway || asker.network !== network || asker.containerId === '' || asker.interfaceName === '') continue;
      const isValid = valid.some(
        ({ containerId, interfaceName }) => containerId === asker.containerId && interfaceName === asker.interfaceName,
      );
      if (!isValid) this.leases.delete(number);
    }
    return DONE;
  }

  #status({ wishes, whenFull }: Command, ranges: Range[]): Outcome {
    for (const [i, range] of ranges.entries()) {
      if (this.#isTaken(range.gateway)) return refusal(CODE.notReady, textOf(range.gateway!));
      if (this.#nextFree(range, wishes[i]!.subnet) !== undefined) continue;
      return whenFull === 'ready' ? DONE : refusal(CODE.notReady, wishes[i]!.subnet);
    }
    return DONE;
  }
}
