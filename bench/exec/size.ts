// What it takes on disk and in memory.

import { statSync } from 'node:fs';
import { count, type Question, type Series, series } from '../harness/question.ts';
import { ecsIpam } from './calls.ts';
import { CORE, EXECUTABLE, LAUNCHER, memoryOf, startDaemon, withSpawner, workDirectory } from './processes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const size: Question = {
  name: 'exec/size',
  asks: 'How much disk and memory does it take?',
  async run({ quick, progress }) {
    const file = (contestant: string, path: string, unit: string, bytes: number): Series =>
      count({ contestant, measure: 'file', unit }, statSync(path).size / bytes);
    const plugin = ecsIpam('one-shot ADD', [EXECUTABLE], workDirectory(), '/nonexistent/ecs-ipam.sock');
    const jobs = Array.from({ length: quick ? 3 : 20 }, (_, number) => plugin.job('ADD', number));
    progress.begin(1);
    const { residentKiB } = await withSpawner(spawner => spawner.run(jobs));
    progress.end();
    const daemon = await startDaemon(workDirectory());
    const idle = memoryOf(daemon.pid).resident;
    await daemon.stop();
    return {
      series: [
        file('core.wasm', CORE, 'KiB', KIB),
        file('launcher', LAUNCHER, 'KiB', KIB),
        file('executable', EXECUTABLE, 'MiB', MIB),
        series(
          { contestant: plugin.name, measure: 'resident at most', unit: 'MiB' },
          residentKiB.map(kib => kib / KIB),
        ),
        count({ contestant: 'daemon, just started', measure: 'resident', unit: 'MiB' }, idle),
      ],
      expectations: [{ says: 'core.wasm', value: statSync(CORE).size / KIB, atMost: 8, unit: 'KiB' }],
      notes: ['Most of the executable is the JavaScript engine; its pages are shared between processes.'],
    };
  },
};
