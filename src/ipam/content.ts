// All rows of a store, taken apart. Of a damaged store: those that can be.

import type { Family } from '../net/address.ts';
import { StoreError } from '../store/error.ts';
import { type Finding, repairable } from '../store/finding.ts';
import type { Lease } from '../store/lease.ts';
import {
  decodeLease,
  decodeMeta,
  decodeNode,
  decodeOwner,
  decodePool,
  describeKey,
  parseKey,
} from '../store/records.ts';
import type { Row } from '../store/transaction.ts';
import type { Pool } from './import.ts';
import { Subnet } from './subnet.ts';

export interface NodeRow {
  key: Uint8Array;
  family: Family;
  prefix: Uint8Array;
  bits: Uint8Array;
}

export interface OwnerRow {
  key: Uint8Array;
  addresses: Uint8Array[];
}

/** Each kind by its keys as hexadecimal text, in the order of the keys. */
export interface Content {
  leases: Map<string, Lease>;
  nodes: Map<string, NodeRow>;
  owners: Map<string, OwnerRow>;
  pools: Map<string, Pool>;
  /** By name. */
  settings: Map<string, string>;
  /** Keys of rows whose values make no sense. */
  malformed: Uint8Array[];
  findings: Finding[];
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** The text of a key in the maps. */
export function keyText(key: Uint8Array): string {
  let text = '';
  for (const byte of key) text += HEX[byte];
  return text;
}

export function readContent(rows: Iterable<Row>): Content {
  const content: Content = {
    leases: new Map(),
    nodes: new Map(),
    owners: new Map(),
    pools: new Map(),
    settings: new Map(),
    malformed: [],
    findings: [],
  };
  for (const row of rows) {
    try {
      readRow(row, content);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      content.findings.push(repairable(describeKey(row.key), 'its value makes no sense'));
      content.malformed.push(row.key);
    }
  }
  return content;
}

function readRow({ key, value }: Row, content: Content): void {
  const row = parseKey(key);
  switch (row?.kind) {
    case 'lease':
      content.leases.set(keyText(key), decodeLease(key, value));
      break;
    case 'node':
      content.nodes.set(keyText(key), { key, family: row.family, prefix: row.prefix, bits: decodeNode(key, value) });
      break;
    case 'owner':
      content.owners.set(keyText(key), { key, addresses: decodeOwner(key, value) });
      break;
    case 'pool':
      content.pools.set(keyText(key), { subnet: new Subnet(row.subnet), ...decodePool(key, value) });
      break;
    case 'meta':
      content.settings.set(row.name, decodeMeta(key, value));
      break;
    default:
      content.findings.push(repairable(describeKey(key), 'is no row of a store'));
  }
}
