/** Numbers as text: strict in what counts as a number, exact in what is written. */

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?$/;
const integer = /^[+-]?\d+$/;
const notFinite = /^([+-]?)(nan|inf|infinity)$/i;

/**
 * A real as Fortran, C and Python write it (`1.5d-3`, `nan`, `-inf` included), or undefined if it is none.
 * NaN and infinities are numbers here: whether they are allowed is decided where their meaning is known.
 */
export function parseReal(text: string): number | undefined {
  if (decimal.test(text)) return Number(text.replace(/[dD]/, "e"));
  const special = notFinite.exec(text);
  if (special === null) return undefined;
  if (special[2]!.toLowerCase() === "nan") return Number.NaN;
  return special[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** An integer, or undefined if the text is none or a double cannot hold it exactly. */
export function parseInteger(text: string): number | undefined {
  if (!integer.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A logical value in any of the customary spellings, or undefined. */
export function parseLogical(text: string): boolean | undefined {
  if (/^(?:T|true|\.true\.)$/i.test(text)) return true;
  if (/^(?:F|false|\.false\.)$/i.test(text)) return false;
  return undefined;
}

/** The shortest text that reads back as the same double. */
export function formatReal(value: number): string {
  if (Object.is(value, -0)) return "-0";
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return "nan";
  return value > 0 ? "inf" : "-inf";
}
