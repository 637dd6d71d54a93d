import { afterAll, describe, expect, test } from "vitest";
import { type AnalyseOptions, createAnalyser, type FrameAnalysis } from "../../src/analysis/index.js";
import { createFrame, type Frame } from "../../src/frame/index.js";
import { loadModel } from "../../src/model/index.js";
import { multiply, randomNumbers, randomRotation, relativeError } from "../core/support.js";
import { expectError } from "./support.js";

const model = await loadModel();
const analyser = await createAnalyser(model, { threads: 1 });
afterAll(() => analyser.dispose());

/**
 * A disturbed crystal of two species in a cell of any shape, long along one axis. Part of it is molten, and
 * part is vacuum if an axis is open.
 */
function frameOf(seed: number, repeats: readonly number[], periodic: readonly boolean[]): Frame {
  const random = randomNumbers(seed);
  const rotation = randomRotation(random);
  const shear = [2.5, 0, 0, 0.15 * random(), 2.5, 0, 0.1 * random(), -0.1 * random(), 2.5];
  const long = repeats.indexOf(Math.max(...repeats));
  const vectors = multiply(shear, rotation);
  const positions: number[] = [];
  for (let a = 0; a < repeats[0]!; a++) {
    for (let b = 0; b < repeats[1]!; b++) {
      for (let c = 0; c < repeats[2]!; c++) {
        const noise = [a, b, c][long]! > repeats[long]! / 2 ? 0.3 : 0.02;
        const site = [a, b, c].map((place) => place + noise * (2 * random() - 1));
        // Atoms are given in any image.
        const image = repeats.map((count, axis) =>
          periodic[axis] ? count * (Math.floor(5 * random()) - 2) : 0,
        );
        positions.push(
          ...multiply(
            site.map((part, axis) => part + image[axis]!),
            vectors,
          ),
        );
      }
    }
  }
  const cell = vectors.map((part, index) => part * repeats[Math.floor(index / 3)]!);
  const species = Array.from({ length: positions.length / 3 }, () => (random() < 0.7 ? "A" : "B"));
  return createFrame({ positions, cell, periodic: periodic as [boolean, boolean, boolean], species });
}

const cases: readonly [string, Frame, number][] = [
  ["periodic, long along the first axis", frameOf(1, [40, 4, 5], [true, true, true]), 500],
  ["periodic, long along the last axis", frameOf(2, [4, 4, 32], [true, true, true]), 330],
  ["in a cell hardly longer than the halos", frameOf(3, [16, 5, 5], [true, true, true]), 390],
  ["open along the long axis", frameOf(4, [5, 30, 5], [true, false, true]), 420],
  ["a slab, periodic along the long axis", frameOf(5, [4, 28, 6], [false, true, true]), 600],
  ["a cluster", frameOf(6, [26, 5, 5], [false, false, false]), 420],
];

async function analyse(frame: Frame, options: AnalyseOptions): Promise<FrameAnalysis> {
  const analysis = await analyser.analyse(frame, options);
  for (const numbers of [analysis.logits, analysis.margin, analysis.distance]) {
    expect(numbers.every(Number.isFinite)).toBe(true);
  }
  return analysis;
}

describe("a frame cut into slabs", () => {
  test.each(cases)("%s", async (_, frame, atomsAtOnce) => {
    for (const lengthScale of [2.5, undefined]) {
      const given = lengthScale === undefined ? {} : { lengthScale };
      const whole = await analyse(frame, given);
      const shares: number[] = [];
      const cut = await analyse(frame, {
        ...given,
        atomsAtOnce,
        onProgress: (share) => shares.push(share),
      });
      expect(whole.slabs).toBe(1);
      expect(cut.slabs).toBeGreaterThan(1);
      expect(shares).toEqual(Array.from({ length: cut.slabs }, (_, done) => (done + 1) / cut.slabs));
      expect(cut.lengthScale).toBe(whole.lengthScale);
      expect(cut.labels).toEqual(whole.labels);
      expect(cut.fractions).toEqual(whole.fractions);
      for (const name of ["logits", "probabilities", "confidence", "margin", "distance"] as const) {
        const error = relativeError(cut[name], whole[name], 1);
        expect(error <= 1e-5, `${name}: relative error ${error}`).toBe(true);
      }
      expect(Math.abs(cut.logDensity - whole.logDensity) <= 1e-5 * Math.abs(whole.logDensity)).toBe(true);
    }
    expect(new Set((await analyse(frame, {})).labels).size).toBeGreaterThan(1);
  });

  test("does not return a table of classes that was not requested", async () => {
    const [, frame, atomsAtOnce] = cases[0]!;
    for (const cut of [{}, { atomsAtOnce }]) {
      const { logits, probabilities, labels } = await analyser.analyse(frame, { ...cut, perClass: false });
      expect([logits.length, probabilities.length]).toEqual([0, 0]);
      expect(labels).toEqual((await analyse(frame, {})).labels);
    }
  });

  test("follows the prior and the selection", async () => {
    const [, frame, atomsAtOnce] = cases[0]!;
    const options = { classes: ["fcc", "bcc"], select: "A", lengthScale: 2.7 };
    const whole = await analyse(frame, options);
    const cut = await analyse(frame, { ...options, atomsAtOnce });
    expect(cut.slabs).toBeGreaterThan(1);
    expect(cut.labels).toEqual(whole.labels);
    expect(cut.selection).toEqual(whole.selection);
  });

  test("names the atoms of the frame in its errors", async () => {
    const [, frame, atomsAtOnce] = cases[0]!;
    const positions = frame.positions.slice();
    // The last atom lies close to one in the middle, far from the first slab.
    const twin = 3 * 437;
    positions.set(
      [positions[twin]! + 0.001, positions[twin + 1]!, positions[twin + 2]!],
      positions.length - 3,
    );
    const error = await expectError("COINCIDENT_ATOMS", () =>
      analyser.analyse({ ...frame, positions }, { atomsAtOnce, lengthScale: 2.5 }),
    );
    const pair = (error.value as number[]).slice(0, 2).sort((one, other) => one - other);
    expect(pair).toEqual([437, positions.length / 3 - 1]);
    expect(error.message).toContain("atom 437");
  });

  test("is refused if the halos alone exceed the limit of atoms at once", async () => {
    const [, frame] = cases[0]!;
    const error = await expectError("TOO_LARGE", () => analyser.analyse(frame, { atomsAtOnce: 100 }));
    expect(error.remedy).toContain("atomsAtOnce");
    for (const atomsAtOnce of [0, 1.5, Number.NaN]) {
      await expectError("BAD_OPTION", () => analyser.analyse(frame, { atomsAtOnce }));
    }
  });
});

test.each([0, 1, 2])(
  "an atom that cannot be wrapped along axis %i is refused, with any length scale",
  async (axis) => {
    const frame = frameOf(7, [40, 4, 5], [true, true, true]);
    const cell = frame.cell!;
    const positions = frame.positions.slice();
    for (let k = 0; k < 3; k++) positions[3 * 600 + k]! += 2e9 * cell[3 * axis + k]!;
    for (const lengthScale of [{}, { lengthScale: 2.5 }]) {
      const run = () => analyser.analyse({ ...frame, positions }, { atomsAtOnce: 500, ...lengthScale });
      const error = await expectError("NON_FINITE_POSITIONS", run);
      expect(error.message).toContain("atom 600 is more than 1000000000 cells away");
    }
  },
);
