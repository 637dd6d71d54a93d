import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { turns } from "./plain-english.js";
import { read, root, trackedFiles } from "./repository.js";
import { extractors, markdown, type Passage, python, sentences, typescript } from "./sentences.js";

/**
 * Files and folders whose comments and strings are plain. Add a folder once its text has been rewritten.
 * Markdown is plain everywhere.
 */
const plain = [
  "accuracy",
  "assembly",
  "bench",
  "bridge",
  "examples",
  "fuzz",
  "python",
  "scripts",
  "src",
  "test",
  "training",
];

/** Columns of a line of text. Formatters hold code to these widths, but not comments. */
const widths: Readonly<Record<string, number>> = { ".md": 160, ".py": 120 };
const widthOf = (file: string): number =>
  widths[path.extname(file)] ?? (file.startsWith("assembly/") ? 100 : 110);

/** Files that quote turns to be avoided. */
const quoting = ["test/tidy/plain-english.ts", "test/tidy/prose.test.ts"];

/** Files from which text can be taken. */
const files = trackedFiles.filter(
  (file) => path.extname(file) in extractors && !quoting.includes(file) && existsSync(path.join(root, file)),
);

/** All Markdown, and the files of each entry of the list. */
const checked: [name: string, files: string[]][] = [
  ["Markdown", files.filter((file) => file.endsWith(".md"))],
  ...plain.map((start): [string, string[]] => [
    start,
    files.filter((file) => file === start || file.startsWith(`${start}/`)),
  ]),
];

const passagesOf = (file: string) => extractors[path.extname(file)]!(read(file));

/** `line: text (reason; write ...)` of every turn found in passages. */
const found = (passages: readonly Passage[]): string[] =>
  passages.flatMap(sentences).flatMap(({ line, text }) =>
    turns.flatMap(({ pattern, reason, plain }) => {
      const match = pattern.exec(text);
      if (!match) return [];
      const around = text.slice(Math.max(0, match.index - 40), match.index + match[0].length + 40);
      return [`${line}: ${around} (${reason}; write ${plain})`];
    }),
  );

describe("plain English", () => {
  it.each(checked)("stands in %s", (_, these) => {
    expect(these).not.toEqual([]);
    const turnsIn = (file: string) => found(passagesOf(file)).map((text) => `${file}:${text}`);
    expect(these.flatMap(turnsIn)).toEqual([]);
  });

  it.each(checked)("fits the width of its file in %s", (_, these) => {
    const long = these.flatMap((file) => {
      const lines = read(file).split("\n");
      const wrapping = passagesOf(file)
        .filter(({ wraps }) => wraps)
        .flatMap(({ line, text }) => text.split("\n").map((_, index) => line + index));
      return [...new Set(wrapping)]
        .filter((line) => lines[line - 1]!.length > widthOf(file))
        .map((line) => `${file}:${line}: ${lines[line - 1]!.length} columns`);
    });
    expect(long).toEqual([]);
  });
});

describe("turns to be avoided", () => {
  it.each(turns)("are found: $reason, $pattern", ({ pattern, found, fine }) => {
    for (const text of found) expect(text).toMatch(pattern);
    for (const text of fine ?? []) expect(text).not.toMatch(pattern);
  });
});

describe("passages", () => {
  const texts = (passages: readonly Passage[]) => passages.map(({ line, text }) => [line, text]);

  it("of Markdown are paragraphs, headings, items and cells", () => {
    const source = [
      "# A heading",
      "Two lines with `code`",
      "and a [link](that/is.not) here.",
      "",
      "- an item",
      "  that goes on",
      "- another",
      "",
      "| a cell | `code` in one |",
      "|---|---|",
      "```sh",
      "who is left out",
      "```",
      "<!-- a",
      "remark -->",
      "the `` end ` of `` it",
      "",
      "    who is left out",
      "- an item",
      "",
      "    its second paragraph",
    ].join("\n");
    expect(texts(markdown(source))).toEqual([
      [1, "A heading"],
      [2, "Two lines with CODE\nand a [link] here."],
      [5, "an item\n  that goes on"],
      [7, "another"],
      [9, "a cell"],
      [9, "CODE in one"],
      [16, "the CODE it"],
      [19, "an item"],
      [21, "    its second paragraph"],
    ]);
  });

  it("of TypeScript are comments and strings of several words", () => {
    const source = [
      "/** A block",
      " * of two lines. */",
      'const one = "word", two = "two words"; // behind code',
      "// a comment",
      "// of two lines",
      'const pattern = /[/"`] no text \\//g; // after a pattern',
      "const half = 1 / 2; // after a division / of two",
      "const text = `some text @{`inner text @{1}` /* within */} and more`;",
    ]
      .join("\n")
      .replaceAll("@", "$");
    expect(texts(typescript(source))).toEqual([
      [1, "A block\nof two lines."],
      [3, "two words"],
      [3, "behind code"],
      [4, "a comment\nof two lines"],
      [6, "after a pattern"],
      [7, "after a division / of two"],
      [8, "some text ... and more"],
      [8, "inner text ..."],
      [8, "within"],
    ]);
  });

  it("of Python are comments, docstrings and strings of several words", () => {
    const source = [
      '"""A docstring',
      "",
      '    of two paragraphs with a "quote"."""',
      "name = 'word'  # a comment",
      "# of one line",
      'text = f"some text # here" + \'of "two" long parts\'',
    ].join("\n");
    expect(texts(python(source))).toEqual([
      [1, 'A docstring\n\nof two paragraphs with a "quote".'],
      [4, "a comment"],
      [5, "of one line"],
      [6, "some text # here"],
      [6, 'of "two" long parts'],
    ]);
  });

  it("are split into sentences, each with its line", () => {
    const text = "One has\ntwo lines. Two e.g. has one.\n\nThree";
    expect(sentences({ line: 5, text, wraps: true })).toEqual([
      { line: 5, text: "One has two lines." },
      { line: 6, text: "Two e.g. has one." },
      { line: 8, text: "Three" },
    ]);
  });
});
