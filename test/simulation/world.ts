// A host that is simulated but for what it tests: the commands, the rules, the rows and the batches of the daemon are
// the product's; the store, its lock, the processes, the time, the network between caller and daemon are not, and fail.

import type { Services } from '../../src/cni/commands.ts';
import { distinctTimes } from '../../src/cni/times.ts';
import { Batch } from '../../src/daemon/batch.ts';
import { serveCall } from '../../src/daemon/call.ts';
import { StoreError } from '../../src/store/error.ts';
import type { Deadline } from '../../src/store/lock.ts';
import { migrate } from '../../src/store/migrate.ts';
import type { ReadTransaction, Store, StoreLocation } from '../../src/store/transaction.ts';
import { attemptAll, type Work } from '../../src/store/write-back.ts';
import { decodeAnswer } from '../daemon/support/frames.ts';
import { sha256 } from '../ipam/support.ts';
import { environmentOf, type Reply } from '../model/command.ts';
import { listRows, stdinOf } from '../model/fronts.ts';
import { settled } from '../model/histories.ts';
import { Random } from '../support/random.ts';
import { type Call, type Calling, hasTaken, judge, newCall } from './call.ts';
import { counts } from './counts.ts';
import { Disk, Lock } from './disk.ts';
import { Outside } from './outside.ts';
import { Process, Schedule } from './schedule.ts';
import { type Part, Truth } from './truth.ts';

const STORE = '/store';
const LIST_EVERY = 8;
/** Writing takes 1 to 4 ms, and so does syncing. */
const MOST_COMMIT_MS = 8;

export class World {
  readonly #schedule = new Schedule();
  readonly #random: Random;
  readonly #disk = new Disk();
  readonly #lock: Lock;
  readonly #outside = new Outside();
  readonly #truth = new Truth();
  /** What has run in the transaction under way. */
  #running: Part[] = [];
  #calls: Call[] = [];
  #daemon!: { process: Process; batch: Batch; timeFor: (owner: string) => number };
  #processes: Process[] = [];
  #boots = 0;
  /** What the host's clock is wrong by. */
  #clockErrorMs = 0;
  #commits = 0;
  #failingCommits = 0;
  /** When the daemon has tried each call of a batch again that had no room together. */
  #busyUntilMs = 0;
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
    if (this.#lock.holder !== undefined) throw new Error(`${this.#lock.holder.name} never lets go of the lock`);
    const owing = this.#calls.find(call => call.owes);
    if (owing !== undefined) throw new Error(`what call ${owing.number} has taken is never taken back`);
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
    const call = newCall({
      number: this.#calls.length + 1,
      command: settled(asked, this.#truth.oracle),
      timeoutMs: calling.timeoutMs,
      beganMs: this.#schedule.nowMs,
      process,
    });
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
          call.owes = hasTaken(call);
          this.#note(`call ${call.number} has gone`);
        } else this.#heard(call);
        return !isGone;
      });
    } catch (error) {
      // What cannot be taken back stays until the runtime's DEL; the daemon says so.
      const isExpected = call.owes && error instanceof StoreError;
      call.owes = false;
      if (!isExpected) this.#fail(`call ${call.number} ends with ${(error as Error).stack}`);
    }
    if (through === 'process') process.isAlive = false;
  }

  #answered(call: Call, reply: Reply): void {
    this.#note(`call ${call.number} is answered: ${reply.stdout.trimEnd()}`);
    call.isAnswered = true;
    this.#outside.ends(call);
    counts.answered++;
    const problem = judge(
      call,
      reply,
      { nowMs: this.#schedule.nowMs, busyUntilMs: this.#busyUntilMs },
      this.#truth.oracle,
    );
    if (problem !== undefined) this.#fail(`call ${call.number}: ${problem}`);
  }

  #heard(call: Call): void {
    if (!hasTaken(call)) return;
    const { addresses } = call.expected!;
    const other = this.#outside.hears(call, addresses);
    if (other !== undefined) this.#fail(`call ${call.number} is told what ${other} has: ${addresses}`);
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
        commit: jobs =>
          this.#commit(
            process,
            jobs.map(({ work }) => work),
          ),
      },
      { nowMs: () => this.#schedule.nowMs, turn: () => process.sleep(0) },
    );
    this.#daemon = { process, batch, timeFor: this.#newTimes() };
  }

  /** As a new process tells the time. */
  #newTimes(): (owner: string) => number {
    return distinctTimes(() => 1_700_000_000_000 + this.#schedule.nowMs + this.#clockErrorMs);
  }

  #servicesOf(call: Call): Omit<Services, 'log'> {
    return {
      sha256,
      bootId: () => this.#bootId,
      timeFor: call.process === this.#daemon.process ? this.#daemon.timeFor : this.#newTimes(),
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
        call.expected = this.#truth.oracle.apply(call.command);
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
    if (this.#lock.holder !== process) this.#fail(`${process.name} writes without the lock`);
    const endings = attemptAll(draft, works, error => error);
    const ran = this.#running;
    await process.sleep(1 + this.#random.below(4));
    if (this.#failingCommits > 0) {
      this.#failingCommits--;
      this.#note(`a commit of ${works.length} fails`);
      // For want of space a batch tries each of several again by itself, and GC goes on a few leases at a time, which
      // the oracle does not know: a commit with a GC fails for another reason.
      const isForSpace = !ran.some(({ call }) => call.command.name === 'GC');
      const isTriedAgain = isForSpace && works.length > 1;
      if (isTriedAgain) this.#busyUntilMs = this.#schedule.nowMs + MOST_COMMIT_MS * works.length;
      if (!isTriedAgain) for (const { call, isTakingBack } of ran) if (!isTakingBack) call.hasFailed = true;
      throw new StoreError(isForSpace ? 'io' : 'damaged', 'store: no space left');
    }
    if (!this.#disk.publish(draft)) this.#fail(`${process.name} overwrites a commit`);
    this.#published(ran);
    await process.sleep(1 + this.#random.below(4));
    this.#sync();
    return endings;
  }

  #published(ran: Part[]): void {
    this.#note(`commit of ${ran.map(({ call, isTakingBack }) => (isTakingBack ? -1 : 1) * call.number)}`);
    const problem = this.#truth.publish(ran);
    if (problem !== undefined) this.#fail(problem);
    this.#commits++;
    if (this.#commits % LIST_EVERY === 0) this.#attempt(() => this.#truth.compare(this.#disk.view));
  }

  #sync(): void {
    this.#disk.sync();
    this.#truth.sync();
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
    this.#attempt(() => this.#truth.audit(this.#disk.view));
    const missing = this.#outside.missing(listRows(this.#disk.view));
    if (missing !== undefined) this.#fail(missing);
    if (this.#problem !== undefined) throw new Error(`${this.#problem}\n${this.trace.slice(-40).join('\n')}`);
  }

  // Faults

  setClock(errorMs: number): void {
    this.#clockErrorMs = errorMs;
  }

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
      if (call.process !== process) continue;
      call.owes = false;
      if (call.isAnswered) continue;
      call.isLost = true;
      this.#outside.ends(call);
      counts.lost++;
    }
  }

  /** The host starts again: in order, or because the power failed. */
  reboot(losesPower: boolean): void {
    for (const process of this.#processes) if (process.isAlive) this.#kill(process);
    if (losesPower) counts.powerFailures++;
    if (losesPower) this.#disk.losePower();
    else this.#disk.sync();
    this.#boots++;
    this.#truth.reboot(this.#bootId, losesPower);
    this.#note(losesPower ? 'the power fails' : 'the host starts again');
    this.#startDaemon();
    this.#look();
  }
}
