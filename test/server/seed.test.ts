/** A second request for a frame: seeds, and the state that the analyser may keep between the two requests. */
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Analysis, FrameSource } from "../../bridge/server/analyser.js";
import { CoreAnalyser } from "../../bridge/server/core-analyser.js";
import type { Analyse, ArraySource } from "../../bridge/server/wire/wire.js";
import { PhaseCore } from "../../src/core/index.js";
import { loadModel } from "../../src/model/index.js";
import type { Variable } from "../../src/variables/index.js";
import { expectClose, randomNumbers, shakenCrystal } from "../core/support.js";

const model = await loadModel();
const { classCount } = model;
const crystal = shakenCrystal(2, 0.2, 8);
const atomCount = crystal.positions.length / 3;
const lengthScale = 2.27;

/** The changes to a frame. */
type Change = Partial<Omit<FrameSource, "read">> & {
  positions?: Float64Array;
  species?: Int32Array | null;
};

function source(change: Change = {}): FrameSource {
  const { positions = crystal.positions, species = crystal.species, ...more } = change;
  return {
    atomCount: positions.length / 3,
    cell: crystal.cell,
    box: crystal.cell,
    periodic: crystal.periodic,
    lengthScale,
    hasSpecies: species !== null,
    speciesNames: null,
    read: (targets, numbers) => {
      targets.set(positions);
      if (species !== null) numbers?.set(species);
    },
    readSpecies: () => species,
    readIds: () => null,
    ...more,
  };
}

function array(data: Float32Array | Float64Array, shape: number[]): ArraySource {
  return {
    dtype: data instanceof Float32Array ? "f32" : "f64",
    shape,
    copyTo: (target) => target.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  };
}

const plain: Analyse = {
  type: "analyse",
  sequence: 1,
  mode: "bias",
  step: 1,
  time: null,
  periodic: [true, true, true],
  speciesNames: null,
  selection: null,
  ignoreSpecies: false,
  lengthScale,
  denoise: null,
  classes: null,
  fields: ["logits"],
  variables: [],
  coefficients: [],
  observables: {},
  timeoutMs: null,
  resultSpace: null,
  atomCount,
  positions: array(crystal.positions, [atomCount, 3]),
  cell: array(crystal.cell!, [3, 3]),
  species: null,
  ids: null,
  seed: null,
};

const random = randomNumbers(5);
const seed = Float64Array.from({ length: atomCount * classCount }, () => (2 * random() - 1) * 1e-30);
const withSeed: Analyse = {
  ...plain,
  fields: ["forces", "virial"],
  seed: array(seed, [atomCount, classCount]),
};

let analyser: CoreAnalyser;
/** An analyser that never gets two requests for one frame. */
let fresh: CoreAnalyser;
const loads = vi.spyOn(PhaseCore.prototype, "load");
beforeAll(async () => {
  analyser = await CoreAnalyser.create(model, { threads: 1, build: "baseline" });
  fresh = await CoreAnalyser.create(model, { threads: 1, build: "baseline" });
});
afterAll(async () => {
  loads.mockRestore();
  await Promise.all([analyser.close(), fresh.close()]);
});

/** Forces of the seed, and whether the frame was evaluated for them. */
async function pull(change: Change = {}, weights: Float64Array | null = null) {
  loads.mockClear();
  const { forces, virial } = await analyser.analyse(source(change), withSeed, weights);
  return { forces: forces!.slice(), virial: virial!.slice(), isAnew: loads.mock.calls.length > 0 };
}

async function expected(change: Change = {}, weights: Float64Array | null = null): Promise<Analysis> {
  const other = { ...source(change), lengthScale: 3 };
  await fresh.analyse(other, plain, null);
  return fresh.analyse(source(change), withSeed, weights);
}

const logits = (change: Change = {}, weights: Float64Array | null = null, more: Partial<Analyse> = {}) =>
  analyser.analyse(source(change), { ...plain, ...more }, weights);

describe("a seed", () => {
  it("gives the forces of its function, for the frame of the previous request", async () => {
    const before = await logits();
    expect(before.forces).toBeUndefined();
    const found = await pull();
    expect(found.isAnew).toBe(false);
    const { forces, virial } = await expected();
    expect(found.forces).toEqual(forces);
    expect(found.virial).toEqual(virial);
    expect(Math.max(...forces!.map(Math.abs))).toBeGreaterThan(1e-32);
    // A second time, since a backward pass must not change anything.
    expect(await pull()).toEqual(found);
  });

  it("gives the forces of a variable that is computed elsewhere", async () => {
    const variables: Variable[] = [{ kind: "meanLogit", class: "fcc" }];
    const direct = await fresh.analyse(
      source(),
      { ...plain, variables, coefficients: [2.5], fields: ["forces", "virial"] },
      null,
    );
    const own = Float32Array.from(seed, (_, at) =>
      at % classCount === model.classes.findIndex(({ name }) => name === "fcc") ? 2.5 / atomCount : 0,
    );
    const request = { ...withSeed, seed: array(own, [atomCount, classCount]) };
    const { forces, virial, bias } = await analyser.analyse(source(), request, null);
    expectClose("forces", forces!, direct.forces!, 1e-6);
    expectClose("virial", virial!, direct.virial!, 1e-6);
    expect(bias).toBeUndefined();
  });

  it("needs no previous request, and may request other fields too", async () => {
    await logits({ lengthScale: 2.5 });
    const found = await analyser.analyse(
      source(),
      { ...withSeed, fields: ["forces", "labels", "score"] },
      null,
    );
    const { forces } = await expected();
    expect(found.forces).toEqual(forces);
    expect(found.labels.length).toBe(atomCount);
    expect(found.score!.length).toBe(3 * atomCount);
    expect((await pull()).isAnew).toBe(false);
  });

  const ulp = (x: number): number => {
    const bits = new BigInt64Array(Float64Array.of(x).buffer);
    bits[0]! += 1n;
    return new Float64Array(bits.buffer)[0]!;
  };
  const nudged = (numbers: Float64Array, at: number): Float64Array =>
    numbers.map((x, index) => (index === at ? ulp(x) : x));
  const otherSpecies = crystal.species!.slice();
  otherSpecies[atomCount - 1]! += 1;
  const halved = new Float64Array(classCount).fill(1);
  halved[2] = 0.5;

  it.each<[string, Change, Float64Array | null]>([
    [
      "one coordinate, by one unit in the last place",
      { positions: nudged(crystal.positions, 3 * atomCount - 1) },
      null,
    ],
    ["the sign of a zero", { positions: crystal.positions.map((x, at) => (at === 0 ? -0 : x)) }, null],
    ["the cell, by one unit in the last place", { cell: nudged(crystal.cell!, 8) }, null],
    ["the length scale, by one unit in the last place", { lengthScale: ulp(lengthScale) }, null],
    ["the length scale, which is estimated", { lengthScale: undefined }, null],
    ["the periodicity", { periodic: [true, true, false] }, null],
    ["the species of one atom", { species: otherSpecies }, null],
    ["species, which do not count", { species: null }, null],
    ["the weights of the classes", {}, halved],
  ])("evaluates a frame again that differs in %s", async (_, change, weights) => {
    const zero = crystal.positions.map((x, at) => (at === 0 ? 0 : x));
    const isZero = change.positions !== undefined && Object.is(change.positions[0], -0);
    await logits(isZero ? { positions: zero } : {});
    const found = await pull(change, weights);
    expect(found.isAnew).toBe(true);
    expect(found.forces).toEqual((await expected(change, weights)).forces);
    expect((await pull(change, weights)).isAnew).toBe(false);
  });

  it.each<[string, () => Promise<unknown>]>([
    ["another session sent its own frame", () => logits({ positions: nudged(crystal.positions, 4) })],
    ["another session used its own weights", () => logits({}, halved)],
    ["it was denoised", () => logits({}, null, { denoise: 2 })],
    [
      "it was denoised together with a seed",
      () => analyser.analyse(source(), { ...withSeed, denoise: 2 }, null),
    ],
    ["a frame was analysed without gradients", () => logits({}, null, { mode: "monitor", fields: [] })],
    [
      "a frame was refused",
      () => expect(logits({ positions: crystal.positions.map(() => 0) })).rejects.toThrow("apart"),
    ],
    [
      "a frame could not be read",
      () =>
        expect(
          analyser.analyse(
            {
              ...source(),
              read: () => {
                throw new Error("gone");
              },
            },
            plain,
            null,
          ),
        ).rejects.toThrow("gone"),
    ],
  ])("evaluates a frame again if %s in between", async (_, between) => {
    await logits();
    await between();
    const found = await pull();
    expect(found.isAnew).toBe(true);
    expect(found.forces).toEqual((await expected()).forces);
  });

  it("is served between requests of other clients, each with its own forces", async () => {
    const frames: Change[] = [0, 1, 2].map((at) => ({ positions: nudged(crystal.positions, at) }));
    const all = [0, 1, 1, 0, 2, 2, 0];
    for (const which of all) {
      await logits(frames[which]!);
      const other = frames[(which + 1) % 3]!;
      if (which === 2) await logits(other);
      expect((await pull(frames[which]!)).forces).toEqual((await expected(frames[which]!)).forces);
    }
  });

  it("may follow a frame in mode request, whose logits were computed without gradients", async () => {
    await logits({}, null, { mode: "request" });
    const found = await pull();
    expect(found.isAnew).toBe(true);
    expect(found.forces).toEqual((await expected()).forces);
  });

  it("is refused with the wrong number of classes, or numbers that are not finite", async () => {
    await logits();
    const short = { ...withSeed, seed: array(seed.subarray(0, 2 * atomCount), [atomCount, 2]) };
    await expect(analyser.analyse(source(), short, null)).rejects.toMatchObject({
      code: "MESSAGE_SHAPE",
      field: "seed",
    });
    const broken = seed.slice();
    broken[classCount + 3] = Number.NaN;
    const wrong = { ...withSeed, seed: array(broken, [atomCount, classCount]) };
    await expect(analyser.analyse(source(), wrong, null)).rejects.toMatchObject({
      code: "BAD_OPTION",
      field: "seed",
      message: expect.stringContaining("atom 1, class 3"),
    });
    const huge = {
      ...withSeed,
      seed: array(
        seed.map(() => 1e308),
        [atomCount, classCount],
      ),
    };
    await expect(analyser.analyse(source(), huge, null)).rejects.toMatchObject({
      code: "BAD_OPTION",
      field: "seed",
    });
  });
});
