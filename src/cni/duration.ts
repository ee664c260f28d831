// Durations as Go's time.ParseDuration reads them, since that is what IPAM_DB_CONNECTION_TIMEOUT has always been.
// Kept libraries read other grammars: they take days and weeks, numbers without a unit, or anything at all.

const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5
  μs: 1e-3, // U+03BC
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

// No digit can be read in two ways: of a long row of them without a unit, every division would be tried.
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const DURATION = new RegExp(`^[+-]?(?:0|(?:${PART.source})+)$`);

/** Milliseconds of a Go duration such as `5s` or `1m30.5s`; undefined if the text is none. */
export function parseDurationMs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  const sign = text.startsWith('-') ? -1 : 1;
  const parts = Array.from(text.matchAll(PART), ([, number, unit]) => Number(number) * UNIT_MS[unit!]!);
  return sign * parts.reduce((sum, ms) => sum + ms, 0);
}
