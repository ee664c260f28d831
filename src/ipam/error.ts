// Why the allocator refuses, as a value that the callers can tell apart.

export type Refusal =
  /** No free address: CNI code 101. */
  | 'exhausted'
  /** The address, or the gateway's, is in use: 102. */
  | 'in-use'
  /** The owner already holds an address in this subnet: 103. */
  | 'already-held'
  /** A check found a difference: 104. */
  | 'check-failed'
  /** The address is never handed out: 7. */
  | 'reserved';

export class AllocationError extends Error {
  override name = 'AllocationError';
  readonly refusal: Refusal;

  constructor(refusal: Refusal, message: string) {
    super(message);
    this.refusal = refusal;
  }
}
