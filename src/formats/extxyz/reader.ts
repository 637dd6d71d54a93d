/**
 * Extended XYZ, read frame by frame: a line with the number of atoms, a comment line of key=value pairs, one
 * line per atom. Plain XYZ (no `Properties`) is read as species and position; further fields of its lines are
 * ignored.
 *
 * Keys with a meaning of their own are `Properties`, `Lattice` (9 numbers, vector after vector) and `pbc`, in
 * any capitalisation. Without `pbc` a frame is periodic along all axes if it has a lattice, else along none.
 * Species come from the first of the columns species, element, symbol, symbols, type, Z that exists, ids from
 * a column `id` of integers.
 */
import { limits } from "../../contract/limits.js";
import { PhasewireError } from "../../errors/index.js";
import { type Column, createFrame, type Frame, type InfoValue, type Periodic } from "../../frame/index.js";
import type { FrameSource } from "../format.js";
import { LineReader } from "../lines.js";
import { parseLogical, parseReal } from "../numbers.js";
import { type ColumnBuilder, createColumnBuilder } from "./columns.js";
import { CommentSyntaxError, interpretValue, type RawValue, splitComment } from "./comment.js";
import { type ColumnSpec, parseProperties, plainColumns } from "./properties.js";

const { mostAtoms } = limits.frame;

const speciesColumns = ["species", "element", "symbol", "symbols", "type", "Z"];

/**
 * The frames of a file in extended XYZ.
 *
 * @throws PhasewireError `FILE_FORMAT`, with path and line, if it is malformed, ends too early or holds no
 *   frame; `TOO_LARGE` if a frame announces more than 100 million atoms
 */
export async function* readExtendedXyz(source: FrameSource): AsyncGenerator<Frame, void, undefined> {
  const lines = new LineReader(source);
  try {
    let frames = 0;
    for (let line = await nextCountLine(lines); line !== null; line = await nextCountLine(lines)) {
      yield await readFrame(lines, parseCount(lines, line));
      frames += 1;
    }
    if (frames === 0) throw lines.error("the file holds no frame", { line: Math.max(1, lines.lineNumber) });
  } finally {
    await lines.close();
  }
}

/** The next line that is not blank: some programs leave blank lines between frames or at the end. */
async function nextCountLine(lines: LineReader): Promise<string | null> {
  let line = await lines.next();
  while (line !== null && line.trim() === "") line = await lines.next();
  return line;
}

function parseCount(lines: LineReader, line: string): number {
  const text = line.trim();
  if (!/^\d+$/.test(text)) {
    throw lines.error(`the number of atoms was expected, not ${shown(text)}`, {
      value: shortened(text),
      remedy:
        lines.lineNumber === 1
          ? "Give extended XYZ; most other formats become it by `ase convert IN OUT.extxyz`."
          : "Check that the frame before holds as many atom lines as it announces.",
    });
  }
  const count = Number(text);
  if (count > mostAtoms) {
    throw new PhasewireError("TOO_LARGE", {
      message: `${lines.path}, line ${lines.lineNumber}: the frame announces ${text} atoms; at most ${mostAtoms} are read`,
      field: `${lines.path}:${lines.lineNumber}`,
      value: count,
    });
  }
  return count;
}

async function readFrame(lines: LineReader, count: number): Promise<Frame> {
  const commentLine = await lines.next();
  if (commentLine === null) throw lines.error("the file ends before the comment line of a frame");
  const comment = readComment(lines, commentLine);
  const builders = comment.columns.map((spec) => createColumnBuilder(spec, count));
  const fieldCount = comment.columns.reduce((sum, spec) => sum + spec.width, 0);

  for (let atom = 0; atom < count; atom += 1) {
    const line = await lines.next();
    if (line === null) throw lines.error(`the file ends after ${atom} of the ${count} atoms of a frame`);
    readRow(lines, line, builders, fieldCount, comment.isPlain);
  }

  const columns = new Map<string, Column>(builders.map((builder) => [builder.spec.name, builder.finish()]));
  const positions = columns.get("pos")!;
  columns.delete("pos");
  const species = speciesOf(columns);
  columns.delete("species");
  return createFrame({
    positions: positions.data as Float64Array,
    cell: comment.cell,
    periodic: comment.periodic,
    species,
    ids: idsOf(columns),
    info: comment.info,
    arrays: Object.fromEntries(columns),
  });
}

function readRow(
  lines: LineReader,
  line: string,
  builders: ColumnBuilder[],
  fieldCount: number,
  isPlain: boolean,
): void {
  const fields = line.trim().split(/\s+/);
  if (isPlain ? fields.length < fieldCount : fields.length !== fieldCount) {
    throw lines.error(
      `the atom line has ${fields[0] === "" ? 0 : fields.length} fields; ${
        isPlain ? "a species and 3 coordinates" : fieldCount
      } were expected`,
      { value: shortened(line) },
    );
  }
  let at = 0;
  for (const builder of builders) {
    for (let component = 0; component < builder.spec.width; component += 1) {
      const text = fields[at++]!;
      if (!builder.add(text)) {
        throw lines.error(
          `column ${builder.spec.name}: ${shown(text)} is not a value of kind ${builder.spec.kind}`,
          {
            value: shortened(text),
          },
        );
      }
    }
  }
}

function speciesOf(columns: ReadonlyMap<string, Column>): string[] | null {
  for (const name of speciesColumns) {
    const column = columns.get(name);
    if (column === undefined || column.width !== 1) continue;
    return column.kind === "string" ? column.data : Array.from(column.data, String);
  }
  return null;
}

function idsOf(columns: ReadonlyMap<string, Column>): Float64Array | null {
  const column = columns.get("id");
  return column?.kind === "integer" && column.width === 1 ? column.data : null;
}

interface Comment {
  columns: readonly ColumnSpec[];
  /** Whether the columns are those of plain XYZ, because none were declared. */
  isPlain: boolean;
  cell: number[] | null;
  periodic: Periodic;
  info: Record<string, InfoValue>;
}

function readComment(lines: LineReader, line: string): Comment {
  const pairs = splitPairs(lines, line);
  let columns = plainColumns;
  let isPlain = true;
  let cell: number[] | null = null;
  let periodic: Periodic | undefined;
  const info = new Map<string, InfoValue>();
  for (const [key, value] of pairs) {
    switch (key.toLowerCase()) {
      case "properties": {
        const specs = parseProperties(value.text);
        if (typeof specs === "string") throw lines.error(specs, { value: shortened(value.text) });
        columns = specs;
        isPlain = false;
        break;
      }
      case "lattice":
        cell = parseLattice(lines, value);
        break;
      case "pbc":
        periodic = parsePeriodic(lines, value);
        break;
      default:
        info.set(key, interpretValue(value));
    }
  }
  return {
    columns,
    isPlain,
    cell,
    periodic: periodic ?? (cell === null ? [false, false, false] : [true, true, true]),
    info: Object.fromEntries(info),
  };
}

/** A comment that declares nothing may be free text, which is kept under the key `comment`. */
function splitPairs(lines: LineReader, line: string): [string, RawValue][] {
  const declares = /(?:properties|lattice|pbc)\s*=/i.test(line);
  let pairs: [string, RawValue][];
  try {
    pairs = splitComment(line);
  } catch (thrown) {
    if (!(thrown instanceof CommentSyntaxError)) throw thrown;
    if (declares) throw lines.error(`the comment line cannot be read: ${thrown.message}`);
    return [["comment", { style: "quoted", text: line.trim() }]];
  }
  const isFreeText = !declares && pairs.some(([, value]) => value.style === "none");
  return isFreeText ? [["comment", { style: "quoted", text: line.trim() }]] : pairs;
}

function parseLattice(lines: LineReader, value: RawValue): number[] {
  const words = listWords(value);
  const numbers = words.map(parseReal);
  if (numbers.length !== 9 || numbers.some((component) => component === undefined)) {
    throw lines.error(`Lattice holds ${shown(value.text)}; 9 numbers are needed`, {
      value: shortened(value.text),
      remedy: 'Write the three vectors one after the other: Lattice="ax ay az bx by bz cx cy cz".',
    });
  }
  return numbers as number[];
}

function parsePeriodic(lines: LineReader, value: RawValue): Periodic {
  const words = listWords(value);
  const letters = words.length === 1 && /^[TF01]{3}$/i.test(words[0]!) ? [...words[0]!] : words;
  const axes = letters.map((word) => parseLogical(word) ?? { "0": false, "1": true }[word]);
  if (axes.length !== 3 || axes.some((axis) => axis === undefined)) {
    throw lines.error(`pbc holds ${shown(value.text)}; three logical values are needed`, {
      value: shortened(value.text),
      remedy: 'Write one letter for each axis: pbc="T T F".',
    });
  }
  return axes as [boolean, boolean, boolean];
}

function listWords(value: RawValue): string[] {
  return value.text
    .replace(/[[\],]/g, " ")
    .trim()
    .split(/\s+/);
}

function shown(text: string): string {
  return JSON.stringify(shortened(text));
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
