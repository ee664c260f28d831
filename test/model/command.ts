// What the tests ask of the plugin, as data; how a runtime would say it; and how an answer is read.

import type { Env } from '../support/plugin.ts';

export interface Attachment {
  containerId: string;
  interfaceName: string;
}

/** Empty texts stand for absent ones. */
export interface Asker extends Attachment {
  id: string;
  network: string;
}

/** What is configured for one family. */
export interface Wish {
  subnet: string;
  /** Undefined: the subnet's default. */
  gateway: string | undefined;
  requested: string | undefined;
}

export interface Command {
  name: 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';
  asker: Asker;
  /** IPv4 before IPv6, at most one of each. */
  wishes: readonly Wish[];
  /** CHECK: the addresses of prevResult. */
  previous: readonly string[];
  /** GC: what stays. */
  valid: readonly Attachment[];
  /** What STATUS says of a full subnet. */
  whenFull: 'ready' | 'unavailable';
}

export interface Outcome {
  /** 0: success. */
  code: number;
  addresses: readonly string[];
  /** What the message has to contain. */
  said?: string;
}

/** Before this version a call may come without a container, but there is neither CHECK nor GC nor STATUS. */
const ANONYMOUS_VERSION = '0.3.1';

export const isAnonymousCall = ({ name, asker }: Pick<Command, 'name' | 'asker'>): boolean =>
  asker.containerId === '' && name !== 'GC' && name !== 'STATUS';

export function environmentOf(command: Command, store: string): Env {
  const { name, asker } = command;
  const common = { CNI_COMMAND: name, CNI_PATH: '/opt/cni/bin', IPAM_DB_PATH: store };
  if (name === 'GC' || name === 'STATUS') return common;
  if (isAnonymousCall(command)) return { ...common, CNI_IFNAME: asker.interfaceName };
  return {
    ...common,
    CNI_CONTAINERID: asker.containerId,
    CNI_NETNS: `/var/run/netns/${asker.containerId}`,
    CNI_IFNAME: asker.interfaceName,
  };
}

export function configurationOf(command: Command): object {
  const { name, asker, wishes, previous, valid, whenFull } = command;
  const ipam: Record<string, unknown> = { type: 'ecs-ipam', statusWhenFull: whenFull };
  if (asker.id !== '') ipam.id = asker.id;
  for (const { subnet, gateway, requested } of wishes) {
    const key = subnet.includes(':') ? 'ipv6' : 'ipv4';
    ipam[`${key}-subnet`] = subnet;
    if (gateway !== undefined) ipam[`${key}-gateway`] = gateway;
    if (requested !== undefined) ipam[`${key}-address`] = requested;
  }
  return {
    cniVersion: isAnonymousCall(command) ? ANONYMOUS_VERSION : '1.1.0',
    name: asker.network,
    type: 'bridge',
    ipam,
    ...(name === 'CHECK' ? { prevResult: { cniVersion: '1.1.0', ips: previous.map(address => ({ address })) } } : {}),
    ...(name === 'GC'
      ? {
          'cni.dev/valid-attachments': valid.map(attachment => ({
            containerID: attachment.containerId,
            ifname: attachment.interfaceName,
          })),
        }
      : {}),
  };
}

export interface Reply {
  status: number | null;
  stdout: string;
}

/** @throws what is neither a success nor an error object */
export function outcomeOf({ status, stdout }: Reply): Outcome & { message: string } {
  if (status === 0 && stdout === '') return { code: 0, addresses: [], message: '' };
  const { code, msg, ips } = JSON.parse(stdout) as { code?: number; msg?: string; ips?: { address: string }[] };
  if (status === 0 && ips !== undefined) {
    return { code: 0, addresses: ips.map(({ address }) => address.replace(/\/.*/, '')), message: '' };
  }
  if (!status || !code || !msg) throw new Error(`exit ${status}: ${stdout}`);
  return { code, addresses: [], message: msg };
}

/** In what an answer differs from what it has to be; undefined if it does not. */
export function disagreement(reply: Reply, expected: Outcome): string | undefined {
  const { code, addresses, message } = outcomeOf(reply);
  const isRight = code === expected.code && String(addresses) === String(expected.addresses);
  if (isRight && message.includes(expected.said ?? '')) return undefined;
  const { said = '' } = expected;
  return `answered ${code} [${addresses}] ${message}, where ${expected.code} [${expected.addresses}] ${said} is right`;
}
