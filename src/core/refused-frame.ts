/** Errors with the number of their frame among several. */
import { PhasewireError } from "../errors/index.js";

/** Wraps an error together with the index of its frame among several. */
export class RefusedFrame {
  constructor(
    readonly index: number,
    readonly cause: unknown,
  ) {}
}

/**
 * The error with the number of its frame in the message.
 *
 * @param first number of the first frame in question
 */
export function inBatch(thrown: unknown, first: number): unknown {
  const { index, cause } = thrown instanceof RefusedFrame ? thrown : new RefusedFrame(0, thrown);
  if (!(cause instanceof PhasewireError)) return cause;
  const { code, message, field, value, remedy } = cause;
  return new PhasewireError(code, {
    message: `frame ${first + index} of the batch: ${message}`,
    ...(field === null ? {} : { field }),
    value,
    remedy,
    cause,
  });
}
