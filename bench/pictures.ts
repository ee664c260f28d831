// Draws the answers: bench/results/results.json to one SVG for each question, readable on light and on dark pages.
// Usage: npm run bench:pictures

import { readFileSync, writeFileSync } from 'node:fs';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Answer, Series } from './harness/question.ts';

const resultsDir = new URL('results/', import.meta.url);
const { answers } = JSON.parse(readFileSync(new URL('results.json', resultsDir), 'utf8')) as {
  answers: Record<string, Answer>;
};

/** Texts and axes have these colours in the drawing; the page's scheme replaces them. */
const INK = '#333333';
const FAINT = '#cccccc';
const STYLE =
  `<style>@media (prefers-color-scheme: dark) {` +
  `[fill="${INK}"] { fill: #e6e6e6 } [stroke="${INK}"] { stroke: #e6e6e6 } [stroke="${FAINT}"] { stroke: #555555 }` +
  `}</style>`;
/** Okabe and Ito: told apart by everybody, on black and on white. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#999999'];

for (const [name, { series }] of Object.entries(answers)) {
  const file = `${name.replace('/', '-')}.svg`;
  writeFileSync(new URL(file, resultsDir), await draw(describe(series)));
  console.log(`drew bench/results/${file}`);
}

async function draw(spec: TopLevelSpec): Promise<string> {
  const svg = await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG();
  return `${svg.replace(/(<svg[^>]*>)/, `$1${STYLE}`)}\n`;
}

/** One panel for each measure, as their units differ: lines where the question has an axis, else bars. */
function describe(series: readonly Series[]): TopLevelSpec {
  const measures = [...new Set(series.map(({ measure }) => measure))];
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'transparent',
    padding: 12,
    columns: 2,
    spacing: 40,
    concat: measures.map(measure => {
      const rows = series.filter(row => row.measure === measure);
      return rows.some(({ at }) => at !== undefined) ? lines(measure, rows) : bars(measure, rows);
    }),
    resolve: { scale: { color: 'shared' } },
    config: {
      font: 'sans-serif',
      title: { color: INK, fontSize: 13, anchor: 'start' },
      axis: { labelColor: INK, titleColor: INK, domainColor: INK, tickColor: INK, gridColor: FAINT, labelLimit: 260 },
      legend: { labelColor: INK, titleColor: INK, labelLimit: 300, orient: 'bottom', columns: 2, title: null },
      view: { stroke: null },
      range: { category: COLOURS },
    },
  } as TopLevelSpec;
}

function titleOf(measure: string, { unit }: Series): string {
  return unit === '' ? measure : `${measure}, ${unit}`;
}

function lines(measure: string, rows: Series[]) {
  const x = {
    field: 'at',
    type: 'quantitative',
    title: null,
    scale: { type: 'symlog' },
    axis: { tickCount: 4, format: '~s' },
  };
  const color = { field: 'contestant', type: 'nominal' };
  return {
    title: titleOf(measure, rows[0]!),
    width: 320,
    height: 200,
    data: { values: rows },
    layer: [
      {
        mark: { type: 'line', point: true },
        encoding: { x, y: { field: 'median', type: 'quantitative', title: null, scale: { type: 'log' } }, color },
      },
    ],
  };
}

function bars(measure: string, rows: Series[]) {
  const y = { field: 'contestant', type: 'nominal', title: null, sort: null };
  return {
    title: titleOf(measure, rows[0]!),
    width: 320,
    height: { step: 22 },
    data: { values: rows },
    layer: [
      {
        mark: { type: 'bar', color: COLOURS[0] },
        encoding: { y, x: { field: 'median', type: 'quantitative', title: null } },
      },
      {
        mark: { type: 'rule', color: INK },
        encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
    ],
  };
}
