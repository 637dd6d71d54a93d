import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type AnalyseOptions,
  type Analyser,
  createAnalyser,
  createFrame,
  denoisedFrame,
  type Frame,
  type FrameAnalysis,
  labelFrame,
  parseModel,
} from "../../src/index.js";
import { classNames, modelFile } from "./model-file.js";
import { bccSites, crystal, expectError, fccSites, shaken } from "./support.js";

const model = parseModel(modelFile(), "random");
let analyser: Analyser;
beforeAll(async () => {
  analyser = await createAnalyser(model, { threads: 1 });
});
afterAll(() => analyser.dispose());

const rocksaltSites = [...fccSites, ...fccSites.map(([x, y, z]) => [x + 0.5, y, z] as const)];
const rocksalt = (edge: number, repeats: number): Frame =>
  crystal(rocksaltSites, edge, repeats, ["Na", "Na", "Na", "Na", "Cl", "Cl", "Cl", "Cl"]);

/** Largest difference of two arrays, relative to the largest value. */
function relativeDifference(first: ArrayLike<number>, second: ArrayLike<number>): number {
  expect(first.length).toBe(second.length);
  let difference = 0;
  let largest = 1e-12;
  for (let index = 0; index < first.length; index += 1) {
    difference = Math.max(difference, Math.abs(first[index]! - second[index]!));
    largest = Math.max(largest, Math.abs(second[index]!));
    if (Number.isNaN(first[index]! - second[index]!)) return Number.NaN;
  }
  return difference / largest;
}

function expectClose(first: ArrayLike<number>, second: ArrayLike<number>, tolerance: number): void {
  expect(relativeDifference(first, second)).toBeLessThanOrEqual(tolerance);
}

describe("an analysis", () => {
  const frame = shaken(rocksalt(5.64, 3), 0.3);
  let result: FrameAnalysis;
  beforeAll(async () => {
    result = await analyser.analyse(frame);
  });

  test("has the documented shapes", () => {
    expect(result.atomCount).toBe(216);
    expect(result.phases).toEqual(classNames);
    for (const name of ["labels", "confidence", "margin", "distance"] as const)
      expect(result[name].length).toBe(216);
    for (const name of ["logits", "probabilities"] as const) expect(result[name].length).toBe(216 * 4);
    expect(result.selection).toBeNull();
    expect(result.denoised).toBeUndefined();
    expect(result.seconds).toBeGreaterThan(0);
  });

  test("derives labels, confidence, margin, distance and log density from the logits", () => {
    let logDensity = 0;
    for (let atom = 0; atom < 216; atom += 1) {
      const logits = [...result.logits.subarray(4 * atom, 4 * atom + 4)];
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      logDensity += Math.log(sum);
      const [best, second] = [...logits].sort((a, b) => b - a) as [number, number];
      const label = logits.indexOf(best);
      expect(result.labels[atom]).toBe(label);
      expect(result.confidence[atom]).toBeCloseTo(Math.exp(best) / sum, 4);
      expect(result.margin[atom]).toBeCloseTo(best - second, 4);
      const ofClass = label === 0 ? Math.max(...logits.slice(1)) : best;
      const squared = 2 * model.logitLength ** 2 * Math.max(0, -ofClass);
      expect(result.distance[atom]).toBeCloseTo(result.lengthScale * Math.sqrt(squared), 4);
      expectClose(
        result.probabilities.subarray(4 * atom, 4 * atom + 4),
        logits.map((logit) => Math.exp(logit) / sum),
        1e-4,
      );
    }
    expectClose([result.logDensity], [logDensity], 1e-5);
    expectClose([result.meanLogDensityPerAtom], [logDensity / 216], 1e-5);
    expectClose([result.meanMargin], [result.margin.reduce((sum, margin) => sum + margin, 0) / 216], 1e-6);
  });

  test("counts every class in the fractions", () => {
    expect(Object.keys(result.fractions)).toEqual(classNames);
    classNames.forEach((name, label) => {
      const count = result.labels.filter((found) => found === label).length;
      expect(result.fractions[name]).toBe(count / 216);
    });
  });

  test("does not change the frame, and gives the same result twice", async () => {
    const before = frame.positions.slice();
    const again = await analyser.analyse(frame);
    expect(frame.positions).toEqual(before);
    expect(again.logits).toEqual(result.logits);
  });

  test("is the same for overlapping calls as for successive ones", async () => {
    const other = shaken(crystal(fccSites, 4.05, 3), 0.2);
    const alone = await analyser.analyse(other);
    const [first, second, third] = await Promise.all([
      analyser.analyse(frame),
      analyser.analyse(other),
      analyser.analyse(frame),
    ]);
    expect(first.logits).toEqual(result.logits);
    expect(second.logits).toEqual(alone.logits);
    expect(third.logits).toEqual(result.logits);
  });

  test("continues after a refused frame", async () => {
    const bad = { ...frame, positions: frame.positions.map(() => Number.NaN) };
    const [refused, good] = await Promise.allSettled([analyser.analyse(bad), analyser.analyse(frame)]);
    expect(refused.status).toBe("rejected");
    expect(good.status === "fulfilled" && good.value.logits).toEqual(result.logits);
  });

  test("does not depend on the number of threads", async () => {
    const large = shaken(crystal(fccSites, 4.05, 7), 0.3);
    const alone = await analyser.analyse(large, { denoise: 2 });
    const threaded = await createAnalyser(model, { threads: 2 });
    const shared = await threaded.analyse(large, { denoise: 2 });
    await threaded.dispose();
    expect(shared.logits).toEqual(alone.logits);
    expect(shared.denoised).toEqual(alone.denoised);
  });
});

describe("a batch", () => {
  // The frames include one with more atoms than usual in its group, one with more pairs than there is room
  // for, and a large one between small ones.
  const sizes = [3, 4, 2, 8, 4, 3, 5];
  const frames = sizes.map((repeats, index) => shaken(crystal(fccSites, 3.61, repeats), 0.1 + 0.02 * index));
  const withoutTime = ({ seconds: _, ...rest }: FrameAnalysis) => rest;

  test.each([
    ["as they are", {}],
    ["with more neighbours than usual", { lengthScale: 3 }],
    ["with some classes", { classes: [classNames[1]!], perClass: false }],
    ["with denoising", { denoise: 2 }],
  ])("of frames %s equals its frames one by one, in order", async (_, options: AnalyseOptions) => {
    const alone = [];
    for (const frame of frames) alone.push(withoutTime(await analyser.analyse(frame, options)));
    for (const threads of [1, 3]) {
      const many = await createAnalyser(model, { threads, build: analyser.info().build });
      expect((await many.analyseBatch(frames, options)).map(withoutTime), `${threads} threads`).toEqual(
        alone,
      );
      expect(withoutTime(await many.analyse(frames[3]!, options))).toEqual(alone[3]);
      expect((await many.analyseBatch(frames, options)).map(withoutTime)).toEqual(alone);
      expect(await many.analyseBatch([])).toEqual([]);
      await many.dispose();
    }
  });

  test("may have more frames than fit into a group", async () => {
    const [frame] = frames;
    const many = Array.from({ length: 300 }, (_, index) =>
      index % 2 === 0 ? frame! : { ...frame!, periodic: [true, true, false] as const },
    );
    const expected = [await analyser.analyse(many[0]!), await analyser.analyse(many[1]!)];
    for (const [index, { labels, logits }] of (await analyser.analyseBatch(many)).entries()) {
      expect({ labels, logits }).toEqual({
        labels: expected[index % 2]!.labels,
        logits: expected[index % 2]!.logits,
      });
    }
  });

  test("ends at the first refused frame, and names it", async () => {
    const [sound] = frames;
    const positions = sound!.positions.slice();
    positions.copyWithin(30, 0, 3);
    const twins = { ...sound!, positions };
    const broken = {
      ...sound!,
      positions: sound!.positions.map((x, index) => (index === 7 ? Number.NaN : x)),
    };
    const large = frames[3]!;
    for (const [code, refused] of [
      ["COINCIDENT_ATOMS", twins],
      ["NON_FINITE_POSITIONS", broken],
    ] as const) {
      const error = await expectError(code, () =>
        analyser.analyseBatch([sound!, large, sound!, refused, twins]),
      );
      expect(error.message).toMatch(/^frame 3 of the batch: /);
      expect(error.field).toBe("positions");
    }
    expect((await analyser.analyse(sound!)).atomCount).toBe(108);
  });
});

describe("the length scale", () => {
  test.each([
    ["fcc", fccSites, 3.6, 4],
    ["fcc, dense", fccSites, 1e-3, 4],
    ["fcc, thin", fccSites, 5e4, 4],
    ["bcc", bccSites, 2.87, 5],
    ["simple cubic", [[0, 0, 0]] as const, 3.3, 6],
    [
      "diamond",
      [...fccSites, ...fccSites.map(([x, y, z]) => [x + 0.25, y + 0.25, z + 0.25] as const)],
      5.43,
      3,
    ],
    ["rock salt", rocksaltSites, 5.64, 3],
  ])("of %s is found from the atoms", async (_, sites, edge, repeats) => {
    const frame = crystal(sites, edge, repeats);
    const { lengthScale } = await analyser.analyse(frame);
    expectClose([lengthScale], [edge / Math.cbrt(sites.length)], 1e-9);
  });

  test("of a crystal with vacuum around it is that of the crystal", async () => {
    const frame = { ...crystal(fccSites, 4.05, 6), periodic: [false, false, false] as const };
    const { lengthScale } = await analyser.analyse(frame);
    expectClose([lengthScale], [4.05 / Math.cbrt(4)], 0.04);
  });

  test("can be given, and is used", async () => {
    const frame = shaken(crystal(fccSites, 4.05, 3), 0.1);
    const estimated = await analyser.analyse(frame);
    const same = await analyser.analyse(frame, { lengthScale: estimated.lengthScale });
    expect(await analyser.estimateLengthScale(frame, { lengthScale: 9 })).toBe(estimated.lengthScale);
    const larger = await analyser.analyse(frame, { lengthScale: 1.05 * estimated.lengthScale });
    expect(same.logits).toEqual(estimated.logits);
    expect(larger.lengthScale).toBe(1.05 * estimated.lengthScale);
    expect(relativeDifference(larger.logits, estimated.logits)).toBeGreaterThan(1e-3);
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, "3" as unknown as number])(
    "of %s is BAD_LENGTH_SCALE",
    async (lengthScale) => {
      await expectError("BAD_LENGTH_SCALE", () => analyser.analyse(crystal(fccSites, 4, 3), { lengthScale }));
    },
  );
});

describe("cells", () => {
  const frame = shaken(crystal(fccSites, 4.05, 3), 0.2);

  test("a left-handed cell gives the same results", async () => {
    const right = await analyser.analyse(frame);
    const cell = frame.cell!;
    const leftHanded = Float64Array.of(...cell.subarray(3, 6), ...cell.subarray(0, 3), ...cell.subarray(6));
    const left = await analyser.analyse({ ...frame, cell: leftHanded });
    expect(left.labels).toEqual(right.labels);
    expect(left.lengthScale).toBe(right.lengthScale);
    expectClose(left.logits, right.logits, 1e-5);
    expectClose([left.logDensity], [right.logDensity], 1e-6);
  });

  test("atoms may lie outside the cell", async () => {
    const inside = await analyser.analyse(frame);
    const moved = frame.positions.map((coordinate, index) => coordinate + ((index % 5) - 2) * 3 * 4.05);
    const outside = await analyser.analyse({ ...frame, positions: moved });
    expect(outside.labels).toEqual(inside.labels);
    expectClose(outside.logits, inside.logits, 1e-5);
  });

  test("the vector of an open axis does not matter", async () => {
    const results = await Promise.all(
      [12.15, 40, 0].map((height) => {
        const cell = frame.cell!.slice();
        cell[8] = height;
        return analyser.analyse({ ...frame, cell, periodic: [true, true, false] });
      }),
    );
    const [first, second, third] = results as [FrameAnalysis, FrameAnalysis, FrameAnalysis];
    expectClose(second.logits, first.logits, 1e-5);
    expectClose(third.logits, first.logits, 1e-5);
    const whole = await analyser.analyse(frame);
    expect(relativeDifference(first.logits, whole.logits)).toBeGreaterThan(1e-2);
  });

  test("a cluster needs no cell", async () => {
    const cluster = await analyser.analyse({ ...frame, cell: null, periodic: [false, false, false] });
    const boxed = await analyser.analyse({ ...frame, periodic: [false, false, false] });
    expect(cluster.logits).toEqual(boxed.logits);
  });
});

describe("species", () => {
  const frame = shaken(rocksalt(5.64, 3), 0.2);

  test("are distinguished unless they are ignored", async () => {
    const aware = await analyser.analyse(frame);
    const ignoring = await analyser.analyse(frame, { ignoreSpecies: true });
    const nameless = await analyser.analyse({ ...frame, species: null });
    expect(relativeDifference(ignoring.logits, aware.logits)).toBeGreaterThan(1e-3);
    expect(nameless.logits).toEqual(ignoring.logits);
  });

  test("are names only: renaming them changes nothing", async () => {
    const renamed = { ...frame, species: frame.species!.map((name) => (name === "Na" ? "K" : "Br")) };
    expect((await analyser.analyse(renamed)).logits).toEqual((await analyser.analyse(frame)).logits);
  });

  test("that are unknown are refused, unless they are ignored or not selected", async () => {
    const species = frame.species!.map((name) => (name === "Cl" ? "X" : name));
    const unknown = { ...frame, species };
    await expectError("UNKNOWN_SPECIES", () => analyser.analyse(unknown));
    expect((await analyser.analyse(unknown, { ignoreSpecies: true })).atomCount).toBe(216);
    expect((await analyser.analyse(unknown, { select: "Na" })).atomCount).toBe(108);
  });

  test("can be selected as if there were no others", async () => {
    const selected = await analyser.analyse(frame, { select: "Cl" });
    const chlorine = [...frame.species!.keys()].filter((atom) => frame.species![atom] === "Cl");
    expect([...selected.selection!]).toEqual(chlorine);
    const alone = await analyser.analyse(
      createFrame({
        positions: chlorine.flatMap((atom) => [...frame.positions.subarray(3 * atom, 3 * atom + 3)]),
        cell: frame.cell,
        species: chlorine.map(() => "Cl"),
      }),
    );
    expect(selected.logits).toEqual(alone.logits);
    const both = await analyser.analyse(frame, { select: ["Na", "Cl"] });
    expect(both.logits).toEqual((await analyser.analyse(frame)).logits);
  });
});

describe("denoising", () => {
  const frame = shaken(rocksalt(5.64, 3), 0.1);

  test("takes the requested number of steps, and raises the log density", async () => {
    const raw = await analyser.analyse(frame);
    const result = await analyser.analyse(frame, { denoise: 4 });
    expect(result.denoising!.steps).toBe(4);
    expectClose([result.logDensity], [raw.logDensity], 1e-6);
    expect(result.denoised!.length).toBe(3 * 216);
    const after = await analyser.analyse(
      { ...frame, positions: result.denoised! },
      { lengthScale: result.lengthScale },
    );
    expect(after.logDensity).toBeGreaterThan(raw.logDensity);
    expectClose(
      result.denoised!.map((coordinate, index) => coordinate - frame.positions[index]!),
      result.denoising!.displacement,
      1e-9,
    );
  });

  test("ends by itself", async () => {
    const result = await analyser.analyse(frame, { denoise: "converged" });
    expect(result.denoising!.steps).toBeLessThanOrEqual(64);
    if (!result.denoising!.converged) expect(result.denoising!.steps).toBe(64);
  });

  test("labels the denoised atoms, except those that were disordered before", async () => {
    const raw = await analyser.analyse(frame);
    const result = await analyser.analyse(frame, { denoise: 6 });
    const after = await analyser.analyse(
      { ...frame, positions: result.denoised! },
      { lengthScale: result.lengthScale },
    );
    raw.labels.forEach((label, atom) => {
      expect(result.labels[atom]).toBe(label === 0 ? 0 : after.labels[atom]);
    });
  });

  test.each([0, -1, 1.5, Number.NaN, 1e9])("%d steps are BAD_OPTION", async (denoise) => {
    await expectError("BAD_OPTION", () => analyser.analyse(frame, { denoise }));
  });
});

describe("refused frames", () => {
  const frame = crystal(fccSites, 4.05, 2);

  test("two atoms in one place are COINCIDENT_ATOMS, with both named", async () => {
    const positions = frame.positions.slice();
    positions.set(positions.subarray(9, 12), 30);
    const error = await expectError("COINCIDENT_ATOMS", () => analyser.analyse({ ...frame, positions }));
    expect(error.message).toMatch(/\b3\b/);
    expect(error.message).toMatch(/\b10\b/);
  });

  test("so is an atom that is listed at both sides of the cell", async () => {
    const doubled = createFrame({
      positions: [...frame.positions, 8.1, 0, 0],
      cell: frame.cell,
      species: [...frame.species!, "Cu"],
    });
    await expectError("COINCIDENT_ATOMS", () => analyser.analyse(doubled));
  });

  test.each<[Parameters<typeof expectError>[0], Partial<Frame>]>([
    ["EMPTY_FRAME", { positions: new Float64Array(0), species: null }],
    ["SHAPE_MISMATCH", { species: ["Cu"] }],
    ["NON_FINITE_POSITIONS", { positions: frame.positions.map(() => Number.NaN) }],
    ["MISSING_CELL", { cell: null }],
    ["SINGULAR_CELL", { cell: new Float64Array(9) }],
    ["NON_FINITE_CELL", { cell: new Float64Array(9).fill(Infinity) }],
    ["UNKNOWN_SPECIES", { species: frame.species!.map(() => "") }],
  ])("%s", async (code, parts) => {
    await expectError(code, () => analyser.analyse({ ...frame, ...parts }));
  });

  test("an empty selection is EMPTY_SELECTION", async () => {
    await expectError("EMPTY_SELECTION", () => analyser.analyse(frame, { select: "O" }));
  });

  test.each([0, -1, 1.5, Number.NaN])("%d threads are BAD_OPTION", async (threads) => {
    await expectError("BAD_OPTION", () => createAnalyser(model, { threads }));
  });
});

describe("annotated frames", () => {
  const frame = shaken(rocksalt(5.64, 2), 0.2);

  test("carry phase names and numbers, and keep their own columns", async () => {
    const charged: Frame = {
      ...frame,
      arrays: {
        charge: { kind: "real", width: 1, data: new Float64Array(64).fill(1) },
        margin: { kind: "logical", width: 1, data: new Array(64).fill(true) },
      },
    };
    const analysis = await analyser.analyse(charged);
    const { arrays } = labelFrame(charged, analysis);
    expect(Object.keys(arrays)).toEqual(["charge", "margin", "phase", "confidence", "distance"]);
    expect(arrays.charge).toBe(charged.arrays.charge);
    expect(arrays.phase!.data).toEqual(Array.from(analysis.labels, (label) => classNames[label]));
    expectClose(arrays.confidence!.data as Float64Array, analysis.confidence, 1e-5);
    expectClose(arrays.margin!.data as Float64Array, analysis.margin, 1e-5);
    expectClose(arrays.distance!.data as Float64Array, analysis.distance, 1e-5);
  });

  test("call atoms outside the selection none, with zeros, and leave them in place", async () => {
    const analysis = await analyser.analyse(frame, { select: "Cl", denoise: 2 });
    const moved = denoisedFrame(frame, analysis);
    const { arrays } = labelFrame(moved, analysis);
    frame.species!.forEach((name, atom) => {
      const isSelected = name === "Cl";
      expect(arrays.phase!.data[atom] === "none").toBe(!isSelected);
      if (isSelected) return;
      expect([arrays.confidence!.data[atom], arrays.margin!.data[atom], arrays.distance!.data[atom]]).toEqual(
        [0, 0, 0],
      );
      expect(moved.positions.subarray(3 * atom, 3 * atom + 3)).toEqual(
        frame.positions.subarray(3 * atom, 3 * atom + 3),
      );
    });
    const rows = [...analysis.selection!].flatMap((atom) => [
      ...moved.positions.subarray(3 * atom, 3 * atom + 3),
    ]);
    expect(rows).toEqual([...analysis.denoised!]);
    expectClose(
      moved.arrays.displacement!.data as Float64Array,
      moved.positions.map((coordinate, index) => coordinate - frame.positions[index]!),
      1e-9,
    );
  });
});
