import { ParityError } from '../host/errors.ts';

/** An API server that answered with an error, with its HTTP status and Status.reason. */
export class ApiError extends ParityError {
  readonly status: number;
  readonly reason: string | undefined;
  /** The Status object's `details`, where the server sent one. */
  readonly details: unknown;

  constructor(status: number, message: string, reason: string | undefined, details: unknown, action?: string) {
    super('environment', message, action === undefined ? {} : { action });
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}

/** Undefined where reading is forbidden or the kind isn't there. */
export async function ifAllowed<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ApiError && error.status !== 401) return undefined;
    throw error;
  }
}
