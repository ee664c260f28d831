// Environments of a call: what a runtime sets, and what can be made of it.

import fc from 'fast-check';
import { cniEnv, type Env } from '../../support/plugin.ts';
import { hostileString } from './documents.ts';

/** What an environment can hold: no NUL, and no text that is not well-formed. */
const storable = (text: string): string => Buffer.from(text.replaceAll('\0', '')).toString();

const hostileValue = hostileString.map(storable);

const address = fc.oneof(
  fc.nat(255).map(octet => `10.0.0.${octet}`),
  fc.nat(0xffff).map(group => `2001:db8::${group.toString(16)}`),
  fc.ipV4(),
  fc.ipV6(),
  hostileValue,
);

const argument = fc.oneof(
  address.map(text => `IP=${text}`),
  fc.tuple(address, fc.nat(130)).map(([text, bits]) => `IP=${text}/${bits}`),
  fc.constantFrom('', 'IP', 'IP=', '=', '=IP', 'IgnoreUnknown=1', 'K8S_POD_NAME=web-0', 'ip=10.0.0.9', '__proto__=1'),
  hostileValue,
);

const duration = fc.oneof(
  fc.tuple(fc.constantFrom('', '+', '-'), fc.double({ min: 0, max: 1e6 }), unit()).map(parts => parts.join('')),
  fc.array(fc.tuple(fc.nat(), unit()), { maxLength: 5 }).map(parts => parts.flat().join('')),
  fc.constantFrom(
    '0',
    '-0',
    '5',
    '.s',
    '5.s',
    '.5s',
    '1h1m1s1ms',
    '1e9s',
    'Infinitys',
    '0x10s',
    '１s',
    '9'.repeat(400),
  ),
  fc.constantFrom(`${'9'.repeat(400)}h`, `-${'9'.repeat(400)}h`, `${'1s'.repeat(1000)}`, '9'.repeat(100_000)),
  hostileValue,
);

function unit() {
  return fc.constantFrom('ns', 'us', 'µs', 'μs', 'ms', 's', 'm', 'h', 'd', '');
}

/** A path below a directory, whatever it leads to. */
const pathIn = (directory: string) =>
  fc
    .oneof(hostileValue, fc.constantFrom('.', 'a/b/c', 'log', 'x'.repeat(255), 'x/'.repeat(3000), 'a/b'))
    .map(text => `${directory}/${text.replaceAll('..', '')}`);

/** Values of each variable that a call knows; paths lie in the directory, beside `store`. */
function valuesOf(directory: string): Record<string, fc.Arbitrary<string>> {
  const commands = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION', 'add', 'ADD ', 'ADDDEL', '__proto__', 'valueOf'];
  return {
    CNI_COMMAND: fc.oneof(fc.constantFrom(...commands), hostileValue),
    CNI_CONTAINERID: fc.oneof(fc.constantFrom('c', 'a.b', '.a', 'a\n', 'a b', 'é', 'x'.repeat(3000)), hostileValue),
    CNI_IFNAME: fc.oneof(
      fc.constantFrom(
        'eth0',
        '.',
        '..',
        'a/b',
        'a:b',
        'sixteen-letters-',
        'fifteen-letters',
        'ééééééé',
        'a\tb',
        '\x1b[m',
      ),
      hostileValue,
    ),
    CNI_NETNS: hostileValue,
    CNI_PATH: hostileValue,
    CNI_ARGS: fc.array(argument, { maxLength: 4 }).map(parts => parts.join(';')),
    IPAM_DB_PATH: pathIn(`${directory}/stores`),
    IPAM_DB_CONNECTION_TIMEOUT: duration,
    ECS_CNI_LOG_FILE: pathIn(`${directory}/logs`),
    ECS_CNI_LOGLEVEL: fc.oneof(
      fc.constantFrom('debug', 'INFO', 'off', 'critical', 'constructor', '__proto__'),
      hostileValue,
    ),
  };
}

/** Environments of calls on a store in the directory, with some variables changed, left out or added. */
export function environment(directory: string, store: string): fc.Arbitrary<Env> {
  const values = valuesOf(directory);
  const change = fc.oneof(
    ...Object.entries(values).map(([name, value]) =>
      fc.oneof(
        { weight: 6, arbitrary: value.map((text): [string, string | undefined] => [name, text]) },
        { weight: 1, arbitrary: fc.constant<[string, string | undefined]>([name, undefined]) },
      ),
    ),
    fc.tuple(fc.constantFrom('CNI_', 'IPAM_X', 'ECS_CNI_', 'constructor', 'toString'), hostileValue),
  );
  return fc
    .tuple(fc.constantFrom('ADD', 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS'), fc.array(change, { maxLength: 3 }))
    .map(([command, changes]) => ({ ...cniEnv(command, store), ...Object.fromEntries(changes) }));
}
