// `npm start`: the main job on a store in a temporary directory, as a container runtime would see it.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const executable = join(root, 'dist/bin/ecs-ipam');
const sample = JSON.parse(readFileSync(join(root, 'test/fixtures/ecs-dual-stack.json'), 'utf8'));

/** The dual-stack sample of the ECS documentation for one container. The first gets the addresses that it names. */
function configuration(id: string, prevResult?: unknown) {
  const { 'ipv4-address': ipv4, 'ipv6-address': ipv6, ...ipam } = { ...sample.ipam, id };
  const addresses = id === 'container-1' ? { 'ipv4-address': ipv4, 'ipv6-address': ipv6 } : {};
  return { cniVersion: '1.0.0', name: 'ecs-demo', ipam: { ...ipam, ...addresses }, prevResult };
}

function plugin(store: string, command: string, id: string, prevResult?: unknown): unknown {
  const stdin = JSON.stringify(configuration(id, prevResult));
  const { status, stdout, error } = spawnSync(executable, [], {
    input: stdin,
    encoding: 'utf8',
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: id,
      CNI_NETNS: `/var/run/netns/${id}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/opt/cni/bin',
      IPAM_DB_PATH: store,
    },
  });
  console.log(`\n$ CNI_COMMAND=${command} CNI_CONTAINERID=${id} ecs-ipam < ${id}.json    # exit ${status}`);
  if (stdout !== '') console.log(JSON.stringify(JSON.parse(stdout), undefined, 2));
  if (error !== undefined || status !== 0) throw new Error(`${command} for ${id} failed`, { cause: error });
  return stdout === '' ? undefined : JSON.parse(stdout);
}

function list(store: string): void {
  const { stdout } = spawnSync(executable, ['list'], { encoding: 'utf8', env: { IPAM_DB_PATH: store } });
  console.log(`\n$ ecs-ipam list\n${stdout}`);
}

const directory = mkdtempSync(join(tmpdir(), 'ecs-ipam-demo-'));
try {
  const store = join(directory, 'ecs-ipam.mdb');
  console.log("The dual-stack sample of the ECS documentation; the configuration of 'container-1':");
  console.log(JSON.stringify(configuration('container-1'), undefined, 2));
  const results = ['container-1', 'container-2', 'container-3'].map(id => plugin(store, 'ADD', id));
  list(store);
  plugin(store, 'CHECK', 'container-2', results[1]);
  plugin(store, 'DEL', 'container-2', results[1]);
  list(store);
} finally {
  rmSync(directory, { recursive: true });
}
