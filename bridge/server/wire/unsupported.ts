import { type ErrorCode, PhasewireError } from "../../../src/errors/index.js";

/** A refusal because this side lacks something; it lists what this side supports. */
export class UnsupportedError extends PhasewireError {
  constructor(
    code: ErrorCode,
    details: { field: string; value: unknown; message: string },
    /** Versions, capabilities or types that this side supports. */
    readonly supported: readonly (string | number)[],
  ) {
    super(code, details);
  }
}
