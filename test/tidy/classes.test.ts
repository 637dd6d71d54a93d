import { describe, expect, it } from "vitest";
import { markdownTable, withTable } from "../../scripts/classes.mjs";
import { runCli } from "../../src/cli/index.js";
import { TextSink } from "../library/support.js";
import { read } from "./repository.js";

describe("docs/classes.md", () => {
  it("has the table of the default model; `npm run docs:classes` updates it", async () => {
    const [stdout, stderr] = [new TextSink(), new TextSink()];
    const { signal } = new AbortController();
    expect(await runCli(["models", "--classes", "--json"], { stdout, stderr, signal })).toBe(0);
    const text = read("docs/classes.md");
    expect(withTable(text, JSON.parse(stdout.text))).toBe(text);
  });

  it("gets one row per class", () => {
    const names = { prototype: "C", strukturbericht: "A4", pearson: "cF8", aflow: "A_cF8_227_a" };
    const more = { aliases: ["ice-Ic", "dc"], spaceGroup: 227, water: "ice-Ic", model: "m", number: 1 };
    const bare = { name: "x", aliases: [], prototype: "x", strukturbericht: null, pearson: null };
    const table = markdownTable([
      { ...bare, aflow: null, spaceGroup: null, water: null, model: "m", number: 0 },
      { name: "diamond", ...names, ...more },
    ]);
    expect(table.split("\n").slice(2)).toEqual([
      "| 0 | `x` | x |  |  |  |  |  |  |",
      "| 1 | `diamond` | C | A4 | cF8 | `A_cF8_227_a` | 227 | `ice-Ic`, `dc` | `ice-Ic` |",
    ]);
  });

  it("must have the markers", () => {
    expect(() => withTable("no markers", [])).toThrow("class table: begin");
  });
});
