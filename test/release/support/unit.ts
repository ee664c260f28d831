// Reads what the units in contrib/systemd say, and turns it into what a test can apply or compare.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { tool } from '../../integration/support/process.ts';

export const UNIT_NAMES = ['ecs-ipam.socket', 'ecs-ipam.service'] as const;

const unitPath = (name: string) => fileURLToPath(new URL(`../../../contrib/systemd/${name}`, import.meta.url));

/** All values of each key, in the unit's order. */
export type Unit = Map<string, string[]>;

export function readUnit(name: string): Unit {
  const unit: Unit = new Map();
  for (const line of readFileSync(unitPath(name), 'utf8').split('\n')) {
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) unit.set(key, [...(unit.get(key) ?? []), value]);
  }
  return unit;
}

/** The only value of a key. */
export function soleValue(unit: Unit, key: string): string {
  const values = unit.get(key) ?? [];
  if (values.length !== 1) throw new Error(`${key}: ${values.length} values`);
  return values[0] as string;
}

/** The names of the system calls that the unit's filter lets through. */
export async function allowedCalls(unit: Unit): Promise<Set<string>> {
  const allowed = new Set<string>();
  for (const value of unit.get('SystemCallFilter') ?? []) {
    const isDenied = value.startsWith('~');
    for (const item of value.replace(/^~/, '').split(' ')) {
      for (const call of await expand(item)) isDenied ? allowed.delete(call) : allowed.add(call);
    }
  }
  return allowed;
}

/** systemd's sets of calls contain other sets. */
async function expand(item: string): Promise<string[]> {
  if (!item.startsWith('@')) return [item];
  const lines = (await tool('systemd-analyze', '--no-pager', 'syscall-filter', item)).split('\n');
  const members = lines.map(line => line.trim()).filter(line => line !== '' && line !== item && !line.startsWith('#'));
  return (await Promise.all(members.map(expand))).flat();
}
