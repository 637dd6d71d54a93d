import { afterAll, describe, expect, it } from "vitest";
import {
  backwardReference,
  type CoreModel,
  type ForwardResult,
  forwardReference,
  PhaseCore,
} from "../../src/core/index.js";
import {
  expectClose,
  expectError,
  randomFrame,
  randomModel,
  randomNumbers,
  relativeError,
  shakenCrystal,
} from "./support.js";

const classCount = 7;
const frame = { ...shakenCrystal(3, 0.5, 3), lengthScale: 2.3 };
const atomCount = frame.positions.length / 3;
const model = await levelModel();
const core = await PhaseCore.create(model, { threads: 1 });
afterAll(() => core.dispose());

/** Weights that are neither normalised nor sorted; class 4 is left out. */
const weights = [0.7, 3, 1, 0.25, 0, 12, 1];
const logWeights = weights.map((weight) => (weight > 0 ? Math.log(weight) : -1000));

/**
 * Random weights. The last biases make each class the best one somewhere; the ideal logits exceed all logits.
 */
async function levelModel(): Promise<CoreModel> {
  const random = randomModel(21, classCount);
  const bias = new Float32Array(classCount);
  for (let round = 0; round < 2; round++) {
    const trial = await PhaseCore.create(withBias(random, bias), { threads: 1 });
    trial.load(frame);
    const { logits } = await trial.forward();
    await trial.dispose();
    const highest = new Array<number>(classCount).fill(Number.NEGATIVE_INFINITY);
    logits.forEach((logit, index) => {
      highest[index % classCount] = Math.max(highest[index % classCount]!, logit);
    });
    // In the second round class 0 is lowered to the median of the best logits.
    if (round === 0) for (let c = 0; c < classCount; c++) bias[c]! -= highest[c]!;
    else bias[0]! += median(bestOfCrystals(logits)) - logits[0]!;
  }
  return { ...withBias(random, bias), idealLogits: new Float64Array(classCount).fill(5) };
}

function withBias(weights: CoreModel, bias: Float32Array): CoreModel {
  return { ...weights, tensors: { ...weights.tensors, "network2.bias1": bias } };
}

function bestOfCrystals(logits: Float32Array): number[] {
  return Array.from({ length: atomCount }, (_, atom) => Math.max(...row(logits, atom).slice(1)));
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function row(table: Float32Array, atom: number): number[] {
  return Array.from(table.subarray(atom * classCount, (atom + 1) * classCount));
}

async function forwardWith(prior?: readonly number[]): Promise<ForwardResult> {
  core.setPrior(prior);
  core.load(frame);
  return core.forward();
}

const plain = await forwardWith();
const shifted = await forwardWith(weights);

describe("a prior over classes", () => {
  it("is tested on a frame in which every class occurs without it", () => {
    expect(new Set(plain.labels).size).toBe(classCount);
  });

  it("adds the log-weights to the logits", () => {
    const expected = plain.logits.map((logit, index) => logit + logWeights[index % classCount]!);
    expectClose("logits", shifted.logits, expected, 1e-6);
    const reference = forwardReference(core.loadedFrame()).logits;
    core.setPrior();
    core.load(frame);
    const before = forwardReference(core.loadedFrame()).logits;
    expectClose(
      "logits of the reference",
      reference,
      before.map((logit, index) => logit + logWeights[index % classCount]!),
      1e-14,
    );
  });

  it("weights the probabilities, and the results that follow from them", () => {
    const [probabilities, confidence, atomLogDensity]: number[][] = [[], [], []];
    for (let atom = 0; atom < atomCount; atom++) {
      const weighted = row(plain.probabilities, atom).map((p, c) => weights[c]! * p);
      const sum = weighted.reduce((a, b) => a + b);
      const best = weighted.indexOf(Math.max(...weighted));
      expect(shifted.labels[atom]).toBe(best);
      probabilities!.push(...weighted.map((p) => p / sum));
      confidence!.push(weighted[best]! / sum);
      atomLogDensity!.push(plain.atomLogDensity[atom]! + Math.log(sum));
    }
    expectClose("probabilities", shifted.probabilities, probabilities!, 1e-5);
    expectClose("confidence", shifted.confidence, confidence!, 1e-5);
    expectClose("atomLogDensity", shifted.atomLogDensity, atomLogDensity!, 1e-5);
    const changed = plain.labels.filter((label, atom) => label !== shifted.labels[atom]).length;
    expect(changed).toBeGreaterThan(0);
    expect(changed).toBeLessThan(atomCount);
  });

  it("never labels an atom with a class that is left out, and makes its probability almost zero", () => {
    expect(plain.labels).toContain(4);
    expect(shifted.labels).not.toContain(4);
    const largest = Math.max(
      ...Array.from({ length: atomCount }, (_, i) => row(shifted.probabilities, i)[4]!),
    );
    expect(largest <= 1e-30, `probability ${largest}`).toBe(true);
  });

  it("does not change the distances to the ideal phases", () => {
    let same = 0;
    for (let atom = 0; atom < atomCount; atom++) {
      const label = shifted.labels[atom]!;
      if (label !== plain.labels[atom] || label === 0) continue;
      same += 1;
      expectClose(`distance of atom ${atom}`, [shifted.distance[atom]!], [plain.distance[atom]!], 1e-5);
    }
    expect(same).toBeGreaterThan(atomCount / 10);
    expect(plain.distance.every((distance) => distance > 0)).toBe(true);
  });

  it("of equal weights, or one that was removed, changes no bit", async () => {
    expect(await forwardWith(new Array<number>(classCount).fill(1))).toEqual(plain);
    await forwardWith(weights);
    expect(await forwardWith()).toEqual(plain);
  });

  it("can change after a frame is loaded and evaluated", async () => {
    await forwardWith();
    core.setPrior(weights);
    expect(await core.forward()).toEqual(shifted);
    const { score } = await core.score();
    await forwardWith(weights);
    expect((await core.score()).score).toEqual(score);
  });

  it("is the same for worker threads", async () => {
    const shared = await PhaseCore.create(model, { threads: 2 });
    const large = { ...shakenCrystal(7, 0.5, 3), lengthScale: 2.3 };
    const results: ForwardResult[] = [];
    for (const one of [core, shared]) {
      one.setPrior(weights);
      one.load(large);
      results.push(await one.forward());
    }
    await shared.dispose();
    expect(results[1]).toEqual(results[0]);
  });
});

describe("gradients with a prior", () => {
  const small = randomFrame(15);

  it("of logP in the reference agree with central differences", () => {
    core.setPrior(weights);
    core.load(small);
    const { gradient, virial } = backwardReference(core.loadedFrame());
    const logDensity = (coordinate: number, x: number): number => {
      const positions = small.positions.slice();
      positions[coordinate]! += x;
      core.load({ ...small, positions });
      return forwardReference(core.loadedFrame()).logDensity;
    };
    const random = randomNumbers(15);
    const checked = Array.from({ length: 8 }, () => Math.floor(random() * gradient.length));
    const step = 3e-4;
    const differences = checked.map((coordinate) => {
      const f = (x: number): number => logDensity(coordinate, x);
      return (f(-2 * step) - 8 * f(-step) + 8 * f(step) - f(2 * step)) / (12 * step);
    });
    const scale = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    expectClose(
      "gradient",
      checked.map((coordinate) => gradient[coordinate]!),
      differences,
      1e-6,
      scale,
    );
    core.setPrior();
    core.load(small);
    const without = backwardReference(core.loadedFrame());
    expect(relativeError(without.gradient, gradient)).toBeGreaterThan(1e-2);
    expect(relativeError(without.virial, virial)).toBeGreaterThan(1e-2);
  });

  it("in the kernels agree with the reference", async () => {
    core.setPrior(weights);
    core.load(small);
    const { logDensity, score, virial } = await core.score();
    const reference = backwardReference(core.loadedFrame());
    expectClose("logDensity", [logDensity], [forwardReference(core.loadedFrame()).logDensity], 1e-5);
    expectClose("score", score, reference.gradient, 1e-4, Math.hypot(...reference.virial) / 100);
    expectClose("virial", virial, reference.virial, 1e-4);
  });

  it("give the steps of denoising", async () => {
    core.setPrior(weights);
    core.load(frame);
    const { labels, probabilities, logDensity } = await core.forward();
    const seed = probabilities.map((p, index) => (labels[Math.floor(index / classCount)] === 0 ? 0 : p));
    const { gradient } = await core.backward(seed);
    const first = await core.denoise({ steps: 1 });
    const factor = (model.logitLength * 2.3) ** 2;
    expectClose(
      "displacement",
      first.displacement,
      gradient.map((g) => factor * g),
      1e-9,
    );
    expect(first.initialLogDensity).toBe(logDensity);
    core.load(frame);
    const result = await core.denoise({ steps: 6 });
    expect(result.rawLabels).toEqual(labels);
    expect(result.labels).not.toContain(4);
    expect(result.logDensity).toBeGreaterThan(logDensity);
    core.setPrior();
    core.load(frame);
    const without = await core.denoise({ steps: 1 });
    expect(relativeError(without.displacement, first.displacement)).toBeGreaterThan(1e-2);
  });
});

describe("bad weights of a prior", () => {
  const [one, zero] = [1, 0].map((weight) => new Array<number>(classCount).fill(weight)) as [
    number[],
    number[],
  ];

  it.each([
    ["negative", one.with(2, -1)],
    ["NaN", one.with(2, Number.NaN)],
    ["infinite", one.with(0, Number.POSITIVE_INFINITY)],
    ["all 0", zero],
    ["0 except for class 0", zero.with(0, 1)],
    ["too few", one.slice(1)],
  ])("are refused, and the prior stays: %s", async (_, wrong) => {
    await forwardWith(weights);
    const error = await expectError("BAD_OPTION", () => core.setPrior(wrong));
    expect(error.field).toBe("classes");
    core.load(frame);
    expect(await core.forward()).toEqual(shifted);
  });

  it("do not include the smallest and the largest positive number", async () => {
    for (const weight of [Number.MIN_VALUE, Number.MAX_VALUE]) {
      const result = await forwardWith(one.with(3, weight));
      expect(result.logits.every(Number.isFinite)).toBe(true);
      expect(result.labels.every((label) => (label === 3) === weight > 1)).toBe(true);
    }
  });
});
