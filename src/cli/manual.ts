// `ecs-ipam add|del|check CONF`: does by hand what a runtime does.

import { readFileSync } from 'node:fs';
import { execute, locate } from '../cni/commands.ts';
import { decodeConfig, parseConfig } from '../cni/config.ts';
import type { Env } from '../cni/environment.ts';
import { CniError, ErrorCode } from '../cni/error.ts';
import type { CommandContext } from './terminal.ts';

export interface ManualOptions {
  id?: string;
  container?: string;
  ifname: string;
}

/** Runs the command on a configuration file; returns what a runtime would read on stdout. */
export async function runManually(
  command: 'ADD' | 'DEL' | 'CHECK',
  path: string,
  options: ManualOptions,
  env: Env,
  { services, readStdin }: Pick<CommandContext, 'services' | 'readStdin'>,
): Promise<string> {
  const document = decodeConfig(await read(path, readStdin));
  const content = pluginConfig(document.content);
  if (options.id !== undefined) content.ipam = { ...(content.ipam as object), id: options.id };
  const config = parseConfig({ ...document, content }, command, []);
  const holder = {
    id: config.id,
    containerId: options.container ?? '',
    interfaceName: options.container === undefined ? '' : options.ifname,
    network: config.name,
  };
  const { stdout } = await execute({ command, config, holder, location: locate(env, config, services) }, services);
  return stdout.trimEnd();
}

async function read(path: string, readStdin: () => Promise<Uint8Array>): Promise<Uint8Array> {
  try {
    return path === '-' ? await readStdin() : readFileSync(path);
  } catch (error) {
    throw new CniError(ErrorCode.io, `configuration ${path}: ${(error as Error).message}`);
  }
}

/** The configuration that libcni would hand to the main plugin: of a list, the plugin that has `ipam`. */
function pluginConfig(content: Record<string, unknown>): Record<string, unknown> {
  if (!Array.isArray(content.plugins)) return { ...content };
  const plugin = content.plugins.find(plugin => typeof plugin?.ipam === 'object');
  return { ...plugin, name: content.name, cniVersion: content.cniVersion };
}
