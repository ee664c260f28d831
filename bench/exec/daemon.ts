// The daemon alone: what it does for a client that keeps many requests in flight.

import { join } from 'node:path';
import { count, median, type Question, quantile, series } from '../harness/question.ts';
import { committedTransactions } from '../store/transactions.ts';
import { addMany } from './client.ts';
import { bytesWrittenBy, memoryOf, startDaemon, workDirectory } from './processes.ts';

const IN_FLIGHT = 64;
const PAGE_BYTES = 4096;
const US = 'daemon';

export const daemon: Question = {
  name: 'exec/daemon',
  asks: `How many durable ADDs of both families does the daemon do with ${IN_FLIGHT} requests in flight?`,
  async run({ quick, progress }) {
    const [rounds, requests, restMs] = quick ? [3, 2_000, 1_000] : [10, 10_000, 10_000];
    const directory = workDirectory();
    const store = join(directory, 'store.mdb');
    const running = await startDaemon(directory);
    const load = (from: number, count: number) =>
      addMany({ socket: running.socket, store, from, requests: count, inFlight: IN_FLIGHT });
    progress.begin(rounds + 1);
    await load(0, requests); // the compiler's warm-up
    progress.step('warm-up');
    const [rates, p50, p99, pages, jobs]: number[][] = [[], [], [], [], []];
    for (let round = 1; round <= rounds; round++) {
      const [bytes, transactions] = [bytesWrittenBy(running.pid), committedTransactions(store)];
      const { perSecond, ms } = await load(round * requests, requests);
      rates!.push(perSecond);
      p50!.push(quantile(ms, 0.5));
      p99!.push(quantile(ms, 0.99));
      pages!.push((bytesWrittenBy(running.pid) - bytes) / PAGE_BYTES / requests);
      jobs!.push(requests / (committedTransactions(store) - transactions));
      progress.step(`${Math.round(perSecond)}/s`);
    }
    progress.end();
    const leases = (rounds + 1) * requests;
    const loaded = memoryOf(running.pid);
    await new Promise(resolve => setTimeout(resolve, restMs));
    const rested = memoryOf(running.pid);
    await running.stop();
    const of = (measure: string, unit: string) => ({ contestant: US, measure, unit });
    return {
      series: [
        series(of('ADDs', '/s'), rates!),
        series(of('p50', 'ms'), p50!),
        series(of('p99', 'ms'), p99!),
        series(of('pages written per ADD', ''), pages!),
        series(of('ADDs per commit', ''), jobs!),
        count(of('resident under load', 'MiB'), loaded.resident),
        count(of('resident, rested', 'MiB'), rested.resident),
        count(of('of that, its own', 'MiB'), rested.anonymous),
      ],
      expectations: [
        { says: 'durable dual-stack ADDs per second', value: median(rates!), atLeast: 20_000 },
        { says: 'p99', value: median(p99!), atMost: 10, unit: 'ms' },
        { says: 'pages written per ADD', value: median(pages!), atMost: 2 },
        {
          says: `memory with ${leases.toLocaleString('en')} dual-stack leases`,
          value: rested.resident,
          atMost: 150,
          unit: 'MiB',
        },
      ],
      notes: ['The client has one of the cores. "Its own" memory leaves out the mapped store and program.'],
    };
  },
};
