/** Refusals that several hosts give: contract/errors.json holds their codes, fields and messages. */
import { errors } from "../contract/errors.js";
import { type ErrorDetails, PhasewireError } from "./phasewire-error.js";

const { reasons } = errors;

export type Reason = keyof typeof reasons;

/** Names of the parts of a text that stand in braces. */
type Blanks<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Blanks<Rest>
  : never;

type Details<Name extends Reason> = Readonly<
  Record<Blanks<(typeof reasons)[Name]["message" | "field"]>, string | number>
>;

/**
 * The error for a reason.
 *
 * @param details the parts of the message that stand in braces
 * @param more the value at fault, and a remedy or a field to use instead of those of the table
 */
export function refusal<Name extends Reason>(
  name: Name,
  details: Details<Name>,
  more: Omit<ErrorDetails, "message"> = {},
): PhasewireError {
  const reason: { code: keyof typeof errors.codes; field: string; message: string; remedy?: string } =
    reasons[name];
  const fill = (text: string): string =>
    text.replace(/\{(\w+)\}/g, (_, blank: string) =>
      plain((details as Record<string, string | number>)[blank]!),
    );
  return new PhasewireError(reason.code, {
    field: fill(reason.field),
    message: fill(reason.message),
    ...(reason.remedy === undefined ? {} : { remedy: reason.remedy }),
    ...more,
  });
}

/** Longest text of a value in a message. */
const longestShown = 80;

/** A value for a message: `missing`, a number, or JSON, cut if it is long. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return "missing";
  const text = typeof value === "number" ? plain(value) : (JSON.stringify(value) ?? typeof value);
  return text.length > longestShown ? `${text.slice(0, longestShown)}...` : text;
}

/** A number as messages show it: up to six digits; the same text in Python. */
function plain(value: string | number): string {
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const short = Number(value.toPrecision(6));
  const size = Math.abs(short);
  return size > 0 && (size < 1e-4 || size >= 1e16) ? short.toExponential() : String(short);
}
