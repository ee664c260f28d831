// A host that is simulated but for what it tests: the commands, the rules, the rows and the batches of the daemon are
// the product's; the store, its lock, the processes, the time, the network between caller and daemon are not, and fail.
//
// An oracle carries the commands out one after another, in the order in which their transactions become visible. What a
// power failure may take is known to a second one, which has carried out only what was synced.

import type { Services } from '../../src/cni/commands.ts';
import { Batch } from '../../src/daemon/batch.ts';
import { serveCall } from '../../src/daemon/call.ts';
import { StoreError } from '../../src/store/error.ts';
import type { Deadline } from '../../src/store/lock.ts';
import { migrate } from '../../src/store/migrate.ts';
import type { ReadTransaction, Store, StoreLocation } from '../../src/store/transaction.ts';
import { attemptAll, type Work } from '../../src/store/write-back.ts';
import { decodeAnswer } from '../daemon/support/frames.ts';
import { sha256 } from '../ipam/support.ts';
import { type Command, disagreement, environmentOf, type Reply } from '../model/command.ts';
import { checkRows, listRows, stdinOf } from '../model/fronts.ts';
import { type Asked, settled } from '../model/histories.ts';
import { isListed } from '../model/listed.ts';
import { Oracle } from '../model/oracle.ts';
import { Random } from '../support/random.ts';
import { Disk, Lock } from './disk.ts';
import { Outside } from './outside.ts';
import { Process, Schedule } from './schedule.ts';

export interface Call {
  number: number;
  command: Command;
  timeoutMs: number;
  beganMs: number;
  process: Process;
  /** What it has to answer, once its transaction is visible or what it reads has been read. */
  expected?: Parameters<typeof disagreement>[1];
  isSynced: boolean;
  /** Its transaction has failed. */
  hasFailed: boolean;
  /** From then on whatever it writes takes back what it has written. */
  isAnswered: boolean;
  /** It will get no answer: its process has been killed. */
  isLost: boolean;
}

/** What a runtime does. */
export interface Calling {
  asked: Asked;
  through: 'daemon' | 'process';
  timeoutMs: number;
  /** How long the answer takes to be heard. */
  answerMs: number;
  /** It has gone by the time that the answer comes. */
  isGone: boolean;
  /** The same is said again so much later. */
  againAfterMs: number | undefined;
}

const STORE = '/store';
/** What an answer may take beyond its time limit: a commit under way, and the pauses between looks at the lock. */
const SLACK_MS = 40;
const AUDIT_EVERY = 64;
const LIST_EVERY = 8;

export const counts = {
  calls: 0,
  answered: 0,
  refused: 0,
  lockedOut: 0,
  failed: 0,
  lost: 0,
  tookBack: 0,
  commits: 0,
  together: 0,
  events: 0,
  kills: 0,
  powerFailures: 0,
  vanished: 0,
};

export class World {
  readonly #schedule = new Schedule();
  readonly #random: Random;
  readonly #disk = new Disk();
  readonly #lock: Lock;
  readonly #outside = new Outside();
  #oracle = new Oracle();
  #synced = new Oracle();
  /** Steps of the oracle that are visible and not synced. */
  #unsynced: ((oracle: Oracle) => void)[] = [];
  /** What has run in the transaction under way. */
  #running: { call: Call; isTakingBack: boolean }[] = [];
  #calls: Call[] = [];
  #daemon!: { process: Process; batch: Batch };
  #processes: Process[] = [];
  #boots = 0;
  #commits = 0;
  #failingCommits = 0;
  #problem: string | undefined;
  readonly trace: string[] = [];

  constructor(salt: number) {
    this.#random = new Random(`world ${salt}`);
    this.#lock = new Lock(this.#schedule, this.#random);
    const draft = this.#disk.begin();
    migrate(draft);
    this.#disk.publish(draft);
    this.#disk.sync();
    this.#startDaemon();
  }

  get #bootId(): string {
    return `boot ${this.#boots}`;
  }

  at(ms: number, event: (world: this) => void): void {
    this.#schedule.after(ms, () => event(this));
  }

  /** Lets everything happen. Fails at the first thing that is wrong. */
  async run(): Promise<void> {
    counts.events += await this.#schedule.run(() => {
      if (this.#problem !== undefined) throw new Error(`${this.#problem}\n${this.trace.slice(-40).join('\n')}`);
    });
    const forgotten = this.#calls.find(call => !call.isAnswered && !call.isLost);
    if (forgotten !== undefined) throw new Error(`call ${forgotten.number} is never answered`);
    this.#look();
  }

  #note(what: string): void {
    this.trace.push(`${this.#schedule.nowMs} ms: ${what}`);
  }

  /** Not thrown: whoever is in between might catch it. */
  #fail(what: string): void {
    this.#note(what);
    this.#problem ??= what;
  }

  // Callers

  call(calling: Calling): void {
    const { asked, through, againAfterMs } = calling;
    if (againAfterMs !== undefined) {
      this.at(againAfterMs, world => world.call({ ...calling, againAfterMs: undefined }));
    }
    const process = through === 'daemon' ? this.#daemon.process : this.#startProcess('process');
    const call: Call = {
      number: this.#calls.length + 1,
      command: settled(asked, this.#oracle),
      timeoutMs: calling.timeoutMs,
      beganMs: this.#schedule.nowMs,
      process,
      isSynced: false,
      hasFailed: false,
      isAnswered: false,
      isLost: false,
    };
    this.#calls.push(call);
    counts.calls++;
    this.#outside.begins(call, this.#bootId);
    this.#note(`call ${call.number} through ${process.name}: ${JSON.stringify(call.command)}`);
    void this.#carryOut(call, calling);
  }

  async #carryOut(call: Call, { answerMs, isGone, through }: Calling): Promise<void> {
    const { command, process } = call;
    await process.sleep(this.#random.below(3));
    const env = { ...environmentOf(command, STORE), IPAM_DB_CONNECTION_TIMEOUT: `${call.timeoutMs}ms` };
    const services = this.#servicesOf(call);
    try {
      await serveCall({ env: env as Record<string, string>, stdin: stdinOf(command) }, services, async answer => {
        this.#answered(call, decodeAnswer(Buffer.from(answer), 0)!);
        await process.sleep(answerMs);
        if (isGone) {
          counts.vanished++;
          this.#note(`call ${call.number} has gone`);
        } else this.#heard(call);
        return !isGone;
      });
    } catch (error) {
      // What cannot be taken back stays until the runtime's DEL; the daemon says so.
      const isExpected = call.isAnswered && isGone && error instanceof StoreError;
      if (!isExpected) this.#fail(`call ${call.number} ends with ${(error as Error).stack}`);
    }
    if (through === 'process') process.isAlive = false;
  }

  /** The answer is on its way: whatever it says has to be true for ever. */
  #answered(call: Call, reply: Reply): void {
    const { number, command, timeoutMs, beganMs } = call;
    const tookMs = this.#schedule.nowMs - beganMs;
    const { code } = reply.status === 0 ? { code: 0 } : (JSON.parse(reply.stdout) as { code: number });
    this.#note(`call ${number} is answered with ${code} ${reply.stdout.trimEnd()}`);
    call.isAnswered = true;
    this.#outside.ends(call);
    counts.answered++;
    if (tookMs > timeoutMs + SLACK_MS) this.#fail(`call ${number} took ${tookMs} ms, though it had ${timeoutMs}`);
    const isRead = command.name === 'CHECK' || command.name === 'STATUS';
    if (call.hasFailed) {
      counts.failed++;
      if (code !== 5) this.#fail(`call ${number}: its commit failed, and it is answered with ${code}`);
    } else if (call.expected === undefined && code === 11) {
      counts.lockedOut++;
      if (tookMs < timeoutMs) this.#fail(`call ${number} gave up after ${tookMs} of ${timeoutMs} ms`);
    } else {
      // What never came to the store is wrong in any state of it.
      const problem = disagreement(reply, call.expected ?? this.#oracle.copy().apply(command));
      if (problem !== undefined) this.#fail(`call ${number}: ${problem}`);
      const isRefused = code !== 0;
      if (isRefused) counts.refused++;
      if (!isRefused && call.expected === undefined) this.#fail(`call ${number}: success without a look at the store`);
      if (!isRefused && !isRead && !call.isSynced) this.#fail(`call ${number}: answered before it was durable`);
    }
  }

  #heard(call: Call): void {
    if (call.command.name !== 'ADD' || call.hasFailed || call.expected?.code !== 0) return;
    const other = this.#outside.hears(call, call.expected.addresses);
    if (other !== undefined) this.#fail(`call ${call.number} is told what ${other} has: ${call.expected.addresses}`);
  }

  // Processes

  #startProcess(name: string): Process {
    const process = new Process(name, this.#schedule);
    this.#processes = this.#processes.filter(({ isAlive }) => isAlive);
    this.#processes.push(process);
    return process;
  }

  #startDaemon(): void {
    const process = this.#startProcess('daemon');
    const batch = new Batch(
      {
        lock: deadline => this.#lock.take(process, deadline),
        commit: works => this.#commit(process, works),
      },
      { nowMs: () => this.#schedule.nowMs, turn: () => process.sleep(0) },
    );
    this.#daemon = { process, batch };
  }

  #servicesOf(call: Call): Omit<Services, 'log'> {
    return {
      sha256,
      bootId: () => this.#bootId,
      now: () => 1_700_000_000_000 + this.#schedule.nowMs,
      openStore: async (location, access) => this.#watched(call, await this.#open(call, location, access === 'read')),
      requireWritable: () => {},
    };
  }

  async #open({ process }: Call, { path, timeoutMs }: StoreLocation, isReader: boolean): Promise<Store> {
    const deadline: Deadline = { path, timeoutMs, atMs: this.#schedule.nowMs + timeoutMs };
    const read = <T>(work: (transaction: ReadTransaction) => T) => work(this.#disk.view);
    if (process === this.#daemon.process) {
      return { read, write: work => this.#daemon.batch.write(work, true, deadline), close: async () => {} };
    }
    const release = isReader ? () => {} : await this.#lock.take(process, deadline);
    return {
      read,
      write: async work => {
        const [ending] = await this.#commit(process, [work]);
        if ('error' in ending!) throw ending.error;
        return ending!.value;
      },
      close: async () => release(),
    };
  }

  /** Notes whose work it is that runs. */
  #watched(call: Call, store: Store): Store {
    return {
      read: work => {
        call.expected = this.#oracle.apply(call.command);
        return store.read(work);
      },
      write: work =>
        store.write(transaction => {
          this.#running.push({ call, isTakingBack: call.isAnswered });
          return work(transaction);
        }),
      close: () => store.close(),
    };
  }

  // The store

  async #commit<T>(process: Process, works: readonly Work<T>[]) {
    const draft = this.#disk.begin();
    this.#running = [];
    if (!this.#lock.isHeldBy(process)) this.#fail(`${process.name} writes without the lock`);
    const endings = attemptAll(draft, works, error => error);
    const ran = this.#running;
    await process.sleep(1 + this.#random.below(4));
    if (this.#failingCommits > 0) {
      this.#failingCommits--;
      this.#note(`a commit of ${works.length} fails`);
      for (const { call, isTakingBack } of ran) if (!isTakingBack) call.hasFailed = true;
      throw new StoreError('io', 'store: no space left');
    }
    if (!this.#disk.publish(draft)) this.#fail(`${process.name} overwrites a commit`);
    this.#published(ran);
    await process.sleep(1 + this.#random.below(4));
    this.#sync();
    for (const { call } of ran) call.isSynced = true;
    return endings;
  }

  #published(ran: { call: Call; isTakingBack: boolean }[]): void {
    this.#note(`commit of ${ran.map(({ call, isTakingBack }) => (isTakingBack ? -1 : 1) * call.number)}`);
    counts.commits++;
    if (ran.length > 1) counts.together += ran.length;
    for (const { call, isTakingBack } of ran) {
      if (isTakingBack) counts.tookBack++;
      const step = isTakingBack
        ? (oracle: Oracle) => oracle.takeBack(call.number)
        : (oracle: Oracle) => oracle.apply(call.command, call.number);
      const outcome = step(this.#oracle);
      this.#unsynced.push(step);
      if (isTakingBack) continue;
      if (call.expected !== undefined) this.#fail(`call ${call.number} is carried out twice`);
      call.expected = outcome!;
    }
    this.#commits++;
    if (this.#commits % LIST_EVERY === 0) this.#compare();
    if (this.#commits % AUDIT_EVERY === 0) this.#audit();
  }

  #sync(): void {
    this.#disk.sync();
    for (const step of this.#unsynced) step(this.#synced);
    this.#unsynced = [];
  }

  /** The leases are the oracle's. */
  #compare(): void {
    this.#attempt(() => isListed(listRows(this.#disk.view), this.#oracle));
  }

  #audit(): void {
    this.#attempt(() => checkRows(this.#disk.view));
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(String((error as Error).stack));
    }
  }

  /** All that can be looked at. */
  #look(): void {
    this.#compare();
    this.#audit();
    const missing = this.#outside.missing(new Map(this.#oracle.listed()));
    if (missing !== undefined) this.#fail(missing);
    if (this.#problem !== undefined) throw new Error(`${this.#problem}\n${this.trace.slice(-40).join('\n')}`);
  }

  // Faults

  /** The next commit, whoever's it is. */
  failCommit(): void {
    this.#failingCommits++;
  }

  /** Somebody takes the lock as soon as it is free, and stands still with it. */
  async holdLock(ms: number): Promise<void> {
    const neighbour = this.#startProcess('neighbour');
    const deadline = { path: STORE, timeoutMs: ms, atMs: this.#schedule.nowMs + ms };
    try {
      const release = await this.#lock.take(neighbour, deadline);
      this.#note(`a neighbour holds the lock for ${ms} ms`);
      await neighbour.sleep(ms);
      release();
    } catch (error) {
      if (!(error instanceof StoreError)) this.#fail(`a neighbour: ${error}`); // others were faster all the time
    }
    neighbour.isAlive = false;
  }

  killDaemon(): void {
    this.#kill(this.#daemon.process);
    this.#startDaemon();
    this.#look();
  }

  /** One of those that carry out a call alone, or hold the lock. */
  killProcess(which: number): void {
    const others = this.#processes.filter(process => process.isAlive && process !== this.#daemon.process);
    const process = others[which % others.length];
    if (process !== undefined) this.#kill(process);
    this.#look();
  }

  #kill(process: Process): void {
    counts.kills++;
    process.isAlive = false;
    this.#note(`${process.name} is killed`);
    for (const call of this.#calls) {
      if (call.process !== process || call.isAnswered) continue;
      call.isLost = true;
      this.#outside.ends(call);
      counts.lost++;
    }
  }

  /** The host starts again: in order, or because the power failed. */
  reboot(losesPower: boolean): void {
    for (const process of this.#processes) if (process.isAlive) this.#kill(process);
    if (losesPower) {
      counts.powerFailures++;
      this.#disk.losePower();
      this.#unsynced = [];
      this.#oracle = this.#synced.copy();
    } else this.#sync();
    this.#boots++;
    this.#oracle.bootId = this.#bootId;
    this.#synced.bootId = this.#bootId;
    this.#note(losesPower ? 'the power fails' : 'the host starts again');
    this.#startDaemon();
    this.#look();
  }
}
