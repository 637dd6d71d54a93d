import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backwardReference, forwardReference, PhaseCore } from "../../src/core/index.js";
import {
  type Analyser,
  createAnalyser,
  createFrame,
  type Frame,
  parseModel,
  prepareFrame,
  type Variable,
} from "../../src/index.js";
import { expectClose } from "../core/support.js";
import { classNames, modelFile } from "./model-file.js";
import { crystal, expectError, fccSites, shaken } from "./support.js";

const model = parseModel(modelFile(), "random");
const [, first, second] = classNames as [string, string, string];
const fraction: Variable = { kind: "fraction", class: first };
const list: readonly Variable[] = [
  fraction,
  { kind: "logDensity", select: { region: { axis: 0, from: 0.1, to: 0.4, width: 0.2 } } },
  { kind: "distance", class: second },
];

let analyser: Analyser;
let core: PhaseCore;
beforeAll(async () => {
  analyser = await createAnalyser(model, { threads: 1 });
  core = await PhaseCore.create(model, { threads: 1 });
});
afterAll(() => Promise.all([analyser.dispose(), core.dispose()]));

const frame = shaken(crystal(fccSites, 3.61, 2), 0.2);
const atomCount = frame.positions.length / 3;

/**
 * Forces of a coefficient times the fraction of class 1 and another times the mean logit of class 2, in
 * double precision.
 */
function referenceForces(coefficients: readonly number[]): Float64Array {
  core.load({ ...prepareFrame(frame).core, lengthScale: 2.27 });
  const { logits } = forwardReference(core.loadedFrame());
  const { classCount } = model;
  const seed = new Float64Array(logits.length);
  for (let row = 0; row < logits.length; row += classCount) {
    const exps = Array.from(logits.subarray(row, row + classCount), Math.exp);
    const sum = exps.reduce((a, b) => a + b);
    const p = exps.map((e) => e / sum);
    for (let c = 0; c < classCount; c++) {
      seed[row + c] = (coefficients[0]! * p[1]! * (Number(c === 1) - p[c]!)) / atomCount;
      if (c === 2) seed[row + c]! += coefficients[1]! / atomCount;
    }
  }
  return backwardReference(core.loadedFrame(), seed).gradient.map((g) => -g);
}

describe("variables of a frame", () => {
  test("have only values if no energy is requested", async () => {
    const found = await analyser.evaluate(frame, list);
    expect(found.names).toEqual([`fraction.${first}`, "logDensity", `distance.${second}`]);
    expect(found.byName).toEqual(
      Object.fromEntries(found.names.map((name, index) => [name, found.values[index]!])),
    );
    expect(Object.keys(found).sort()).toEqual(["byName", "lengthScale", "names", "values"]);
    const { probabilities } = await analyser.analyse(frame);
    const mean =
      probabilities.reduce((sum, p, at) => sum + (at % classNames.length === 1 ? p : 0), 0) / atomCount;
    expectClose("fraction", [found.values[0]!], [mean], 1e-5);
  });

  test("have the forces of the double-precision reference", async () => {
    const variables: Variable[] = [fraction, { kind: "meanLogit", class: second }];
    const coefficients = [-2.5, 0.75];
    const found = await analyser.evaluate(frame, variables, { coefficients, lengthScale: 2.27 });
    expectClose("forces", found.forces!, referenceForces(coefficients), 1e-3);
    const [a, b] = found.values as [number, number];
    expect(found.energy).toBeCloseTo(-2.5 * a + 0.75 * b, 12);
    expect(found.lengthScale).toBe(2.27);
  });

  test("can have an energy that is a function of their values", async () => {
    const square = await analyser.evaluate(frame, [fraction], {
      energy: ([x]) => ({ energy: 8 * (x! - 0.9) ** 2, derivatives: [16 * (x! - 0.9)] }),
    });
    const slope = 16 * (square.values[0]! - 0.9);
    const linear = await analyser.evaluate(frame, [fraction], { coefficients: [slope] });
    expect(square.energy).toBeCloseTo(8 * (square.values[0]! - 0.9) ** 2, 12);
    expect(square.forces).toEqual(linear.forces);
    expect(square.virial).toEqual(linear.virial);
  });

  test("exert no pressure at a length scale that follows the cell, except by their unit", async () => {
    const variables: Variable[] = [fraction, { kind: "distance", class: second }];
    const at = (coefficients: number[], lengthScale: number | "cell") =>
      analyser.evaluate(frame, variables, { coefficients, lengthScale });
    const moving = await at([3, 0], "cell");
    expect(moving.lengthScale).toBeCloseTo(3.61 / 4 ** (1 / 3), 12);
    const fixed = await at([3, 0], moving.lengthScale);
    const trace = (virial: Float64Array): number => virial[0]! + virial[4]! + virial[8]!;
    expect(Math.abs(trace(fixed.virial!))).toBeGreaterThan(1e-3);
    expect(Math.abs(trace(moving.virial!))).toBeLessThan(1e-9 * Math.abs(trace(fixed.virial!)));
    expect(moving.forces).toEqual(fixed.forces);
    const distance = await at([0, 2], "cell");
    expectClose("trace", [trace(distance.virial!)], [-distance.energy!], 1e-9);
  });

  test("give no forces to atoms that are not analysed, and identify the others by their ids", async () => {
    const species = Array.from({ length: atomCount }, (_, atom) => (atom % 4 === 0 ? "H" : "O"));
    const ids = Array.from({ length: atomCount }, (_, atom) => 1000 - atom);
    const mixed = createFrame({ ...frame, species, ids });
    const variables: Variable[] = [{ kind: "meanLogit", class: first, select: { ids: [999, 995] } }];
    const options = { select: "O", coefficients: [1], lengthScale: 2.27 };
    const { forces, values } = await analyser.evaluate(mixed, variables, options);
    expect(forces!.length).toBe(3 * atomCount);
    forces!.forEach((force, at) => {
      if (Math.floor(at / 3) % 4 === 0) expect(force).toBe(0);
    });
    expect(Math.max(...forces!.map(Math.abs))).toBeGreaterThan(1e-6);
    const { logits } = await analyser.analyse(mixed, { select: "O", lengthScale: 2.27 });
    // Atoms 1 and 5 are the first and the fourth of the oxygens.
    expectClose("value", values, [(logits[1]! + logits[3 * classNames.length + 1]!) / 2], 1e-6);
    const byPlace: Variable[] = [{ kind: "meanLogit", class: first, select: { ids: [1, 5] } }];
    const placed = await analyser.evaluate({ ...mixed, ids: null }, byPlace, options);
    expect(placed.values).toEqual(values);
    const gone: Variable[] = [{ kind: "meanLogit", class: first, select: { ids: [1000] } }];
    await expectError("EMPTY_SELECTION", () => analyser.evaluate(mixed, gone, options));
  });

  test("can be custom functions", async () => {
    const mine: Variable = {
      kind: "custom",
      name: "mine",
      evaluate: ({ logits, classCount }) => ({
        value: Array.from(logits).reduce((sum, l, at) => sum + (at % classCount === 1 ? l : 0), 0),
        seed: Array.from(logits, (_, at) => Number(at % classCount === 1)),
      }),
    };
    const same: Variable = { kind: "meanLogit", class: first, reduce: "sum" };
    const [own, usual] = await Promise.all(
      [mine, same].map((one) => analyser.evaluate(frame, [one], { coefficients: [1] })),
    );
    expect(own!.names).toEqual(["mine"]);
    expectClose("value", own!.values, usual!.values, 1e-12);
    expect(own!.forces).toEqual(usual!.forces);
    const short: Variable = { ...mine, evaluate: () => ({ value: 1, seed: [1, 2] }) } as Variable;
    const error = await expectError("BAD_OPTION", () => analyser.evaluate(frame, [short]));
    expect(error.field).toBe("mine.seed");
  });

  test.each<[string, Parameters<typeof expectError>[0], string, () => Promise<unknown>]>([
    [
      "an unknown key",
      "BAD_OPTION",
      "variables[0].colour",
      () => analyser.evaluate(frame, [{ ...fraction, colour: 1 } as Variable]),
    ],
    [
      "an unknown class",
      "BAD_OPTION",
      "variables[0].class",
      () => analyser.evaluate(frame, [{ kind: "distance", class: "omega" }]),
    ],
    [
      "too few coefficients",
      "BAD_OPTION",
      "coefficients",
      () => analyser.evaluate(frame, list, { coefficients: [1] }),
    ],
    [
      "two energies",
      "BAD_OPTION",
      "energy",
      () =>
        analyser.evaluate(frame, [fraction], {
          coefficients: [1],
          energy: () => ({ energy: 1, derivatives: [1] }),
        }),
    ],
    [
      "an energy of NaN",
      "BAD_OPTION",
      "energy",
      () =>
        analyser.evaluate(frame, [fraction], { energy: () => ({ energy: Number.NaN, derivatives: [0] }) }),
    ],
    [
      "a cell that is not periodic",
      "BAD_LENGTH_SCALE",
      "lengthScale",
      () =>
        analyser.evaluate({ ...frame, periodic: [true, true, false] }, [fraction], { lengthScale: "cell" }),
    ],
  ])("refuse %s as %s", async (_, code, field, action) => {
    const error = await expectError(code, action);
    expect(error.field).toBe(field);
  });
});

describe("an analysis with variables", () => {
  test("has their values for the frame as given", async () => {
    const { byName } = await analyser.evaluate(frame, list);
    const plain = await analyser.analyse(frame, { variables: list, perClass: false });
    const denoised = await analyser.analyse(frame, { variables: list, denoise: 2 });
    const small = await analyser.analyseBatch([frame, frame], { variables: list, perClass: false });
    for (const { values, logits } of [plain, ...small]) {
      expectClose("values", Object.values(values!), Object.values(byName), 1e-5);
      expect(Object.keys(values!)).toEqual(Object.keys(byName));
      expect(logits.length).toBe(0);
    }
    expectClose("values", Object.values(denoised.values!), Object.values(byName), 1e-5);
    expect((await analyser.analyse(frame)).values).toBeUndefined();
  });

  test("has the same values if the frame is cut into slabs", async () => {
    const block = crystal(fccSites, 3.61, 2);
    const blocks = Array.from({ length: 8 }, (_, number) =>
      block.positions.map((x, at) => x + (at % 3 === 0 ? 7.22 * number : 0)),
    );
    const cell = [8 * 7.22, 0, 0, 0, 7.22, 0, 0, 0, 7.22];
    const long: Frame = shaken(createFrame({ positions: blocks.flatMap((one) => [...one]), cell }), 0.2);
    const whole = await analyser.analyse(long, { variables: list, lengthScale: 2.27 });
    const cut = await analyser.analyse(long, {
      variables: list,
      lengthScale: 2.27,
      atomsAtOnce: 180,
      perClass: false,
    });
    expect(cut.slabs).toBeGreaterThan(1);
    expectClose("values", Object.values(cut.values!), Object.values(whole.values!), 1e-5);
  });
});
