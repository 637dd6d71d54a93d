import { type ErrorCode, errorCatalogue } from "./catalogue.js";

/** Details of an error, in addition to its code. */
export interface ErrorDetails {
  /** One sentence: what was wrong, with the value, and what was expected. */
  message: string;
  /** The input at fault, e.g. `positions`, `cell`, `lengthScale`, or a path for a file. */
  field?: string;
  /** The offending value, if it is short enough to show. */
  value?: unknown;
  /** How to correct it; by default the catalogue's remedy. */
  remedy?: string;
  /** The underlying error, if there is one. */
  cause?: unknown;
}

/** An error in JSON and on the wire. */
export interface ErrorObject {
  code: ErrorCode;
  field: string | null;
  value: string | number | boolean | null | (string | number | boolean | null)[];
  message: string;
  remedy: string;
}

/** The only error that this library throws for bad input. It carries a code and a remedy. */
export class PhasewireError extends Error {
  override readonly name = "PhasewireError";
  readonly code: ErrorCode;
  readonly field: string | null;
  readonly value: unknown;
  readonly remedy: string;

  constructor(code: ErrorCode, details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field ?? null;
    this.value = details.value ?? null;
    this.remedy = details.remedy ?? errorCatalogue[code].remedy;
  }

  /** The error with a value that both JSON and MessagePack can carry. */
  toJSON(): ErrorObject {
    return {
      code: this.code,
      field: this.field,
      value: plainValue(this.value),
      message: this.message,
      remedy: this.remedy,
    };
  }
}

/** Turns anything thrown into a PhasewireError: other errors become `INTERNAL`. */
export function asPhasewireError(thrown: unknown): PhasewireError {
  if (thrown instanceof PhasewireError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new PhasewireError("INTERNAL", { message, cause: thrown });
}

const longestValue = 16;

function plainValue(value: unknown): ErrorObject["value"] {
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return plainValue(Array.from(value as unknown as ArrayLike<number | bigint>));
  }
  if (Array.isArray(value)) return value.slice(0, longestValue).map(plainScalar);
  return plainScalar(value);
}

/** Numbers that JSON lacks become their names, so that a NaN stays visible. */
function plainScalar(value: unknown): string | number | boolean | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "object") return JSON.stringify(value) ?? null;
  return String(value);
}
