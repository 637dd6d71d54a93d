import { afterAll, describe, expect, it } from "vitest";
import { type CoreModel, PhaseCore } from "../../src/core/index.js";
import { expectClose, randomFrame, randomModel, shakenCrystal } from "./support.js";

const classCount = 6;
const frames = { crystal: { ...shakenCrystal(3, 0.5, 3), lengthScale: 2.3 }, cluster: randomFrame(34) };
const model = await evenModel();
const core = await PhaseCore.create(model, { threads: 1 });
afterAll(() => core.dispose());

/**
 * Returns a model with random weights whose constant logit of class 0 gives that label to half of the
 * crystal's atoms.
 */
async function evenModel(): Promise<CoreModel> {
  const weights = randomModel(21, classCount);
  const trial = await PhaseCore.create(weights, { threads: 1 });
  trial.load(frames.crystal);
  const { logits } = await trial.forward();
  await trial.dispose();
  const best = Array.from({ length: logits.length / classCount }, (_, atom) =>
    Math.max(...logits.subarray(atom * classCount + 1, (atom + 1) * classCount)),
  ).sort((a, b) => a - b);
  const bias = weights.tensors["network2.bias1"].slice();
  const middle = best[best.length >> 1]!;
  bias[0] = middle;
  // Ideal logits have the same value: some atoms are above, with distance 0, others below.
  const idealLogits = new Float64Array(classCount).fill(middle);
  return { ...weights, idealLogits, tensors: { ...weights.tensors, "network2.bias1": bias } };
}

describe.each(Object.entries(frames))("results that follow from the logits: %s", (_, frame) => {
  it("agree with the definitions", async () => {
    core.load(frame);
    const result = await core.forward();
    const atomCount = frame.positions.length / 3;
    const labels: number[] = [];
    const [probabilities, confidence, margin, logDensity, distance]: number[][] = [[], [], [], [], []];
    for (let atom = 0; atom < atomCount; atom++) {
      const logits = Array.from(result.logits.subarray(atom * classCount, (atom + 1) * classCount));
      const label = logits.indexOf(Math.max(...logits));
      const others = logits.filter((_, index) => index !== label);
      const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
      const phase = label > 0 ? label : logits.indexOf(Math.max(...logits.slice(1)), 1);
      labels.push(label);
      probabilities!.push(...logits.map((logit) => Math.exp(logit) / sum));
      confidence!.push(Math.exp(logits[label]!) / sum);
      margin!.push(logits[label]! - Math.max(...others));
      logDensity!.push(Math.log(sum));
      const missing = Math.max(0, model.idealLogits[phase]! - logits[phase]!);
      distance!.push(result.lengthScale * Math.sqrt(2 * model.logitLength ** 2 * missing));
    }
    expect(Array.from(result.labels)).toEqual(labels);
    expectClose("probabilities", result.probabilities, probabilities!, 1e-6);
    expectClose("confidence", result.confidence, confidence!, 1e-6);
    expectClose("margin", result.margin, margin!, 1e-6);
    expectClose("atomLogDensity", result.atomLogDensity, logDensity!, 1e-6);
    expectClose("distance", result.distance, distance!, 1e-6);
    expectClose("logDensity", [result.logDensity], [logDensity!.reduce((sum, term) => sum + term, 0)], 1e-6);
  });
});

describe("labels", () => {
  it("of that crystal are of both kinds, and some atoms differ from their ideal phase", async () => {
    core.load(frames.crystal);
    const { labels, distance } = await core.forward();
    expect(labels.some((label) => label === 0)).toBe(true);
    expect(labels.some((label) => label > 0)).toBe(true);
    expect(distance.some((d) => d > 0)).toBe(true);
    expect(distance.some((d) => d === 0)).toBe(true);
  });
});
