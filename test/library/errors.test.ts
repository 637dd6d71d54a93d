import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { asPhasewireError, errorCatalogue, PhasewireError } from "../../src/errors/index.js";
import { packageRoot } from "../../src/package.js";

describe("errors", () => {
  test("docs/errors.md shows the catalogue, line for line", async () => {
    const text = await readFile(join(packageRoot(), "docs/errors.md"), "utf8");
    const rows = text.split("\n").filter((line) => line.startsWith("| `"));
    expect(rows).toEqual(
      Object.entries(errorCatalogue).map(
        ([code, { meaning, remedy }]) => `| \`${code}\` | ${meaning} | ${remedy} |`,
      ),
    );
  });

  test("an error has the remedy of its code unless it has a better one", () => {
    const plain = new PhasewireError("EMPTY_FRAME", { message: "no atoms" });
    expect(plain.remedy).toBe(errorCatalogue.EMPTY_FRAME.remedy);
    expect(plain.name).toBe("PhasewireError");
    expect(new PhasewireError("EMPTY_FRAME", { message: "no atoms", remedy: "add one" }).remedy).toBe(
      "add one",
    );
  });

  test("in JSON, numbers that JSON lacks keep their names and long values are cut", () => {
    const json = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(new PhasewireError("INTERNAL", { message: "m", field: "f", value }))).value;
    expect(json(Number.NaN)).toBe("NaN");
    expect(json(Number.NEGATIVE_INFINITY)).toBe("-Infinity");
    expect(json(new Float64Array([1, Number.POSITIVE_INFINITY]))).toEqual([1, "Infinity"]);
    expect(json(new Array(100).fill(1))).toHaveLength(16);
    expect(json(undefined)).toBeNull();
    expect(json({ a: 1 })).toBe('{"a":1}');
    expect(json(10n)).toBe("10");
  });

  test("any other error becomes INTERNAL and keeps its cause", () => {
    const cause = new TypeError("boom");
    const error = asPhasewireError(cause);
    expect(error.code).toBe("INTERNAL");
    expect(error.message).toBe("boom");
    expect(error.cause).toBe(cause);
    expect(asPhasewireError(error)).toBe(error);
    expect(asPhasewireError("text").message).toBe("text");
  });
});
