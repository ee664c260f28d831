// Garbage collection: frees the leases of containers that the runtime no longer knows.

import type { Lease } from '../store/lease.ts';
import { freeAll } from './allocator.ts';
import type { Ledger } from './ledger.ts';

/** One interface of one container, as runtimes name it. */
export interface Attachment {
  containerId: string;
  interfaceName: string;
}

export interface Collection {
  freed: Lease[];
  /** How many more there would have been to free. */
  left: number;
  /** Rows that could not be read; the others were collected all the same. */
  errors: unknown[];
}

/**
 * Frees the network's leases that carry a container id and an interface and whose pair is not among the valid ones, in
 * whatever subnet they lie (CNI specification 1.1, section "GC"). Frees at most so many.
 */
export function collect(
  ledger: Ledger,
  network: string,
  valid: readonly Attachment[],
  warn: (message: string) => void,
  most = Number.POSITIVE_INFINITY,
): Collection {
  const pair = ({ containerId, interfaceName }: Attachment) => `${containerId}\0${interfaceName}`;
  const keep = new Set(valid.map(pair));
  const isGarbage = (lease: Lease) =>
    lease.kind === 'container' &&
    lease.network === network &&
    lease.containerId !== '' &&
    lease.interfaceName !== '' &&
    !keep.has(pair(lease));

  const errors: unknown[] = [];
  const garbage = ([4, 6] as const).flatMap(family =>
    Array.from(ledger.leases(family, error => errors.push(error))).filter(isGarbage),
  );
  const freed = garbage.slice(0, most);
  freeAll(ledger, freed, warn);
  return { freed, left: garbage.length - freed.length, errors };
}
