/** The `Properties` value of extended XYZ: name, kind and width of each per-atom column. */
import type { Column } from "../../frame/index.js";

/** One entry, e.g. `pos:R:3`. */
export interface ColumnSpec {
  readonly name: string;
  readonly kind: Column["kind"];
  readonly width: number;
}

const kinds = { S: "string", R: "real", I: "integer", L: "logical" } as const;
const letters = { string: "S", real: "R", integer: "I", logical: "L" } as const;

/** The columns of a file without `Properties`: plain XYZ. */
export const plainColumns: readonly ColumnSpec[] = [
  { name: "species", kind: "string", width: 1 },
  { name: "pos", kind: "real", width: 3 },
];

/** Widest row that is read, in fields. */
const widestRow = 4096;

/** Parses a `Properties` value. Returns a sentence that says what is wrong if it cannot be used. */
export function parseProperties(text: string): ColumnSpec[] | string {
  const parts = text.trim().split(":");
  if (parts.length % 3 !== 0) return `Properties=${text} is not a list of name:kind:width`;
  const specs: ColumnSpec[] = [];
  for (let at = 0; at < parts.length; at += 3) {
    const [name, letter, width] = parts.slice(at, at + 3) as [string, string, string];
    const kind = kinds[letter.toUpperCase() as keyof typeof kinds];
    if (name === "") return `Properties=${text} has a column without a name`;
    if (kind === undefined) return `column ${name} has the kind ${letter}; S, R, I and L exist`;
    if (!/^[1-9]\d{0,3}$/.test(width))
      return `column ${name} has the width ${width}; a whole number from 1 is needed`;
    if (specs.some((spec) => spec.name === name)) return `column ${name} is given twice`;
    specs.push({ name, kind, width: Number(width) });
  }
  const position = specs.find((spec) => spec.name === "pos");
  if (position === undefined) return `Properties=${text} names no pos column`;
  if (position.kind !== "real" || position.width !== 3) return "column pos must be pos:R:3";
  const fields = specs.reduce((sum, spec) => sum + spec.width, 0);
  return fields > widestRow ? `a row would have ${fields} fields; at most ${widestRow} are read` : specs;
}

/** The `Properties` value for columns. */
export function formatProperties(specs: readonly ColumnSpec[]): string {
  return specs.map(({ name, kind, width }) => `${name}:${letters[kind]}:${width}`).join(":");
}
