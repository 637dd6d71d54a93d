/** The class dhcp counts only where it is surrounded by itself (assembly/stacking.ts). */
import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, type CoreModel, forwardReference, PhaseCore } from "../../src/core/index.js";
import {
  builds,
  expectClose,
  expectError,
  model,
  randomModel,
  randomNumbers,
  shakenCrystal,
} from "./support.js";

const classCount = 5;
const stackedClass = 3;
const plainModel = await levelModel();
const ruledModel: CoreModel = { ...plainModel, stackedClass };
const frame: CoreFrame = { ...shakenCrystal(5, 0.25, 6), lengthScale: 2.27 };
const atomCount = frame.positions.length / 3;

/** Random weights whose last bias makes the stacked class the best one for two thirds of the atoms. */
async function levelModel(): Promise<CoreModel> {
  const weights = randomModel(17, classCount);
  const crystal = { ...shakenCrystal(5, 0.25, 6), lengthScale: 2.27 };
  const core = await PhaseCore.create(weights, { threads: 1 });
  core.load(crystal);
  const { logits } = await core.forward();
  await core.dispose();
  const lead = Array.from({ length: logits.length / classCount }, (_, atom) => {
    const row = Array.from(logits.subarray(atom * classCount, (atom + 1) * classCount));
    return Math.max(...row.filter((_, c) => c !== stackedClass)) - row[stackedClass]!;
  }).sort((a, b) => a - b);
  const bias = weights.tensors["network2.bias1"].slice();
  bias[stackedClass]! += lead[Math.floor((2 / 3) * lead.length)]!;
  return { ...weights, tensors: { ...weights.tensors, "network2.bias1": bias } };
}

async function evaluate(of: CoreModel, options: { threads?: number; build?: (typeof builds)[number] } = {}) {
  const core = await PhaseCore.create(of, { threads: 1, build: "baseline", ...options });
  core.load(frame);
  const result = await core.forward();
  const { score } = await core.score();
  core.load(frame);
  const { displacement } = await core.denoise({ steps: 2 });
  await core.dispose();
  return { ...result, score, displacement };
}

const [plain, ruled] = [await evaluate(plainModel), await evaluate(ruledModel)];

describe("an atom of the stacked class", () => {
  it.each(builds)("keeps it if at least 60 % of its neighbours have it, build %s", async (build) => {
    const core = await PhaseCore.create(ruledModel, { threads: 1, build });
    core.load(frame);
    const result = await core.forward();
    const reference = core.loadedFrame();
    forwardReference(reference);
    const { context } = reference;
    const starts = context.integers("REFERENCE_START", atomCount + 1);
    const links = context.integers("REFERENCE_LINK", starts[atomCount]!);
    const first = Array.from({ length: atomCount }, (_, atom) => {
      const row = Array.from(result.logits.subarray(atom * classCount, (atom + 1) * classCount));
      return row.indexOf(Math.max(...row));
    });
    let [kept, barred] = [0, 0];
    const [probabilities, confidence, margin]: number[][] = [[], [], []];
    for (let atom = 0; atom < atomCount; atom++) {
      const neighbours = Array.from(links.subarray(starts[atom]!, starts[atom + 1]!), (link) => link >> 1);
      const alike = neighbours.filter((other) => first[other] === stackedClass).length;
      const isBarred = first[atom] === stackedClass && alike < 0.6 * neighbours.length;
      if (isBarred) barred += 1;
      else if (first[atom] === stackedClass) kept += 1;
      const row = Array.from(
        result.logits.subarray(atom * classCount, (atom + 1) * classCount),
        (logit, c) => (isBarred && c === stackedClass ? Number.NEGATIVE_INFINITY : logit),
      );
      const label = row.indexOf(Math.max(...row));
      const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
      expect(result.labels[atom], `atom ${atom}`).toBe(label);
      probabilities!.push(...row.map((logit) => Math.exp(logit) / sum));
      confidence!.push(Math.exp(row[label]!) / sum);
      margin!.push(row[label]! - Math.max(...row.filter((_, c) => c !== label)));
    }
    expect(Math.min(kept, barred)).toBeGreaterThan(atomCount / 20);
    expectClose("probabilities", result.probabilities, probabilities!, 1e-6);
    expectClose("confidence", result.confidence, confidence!, 1e-6);
    expectClose("margin", result.margin, margin!, 1e-6);
    await core.dispose();
  });

  it("leaves logits, log density, score and denoising to the last bit", () => {
    expect(ruled.labels).not.toEqual(plain.labels);
    for (const name of ["logits", "atomLogDensity", "score", "displacement"] as const) {
      expect(ruled[name]).toEqual(plain[name]);
    }
  });

  it("has the same results on any number of threads, and without tables", async () => {
    expect(await evaluate(ruledModel, { threads: 3 })).toEqual(ruled);
    const core = await PhaseCore.create(ruledModel, { threads: 1, build: "baseline" });
    core.load(frame, { gradients: false, perClass: false });
    const { labels, confidence, margin, distance } = await core.forward({ arrays: "atoms" });
    expect({ labels, confidence, margin, distance }).toEqual({
      labels: ruled.labels,
      confidence: ruled.confidence,
      margin: ruled.margin,
      distance: ruled.distance,
    });
    await core.dispose();
  });

  it.each([-1, classCount])("is not one of a class that there is not: %i", async (wrong) => {
    await expectError("MODEL_NON_FINITE", () =>
      PhaseCore.create({ ...plainModel, stackedClass: wrong }, { threads: 1 }),
    );
  });
});

describe("the shipped model", async () => {
  const core = await PhaseCore.create(model, { threads: 1 });
  afterAll(() => core.dispose());

  /** Close-packed layers of 6 x 6 atoms, periodic, shaken by a normal distribution; units of a0. */
  function layers(sequence: string, sigma: number): CoreFrame {
    const random = randomNumbers(sequence.length);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const edge = 2 ** (1 / 6);
    const height = edge * Math.sqrt(2 / 3);
    const positions = [...sequence].flatMap((letter, layer) => {
      const shift = "ABC".indexOf(letter) / 3;
      return Array.from({ length: 36 }, (_, place) => {
        const [i, j] = [(place % 6) + shift, Math.floor(place / 6) + shift];
        const site = [edge * (i + j / 2), edge * Math.sqrt(0.75) * j, height * layer];
        return site.map((x) => x + sigma * normal());
      }).flat();
    });
    const [side, top] = [6 * edge, height * sequence.length];
    return {
      positions: Float64Array.from(positions),
      cell: Float64Array.of(side, 0, 0, side / 2, side * Math.sqrt(0.75), 0, 0, 0, top),
      periodic: [true, true, true],
      species: null,
    };
  }

  const share = (labels: Uint16Array, name: string): number =>
    labels.filter((label) => model.classes[label]!.name === name).length / labels.length;

  it.each([
    ["a stacking fault", "ABCABCBCABCA", 0.1],
    ["two faults close together", "ABCABABCABCBCABC".slice(0, 15), 0.1],
    ["a twin", "ABCABCABCACBACBACB", 0.1],
    ["9R", "ABABCBCACABABCBCAC", 0.1],
    ["fcc far above its melting point", "ABCABCABC", 0.13],
  ])("finds no dhcp in %s", async (_, sequence, sigma) => {
    core.load(layers(sequence, sigma));
    expect(share((await core.forward()).labels, "dhcp")).toBeLessThan(0.005);
    const { labels } = await core.denoise({ steps: 8 });
    expect(share(labels, "dhcp")).toBe(0);
  });

  it.each([
    [0.05, 0.95],
    [0.09, 0.85],
    [0.12, 0],
  ])("finds dhcp in dhcp with noise %f", async (sigma, raw) => {
    core.load(layers("ABACABACABAC", sigma));
    expect(share((await core.forward()).labels, "dhcp")).toBeGreaterThanOrEqual(raw);
    const { labels } = await core.denoise({ steps: 8 });
    expect(share(labels, "dhcp")).toBeGreaterThan(0.98);
  });
});
