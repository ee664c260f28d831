// Options of a pool as they come in: from a caller without types, or out of a snapshot that somebody made.

const isText = (value: unknown): boolean => typeof value === 'string';
const isList = (value: unknown): value is unknown[] => Array.isArray(value) && value.every(isText);
const isPair = (value: unknown): boolean => isList(value) && value.length === 2;

/**
 * Checks that the options are texts and lists where they have to be; what the texts say is checked where they are read.
 *
 * @throws SyntaxError that names the option
 */
export function checkShape(subnet: unknown, options: unknown): void {
  expectShape('subnet', subnet, isText, 'a text');
  expectShape('options', options, value => typeof value === 'object' && value !== null, 'an object');
  const { gateway, exclude, range } = options as Record<string, unknown>;
  if (gateway !== undefined) expectShape('gateway', gateway, isText, 'a text');
  if (exclude !== undefined) expectShape('exclude', exclude, isList, 'a list of texts');
  if (range !== undefined) expectShape('range', range, isPair, 'a list of two texts');
}

function expectShape(option: string, value: unknown, isRight: (value: unknown) => boolean, expected: string): void {
  if (!isRight(value)) throw new SyntaxError(`${option} ${JSON.stringify(value)}: is not ${expected}`);
}

/** Puts the option's name in front of what is wrong with its value. */
export function named<T>(option: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SyntaxError) throw new SyntaxError(`${option}: ${error.message}`);
    if (error instanceof RangeError) throw new RangeError(`${option}: ${error.message}`);
    throw error;
  }
}
