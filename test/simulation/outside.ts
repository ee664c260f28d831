// What the callers know, and nobody else: who has been told of which address, and has not begun to give it back. Knows
// nothing of the order in which things happen inside.

import type { Asker, Command } from '../model/command.ts';
import type { Listed } from '../model/listed.ts';
import type { Call } from './call.ts';

interface Known {
  call: Call;
  bootId: string;
}

const isOneOwner = (a: Asker, b: Asker): boolean =>
  a.id === b.id && (a.id !== '' || (a.containerId === b.containerId && a.interfaceName === b.interfaceName));

/** Whether a call may free what an ADD gets. */
const mayFree = ({ name, asker, wishes }: Command, add: Command): boolean =>
  name === 'GC' ||
  (name === 'DEL' && (isOneOwner(asker, add.asker) || wishes.some(({ requested }) => requested !== undefined)));

export class Outside {
  readonly #known = new Map<string, Known>();
  /** ADDs under way whose addresses nobody may have begun to free, with the boot that they began in. */
  readonly #pending = new Map<Call, string>();
  /** DELs and GCs under way. */
  readonly #freeing = new Set<Call>();

  /** A call begins: what it may free is not certain any more. */
  begins(call: Call, bootId: string): void {
    const { command } = call;
    for (const other of this.#pending.keys()) if (mayFree(command, other.command)) this.#pending.delete(other);
    for (const [address, known] of this.#known) {
      const { asker } = known.call.command;
      const isAskedFor = command.name === 'DEL' && command.wishes.some(({ requested }) => requested === address);
      const isGone = known.bootId !== bootId || command.name === 'DEL';
      if (command.name === 'GC' || isAskedFor || (isGone && isOneOwner(asker, command.asker))) {
        this.#known.delete(address);
      }
    }
    if (command.name === 'DEL' || command.name === 'GC') this.#freeing.add(call);
    const isCertain = ![...this.#freeing].some(other => mayFree(other.command, command));
    if (command.name === 'ADD' && isCertain) this.#pending.set(call, bootId);
  }

  /** It is answered, or never will be: it frees nothing any more. */
  ends(call: Call): void {
    this.#freeing.delete(call);
  }

  /** An ADD is told its addresses. Returns the number of another call that has been told of one. */
  hears(call: Call, addresses: readonly string[]): number | undefined {
    const bootId = this.#pending.get(call);
    if (bootId === undefined) return undefined;
    this.#pending.delete(call);
    const other = addresses.map(address => this.#known.get(address)).find(known => known !== undefined);
    for (const address of addresses) this.#known.set(address, { call, bootId });
    return other?.call.number;
  }

  /** In words, what somebody has been told of and does not hold. */
  missing(held: readonly Listed[]): string | undefined {
    const leases = new Map(held.map(lease => [lease.address, lease]));
    for (const [address, { call }] of this.#known) {
      const lease = leases.get(address);
      const isHeld =
        lease?.kind === 'container' && isOneOwner({ ...lease, interfaceName: lease.ifname }, call.command.asker);
      if (!isHeld) return `${address}, which call ${call.number} was told of, is lost`;
    }
    return undefined;
  }
}
