/** Per-atom columns that grow row by row while a file is read. */
import type { Column } from "../../frame/index.js";
import { parseInteger, parseLogical, parseReal } from "../numbers.js";
import type { ColumnSpec } from "./properties.js";

/** Rows for which memory is set aside at first: a file may announce more atoms than it holds. */
const firstRows = 1 << 16;

/** Collects the fields of one column. */
export interface ColumnBuilder {
  readonly spec: ColumnSpec;
  /** Adds one field; false if the text is not a value of the column's kind. */
  add(text: string): boolean;
  /** The finished column. */
  finish(): Column;
}

/** A builder for a column of about `rows` rows. */
export function createColumnBuilder(spec: ColumnSpec, rows: number): ColumnBuilder {
  const expected = Math.min(rows, firstRows) * spec.width;
  switch (spec.kind) {
    case "real":
      return numberBuilder(spec, "real", expected, readReal);
    case "integer":
      return numberBuilder(spec, "integer", expected, parseInteger);
    case "logical":
      return listBuilder(
        spec,
        (text) => parseLogical(text) ?? logicalDigits[text],
        (data) => ({ kind: "logical", width: spec.width, data }),
      );
    case "string":
      return listBuilder(
        spec,
        (text) => text,
        (data) => ({ kind: "string", width: spec.width, data }),
      );
  }
}

const logicalDigits: Readonly<Record<string, boolean>> = { "0": false, "1": true };

/**
 * Plain decimals, which are nearly all fields, take the engine's own parser. It would also take `0x1f`:
 * whatever has no digit, sign or point in second place goes the strict way.
 */
function readReal(text: string): number | undefined {
  const value = Number(text);
  return Number.isNaN(value) || text.charCodeAt(1) > 0x39 ? parseReal(text) : value;
}

function numberBuilder(
  spec: ColumnSpec,
  kind: "real" | "integer",
  expected: number,
  parse: (text: string) => number | undefined,
): ColumnBuilder {
  let data = new Float64Array(Math.max(expected, 1));
  let used = 0;
  return {
    spec,
    add(text) {
      const value = parse(text);
      if (value === undefined) return false;
      if (used === data.length) {
        const larger = new Float64Array(2 * data.length);
        larger.set(data);
        data = larger;
      }
      data[used++] = value;
      return true;
    },
    finish: () => ({
      kind,
      width: spec.width,
      data: used === data.length ? data : data.slice(0, used),
    }),
  };
}

function listBuilder<Value>(
  spec: ColumnSpec,
  parse: (text: string) => Value | undefined,
  wrap: (data: Value[]) => Column,
): ColumnBuilder {
  const data: Value[] = [];
  return {
    spec,
    add(text) {
      const value = parse(text);
      if (value === undefined) return false;
      data.push(value);
      return true;
    },
    finish: () => wrap(data),
  };
}
