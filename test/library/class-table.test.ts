import { describe, expect, test } from "vitest";
import { classTable, findClasses } from "../../src/cli/class-table.js";
import type { PhaseClass } from "../../src/model/index.js";

const phase = (name: string, names: Partial<PhaseClass> = {}): PhaseClass => ({
  name,
  aliases: [],
  prototype: name,
  spaceGroup: null,
  strukturbericht: null,
  pearson: null,
  aflow: null,
  water: null,
  speciesCount: 1,
  ...names,
});

const classes = [
  phase("disordered"),
  phase("B10", { strukturbericht: "B10", prototype: "PbO", pearson: "tP4" }),
  phase("B1", { strukturbericht: "B1", prototype: "NaCl", aflow: "AB_cF8_225_a_b", aliases: ["rock salt"] }),
  phase("L1_2", { prototype: "Cu3Au", strukturbericht: "L1_2" }),
  phase("hexdiamond", { aliases: ["lonsdaleite", "ice-Ih"], water: "ice-Ih", spaceGroup: 194 }),
];
const found = (text: string): string[] => findClasses(classes, text).map(({ name }) => name);

describe("a search", () => {
  test.each([
    ["", ["disordered", "B10", "B1", "L1_2", "hexdiamond"]],
    ["L12", ["L1_2"]],
    ["$L1_2$", ["L1_2"]],
    ["l 1_{2}", ["L1_2"]],
    ["nacl", ["B1"]],
    ["RockSalt", ["B1"]],
    ["cF8_225", ["B1"]],
    ["tp4", ["B10"]],
    ["ICE-ih", ["hexdiamond"]],
    ["perovskite", []],
  ])("%j finds %j", (text, names) => {
    expect(found(text)).toEqual(names);
  });

  test("gives classes with exactly this name first", () => {
    expect(found("b1")).toEqual(["B1", "B10"]);
  });
});

describe("the table", () => {
  const long = Array.from({ length: 350 }, (_, index) =>
    phase(`A${index}B12C3_oP${index}_62_3c2d_c_${index}d`, {
      prototype: "a mineral of a long name from somewhere".slice(0, 10 + (index % 30)),
      aflow: `A${index}B12C3_oP${index}_62_3c2d_c_${index}d`,
      aliases: ["the same mineral", "another name", "x".repeat(index % 40)].slice(0, 1 + (index % 3)),
      pearson: `oP${index}`,
    }),
  );

  test.each([80, 100, 120])("stays within %i characters, and loses no letter", (width) => {
    const lines = classTable(long, width).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    expect(Math.max(...lines.map((line) => line.length))).toBeGreaterThan(width - 5);
    const letters = (text: string): string => [...text.replace(/[\s-]/g, "")].sort().join("");
    const titles = "name prototype Struktur bericht Pearson symbol AFLOW label space group aliases";
    const names = long.flatMap(({ name, prototype, aflow, pearson, aliases }) => [
      ...[name, prototype, aflow, pearson],
      aliases.join(","),
    ]);
    expect(letters(lines.join(""))).toBe(letters([titles, ...names].join("")));
  });

  test("aligns its columns, no wider than needed", () => {
    const lines = classTable(classes.slice(2, 4), 120).split("\n");
    expect(lines).toEqual([
      "name  prototype  Struktur-  Pearson  AFLOW label     space  aliases",
      "                 bericht    symbol                   group",
      "----  ---------  ---------  -------  --------------  -----  ---------",
      "B1    NaCl       B1         -        AB_cF8_225_a_b  -      rock salt",
      "L1_2  Cu3Au      L1_2       -        -               -      -",
    ]);
  });
});
