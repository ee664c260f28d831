// Many short writers at a time, readers beside them, and a model of what must be held.

import { cniEnv, type Env } from '../../support/plugin.ts';
import { Random } from '../../support/random.ts';
import { addressOf, del, type Lease, leasesOf, list, listRun, network, silent, status, withId } from './ipam.ts';
import { sleep, start } from './process.ts';

export interface StormOptions {
  store: string;
  writers: number;
  /** Writers at a time. */
  atOnce: number;
  /** What a writer, or a reader of STATUS, finds in its environment besides. */
  envOf?: (number: number) => Env;
}

export interface StormFigures {
  adds: number;
  dels: number;
  lists: number;
  statuses: number;
  /** Most addresses held at once. */
  most: number;
  left: number;
  seconds: number;
  /** What went wrong: leases lost or given twice, commands that failed. */
  wrong: string[];
}

// Small enough that addresses come round several times.
const SUBNET = '10.0.0.0/25';
const CONF = network({ 'ipv4-subnet': SUBNET });
const HELD_ABOUT = 60;

export async function storm({ store, writers, atOnce, envOf = () => ({}) }: StormOptions): Promise<StormFigures> {
  const random = new Random('storm');
  const startMs = performance.now();
  const figures = { adds: 0, dels: 0, lists: 0, statuses: 0, most: 0, left: 0, seconds: 0, wrong: [] as string[] };
  /** Address to owner, from the end of its ADD to the start of its DEL. */
  const live = new Map<string, string>();
  /** Owners whose DEL failed. */
  const unclear = new Set<string>();
  let begun = 0;
  let writing = true;

  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      figures.wrong.push(`${what}: ${error instanceof Error ? error.message : error}`);
    }
  };

  async function write(number: number): Promise<void> {
    const addresses = [...live.keys()];
    if (random.chance(addresses.length / (2 * HELD_ABOUT))) {
      const address = random.pick(addresses);
      const owner = live.get(address) as string;
      // From here on another may get it.
      live.delete(address);
      figures.dels++;
      unclear.add(owner);
      silent(await del({ store, conf: withId(CONF, owner), env: envOf(number) }), `DEL of ${owner}, ${address}`);
      unclear.delete(owner);
    } else {
      const owner = `owner-${number}`;
      figures.adds++;
      const stdin = withId(CONF, owner);
      const address = addressOf(
        await start({ env: cniEnv('ADD', store, envOf(number)), stdin }).done,
        `ADD of ${owner}`,
      );
      const other = live.get(address);
      if (other !== undefined) figures.wrong.push(`${address} was given to ${owner} while ${other} holds it`);
      live.set(address, owner);
      figures.most = Math.max(figures.most, live.size);
    }
  }

  async function writer(): Promise<void> {
    while (begun < writers) {
      const number = begun++;
      await attempt(`writer ${number}`, () => write(number));
    }
  }

  async function listReader(): Promise<void> {
    while (writing) {
      const before = new Map(live);
      await attempt('list beside writers', async () => {
        const leases = leasesOf(await listRun(store));
        figures.lists++;
        // What was held before and still is must have been seen.
        const certain = new Map([...before].filter(([address, owner]) => live.get(address) === owner));
        figures.wrong.push(...missing(leases, certain).map(text => `list beside writers: ${text}`));
      });
      await sleep(5);
    }
  }

  async function statusReader(): Promise<void> {
    while (writing) {
      await attempt('STATUS beside writers', async () => {
        silent(await status({ store, conf: CONF, env: envOf(figures.statuses) }));
        figures.statuses++;
      });
      await sleep(5);
    }
  }

  const readers = [listReader(), statusReader()];
  await Promise.all(Array.from({ length: atOnce }, writer));
  writing = false;
  await Promise.all(readers);

  const leases = await list(store);
  figures.wrong.push(...missing(leases, live).map(text => `at the end: ${text}`));
  for (const lease of leases) {
    const { address, kind } = lease;
    if (kind !== 'container' || live.has(address) || [...unclear].some(owner => shows(lease, owner))) continue;
    figures.wrong.push(`at the end: ${address} is held by nobody`);
  }
  figures.left = live.size;
  figures.seconds = (performance.now() - startMs) / 1000;
  return figures;
}

const shows = (lease: Lease, owner: string) => JSON.stringify(lease).includes(`"${owner}"`);

/** What is not listed for its owner, and what is listed twice. */
function missing(leases: Lease[], expected: Map<string, string>): string[] {
  const texts: string[] = [];
  const byAddress = new Map<string, Lease>();
  for (const lease of leases) {
    if (byAddress.has(lease.address)) texts.push(`${lease.address} is listed twice`);
    byAddress.set(lease.address, lease);
  }
  for (const [address, owner] of expected) {
    const lease = byAddress.get(address);
    if (lease === undefined) texts.push(`${address} of ${owner} is lost`);
    else if (!JSON.stringify(lease).includes(`"${owner}"`))
      texts.push(`${address} of ${owner}: ${JSON.stringify(lease)}`);
  }
  return texts;
}
