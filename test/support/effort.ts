// How much a random test tries: little in `npm test`, much in `npm run test:soak`. Every test that asks says what it has
// tried; docs/reliability.md takes its figures from there.

export const SOAK = process.env.ECS_IPAM_TEST_SOAK === '1';

/** Less than the short form, where a test runs thousands of times (test/mutation): this part of it. */
const SHARE = Number(process.env.ECS_IPAM_TEST_SHARE ?? 1);

/** The number of cases: `short` in `npm test`, `soak` in `npm run test:soak`. */
export function effort(short: number, soak: number): number {
  return SOAK ? soak : Math.ceil(short * SHARE);
}

/** Says what a test has tried; the runner passes the line on. */
export function tried(what: string): void {
  console.log(`\ntried ${what}`); // uvu has begun a line
}
