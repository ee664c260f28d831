// How far a question is: a bar on a terminal, else a line for each question.

import { MultiBar, Presets, type SingleBar } from 'cli-progress';

export interface Progress {
  begin(steps: number): void;
  step(what: string): void;
  end(): void;
}

export function progressOf(question: string): Progress {
  if (!process.stderr.isTTY) return { begin() {}, step() {}, end() {} };
  const bars = new MultiBar(
    { format: `${question} {bar} {value}/{total} {what}`, clearOnComplete: true, stream: process.stderr },
    Presets.shades_classic,
  );
  let bar: SingleBar | undefined;
  return {
    begin(steps) {
      bar = bars.create(steps, 0, { what: '' });
    },
    step(what) {
      bar?.increment(1, { what });
    },
    end() {
      bars.stop();
    },
  };
}
