import { afterAll, describe, expect, it } from "vitest";
import { CoreContext } from "../../src/core/context.js";
import { backwardReference, type CoreModel, forwardReference, PhaseCore } from "../../src/core/index.js";
import { createMemory, instantiateCore } from "../../src/core/instance.js";
import { coreModule } from "../../src/core/node-host.js";
import {
  expectClose,
  expectError,
  layoutModel,
  randomModel,
  randomNumbers,
  shakenCrystal,
} from "./support.js";

const cores: PhaseCore[] = [];
afterAll(() => Promise.all(cores.map((core) => core.dispose())));

async function coreOf(model: CoreModel): Promise<PhaseCore> {
  const core = await PhaseCore.create(model, { threads: 1 });
  cores.push(core);
  return core;
}

const frame = { ...shakenCrystal(2, 0.5, 3), lengthScale: 2.3 };
const atomCount = frame.positions.length / 3;

// 1023 is the upper limit; 400 fills register tiles, 349 and 1023 do not.
describe.each([349, 400, 1023])("a model of %i classes", (classCount) => {
  it("agrees with the reference, in values, labels and derivatives", async () => {
    const core = await coreOf(randomModel(classCount, classCount));
    core.load(frame);
    const { logits, labels, probabilities, logDensity } = await core.forward();
    const reference = forwardReference(core.loadedFrame());
    expectClose("logits", logits, reference.logits, 1e-5);
    expectClose("logDensity", [logDensity], [reference.logDensity], 1e-6);
    for (let atom = 0; atom < atomCount; atom++) {
      const row = logits.subarray(atom * classCount, (atom + 1) * classCount);
      expect(labels[atom]).toBe(row.indexOf(Math.max(...row)));
      const sum = probabilities
        .subarray(atom * classCount, (atom + 1) * classCount)
        .reduce((total, p) => total + p, 0);
      expectClose(`sum of the probabilities of atom ${atom}`, [sum], [1], 1e-6);
    }
    const score = await core.score();
    const exact = backwardReference(core.loadedFrame());
    expectClose("score", score.score, exact.gradient, 1e-4);
    expectClose("virial", score.virial, exact.virial, 1e-4);
    const random = randomNumbers(classCount);
    const seed = Float32Array.from({ length: logits.length }, () => 2 * random() - 1);
    const any = await core.backward(seed);
    const anyExact = backwardReference(core.loadedFrame(), Float64Array.from(seed));
    expectClose("gradient of any seed", any.gradient, anyExact.gradient, 1e-4);
  });

  it("labels atoms with its last class", async () => {
    const model = randomModel(5, classCount);
    const bias = model.tensors["network2.bias1"].slice();
    bias[classCount - 1] = 100;
    const core = await coreOf({ ...model, tensors: { ...model.tensors, "network2.bias1": bias } });
    core.load(frame);
    const raw = await core.forward();
    expect(raw.labels.every((label) => label === classCount - 1)).toBe(true);
    const denoised = await core.denoise({ steps: 2 });
    expect(denoised.labels).toEqual(raw.labels);
    expect(denoised.rawLabels).toEqual(raw.labels);
  });
});

it("a model of 1024 classes is refused", async () => {
  const error = await expectError("MODEL_SHAPE", () =>
    PhaseCore.create(randomModel(1, 1024), { threads: 1 }),
  );
  expect(error.message).toContain("1023");
});

describe("memory", () => {
  /** Returns the bytes of a frame, or 0 if it does not fit. */
  async function frameBytes(atoms: number, classCount: number, features: number): Promise<number> {
    const memory = createMemory();
    const core = instantiateCore(await coreModule("baseline"), memory);
    const context = new CoreContext(core, memory);
    const base = layoutModel(context, { CLASSES: classCount });
    const end = core.layoutFrame(context.address, base, atoms, 0, 2, features);
    return end === 0 ? 0 : end - base;
  }

  it("per atom and class is 12 bytes with gradients, 8 without; 100,000 atoms of 350 classes fit easily", async () => {
    const [forward, all] = [0, 3];
    for (const [features, bytes] of [
      [forward, 8],
      [all, 12],
    ] as const) {
      const few = await frameBytes(100_000, 12, features);
      const many = await frameBytes(100_000, 350, features);
      expectClose("bytes", [(many - few) / 100_000 / (350 - 12)], [bytes], 1e-3);
      expect(many).toBeGreaterThan(0);
      expect(many).toBeLessThan(1.2 * 2 ** 30);
    }
  });
});
