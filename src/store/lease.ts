// A lease: who holds an address, and since when.

/** Who asks for an address, or holds one. Empty texts stand for absent ones. */
export interface Holder {
  /** Free text that identifies the owner by itself (`ipam.id`). */
  id: string;
  containerId: string;
  /** Name of the interface in the container. */
  interfaceName: string;
  /** Name of the network configuration. */
  network: string;
}

export interface Lease extends Holder {
  /** 4 or 16 bytes, big-endian. */
  address: Uint8Array;
  kind: LeaseKind;
  /** Prefix length of the subnet that it was given from. */
  subnetBits: number;
  /** The kernel's boot id at that time; empty where the kernel tells none. */
  bootId: string;
  /** Milliseconds since 1970. */
  timeMs: number;
}

/** A gateway binds its address for all pools; only an operator frees it. */
export type LeaseKind = 'container' | 'gateway';

/** Longest owner text in bytes of UTF-8. */
export const MAX_ID_BYTES = 4096;

/**
 * The text that two holders share if and only if they are one owner: the id where there is one, else container and
 * interface. Undefined for an anonymous holder, whose lease only its address can release.
 */
export function ownerKey({ id, containerId, interfaceName }: Holder): string | undefined {
  if (id !== '') return `id\0${id}`;
  return containerId === '' ? undefined : `container\0${containerId}\0${interfaceName}`;
}

/** For messages: names a holder by what identifies it. */
export function describeHolder({ id, containerId, interfaceName }: Holder): string {
  if (id !== '') return `id ${JSON.stringify(id)}`;
  return containerId === '' ? 'an anonymous lease' : `container ${containerId}, interface ${interfaceName}`;
}
