import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { read, root, trackedFiles } from "./repository.js";

const largestFile = 3_000_000;

/** Tracked text files with their lines. A NUL byte marks a binary file, as for git. */
const textFiles = trackedFiles
  .filter((file) => existsSync(path.join(root, file)))
  .map((file) => ({ file, bytes: readFileSync(path.join(root, file)) }))
  .filter(({ bytes }) => !bytes.includes(0))
  .map(({ file, bytes }) => ({ file, lines: bytes.toString("utf8").split("\n") }));

/** `file:line: text` of every line that matches, for messages. */
function matches(pattern: RegExp): string[] {
  return textFiles.flatMap(({ file, lines }) =>
    lines.flatMap((line, index) =>
      pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [],
    ),
  );
}

describe("text of the repository", () => {
  it("finds the files that it checks", () => {
    expect(textFiles.map(({ file }) => file)).toEqual(
      expect.arrayContaining(["package.json", "README.md", "src/index.ts", "test/tidy/text.test.ts"]),
    );
  });

  it("names no folder of a particular machine", () => {
    // The pattern is assembled here, so that this file does not match itself.
    const homes = ["work", "farm", "root", "home/[a-z]+", "Users/[A-Za-z]+"].join("|");
    expect(matches(new RegExp(`(^|[^A-Za-z0-9_.])/(${homes})/`))).toEqual([]);
  });

  it("names no package registry", () => {
    // This pattern is also written so that it does not match itself.
    expect(matches(/"resolved": *"https?:|index[-]url|^registry *=/)).toEqual([]);
  });

  it("holds no large files", () => {
    const large = trackedFiles.filter((file) => {
      const full = path.join(root, file);
      return existsSync(full) && statSync(full).size > largestFile;
    });
    expect(large).toEqual([]);
  });

  it("has the two commands in the README", () => {
    expect(read("README.md")).toContain("npm run demo");
    expect(read("README.md")).toContain("npm test");
  });
});
