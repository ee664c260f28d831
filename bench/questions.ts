// All questions, in the order in which they are asked.

import { churn, scatter } from './core/churn.ts';
import { fragmented } from './core/fragmented.ts';
import { growth } from './core/growth.ts';
import { last } from './core/last.ts';
import { sequential } from './core/sequential.ts';
import { add } from './exec/add.ts';
import { daemon } from './exec/daemon.ts';
import { throughput } from './exec/throughput.ts';
import type { Question } from './harness/question.ts';

export const QUESTIONS: readonly Question[] = [
  sequential,
  growth,
  churn,
  scatter,
  fragmented,
  last,
  add,
  throughput,
  daemon,
];
