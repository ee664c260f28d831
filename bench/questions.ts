// All questions, in the order in which they are asked.

import { fragmented } from './core/fragmented.ts';
import { growth } from './core/growth.ts';
import { sequential } from './core/sequential.ts';
import { add } from './exec/add.ts';
import { daemon } from './exec/daemon.ts';
import { throughput } from './exec/throughput.ts';
import type { Question } from './harness/question.ts';

export const QUESTIONS: readonly Question[] = [sequential, growth, fragmented, add, throughput, daemon];
