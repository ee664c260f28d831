// All questions, in the order in which they are asked.

import { sequential } from './core/sequential.ts';
import { add } from './exec/add.ts';
import { daemon } from './exec/daemon.ts';
import { throughput } from './exec/throughput.ts';
import type { Question } from './harness/question.ts';

export const QUESTIONS: readonly Question[] = [sequential, add, throughput, daemon];
