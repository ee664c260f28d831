// What can go wrong with a store, as a value that the callers can tell apart.

export type StoreFailure =
  /** Not a sound store of ours: CNI code 105. */
  | 'damaged'
  /** Stayed locked past the time limit: CNI code 11. */
  | 'locked'
  /** The operating system refused: CNI code 5. */
  | 'io';

export class StoreError extends Error {
  override name = 'StoreError';
  readonly failure: StoreFailure;

  constructor(failure: StoreFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

/** Errors of the operating system become StoreErrors that name the store. */
export function translated<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError('io', `store ${path}: ${(error as Error).message}`, { cause: error });
  }
}
