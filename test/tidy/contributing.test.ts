import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { read, root } from "./repository.js";

const page = read("CONTRIBUTING.md");

/** Code in the page, as lists of words: spans and indented commands. */
const code = [...page.matchAll(/`([^`]+)`|^ {4}(.+?)(?: +#.*)?$/gm)].map((match) =>
  (match[1] ?? match[2]!).split(/[\s,]+/),
);

/**
 * Paths in the repository. Capitals stand for a name to choose; set-up makes paths with a dot in front.
 * links.test.ts follows links.
 */
const paths = code
  .flat()
  .filter((word) => /^[\w-][\w./-]*$/.test(word) && word.includes("/") && !/NAME|RUN|FILE/.test(word));

const scripts = code.flatMap(([program, verb, script]) =>
  program === "npm" && verb === "run" && script ? [script] : [],
);

describe("CONTRIBUTING.md", () => {
  it("names paths that exist", () => {
    expect(paths.length).toBeGreaterThan(60);
    expect(paths.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
  });

  it("names scripts that exist", () => {
    const known = Object.keys((JSON.parse(read("package.json")) as { scripts: object }).scripts);
    expect(scripts.length).toBeGreaterThan(8);
    expect(scripts.filter((name) => !known.includes(name))).toEqual([]);
  });

  it("has a recipe for everything that can be added", () => {
    const recipes = [...page.matchAll(/^### (.+)$/gm)].map((match) => match[1]);
    expect(recipes).toEqual([
      "A phase",
      "A bias",
      "A variable",
      "An engine",
      "A file format",
      "An error code",
      "A limit or a default",
    ]);
  });
});
