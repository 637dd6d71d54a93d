/** Mistakes in text: in its words, its lines, and its characters. */
import { mutateBytes } from "./bytes.js";
import type { Random } from "./random.js";

const words = [
  ...["", "0", "-1", "1e400", "-1e400", "nan", "NaN", "inf", "Infinity", "1e", "0x10", "1_000", "٣", "1d5"],
  ...[
    "9007199254740993",
    "100000001",
    "99999999999999999999",
    "T",
    "F",
    '"',
    "'",
    "{",
    "}",
    "[",
    "]",
    "=",
    "\\",
  ],
  ...[
    'pbc="T T T"',
    'Lattice="1 0 0"',
    "Properties=species:S:1:pos:R:3",
    "Properties=pos:R:0",
    "#! FIELDS",
    "#!",
  ],
  ...["#! SET a", "species:S:1", "\0", "\u2028", "\ufeff", "é".repeat(200), "x".repeat(5000)],
];

/** Text with one to three mistakes, as bytes. */
export function mutateText(text: string, random: Random): Buffer {
  let changed = text;
  for (let left = random.between(1, 3); left > 0; left--) changed = mutateOnce(changed, random);
  const bytes = Buffer.from(changed);
  return random.chance(0.3) ? mutateBytes(bytes, random) : bytes;
}

function mutateOnce(text: string, random: Random): string {
  const lines = text.split("\n");
  const at = random.below(lines.length);
  const withLine = (...put: string[]): string => lines.toSpliced(at, 1, ...put).join("\n");
  const line = lines[at]!;
  return random.choose([
    [5, () => withLine(mutateLine(line, random))],
    [1, () => withLine()],
    [1, () => withLine(line, line)],
    [1, () => withLine(random.pick(words))],
    [1, () => lines.slice(0, at).join("\n")],
    [1, () => text.slice(0, random.below(text.length + 1))],
    [1, () => text.replaceAll("\n", random.pick(["\r\n", "\r", "\n\n", ""]))],
    [0.5, () => text + text],
  ]);
}

function mutateLine(line: string, random: Random): string {
  const parts = line.split(/(\s+)/);
  const at = random.below(parts.length);
  return random.choose([
    [3, () => parts.with(at, random.pick(words)).join("")],
    [1, () => parts.toSpliced(at, 1).join("")],
    [1, () => parts.toSpliced(at, 0, random.pick(words), " ").join("")],
    [1, () => line.slice(0, random.below(line.length + 1))],
    [1, () => `${line} ${line}`],
  ]);
}
