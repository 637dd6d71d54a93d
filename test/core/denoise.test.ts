import { afterAll, describe, expect, it } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import { PhaseCore } from "../../src/core/index.js";
import { expectClose, expectError, model, randomModel, shakenCrystal } from "./support.js";

const core = await PhaseCore.create(model, { threads: 1 });
const other = await PhaseCore.create(randomModel(9, 5), { threads: 1 });
/** The model without the network of known surroundings, with which class 0 keeps its weight in denoising. */
const plain = await PhaseCore.create({ ...model, knownWidth: 0 }, { threads: 1 });
afterAll(() => Promise.all([core, other, plain].map((one) => one.dispose())));

const perfect = { ...shakenCrystal(4, 0, 1), species: null };
const shaken = { ...shakenCrystal(4, 0.3, 1), species: null };

/** Returns the root-mean-square distance after the mean shift is removed. */
function distance(a: Float64Array, b: Float64Array): number {
  const atomCount = a.length / 3;
  const shift = [0, 0, 0];
  a.forEach((x, index) => {
    shift[index % 3]! += (x - b[index]!) / atomCount;
  });
  return Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]! - shift[i % 3]!) ** 2, 0) / atomCount);
}

/**
 * A core with random weights, five classes and this logit of class 0; 0.8 makes it about as probable as the
 * others.
 */
function coreWithFlatLogit(logit: number): Promise<PhaseCore> {
  const weights = randomModel(9, 5);
  const bias = weights.tensors["network2.bias1"].slice();
  bias[0] = logit;
  return PhaseCore.create(
    { ...weights, tensors: { ...weights.tensors, "network2.bias1": bias } },
    { threads: 1 },
  );
}

describe("denoising", () => {
  it("brings a shaken crystal back towards its sites, and raises logP", async () => {
    core.load(shaken);
    const before = await core.forward();
    const result = await core.denoise({ steps: 8 });
    expect(result.steps).toBe(8);
    expect(result.initialLogDensity).toBe(before.logDensity);
    expect(result.rawLabels).toEqual(before.labels);
    expect(result.logDensity).toBeGreaterThan(before.logDensity);
    const [given, denoised] = [shaken.positions, result.positions].map((p) => distance(p, perfect.positions));
    expect(denoised! < 0.25 * given!, `${given} before, ${denoised} after`).toBe(true);
    expect(result.labels.every((label) => label === result.labels[0] && label > 0)).toBe(true);
    expectClose(
      "displacement",
      result.displacement,
      result.positions.map((x, index) => x - shaken.positions[index]!),
      1e-12,
    );
    // The results are those of the denoised frame.
    core.load({ ...shaken, positions: result.positions, lengthScale: result.lengthScale });
    const again = await core.forward();
    // Sums may have another order, since neighbours come from lists that denoising made.
    expectClose("logits", again.logits, result.logits, 1e-5);
    expectClose("log density", [again.logDensity], [result.logDensity], 1e-6);
  });

  it("first moves every atom by the square of the logit length times the score", async () => {
    plain.load(shaken);
    const { score } = await plain.score();
    const { displacement, lengthScale } = await plain.denoise({ steps: 1 });
    const factor = (model.logitLength * lengthScale) ** 2;
    expectClose(
      "displacement",
      displacement,
      score.map((g) => factor * g),
      1e-9,
    );
  });

  it("until converged ends where the score is small", async () => {
    core.load(shaken);
    const result = await core.denoise({ untilConverged: true });
    expect(result.converged).toBe(true);
    expect(result.steps).toBeLessThan(64);
    core.load({ ...shaken, positions: result.positions, lengthScale: result.lengthScale });
    const { score } = await core.score();
    const largest = Math.max(
      ...Array.from({ length: score.length / 3 }, (_, i) => Math.hypot(...score.subarray(3 * i, 3 * i + 3))),
    );
    expect((model.logitLength * result.lengthScale) ** 2 * largest < 0.01 * result.lengthScale).toBe(true);
  });

  it("takes the same steps as seeds and backward passes", async () => {
    const steps = 3;
    plain.load(shaken);
    const result = await plain.denoise({ steps });
    const { lengthScale } = result;
    const factor = (model.logitLength * lengthScale) ** 2;
    let positions = shaken.positions;
    let before: Float64Array | undefined;
    let eta = 1;
    for (let step = 0; step < steps; step++) {
      plain.load({ ...shaken, positions, lengthScale });
      const { probabilities } = await plain.forward();
      const delta = (await plain.backward(probabilities)).gradient.map((g) => factor * g);
      if (before) {
        const last = before;
        const squared = last.reduce((sum, d) => sum + d * d, 0);
        eta *= squared / last.reduce((sum, d, index) => sum + d * (d - delta[index]!), 0);
        // Eta is within its bounds and is not 1, so the formula is tested.
        expect(eta > 0.25 && eta < 1.5 && Math.abs(eta - 1) > 1e-3, `${eta}`).toBe(true);
      }
      positions = positions.map((x, index) => x + eta * delta[index]!);
      before = delta;
    }
    expectClose(
      "displacement",
      result.displacement,
      positions.map((x, index) => x - shaken.positions[index]!),
      1e-5,
    );
  });

  it("does not affect the seed of a later pass", async () => {
    core.load(shaken);
    const { probabilities } = await core.forward();
    const seed = probabilities.map((p, index) => (index % 3 === 0 ? p : -0.5));
    const before = await core.backward(seed);
    await core.denoise({ steps: 2 });
    core.load(shaken);
    await core.forward();
    expect(await core.backward(seed)).toEqual(before);
  });

  it("may be followed by a seed for the denoised frame", async () => {
    core.load(shaken);
    const { positions, lengthScale, probabilities } = await core.denoise({ steps: 2 });
    const seed = probabilities.map((p, index) => (index % 3 === 0 ? p : -0.5));
    const there = await core.backward(seed);
    core.load({ ...shaken, positions, lengthScale });
    await core.forward();
    const again = await core.backward(seed);
    expectClose("gradient", there.gradient, again.gradient, 1e-4, 1);
    expectClose("virial", there.virial, again.virial, 1e-4, 1);
  });

  it("of no steps is a forward pass", async () => {
    core.load(shaken);
    const before = await core.forward();
    const result = await core.denoise({ steps: 0 });
    expect(result.logits).toEqual(before.logits);
    expect(result.positions).toEqual(shaken.positions);
    expect(result.steps).toBe(0);
  });

  it("takes back steps that lower logP, including the last one", async () => {
    // A logit length so large that every step overshoots at first.
    const rough = await PhaseCore.create({ ...randomModel(9, 5), logitLength: 0.5 }, { threads: 1 });
    const frame = { ...shakenCrystal(3, 0.5, 5), lengthScale: 2.27 };
    let before = Number.NEGATIVE_INFINITY;
    let takenBack = 0;
    for (let steps = 0; steps <= 12; steps++) {
      rough.load(frame);
      const result = await rough.denoise({ steps });
      expect(result.steps).toBe(steps);
      // Denoising raises the part of logP that belongs to initially crystalline atoms.
      const objective = result.atomLogDensity.reduce(
        (sum, l, atom) => sum + (result.rawLabels[atom]! > 0 ? l : 0),
        0,
      );
      // Sums for the same positions may have another order.
      const rounding = 1e-6 * Math.abs(objective);
      expect(objective >= before - rounding, `${steps} steps: ${objective} after ${before}`).toBe(true);
      if (Math.abs(objective - before) <= rounding) takenBack += 1;
      before = objective;
      rough.load({ ...frame, positions: result.positions });
      expectClose("log density", [(await rough.forward()).logDensity], [result.logDensity], 1e-6);
    }
    expect(takenBack).toBeGreaterThan(0);
    expect(takenBack).toBeLessThan(12);
    await rough.dispose();
  });

  it("ascends the log density only of atoms that were crystalline at first", async () => {
    const split = await coreWithFlatLogit(0.8);
    split.load({ ...shakenCrystal(3, 0.5, 5), lengthScale: 2.27 });
    const { labels, probabilities } = await split.forward();
    const seed = probabilities.map((p, index) => (labels[Math.floor(index / 5)] === 0 ? 0 : p));
    const { gradient } = await split.backward(seed);
    const { displacement } = await split.denoise({ steps: 1 });
    await split.dispose();
    const factor = (model.logitLength * 2.27) ** 2;
    expect(labels).toContain(0);
    expect(displacement.some((x) => x !== 0)).toBe(true);
    expectClose(
      "displacement",
      displacement,
      gradient.map((g) => factor * g),
      1e-9,
    );
  });

  it("moves no atoms if none is crystalline", async () => {
    const liquid = await coreWithFlatLogit(50);
    const frame = { ...shakenCrystal(3, 0.5, 5), lengthScale: 2.27 };
    liquid.load(frame);
    const result = await liquid.denoise({ steps: 8 });
    await liquid.dispose();
    expect(result.positions).toEqual(frame.positions);
    expect(result.labels.every((label) => label === 0)).toBe(true);
    expect(result).toMatchObject({ steps: 0, converged: true });
  });

  it("keeps disordered atoms disordered", async () => {
    const split = await coreWithFlatLogit(0.8);
    split.load({ ...shakenCrystal(3, 0.5, 5), lengthScale: 2.27 });
    const result = await split.denoise({ steps: 4 });
    await split.dispose();
    let disordered = 0;
    result.rawLabels.forEach((raw, atom) => {
      if (raw !== 0) return;
      disordered += 1;
      expect(result.labels[atom]).toBe(0);
      expect(result.confidence[atom]).toBe(result.probabilities[atom * 5]);
    });
    expect(disordered).toBeGreaterThan(0);
    expect(disordered).toBeLessThan(result.labels.length);
  });

  it("fails on coincident atoms like any other pass", async () => {
    const positions = shaken.positions.slice();
    positions.copyWithin(0, 3, 6);
    core.load({ ...shaken, positions });
    await expectError("COINCIDENT_ATOMS", () => core.denoise({ steps: 2 }));
  });

  it("in one call of the core gives the same bits as the host's loop", async () => {
    const frame = { ...shakenCrystal(3, 0.5, 5), lengthScale: 2.27 };
    other.load(frame);
    const result = await other.denoise({ steps: 7 });
    other.load(frame);
    await other.forward();
    const { context } = other as unknown as { context: CoreContext };
    const wasm = context.core as unknown as Record<string, (context: number) => number>;
    context.setCount("DENOISE_LIMIT", 7);
    context.setValue("DENOISE_TOLERANCE", 0);
    wasm.startDenoise!(context.address);
    expect(wasm.denoise!(context.address)).toBe(0);
    expect(context.doubles("POSITIONS", frame.positions.length).slice()).toEqual(result.positions);
    expect(context.value("LOG_DENSITY")).toBe(result.logDensity);
  });
});
