import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createReport } from "../../src/cli/report.js";
import {
  type Analyser,
  createAnalyser,
  createFrame,
  denoisedFrame,
  type Frame,
  findWaterOxygens,
  labelFrame,
  parseModel,
} from "../../src/index.js";
import cases from "../water-species.json" with { type: "json" };
import { modelFile } from "./model-file.js";
import { crystal, fccSites, shaken } from "./support.js";

/**
 * The sites of diamond, with two hydrogens each towards two of the four neighbours: an ice Ic that breaks the
 * ice rules.
 */
function ice(species: readonly [string, ...string[]]): Frame {
  const oxygens = [...fccSites, ...fccSites.map(([x, y, z]) => [x + 0.25, y + 0.25, z + 0.25] as const)];
  const towards = [
    [0, 0, 0],
    [0.09, 0.09, 0.09],
    [-0.09, 0.09, -0.09],
    [0.01, 0.01, 0],
  ] as const;
  const sites = oxygens.flatMap(([x, y, z], site) =>
    species.map((_, part) => {
      const sign = site < fccSites.length ? 1 : -1;
      const [dx, dy, dz] = towards[part]!;
      return [x + sign * dx, y + sign * dy, z + sign * dz] as const;
    }),
  );
  return crystal(
    sites,
    6.36,
    2,
    oxygens.flatMap(() => [...species]),
  );
}

const water = shaken(ice(["O", "H", "H"]), 0.1);
const oxygens = [...water.species!.keys()].filter((atom) => water.species![atom] === "O");
const oxygenFrame = createFrame({
  positions: oxygens.flatMap((atom) => [...water.positions.subarray(3 * atom, 3 * atom + 3)]),
  cell: water.cell,
  species: oxygens.map(() => "O"),
});

describe("the species of water", () => {
  test.each(cases)("$case", ({ species, oxygens: expected }) => {
    const found = findWaterOxygens(species === "" ? [] : species.split(" "));
    expect(found === null ? null : [...found]).toEqual(expected);
  });

  test("are unknown if there are no names", () => {
    expect(findWaterOxygens(null)).toBeNull();
  });
});

describe("a frame of water", () => {
  const names = ["disordered", "fcc", "hcp", "bcc"];
  const classes = names.map((name, index) => ({ name, aliases: [`ice-${index}`], water: `ice-${index}` }));
  const model = parseModel(modelFile({ description: { classes } }), "random");
  let analyser: Analyser;
  beforeAll(async () => {
    analyser = await createAnalyser(model, { threads: 1 });
  });
  afterAll(() => analyser.dispose());

  test("is analysed as its oxygens would be without the other atoms", async () => {
    const result = await analyser.analyse(water);
    const alone = await analyser.analyse(oxygenFrame);
    expect([result.selected, result.water, alone.selected, alone.water]).toEqual([
      "oxygen of water",
      true,
      null,
      false,
    ]);
    expect([...result.selection!]).toEqual(oxygens);
    expect(alone.selection).toBeNull();
    expect(result.logits).toEqual(alone.logits);
    expect(result.lengthScale).toBe(alone.lengthScale);
    expect(await analyser.estimateLengthScale(water)).toBe(alone.lengthScale);
  });

  test("may contain massless sites of any name", async () => {
    const { logits, selection } = await analyser.analyse(shaken(ice(["OW", "HW1", "HW2", "MW"]), 0.1));
    expect(selection).toHaveLength(64);
    expect((await analyser.analyse(shaken(ice(["O", "H", "H", "X"]), 0.1))).logits).toEqual(logits);
  });

  test("is analysed as a whole if all atoms are selected or species ignored", async () => {
    for (const options of [{ select: "all" }, { select: ["all"] }, { ignoreSpecies: true }]) {
      const result = await analyser.analyse(water, options);
      expect([result.atomCount, result.selection, result.selected, result.water]).toEqual([
        water.species!.length,
        null,
        null,
        false,
      ]);
      expect(result.titles).toEqual(names);
    }
  });

  test("follows a selection, and is still water if its oxygens are selected", async () => {
    const hydrogens = await analyser.analyse(water, { select: "H" });
    expect([hydrogens.atomCount, hydrogens.selected, hydrogens.water]).toEqual([
      2 * oxygens.length,
      "H",
      false,
    ]);
    const chosen = await analyser.analyse(water, { select: "O" });
    expect([chosen.atomCount, chosen.selected, chosen.water]).toEqual([oxygens.length, "O", true]);
  });

  test("keeps the names of its classes, and shows those in water in titles and reports", async () => {
    const result = await analyser.analyse(water);
    expect(result.phases).toEqual(names);
    expect(Object.keys(result.fractions)).toEqual(names);
    expect(result.titles).toEqual(names.map((name, index) => `${name} (ice-${index})`));
    const text = createReport(false)("ice.xyz", 0, result);
    expect(text).toContain(`  ${oxygens.length} atoms (oxygen of water)  length scale `);
    for (const [index, name] of names.entries()) {
      expect(text.includes(`  ${name} (ice-${index}) `)).toBe(result.fractions[name]! > 0);
    }
    const plain = createReport(false)("ice.xyz", 0, await analyser.analyse(oxygenFrame));
    expect(plain).toContain(`  ${oxygens.length} atoms  length scale `);
    expect(plain).not.toContain("ice-");
  });

  test("is written with its hydrogens as atoms that were not selected", async () => {
    const result = await analyser.analyse(water, { denoise: 2 });
    const frame = labelFrame(denoisedFrame(water, result), result);
    water.species!.forEach((name, atom) => {
      expect(frame.arrays.phase!.data[atom] === "none").toBe(name === "H");
      if (name === "O") expect(names).toContain(frame.arrays.phase!.data[atom]);
      const of = (positions: Float64Array): number[] => [...positions.subarray(3 * atom, 3 * atom + 3)];
      if (name === "H") expect(of(frame.positions)).toEqual(of(water.positions));
    });
  });
});

test("a class that is named by its name in water shows it only once", async () => {
  const classes = ["disordered", "fcc", "hcp", "ice-II"].map((name) =>
    name === "ice-II" ? { name, water: name } : { name },
  );
  const analyser = await createAnalyser(parseModel(modelFile({ description: { classes } }), "random"), {
    threads: 1,
  });
  expect((await analyser.analyse(water)).titles).toEqual(["disordered", "fcc", "hcp", "ice-II"]);
  await analyser.dispose();
});
