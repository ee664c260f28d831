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
