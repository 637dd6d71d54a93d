import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Analyser,
  type ClassWeights,
  classWeights,
  createAnalyser,
  findClass,
  parseModel,
} from "../../src/index.js";
import { classNames, modelFile } from "./model-file.js";
import { crystal, expectError, fccSites, shaken } from "./support.js";

const classes = [
  { name: "disordered", aliases: ["liquid"], prototype: "disordered" },
  { name: "fcc", aliases: ["ccp"], prototype: "Cu", strukturbericht: "A1", pearson: "cF4" },
  { name: "hexdiamond", aliases: ["ice-Ih", "lonsdaleite"], prototype: "C", strukturbericht: null },
  { name: "L1_2", aliases: [], prototype: "Cu3Au", aflow: "AB3_cP4_221_a_c" },
  { name: "ice-II", aliases: [], prototype: "ice-II" },
  { name: "ice-III", aliases: [], prototype: "ice-III" },
];

describe("a class that is requested by name", () => {
  test("is found by its name or an alias", () => {
    expect(findClass("fcc", classes, "x")).toBe(1);
    expect(findClass("ice-Ih", classes, "x")).toBe(2);
    expect(findClass("liquid", classes, "x")).toBe(0);
  });

  test.each([
    ["Fcc", "fcc"],
    ["fc", "fcc"],
    ["cpc", "ccp"],
    ["L12", "L1_2"],
    ["l1_2", "L1_2"],
    ["lonsdalite", "lonsdaleite"],
    ["A1", "fcc"],
    ["cF4", "fcc"],
    ["Cu3Au", "L1_2"],
    ["AB3_cP4_221_a_c", "L1_2"],
    ["ice", "ice-Ih or ice-II or ice-III"],
    ["diamond", "hexdiamond"],
  ])("is unknown: %s suggests %s", async (name, near) => {
    const error = await expectError("BAD_OPTION", () => findClass(name, classes, "variables[2].class"));
    expect(error.message).toContain(JSON.stringify(name));
    expect(error).toMatchObject({ field: "variables[2].class", value: name });
    expect(error.remedy).toContain(`Did you mean ${near}?`);
    expect(error.remedy).toContain("The classes are disordered, fcc, ");
  });

  test("is unknown and unlike any other: there is no suggestion", async () => {
    for (const name of ["perovskite", "", "xyz"]) {
      const { remedy } = await expectError("BAD_OPTION", () => findClass(name, classes, "x"));
      expect(remedy).not.toContain("Did you mean");
    }
  });

  test("is unknown among hundreds: only the nearest five are suggested", async () => {
    const many = Array.from({ length: 350 }, (_, index) => ({ name: `phase-${index}`, aliases: [] }));
    const { remedy } = await expectError("BAD_OPTION", () => findClass("phase-1000", many, "x"));
    expect(remedy.match(/phase-\d+/g)).toHaveLength(5);
    expect(remedy).toContain("phase-100 ");
    expect(remedy).toContain("phasewire models --search");
  });
});

describe("weights of classes", () => {
  test.each<[ClassWeights, number[]]>([
    [
      ["fcc", "ice-Ih"],
      [1, 1, 1, 0, 0, 0],
    ],
    [{ fcc: 2, lonsdaleite: 0.5, L1_2: 0 }, [1, 2, 0.5, 0, 0, 0]],
    [{ fcc: 1, disordered: 0 }, [0, 1, 0, 0, 0, 0]],
    [{ "ice-II": 1e-300, liquid: 7 }, [7, 0, 0, 0, 1e-300, 0]],
  ])("%j", (given, expected) => {
    expect(Array.from(classWeights(given, classes))).toEqual(expected);
  });

  test.each<[string, unknown, RegExp]>([
    ["an unknown class", ["fcc", "bct"], /no class "bct"/],
    ["a class twice", ["fcc", "fcc"], /classes names fcc twice/],
    ["a class and its alias", { hexdiamond: 1, "ice-Ih": 1 }, /names hexdiamond twice, as ice-Ih too/],
    ["a negative weight", { fcc: -1 }, /weight of fcc is -1;/],
    ["NaN", { fcc: Number.NaN }, /weight of fcc is NaN;/],
    ["infinity", { fcc: Number.POSITIVE_INFINITY }, /weight of fcc is infinity;/],
    ["a text for a weight", { fcc: "2" }, /weight of fcc is "2";/],
    ["nothing", [], /allows no crystalline class/],
    ["weights of 0", { fcc: 0, L1_2: 0 }, /allows no crystalline class/],
    ["disordered alone", ["disordered"], /allows no crystalline class/],
    ["a text", "fcc", /must be a list/],
    ["null", null, /must be a list/],
    ["a number in a list", [1], /must be a list/],
  ])("refuse %s", async (_, given, message) => {
    const error = await expectError("BAD_OPTION", () => classWeights(given as ClassWeights, classes));
    expect(error.message).toMatch(message);
    expect(error.field).toBe("classes");
  });
});

describe("an analysis with classes", () => {
  const frame = shaken(crystal(fccSites, 4.05, 3), 0.3);
  const model = parseModel(modelFile(), "random");
  let analyser: Analyser;
  beforeAll(async () => {
    analyser = await createAnalyser(model, { threads: 1 });
  });
  afterAll(() => analyser.dispose());

  test("weights the probabilities, and lists the fractions of the allowed classes", async () => {
    const plain = await analyser.analyse(frame);
    const result = await analyser.analyse(frame, { classes: { hcp: 2, bcc: 0.5 } });
    const weights = [1, 0, 2, 0.5];
    expect(result.phases).toEqual(classNames);
    expect(Object.keys(result.fractions)).toEqual(["disordered", "hcp", "bcc"]);
    expect(Object.values(result.fractions).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    for (let row = 0; row < result.probabilities.length; row += 4) {
      const weighted = weights.map((weight, label) => weight * plain.probabilities[row + label]!);
      const sum = weighted.reduce((a, b) => a + b, 0);
      weighted.forEach((value, label) => {
        expect(result.probabilities[row + label]).toBeCloseTo(value / sum, 5);
      });
    }
    expect(plain.labels).toContain(1);
    expect(result.labels).not.toContain(1);
  });

  test("affects only this analysis", async () => {
    const [plain, limited, after] = await Promise.all([
      analyser.analyse(frame),
      analyser.analyse(frame, { classes: ["fcc"], denoise: 2 }),
      analyser.analyse(frame),
    ]);
    expect(after.logits).toEqual(plain.logits);
    expect(Object.keys(after.fractions)).toEqual(classNames);
    expect(limited.labels.every((label) => label < 2)).toBe(true);
    expect(limited.logDensity).not.toBe(plain.logDensity);
  });

  test("counts disordered even if the list omits it", async () => {
    const { fractions } = await analyser.analyse(frame, { classes: { fcc: 1, disordered: 0 } });
    expect(fractions).toEqual({ disordered: 0, fcc: 1 });
  });

  test("refuses unknown classes", async () => {
    const error = await expectError("BAD_OPTION", () => analyser.analyse(frame, { classes: ["fccc"] }));
    expect(error).toMatchObject({ field: "classes", value: "fccc" });
    expect(error.remedy).toContain("Did you mean fcc?");
  });
});
