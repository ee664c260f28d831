// 3,000 short writers, eight at a time, with `list` and STATUS running beside them: not one lease lost or given twice.
// Usage: node --import tsx test/stress/writers.ts [writers]; ECS_IPAM_TEST_SEED=… repeats a run. Exit 1 on a loss.

import { storm } from '../integration/support/storm.ts';
import { temporaryStore } from '../support/plugin.ts';

const writers = Number(process.argv[2] ?? 3_000);
if (!Number.isInteger(writers) || writers < 1) throw new Error(`writers ${process.argv[2]}: not a positive number`);
const { wrong, seconds, ...counts } = await storm({ store: temporaryStore(), writers, atOnce: 8 });
for (const [name, count] of Object.entries(counts)) console.log(`${name.padEnd(9)}${count}`);
console.log(`${'seconds'.padEnd(9)}${seconds.toFixed(1)} (${(writers / seconds).toFixed(0)} writers a second)`);
console.log(`${'wrong'.padEnd(9)}${wrong.length}`);
for (const text of wrong.slice(0, 20)) console.log(`  ${text}`);
process.exitCode = wrong.length === 0 ? 0 : 1;
