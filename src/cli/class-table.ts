/** The classes of a model as a table: search and layout in columns. */
import type { PhaseClass } from "../model/index.js";

const none = "-";
const columns: readonly (readonly [title: string, text: (phase: PhaseClass) => string])[] = [
  ["name", ({ name }) => name],
  ["prototype", ({ prototype }) => prototype],
  ["Struktur- bericht", ({ strukturbericht }) => strukturbericht ?? none],
  ["Pearson symbol", ({ pearson }) => pearson ?? none],
  ["AFLOW label", ({ aflow }) => aflow ?? none],
  ["space group", ({ spaceGroup }) => String(spaceGroup ?? none)],
  ["aliases", ({ aliases }) => aliases.join(", ") || none],
];
const gap = "  ";

/**
 * The classes with a text in any of their names, exact matches first; all classes if the text is empty. Case,
 * underscores, dollar signs, braces and spaces make no difference, so `L12`, `L1_2` and `$L1_2$` are the
 * same.
 */
export function findClasses(classes: readonly PhaseClass[], text: string): PhaseClass[] {
  const wanted = plain(text);
  const found = classes
    .map((phase) => ({ phase, names: namesOf(phase).map(plain) }))
    .filter(({ names }) => names.some((name) => name.includes(wanted)));
  const isExact = ({ names }: { names: string[] }): boolean => names.includes(wanted);
  return [...found.filter(isExact), ...found.filter((entry) => !isExact(entry))].map(({ phase }) => phase);
}

/**
 * The classes in aligned columns under their titles; long cells continue in the lines below.
 *
 * @param width characters of a line, at least 80
 */
export function classTable(classes: readonly PhaseClass[], width: number): string {
  const titles = columns.map(([title]) => title);
  const rows = classes.map((phase) => columns.map(([, text]) => text(phase)));
  const widths = columnWidths(titles, rows, width);
  const rule = widths.map((columnWidth) => "-".repeat(columnWidth)).join(gap);
  return [...setRow(titles, widths), rule, ...rows.flatMap((row) => setRow(row, widths))].join("\n");
}

/**
 * Columns are as wide as their cells. If a line is too short, the widest columns shrink first, but not below
 * their titles.
 */
function columnWidths(titles: readonly string[], rows: readonly string[][], width: number): number[] {
  const least = titles.map((title) => longest(title.split(" ")));
  const widths = least.map((atLeast, column) => Math.max(atLeast, longest(rows.map((row) => row[column]!))));
  const room = width - gap.length * (widths.length - 1);
  const total = (): number => widths.reduce((sum, columnWidth) => sum + columnWidth, 0);
  while (total() > room && widths.some((columnWidth, column) => columnWidth > least[column]!)) {
    const spare = widths.map((columnWidth, column) => (columnWidth > least[column]! ? columnWidth : 0));
    widths[spare.indexOf(Math.max(...spare))]! -= 1;
  }
  return widths;
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

/** The lines of a row. */
function setRow(row: readonly string[], widths: readonly number[]): string[] {
  const cells = row.map((text, column) => wrap(text, widths[column]!));
  return Array.from({ length: Math.max(...cells.map((lines) => lines.length)) }, (_, line) =>
    cells
      .map((lines, column) => (lines[line] ?? "").padEnd(widths[column]!))
      .join(gap)
      .trimEnd(),
  );
}

/** All names of a class. */
function namesOf({ name, aliases, prototype, strukturbericht, pearson, aflow, water }: PhaseClass): string[] {
  return [name, ...aliases, prototype, strukturbericht, pearson, aflow, water].filter(
    (text) => text !== null,
  );
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[\s_${}]/g, "");
}

/** A text in lines of at most `width` characters, broken at spaces or after underscores if possible. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.slice(0, width + 1).lastIndexOf(" ");
    const underscore = rest.slice(0, width).lastIndexOf("_") + 1;
    const end = Math.max(space, underscore) || width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}
