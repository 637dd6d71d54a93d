import { type ErrorCode, PhasewireError } from "../../../src/errors/index.js";

/** A refusal for want of something on this side: it tells the other side what there is. */
export class UnsupportedError extends PhasewireError {
  constructor(
    code: ErrorCode,
    details: { field: string; value: unknown; message: string },
    /** What this side has. */
    readonly supported: readonly (string | number)[],
  ) {
    super(code, details);
  }
}
