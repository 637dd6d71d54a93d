import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { read, root, trackedFiles } from "./repository.js";

const pages = trackedFiles.filter((file) => file.endsWith(".md") && existsSync(path.join(root, file)));

/** Text of a page without its code, in which brackets and number signs mean something else. */
const prose = (page: string): string =>
  read(page)
    .replace(/^ *```[\s\S]*?^ *``` *$/gm, "")
    .replace(/`[^`\n]*`/g, (span) => span.slice(1, -1).replace(/[[\]()#]/g, ""));

/** Names by which links reach the headings of a page, made as GitHub makes them. */
function anchors(page: string): Set<string> {
  const found = new Set<string>();
  for (const [, heading] of prose(page).matchAll(/^#{1,6} +(.*?) *$/gm)) {
    const name = heading!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
    let unique = name;
    for (let again = 1; found.has(unique); again++) unique = `${name}-${again}`;
    found.add(unique);
  }
  return found;
}

/** Links of a page to this repository: `file` and `anchor` are empty where a link leaves them out. */
const linksOf = (page: string): { file: string; anchor: string }[] =>
  [...prose(page).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g)]
    .map(([, file, anchor]) => ({ file: file!, anchor: anchor ?? "" }))
    .filter(({ file }) => !/^[a-z]+:/.test(file));

const links = pages.flatMap((page) =>
  linksOf(page).map(({ file, anchor }) => ({
    from: page,
    to: file === "" ? page : path.posix.normalize(path.posix.join(path.posix.dirname(page), file)),
    anchor,
  })),
);

describe("links of documents", () => {
  it("are found", () => {
    expect(links).toContainEqual({ from: "README.md", to: "docs/cli.md", anchor: "water" });
    expect(links.some(({ from, to }) => from === to)).toBe(true);
    expect(links.length).toBeGreaterThan(100);
  });

  it("lead to files that exist", () => {
    const broken = links.filter(({ to }) => !existsSync(path.join(root, to)));
    expect(broken.map(({ from, to }) => `${from}: ${to}`)).toEqual([]);
  });

  it("lead from the README to every page, the changelog aside", () => {
    const reached = new Set(["README.md", "CHANGELOG.md"]);
    for (const page of reached)
      for (const { from, to } of links) {
        if (from !== page) continue;
        reached.add(to);
        reached.add(path.posix.join(to, "README.md"));
      }
    expect(pages.filter((page) => !reached.has(page))).toEqual([]);
  });

  it("lead to headings that exist", () => {
    const known = new Map(pages.map((page) => [page, anchors(page)]));
    const broken = links.filter(({ to, anchor }) => anchor !== "" && !known.get(to)?.has(anchor));
    expect(broken.map(({ from, to, anchor }) => `${from}: ${to}#${anchor}`)).toEqual([]);
  });
});
