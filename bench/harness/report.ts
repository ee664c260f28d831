// Answers as tables, for people.

import Table from 'cli-table3';
import { type Answer, type Expectation, isMet, type Question, type Series } from './question.ts';

export function printAnswer(question: Question, { series, expectations, notes = [] }: Answer): void {
  console.log(`\n${question.name}: ${question.asks}`);
  const hasAxis = series.some(({ at }) => at !== undefined);
  const table = new Table({
    head: ['contestant', 'measure', ...(hasAxis ? ['at'] : []), 'median', 'lowest', 'highest'],
    style: { head: [], border: [] },
  });
  for (const row of series) {
    const axis = hasAxis ? [row.at === undefined ? '' : formatCount(row.at)] : [];
    const spread = row.rounds > 1 ? [formatValue(row, row.low), formatValue(row, row.high)] : ['', ''];
    table.push([row.contestant, row.measure, ...axis, formatValue(row, row.median), ...spread]);
  }
  console.log(table.toString());
  for (const note of notes) console.log(`  ${note}`);
  for (const expectation of expectations) console.log(`  ${formatExpectation(expectation)}`);
}

export function formatExpectation(expectation: Expectation): string {
  const { says, value, atMost, atLeast, unit = '' } = expectation;
  const bounds = [
    ...(atMost === undefined ? [] : [`at most ${formatNumber(atMost)}`]),
    ...(atLeast === undefined ? [] : [`at least ${formatNumber(atLeast)}`]),
  ].join(', ');
  return `${isMet(expectation) ? 'met   ' : 'MISSED'} ${says}: ${formatNumber(value)}${unit && ` ${unit}`} (${bounds})`;
}

const formatValue = ({ unit }: Series, value: number) => `${formatNumber(value)} ${unit}`;

/** Three digits, or all before the point. */
export const formatNumber = (value: number): string =>
  Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en')
    : value.toLocaleString('en', { maximumSignificantDigits: 3 });

const formatCount = (value: number): string => value.toLocaleString('en');
