import { afterAll, describe, expect, it } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import { backwardReference, type CoreModel, forwardReference, PhaseCore } from "../../src/core/index.js";
import { expectClose, expectError, randomModel, randomNumbers, shakenCrystal } from "./support.js";

const cores: PhaseCore[] = [];
afterAll(() => Promise.all(cores.map((core) => core.dispose())));

async function coreOf(model: CoreModel, threads = 1): Promise<PhaseCore> {
  const core = await PhaseCore.create(model, { threads });
  cores.push(core);
  return core;
}

/** The seed of some smooth function: numbers of order one. */
function anySeed(length: number): Float32Array {
  const random = randomNumbers(length);
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

const frame = { ...shakenCrystal(2, 0.5, 3), lengthScale: 2.3 };
const atomCount = frame.positions.length / 3;

// The least width, an odd multiple of it, a usual width of large models, and the limits of both numbers.
describe.each([
  [16, 7],
  [80, 31],
  [192, 420],
  [512, 1023],
])("a last hidden layer of %i units, %i classes", (outerWidth, classCount) => {
  it("keeps every tensor in its own region", async () => {
    const model = randomModel(outerWidth, classCount, outerWidth);
    const { context } = (await coreOf(model)) as unknown as { context: CoreContext };
    for (const [name, tensor] of Object.entries(model.tensors)) {
      const kept = context.singles(name.toUpperCase().replace(".", "_"), tensor.length);
      expect(Array.from(kept), name).toEqual(Array.from(tensor));
    }
  });

  it("agrees with the reference, in values and derivatives", async () => {
    const core = await coreOf(randomModel(outerWidth, classCount, outerWidth));
    core.load(frame);
    const { logits, logDensity } = await core.forward();
    const reference = forwardReference(core.loadedFrame());
    expectClose("logits", logits, reference.logits, 1e-5);
    expectClose("logDensity", [logDensity], [reference.logDensity], 1e-6);
    const score = await core.score();
    const exact = backwardReference(core.loadedFrame());
    expectClose("score", score.score, exact.gradient, 1e-4);
    expectClose("virial", score.virial, exact.virial, 1e-4);
    const seed = anySeed(logits.length);
    const any = await core.backward(seed);
    const anyExact = backwardReference(core.loadedFrame(), Float64Array.from(seed));
    expectClose("gradient of any seed", any.gradient, anyExact.gradient, 1e-4);
    expectClose("virial of any seed", any.virial, anyExact.virial, 1e-4);
  });
});

/** Appends zeros to each row of `rows` x `from` numbers. */
function widened(data: Float32Array, rows: number, from: number, to: number): Float32Array {
  const wide = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) wide.set(data.subarray(row * from, (row + 1) * from), row * to);
  return wide;
}

it("units that no class uses change no bit", async () => {
  const [classCount, outerWidth] = [12, 192];
  const narrow = randomModel(4, classCount);
  const other = randomModel(5, classCount, outerWidth);
  const { tensors } = narrow;
  const weight0 = other.tensors["network2.weight0"].slice();
  weight0.set(tensors["network2.weight0"]);
  const bias0 = other.tensors["network2.bias0"].slice();
  bias0.set(tensors["network2.bias0"]);
  const wide: CoreModel = {
    ...narrow,
    outerWidth,
    tensors: {
      ...tensors,
      "network2.weight0": weight0,
      "network2.bias0": bias0,
      "network2.weight1": widened(tensors["network2.weight1"], classCount, 64, outerWidth),
    },
  };
  const [first, second] = [await coreOf(narrow), await coreOf(wide)];
  for (const core of [first, second]) core.load(frame);
  expect(await second.forward()).toEqual(await first.forward());
  const seed = anySeed(atomCount * classCount);
  expect(await second.backward(seed)).toEqual(await first.backward(seed));
});

it("threads share a wide model, to the last bit", async () => {
  const model = randomModel(6, 420, 192);
  // Large enough for three threads.
  const large = shakenCrystal(8, 0.25, 1);
  const runs = [];
  for (const threads of [1, 3]) {
    const core = await coreOf(model, threads);
    core.load(large);
    const { logits } = await core.forward();
    const { gradient } = await core.backward(anySeed(logits.length));
    const { positions } = await core.denoise({ steps: 2 });
    expect(logits.every(Number.isFinite)).toBe(true);
    runs.push([logits, gradient, positions].map(({ buffer }) => Buffer.from(buffer)));
  }
  const [alone, shared] = runs;
  alone!.forEach((bytes, index) => {
    expect(bytes.equals(shared![index]!), ["logits", "gradient", "positions"][index]).toBe(true);
  });
});

describe("refused", () => {
  it.each([0, 15, 24, -16, 528, 1024])("a width of %i", async (outerWidth) => {
    const { tensors, ...numbers } = randomModel(1, 5);
    const error = await expectError("MODEL_SHAPE", () =>
      PhaseCore.create({ ...numbers, outerWidth, tensors }, { threads: 1 }),
    );
    expect(error.message).toContain(`outerWidth is ${outerWidth}`);
    expect(error.message).toContain("a multiple of 16 from 16 to 512");
  });

  it("a width that its tensors do not have", async () => {
    const error = await expectError("MODEL_SHAPE", () =>
      PhaseCore.create({ ...randomModel(1, 5, 64), outerWidth: 192 }, { threads: 1 }),
    );
    expect(error.field).toBe("network2.weight0");
  });

  it("a row 0 of the last matrix that is not zero in its last item", async () => {
    const model = randomModel(1, 5, 192);
    const weight1 = model.tensors["network2.weight1"].slice();
    weight1[191] = 1;
    const tensors = { ...model.tensors, "network2.weight1": weight1 };
    await expectError("MODEL_NON_FINITE", () => PhaseCore.create({ ...model, tensors }, { threads: 1 }));
  });
});
