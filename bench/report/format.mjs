// Numbers and tables as text.

const digits = (value, places) => (Number.isFinite(value) ? value.toFixed(places) : "-");

/** Median, and in brackets the least and the largest. */
export function spreadText({ median, least, largest }, places = 2) {
  return `${digits(median, places)} (${digits(least, places)}-${digits(largest, places)})`;
}

/** A whole number with thousands set apart. */
export const grouped = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "-");

/** Three significant digits or so. */
export function short(value) {
  if (value === 0 || !Number.isFinite(value)) return value === 0 ? "0" : "-";
  const places = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value >= 1000 ? grouped(value) : value.toFixed(Math.min(places, 3));
}

/** A part of a whole in per cent. */
export const percent = (part, places = 0) =>
  Number.isFinite(part) ? `${(100 * part).toFixed(places)} %` : "-";

/** Text in lines of at most `width` columns, broken between words. */
export function wrapped(text, width = 120) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join("\n");
}

/** `{header, rows}` of text as a table of Markdown. */
export function markdown({ header, rows }) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(header), `|${"---|".repeat(header.length)}`, ...rows.map(line)].join("\n");
}

/** The same for a terminal: columns of one width, names to the left and numbers to the right. */
export function columns({ header, rows }) {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((cells) => cells[column].length)));
  const line = (cells) =>
    cells
      .map((text, column) => (column === 0 ? text.padEnd(widths[0]) : text.padStart(widths[column])))
      .join("  ");
  return all.map(line).join("\n");
}
