// The plugin's errors as the CNI specification wants them on stdout (section "Error").

import { AllocationError, type Refusal } from '../ipam/error.ts';
import { StoreError, type StoreFailure } from '../store/error.ts';
import { NEWEST_VERSION } from './version.ts';

/** Codes below 100 are the specification's, the others ours. */
export const ErrorCode = {
  incompatibleVersion: 1,
  environment: 4,
  io: 5,
  decoding: 6,
  configuration: 7,
  tryAgainLater: 11,
  notReady: 50,
  exhausted: 101,
  inUse: 102,
  alreadyHeld: 103,
  checkFailed: 104,
  damagedStore: 105,
} as const;

export class CniError extends Error {
  override name = 'CniError';
  readonly code: number;
  readonly details: string | undefined;

  constructor(code: number, message: string, details?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }

  /** The error object of the specification, on one line. */
  toJson(cniVersion: string = NEWEST_VERSION): string {
    return JSON.stringify({ cniVersion, code: this.code, msg: this.message, details: this.details });
  }
}

const REFUSAL_CODES: Record<Refusal, number> = {
  exhausted: ErrorCode.exhausted,
  'in-use': ErrorCode.inUse,
  'already-held': ErrorCode.alreadyHeld,
  'check-failed': ErrorCode.checkFailed,
  reserved: ErrorCode.configuration,
};

const FAILURE_CODES: Record<StoreFailure, number> = {
  damaged: ErrorCode.damagedStore,
  locked: ErrorCode.tryAgainLater,
  io: ErrorCode.io,
};

/** Any error as one of ours. What nobody foresaw is code 5 with its message, and keeps its cause for the log. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  if (error instanceof AllocationError) return new CniError(REFUSAL_CODES[error.refusal], error.message);
  if (error instanceof StoreError) {
    return new CniError(FAILURE_CODES[error.failure], error.message, undefined, { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CniError(ErrorCode.io, `unexpected error: ${message}`, undefined, { cause: error });
}

/** An invalid configuration: names the key, the value and what is wrong with it. */
export function invalidConfiguration(key: string, value: unknown, problem: string): CniError {
  return new CniError(ErrorCode.configuration, `${key} ${JSON.stringify(value)}: ${problem}`);
}
