// What a benchmark asks, and what it answers.

import { max, median, min, quantile } from 'simple-statistics';
import type { Progress } from './progress.ts';

export interface Question {
  /** Group and name, `core/sequential`. */
  name: string;
  /** One sentence that ends in a question mark. */
  asks: string;
  run(session: Session): Promise<Answer>;
}

export interface Session {
  /** Smaller numbers, the same questions. */
  quick: boolean;
  progress: Progress;
}

export interface Answer {
  series: Series[];
  expectations: Expectation[];
  /** What a reader has to know to read the figures. */
  notes?: string[];
}

/** One figure of one contestant, with its spread over the rounds. */
export interface Series {
  contestant: string;
  /** What was measured, `acquire`. */
  measure: string;
  unit: string;
  /** Where on the axis of the question, if it has one: the number of live addresses, of leases. */
  at?: number;
  median: number;
  low: number;
  high: number;
  rounds: number;
}

/** Something that must come out. */
export interface Expectation {
  says: string;
  value: number;
  atMost?: number;
  atLeast?: number;
  unit?: string;
}

export const isMet = ({
  value,
  atMost = Number.POSITIVE_INFINITY,
  atLeast = Number.NEGATIVE_INFINITY,
}: Expectation): boolean => value <= atMost && value >= atLeast;

/** The figure of many rounds: their median, with the lowest and the highest. */
export function series(of: Pick<Series, 'contestant' | 'measure' | 'unit' | 'at'>, values: number[]): Series {
  return { ...of, median: median(values), low: min(values), high: max(values), rounds: values.length };
}

/** A figure that has no spread: a size, a count. */
export function count(of: Pick<Series, 'contestant' | 'measure' | 'unit' | 'at'>, value: number): Series {
  return { ...of, median: value, low: value, high: value, rounds: 1 };
}

export { median, quantile };
