// Fixtures that the Go plugin has written, with what they hold; and changes to files.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { encodeMeta, type Meta, type Row } from '../../src/bolt/format.ts';
import { type GoStore, readGoStore } from '../../src/bolt/plugin.ts';
import { formatAddress } from '../../src/net/address.ts';

export interface Expected {
  subnet4?: string;
  subnet6?: string;
  leases: { address: string; id: string }[];
  gateways: string[];
  lastKnownIP?: string;
  lastKnownIPv6?: string;
}

export const FIXTURES = ['agent-v4', 'dual', 'large-v4'] as const;

export const fixturePath = (name: string): string =>
  fileURLToPath(new URL(`../fixtures/bolt/${name}.db`, import.meta.url));
export const fixture = (name: string): Buffer => readFileSync(fixturePath(name));
export const expected = (name: string): Expected =>
  JSON.parse(readFileSync(fixturePath(name).replace(/\.db$/, '.expected.json'), 'utf8'));

const byAddress = (a: { address: string }, b: { address: string }) => (a.address < b.address ? -1 : 1);

/** A store in the form of the expectations, in an order that does not depend on the file's. */
export function contentOf(store: GoStore): Expected {
  const text = store.leases.map(lease => ({ ...lease, address: formatAddress(lease.address) }));
  const [v4, v6] = [4, 16].map(bytes => store.cursors.find(cursor => cursor.length === bytes));
  return {
    leases: text
      .filter(({ isGateway }) => !isGateway)
      .map(({ address, id }) => ({ address, id }))
      .sort(byAddress),
    gateways: text
      .filter(({ isGateway }) => isGateway)
      .map(({ address }) => address)
      .sort(),
    ...(v4 === undefined ? {} : { lastKnownIP: formatAddress(v4) }),
    ...(v6 === undefined ? {} : { lastKnownIPv6: formatAddress(v6) }),
  };
}

export const readContent = (file: Uint8Array): Expected => contentOf(readGoStore(file));

/** What a fixture holds, without its subnets, which a bolt file does not know. */
export function expectedContent(name: string): Expected {
  const { subnet4: _4, subnet6: _6, ...rest } = expected(name);
  return { ...rest, leases: rest.leases.sort(byAddress), gateways: rest.gateways.sort() };
}

const encoder = new TextEncoder();

/** A row as the Go plugin writes it. */
export const goRow = (key: string, text: string): Row => ({
  key: encoder.encode(key),
  value: Buffer.concat([Buffer.alloc(8, 1), encoder.encode(text)]),
});

/** Writes the meta page anew, with its checksum. */
export function putMeta(file: Uint8Array, number: number, meta: Meta): void {
  const page = file.subarray(number * meta.pageBytes, (number + 1) * meta.pageBytes);
  page.fill(0);
  encodeMeta(page, number, meta);
}
