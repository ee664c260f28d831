// All questions, in the order in which they are asked.

import { sequential } from './core/sequential.ts';
import { add } from './exec/add.ts';
import { curve } from './exec/curve.ts';
import { daemon } from './exec/daemon.ts';
import { size } from './exec/size.ts';
import { throughput } from './exec/throughput.ts';
import type { Question } from './harness/question.ts';
import { storeAdd } from './store/add.ts';
import { opening } from './store/opening.ts';

export const QUESTIONS: readonly Question[] = [sequential, storeAdd, opening, add, throughput, daemon, curve, size];
