import { afterAll, describe, expect, it } from "vitest";
import { backwardReference, type CoreFrame, forwardReference, PhaseCore } from "../../src/core/index.js";
import { builds, expectClose, model, multiply, randomFrame, randomModel, randomNumbers } from "./support.js";

const weights = [
  { name: "trained weights", known: model },
  { name: "random weights, 7 classes", known: randomModel(5, 7) },
  {
    name: "random weights, 420 classes, 192 units in the last hidden layer",
    known: randomModel(6, 420, 192),
  },
];
const models = await Promise.all(
  weights.flatMap(({ name, known }) =>
    builds.map(async (build) => ({
      name,
      build,
      core: await PhaseCore.create(known, { threads: 1, build }),
      classCount: known.classCount,
    })),
  ),
);
afterAll(() => Promise.all(models.map(({ core }) => core.dispose())));

const seeds = [11, 12, 15, 17, 23];

/** The seed of some smooth function: numbers of order one. */
function anySeed(length: number, seed: number): Float32Array {
  const random = randomNumbers(seed + 1000);
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

/** Returns L = sum of seed times logits, in double precision. */
function value(core: PhaseCore, frame: CoreFrame, seed: Float32Array): number {
  core.load(frame);
  return forwardReference(core.loadedFrame()).logits.reduce(
    (sum, logit, index) => sum + logit * seed[index]!,
    0,
  );
}

/** Returns the derivative at 0 by the central five-point rule. */
function slope(f: (x: number) => number, step: number): number {
  return (f(-2 * step) - 8 * f(-step) + 8 * f(step) - f(2 * step)) / (12 * step);
}

describe.each(models)("gradients, $name, build $build", ({ core, classCount }) => {
  it.each(seeds)("reference agrees with central differences of the positions, structure %i", (structure) => {
    const frame = randomFrame(structure);
    const atomCount = frame.positions.length / 3;
    const seed = anySeed(atomCount * classCount, structure);
    core.load(frame);
    const { gradient } = backwardReference(core.loadedFrame(), Float64Array.from(seed));
    const random = randomNumbers(structure);
    const checked = Array.from({ length: 6 }, () => Math.floor(random() * gradient.length));
    const differences = checked.map((coordinate) =>
      slope((x) => {
        const positions = frame.positions.slice();
        positions[coordinate]! += x;
        return value(core, { ...frame, positions }, seed);
      }, 3e-4),
    );
    const scale = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    expectClose(
      "gradient",
      checked.map((coordinate) => gradient[coordinate]!),
      differences,
      1e-6,
      Math.max(scale, 1e-3),
    );
  });

  it.each(seeds)("reference agrees with strain differences, structure %i", (structure) => {
    const frame = randomFrame(structure);
    const seed = anySeed((frame.positions.length / 3) * classCount, structure);
    core.load(frame);
    const { virial } = backwardReference(core.loadedFrame(), Float64Array.from(seed));
    const differences = Array.from({ length: 9 }, (_, component) =>
      slope((x) => {
        const strain = [1, 0, 0, 0, 1, 0, 0, 0, 1];
        strain[component]! += x;
        const positions = Float64Array.from(multiply(frame.positions, strain));
        const cell = frame.cell === null ? null : Float64Array.from(multiply(frame.cell, strain));
        return value(core, { ...frame, positions, cell }, seed);
      }, 2e-4),
    );
    // dL/d eps_ab = - virial_ba
    const expected = Array.from(
      { length: 9 },
      (_, index) => -differences[3 * (index % 3) + Math.floor(index / 3)]!,
    );
    expectClose("virial", virial, expected, 1e-6, 1e-3);
  });

  it.each(seeds)("kernels agree with the reference, structure %i", async (structure) => {
    const frame = randomFrame(structure);
    const seed = anySeed((frame.positions.length / 3) * classCount, structure);
    core.load(frame);
    const reference = backwardReference(core.loadedFrame(), Float64Array.from(seed));
    const { gradient, virial } = await core.backward(seed);
    const scale = Math.hypot(...reference.virial);
    expectClose("gradient", gradient, reference.gradient, 1e-4, scale / 100);
    expectClose("virial", virial, reference.virial, 1e-4);
    expect(gradient.some((g) => g !== 0) || frame.positions.length === 3).toBe(true);
  });

  it.each(seeds)("forces add up to zero, structure %i", async (structure) => {
    const frame = randomFrame(structure);
    core.load(frame);
    const { gradient } = await core.backward(anySeed((frame.positions.length / 3) * classCount, structure));
    const sum = [0, 0, 0];
    let magnitude = 0;
    gradient.forEach((g, index) => {
      sum[index % 3]! += g;
      magnitude += Math.abs(g);
    });
    expect(Math.hypot(...sum) <= 1e-13 * (magnitude + 1), `sum ${sum}, of ${magnitude}`).toBe(true);
  });

  it("repeated passes give the same result: nothing accumulates", async () => {
    const frame = randomFrame(17);
    const seed = anySeed((frame.positions.length / 3) * classCount, 17);
    core.load(frame);
    const forward = await core.forward();
    const first = await core.backward(seed);
    const other = await core.backward(seed.map((d) => -2 * d));
    const again = await core.backward(seed);
    expect(again).toEqual(first);
    expectClose(
      "scaled seed",
      other.gradient,
      first.gradient.map((g) => -2 * g),
      1e-6,
    );
    expect(await core.forward()).toEqual(forward);
    core.load(frame);
    expect(await core.forward()).toEqual(forward);
    expect(await core.backward(seed)).toEqual(first);
  });
});
