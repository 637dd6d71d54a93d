import { describe, expect, it } from "vitest";
import { read } from "./repository.js";

const page = read("docs/reliability.md");
const rows = page.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| threat "));

/** The names in a cell: Python tests, and titles of vitest tests with the file that was named last. */
function testsOf(cell: string): { file: string; name: string }[] {
  let file = "";
  return [...cell.matchAll(/`([^`]+)`|"([^"]+)"/g)].flatMap(([, span, title]) => {
    if (title !== undefined) return [{ file, name: title }];
    const [module, test] = span!.split("::");
    if (test !== undefined) return [{ file: `python/tests/${module}`, name: `def ${test}(` }];
    file = span!;
    return [];
  });
}

describe("docs/reliability.md", () => {
  it("has rows", () => expect(rows.length).toBeGreaterThan(10));

  it.each(rows.map((row) => [row.split("|")[1]!.trim(), row] as const))("has a test for: %s", (_, row) => {
    const cells = row.split(/(?<!\\)\|/);
    expect(cells.length).toBe(5);
    const tests = testsOf(cells[3]!);
    expect(tests.length).toBeGreaterThan(0);
    for (const { file, name } of tests) expect(read(file), `${file}: ${name}`).toContain(name);
  });
});
