// The states in which a power failure may leave a disk, for a recorded run.

import { Random } from '../support/random.ts';
import { Disk, type Names, type StoredFile, type Survivors, sectorsOf, type Write } from './disk.ts';
import type { Event } from './events.ts';

/** Whether an owner must have its addresses, must have none, or may have both or none: a call was under way. */
export interface Promised {
  is: 'held' | 'free' | 'open';
  /** As an answer has named them. */
  addresses: string[];
}

export interface State {
  /** What was lost, for people. */
  what: string;
  kind: Kind;
  /** Number of the event that was under way. */
  at: number;
  /** Its files. To be asked for before the next state. */
  files(): Map<string, Buffer>;
  promised: ReadonlyMap<string, Promised>;
}

export type Kind = 'nothing written' | 'in order' | 'one left out' | 'one alone' | 'one torn' | 'subset' | 'names';

/** Some of the writes, and some sectors of them. */
interface Loss {
  kind: Kind;
  what: string;
  survivors: Survivors;
}

/** How many of the seeded losses there are for each point in time. */
export interface Choice {
  /** Places where each write is torn, of the 7 between the 8 sectors of a page. */
  tears: number;
  subsets: number;
}

/**
 * Power may fail while any flush or synchronous write is under way. That covers the moments between them: what is
 * certain then is the same, and what is uncertain is less.
 */
export function* statesOf(events: readonly Event[], root: string, choice: Choice): Iterable<State> {
  const disk = new Disk(root);
  const promised = new Map<string, Promised>();
  for (const [at, event] of events.entries()) {
    const isBarrier = event.kind === 'flush' || (event.kind === 'write' && event.isSynchronous);
    if (isBarrier) {
      const file = disk.names.get(event.path)!;
      const underWay = event.kind === 'write' ? [event] : [];
      const random = new Random(`power ${at}`);
      const losses = file === 'directory' ? [ALL] : [...lossesOf([...file.uncertain, ...underWay], choice, random)];
      for (const { kind, what, survivors } of losses) {
        const files = () => filesIn(disk.names, file, underWay, survivors);
        yield { kind, what, at, files, promised };
      }
      for (let changes = 0; changes < disk.uncertainNames.length; changes++) {
        const what = `${changes} of ${disk.uncertainNames.length} names changed`;
        const files = () => filesIn(disk.namesAfter(changes), file, [], ALL.survivors);
        yield { kind: 'names', what, at, files, promised };
      }
    }
    disk.apply(event);
    if (event.kind === 'asked') {
      promised.set(event.owner, { is: 'open', addresses: promised.get(event.owner)?.addresses ?? [] });
    } else if (event.kind === 'answered') {
      promised.set(event.owner, { is: event.command === 'ADD' ? 'held' : 'free', addresses: event.addresses });
    }
  }
  const files = () => filesIn(disk.namesAfter(0), undefined, [], () => 'none');
  yield { kind: 'nothing written', what: 'after the end', at: events.length, files, promised };
}

const ALL: Loss = { kind: 'in order', what: 'all written', survivors: () => 'all' };

/** Files after a failure: of `file`, which is being written to, `survivors`; of others all or nothing. */
function filesIn(
  names: Names,
  file: StoredFile | 'directory' | undefined,
  underWay: readonly Write[],
  survivors: Survivors,
): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (const [path, content] of names) {
    if (content === 'directory') continue;
    for (const write of content === file ? underWay : []) content.uncertain.push(write);
    files.set(path, content.survive(content === file ? survivors : () => 'none'));
    if (content === file) content.uncertain.length -= underWay.length;
  }
  return files;
}

function* lossesOf(writes: readonly Write[], { tears, subsets }: Choice, random: Random): Iterable<Loss> {
  const name = (index: number) => `write ${index + 1} of ${writes.length} (at ${writes[index]!.offset})`;
  yield { kind: 'nothing written', what: `none of ${writes.length} writes`, survivors: () => 'none' };
  for (let count = 1; count <= writes.length; count++) {
    const what = `the first ${count} of ${writes.length} writes`;
    yield { kind: 'in order', what, survivors: index => (index < count ? 'all' : 'none') };
  }
  for (const [lost, write] of writes.entries()) {
    if (writes.length > 1) {
      const left = `without ${name(lost)}`;
      yield { kind: 'one left out', what: left, survivors: index => (index === lost ? 'none' : 'all') };
      const alone = `only ${name(lost)}`;
      yield { kind: 'one alone', what: alone, survivors: index => (index === lost ? 'all' : 'none') };
    }
    const sectors = sectorsOf(write).length;
    const places = Array.from({ length: sectors - 1 }, (_, place) => place + 1);
    const torn = sectors - 1 <= tears ? places : Array.from({ length: tears }, () => random.pick(places));
    for (const place of torn) {
      const head = random.chance(0.5);
      yield {
        kind: 'one torn',
        what: `${name(lost)} torn: of its ${sectors} sectors only those ${head ? 'before' : 'from'} ${place}`,
        survivors: index => (index === lost ? sector => sector < place === head : 'all'),
      };
    }
  }
  for (let subset = 0; subset < subsets; subset++) {
    const chance = random.fraction();
    const kept = writes.map(write => sectorsOf(write).map(() => random.chance(chance)));
    yield {
      kind: 'subset',
      what: `subset ${subset} of all sectors`,
      survivors: index => sector => kept[index]![sector]!,
    };
  }
}
