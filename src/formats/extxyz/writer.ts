/** Frames as text in extended XYZ. */
import { PhasewireError } from "../../errors/index.js";
import { atomCount, type Column, type Frame, validateShapes } from "../../frame/index.js";
import { formatReal } from "../numbers.js";
import { formatPair } from "./comment.js";
import { formatProperties } from "./properties.js";

/** Atoms whose lines are handed to the stream together. */
const atomsPerChunk = 4096;

/**
 * The text of one frame in pieces: `Lattice`, `Properties` and `pbc` first, then the frame's own pairs and
 * columns in their order. Reals are written with as many digits as reading back the same double needs.
 *
 * @throws PhasewireError `SHAPE_MISMATCH` if a column does not fit the number of atoms; `BAD_OPTION` if a
 *   name or text cannot stand in a column (empty, or with white space)
 */
export function* formatFrame(frame: Frame): Generator<string, void, undefined> {
  validateShapes(frame);
  const columns = columnsOf(frame);
  const pairs = [
    ...(frame.cell === null ? [] : [`Lattice="${Array.from(frame.cell, formatReal).join(" ")}"`]),
    `Properties=${formatProperties(columns.map(([name, { kind, width }]) => ({ name, kind, width })))}`,
    `pbc="${frame.periodic.map((isPeriodic) => (isPeriodic ? "T" : "F")).join(" ")}"`,
    ...Object.entries(frame.info).map(([key, value]) => formatPair(key, value)),
  ];
  const count = atomCount(frame);
  yield `${count}\n${pairs.join(" ")}\n`;
  for (let start = 0; start < count; start += atomsPerChunk) {
    let text = "";
    for (let atom = start; atom < Math.min(start + atomsPerChunk, count); atom += 1) {
      text += `${columns.map(([, column]) => formatFields(column, atom)).join(" ")}\n`;
    }
    yield text;
  }
}

/** The columns of a frame in the order of the file: species, positions, then the rest. */
function columnsOf(frame: Frame): [name: string, column: Column][] {
  const columns: [string, Column][] = [];
  if (frame.species !== null) {
    columns.push(["species", { kind: "string", width: 1, data: [...frame.species] }]);
  }
  columns.push(["pos", { kind: "real", width: 3, data: frame.positions }]);
  // Ids that were read stand among the arrays already.
  if (frame.ids && frame.arrays.id === undefined) {
    columns.push(["id", { kind: "integer", width: 1, data: Float64Array.from(frame.ids) }]);
  }
  for (const [name, column] of Object.entries(frame.arrays)) {
    if (name === "pos" || name === "species") {
      throw unwritable(`arrays.${name}`, name, "the name belongs to the positions or species of the frame");
    }
    if (!/^[^\s:="'{}[\]\\]+$/.test(name)) {
      throw unwritable(`arrays.${name}`, name, "a column name holds no white space, colon, quote or bracket");
    }
    columns.push([name, column]);
  }
  for (const [name, column] of columns) {
    if (column.kind !== "string") continue;
    const wrong = column.data.find((text) => !/^\S+$/.test(text));
    if (wrong !== undefined) {
      throw unwritable(
        name,
        wrong,
        "a text in a column of extended XYZ is not empty and holds no white space",
      );
    }
  }
  return columns;
}

function unwritable(field: string, value: string, reason: string): PhasewireError {
  return new PhasewireError("BAD_OPTION", {
    message: `${field}: ${JSON.stringify(value)} cannot be written: ${reason}`,
    field,
    value,
    remedy: "Rename it before writing.",
  });
}

function formatFields(column: Column, atom: number): string {
  if (column.width === 1) return formatField(column, atom);
  const fields: string[] = [];
  for (let at = atom * column.width; at < (atom + 1) * column.width; at += 1)
    fields.push(formatField(column, at));
  return fields.join(" ");
}

function formatField(column: Column, at: number): string {
  switch (column.kind) {
    case "real":
    case "integer":
      return formatReal(column.data[at]!);
    case "logical":
      return column.data[at] ? "T" : "F";
    case "string":
      return column.data[at]!;
  }
}
