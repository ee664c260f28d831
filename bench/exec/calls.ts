// The calls that are measured: an ADD of an address of both families, as an ECS host or a bridge would make it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Job } from './spawner.ts';

const IPV4 = '10.64.0.0/12';
const IPV6 = '2001:db8:64::/48';

export const owner = (number: number): string => `arn:aws:ecs:eu-west-1:123456789012:task/bench/${number}`;

/** A network configuration for ecs-ipam. */
export const configuration = (id: string): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'bridge',
    ipam: {
      type: 'ecs-ipam',
      id,
      'ipv4-subnet': IPV4,
      'ipv4-routes': [{ dst: '0.0.0.0/0' }],
      'ipv6-subnet': IPV6,
      'ipv6-routes': [{ dst: '::/0' }],
    },
  });

/** The same for host-local. */
export const hostLocalConfiguration = (dataDir: string): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'bridge',
    ipam: {
      type: 'host-local',
      ranges: [[{ subnet: IPV4 }], [{ subnet: IPV6 }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
      dataDir,
    },
  });

export const environment = (command: string, number: number): Record<string, string> => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: `bench-${number}`,
  CNI_NETNS: `/var/run/netns/bench-${number}`,
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
});

/** A program that is executed for every container. */
export interface Plugin {
  name: string;
  job(command: 'ADD' | 'DEL', number: number): Job;
}

/** `argv` with the store and the socket; the configurations of the owners are files in `directory`. */
export function ecsIpam(name: string, argv: string[], directory: string, socket: string): Plugin {
  const store = join(directory, 'store.mdb');
  return {
    name,
    job(command, number) {
      const stdin = join(directory, `conf-${number}.json`);
      writeFileSync(stdin, configuration(owner(number)));
      return { argv, env: { ...environment(command, number), IPAM_DB_PATH: store, IPAM_SOCKET: socket }, stdin };
    },
  };
}

export const HOST_LOCAL = '/usr/lib/cni/host-local';

/** host-local with its leases in `directory`. */
export function hostLocal(name: string, directory: string): Plugin {
  const stdin = join(directory, 'conf.json');
  writeFileSync(stdin, hostLocalConfiguration(directory));
  return { name, job: (command, number) => ({ argv: [HOST_LOCAL], env: environment(command, number), stdin }) };
}

/** Leases of both families as host-local itself writes them. */
export function fillHostLocal(directory: string, leases: number): void {
  const network = join(directory, 'bench');
  mkdirSync(network, { recursive: true });
  const lastOf: string[] = [];
  for (let i = 0; i < leases; i++) {
    const n = i + 2; // behind network address and gateway
    const addresses = [`10.${64 + (n >> 16)}.${(n >> 8) & 0xff}.${n & 0xff}`, `2001:db8:64::${n.toString(16)}`];
    for (const [range, address] of addresses.entries()) {
      writeFileSync(join(network, address.replaceAll(':', '_')), `filled-${i}\r\neth0`);
      lastOf[range] = address;
    }
  }
  for (const [range, address] of lastOf.entries()) writeFileSync(join(network, `last_reserved_ip.${range}`), address);
}

export const nothing = (argv: string[]): Plugin => ({
  name: argv.length === 1 ? 'empty process' : argv.join(' '),
  job: () => ({ argv, env: {}, stdin: '/dev/null' }),
});
