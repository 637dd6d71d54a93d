/** The rule that a class cannot be named where fewer species occur than it needs (assembly/nameable.ts). */
import { afterAll, describe, expect, it } from "vitest";
import {
  backwardReference,
  type CoreFrame,
  type CoreModel,
  type ForwardResult,
  forwardReference,
  PhaseCore,
} from "../../src/core/index.js";
import { loadModel } from "../../src/model/index.js";
import {
  type builds,
  expectClose,
  expectError,
  randomModel,
  randomNumbers,
  shakenCrystal,
} from "./support.js";

const classCount = 7;
/** Class 4 needs three species, classes 2, 3 and 6 two. */
const speciesCounts = [1, 1, 2, 2, 3, 1, 2];

/** A shaken crystal in slabs of one, two and three species. */
const slabs: CoreFrame = (() => {
  const crystal = { ...shakenCrystal(6, 0.4, 11), lengthScale: 2.3 };
  const random = randomNumbers(12);
  const species = Int32Array.from({ length: crystal.positions.length / 3 }, (_, atom) => {
    const third = Math.floor((crystal.positions[3 * atom]! / (6 * 3.6)) * 3);
    return [7, 8, -1][Math.floor(Math.min(2.99, Math.max(1, 1 + third) * random()))]!;
  });
  return { ...crystal, species };
})();
/** The same positions with a few atoms of a second and a third species. */
const sparse: CoreFrame = (() => {
  const random = randomNumbers(13);
  const draw = () => (random() < 0.98 ? 7 : random() < 0.7 ? 8 : 0);
  return { ...slabs, species: slabs.species!.map(draw) };
})();
const atomCount = slabs.positions.length / 3;
const plainModel = await levelModel();
const model: CoreModel = { ...plainModel, speciesCounts };

/** Random weights whose last biases give all classes the same mean logit on that frame. */
async function levelModel(): Promise<CoreModel> {
  const weights = randomModel(5, classCount);
  const { logits } = await evaluate(weights, slabs);
  const bias = weights.tensors["network2.bias1"].slice();
  logits.forEach((logit, index) => {
    bias[index % classCount]! -= logit / atomCount;
  });
  return { ...weights, tensors: { ...weights.tensors, "network2.bias1": bias } };
}

/** Species among each atom and its neighbours, by brute force over all images. */
function speciesAround({ positions, cell, species }: CoreFrame, cutoff: number): number[] {
  const edge = cell![0]!;
  return Array.from({ length: positions.length / 3 }, (_, a) => {
    const seen = new Set([species![a]!]);
    for (let b = 0; b < positions.length / 3; b++) {
      let squared = 0;
      for (let k = 0; k < 3; k++) {
        const d = positions[3 * b + k]! - positions[3 * a + k]!;
        squared += (d - edge * Math.round(d / edge)) ** 2;
      }
      if (squared < cutoff * cutoff) seen.add(species![b]!);
    }
    return seen.size;
  });
}

const reach = model.cutoff * slabs.lengthScale!;
const around = speciesAround(slabs, reach);

async function evaluate(
  of: CoreModel,
  frame: CoreFrame,
  options: { threads?: number; build?: (typeof builds)[number]; prior?: readonly number[] } = {},
): Promise<ForwardResult & { score: Float64Array }> {
  const { threads = 1, build = "baseline", prior } = options;
  const core = await PhaseCore.create(of, { threads, build });
  core.setPrior(prior);
  core.load(frame);
  const result = await core.forward();
  const { score } = await core.score();
  await core.dispose();
  return { ...result, score };
}

const row = (table: ArrayLike<number>, atom: number): number[] =>
  Array.from({ length: classCount }, (_, c) => table[atom * classCount + c]!);

const plain = await evaluate(plainModel, slabs);
const ruled = await evaluate(model, slabs);

describe("species around the atoms", () => {
  it("of the frame are one, two and three", () => {
    expect([...new Set(around)].sort()).toEqual([1, 2, 3]);
  });

  it.each([
    ["in slabs", "baseline", slabs],
    ["in slabs", "relaxed", slabs],
    ["sparse", "baseline", sparse],
  ] as const)("decide which classes are named, as defined: %s, build %s", async (_, build, frame) => {
    const result = await evaluate(model, frame, { build });
    const around = speciesAround(frame, reach);
    const labels: number[] = [];
    const [probabilities, confidence, margin, distance]: number[][] = [[], [], [], []];
    for (let atom = 0; atom < atomCount; atom++) {
      const logits = row(result.logits, atom);
      const named = logits.map((logit, c) =>
        speciesCounts[c]! <= around[atom]! ? logit : Number.NEGATIVE_INFINITY,
      );
      const label = named.indexOf(Math.max(...named));
      const sum = named.reduce((total, logit) => total + Math.exp(logit), 0);
      const phase = label > 0 ? label : named.indexOf(Math.max(...named.slice(1)), 1);
      labels.push(label);
      probabilities!.push(...named.map((logit) => Math.exp(logit) / sum));
      confidence!.push(Math.exp(named[label]!) / sum);
      margin!.push(named[label]! - Math.max(...named.filter((_, c) => c !== label)));
      const missing = Math.max(0, model.idealLogits[phase]! - logits[phase]!);
      distance!.push(result.lengthScale * Math.sqrt(2 * model.logitLength ** 2 * missing));
    }
    expect(Array.from(result.labels)).toEqual(labels);
    expectClose("probabilities", result.probabilities, probabilities!, 1e-6);
    expectClose("confidence", result.confidence, confidence!, 1e-6);
    expectClose("margin", result.margin, margin!, 1e-6);
    expectClose("distance", result.distance, distance!, 1e-6);
    const changed = labels.filter((label, atom) => label !== plain.labels[atom]).length;
    expect(changed).toBeGreaterThan(atomCount / 20);
    if (frame === slabs) expect(labels).toContain(4);
  });

  it("agree with the reference", async () => {
    const core = await PhaseCore.create(model, { threads: 1 });
    core.load(slabs);
    const { probabilities } = await core.forward();
    const frame = core.loadedFrame();
    forwardReference(frame);
    frame.context.core.readReference(frame.context.address);
    const reference = frame.context.doubles("REFERENCE_PROBABILITIES", atomCount * classCount);
    expectClose("probabilities", probabilities, reference, 2e-5);
    expect(probabilities.map((p) => (p === 0 ? 1 : 0))).toEqual(
      Float32Array.from(reference, (p) => (p === 0 ? 1 : 0)),
    );
    await core.dispose();
  });

  it("give the same bits for any number of threads", async () => {
    expect(await evaluate(model, slabs, { threads: 3 })).toEqual(ruled);
  });
});

describe("logits, log density and gradients", () => {
  it("have the bits that they have without the rule", () => {
    expect(ruled.logits).toEqual(plain.logits);
    expect(ruled.atomLogDensity).toEqual(plain.atomLogDensity);
    expect(ruled.logDensity).toBe(plain.logDensity);
    expect(ruled.score).toEqual(plain.score);
    const same = around.flatMap((count, atom) => (count === 3 ? row(ruled.probabilities, atom) : []));
    expect(same).toEqual(
      around.flatMap((count, atom) => (count === 3 ? row(plain.probabilities, atom) : [])),
    );
  });

  it("of denoising follow the log density over all classes", async () => {
    // Class 0 lies so low that every atom is crystalline, with and without the rule.
    const bias = plainModel.tensors["network2.bias1"].with(0, -50);
    const tensors = { ...plainModel.tensors, "network2.bias1": bias };
    const moved: Float64Array[] = [];
    for (const counts of [speciesCounts, new Array<number>(classCount).fill(1)]) {
      const core = await PhaseCore.create({ ...plainModel, tensors, speciesCounts: counts }, { threads: 1 });
      core.load(slabs);
      const { displacement, rawLabels } = await core.denoise({ steps: 3 });
      expect(rawLabels).not.toContain(0);
      moved.push(displacement);
      await core.dispose();
    }
    expect(moved[0]).toEqual(moved[1]);
    expect(moved[0]!.some((d) => Math.abs(d) > 1e-3)).toBe(true);
  });

  it("agree with the reference's gradient where classes are not named", async () => {
    const core = await PhaseCore.create(model, { threads: 1 });
    core.load(slabs);
    const { score } = await core.score();
    const { gradient, virial } = backwardReference(core.loadedFrame());
    expectClose("score", score, gradient, 1e-4, Math.hypot(...virial) / 1000);
    await core.dispose();
  });
});

describe("a frame whose species are ignored or all the same", () => {
  it.each([
    ["ignored", null],
    ["the same", new Int32Array(atomCount).fill(-3)],
  ])("has no label and no probability of a class of two species: %s", async (_, species) => {
    const { labels, probabilities } = await evaluate(model, { ...slabs, species });
    expect(new Set(labels)).toEqual(new Set([...labels].filter((label) => speciesCounts[label] === 1)));
    const others = probabilities.filter((_, index) => speciesCounts[index % classCount]! > 1);
    expect(others.every((p) => p === 0)).toBe(true);
    const without = await evaluate(plainModel, { ...slabs, species });
    expect([...without.labels].some((label) => speciesCounts[label]! > 1)).toBe(true);
  });

  it("is disordered, and unsure, if only such classes are allowed", async () => {
    const prior = [0, 0, 1, 1, 1, 0, 1];
    const { labels, confidence, margin } = await evaluate(model, { ...slabs, species: null }, { prior });
    expect(new Set(labels)).toEqual(new Set([0]));
    expect(confidence.every((p) => p >= 0 && p < 1)).toBe(true);
    expect(margin.every((m) => m === 0)).toBe(true);
  });

  it("is read rightly where a class that it cannot have lies hundreds above all others", async () => {
    const bias = plainModel.tensors["network2.bias1"].with(2, 300);
    const high = { ...plainModel, tensors: { ...plainModel.tensors, "network2.bias1": bias }, speciesCounts };
    const pure = { ...slabs, species: null };
    const [base, far] = [await evaluate(model, pure), await evaluate(high, pure)];
    expect(far.labels).toEqual(base.labels);
    expectClose("probabilities", far.probabilities, base.probabilities, 1e-5);
    expectClose("confidence", far.confidence, base.confidence, 1e-5);
    expect(far.atomLogDensity.every((l) => l > 250)).toBe(true);
  });
});

describe("species that a class cannot need", () => {
  it.each([0, -1, 9])("are refused: %i", async (count) => {
    const wrong = { ...model, speciesCounts: speciesCounts.with(3, count) };
    await expectError("MODEL_NON_FINITE", () => PhaseCore.create(wrong, { threads: 1 }));
  });

  it("are refused if their number is wrong", async () => {
    const wrong = { ...model, speciesCounts: speciesCounts.slice(1) };
    await expectError("MODEL_SHAPE", () => PhaseCore.create(wrong, { threads: 1 }));
  });
});

describe.each(["core", "core-large", "all"])("the model %s", async (name) => {
  const shipped = await loadModel(name);
  const core = await PhaseCore.create(shipped, { threads: 1 });
  afterAll(() => core.dispose());
  const random = randomNumbers(31);
  const elemental = Array.from({ length: 12 }, (_, trial) => {
    const crystal = shakenCrystal(3, 0.25 + 0.07 * trial, trial);
    const strain = [0.8 + 0.5 * random(), 1, 1.3];
    const positions = crystal.positions.map((x, index) => x * strain[index % 3]!);
    const cell = crystal.cell!.map((x, index) => x * strain[index % 3]!);
    return { ...crystal, positions, cell, species: null };
  });

  it("has no compound's label for strained and shaken crystals of one species", async () => {
    for (const frame of elemental) {
      core.load(frame);
      const { labels } = await core.forward();
      const wrong = [...labels].filter((label) => shipped.classes[label]!.speciesCount > 1);
      expect(wrong, `seed 31`).toEqual([]);
    }
  });
});
