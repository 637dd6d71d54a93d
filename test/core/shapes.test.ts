import { afterAll, describe, expect, it } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import {
  backwardReference,
  type CoreModel,
  forwardReference,
  type ModelShape,
  PhaseCore,
} from "../../src/core/index.js";
import { invariantCount } from "../../src/core/shape.js";
import {
  builds,
  expectClose,
  expectError,
  goldenFiles,
  goldenFrame,
  randomFrame,
  randomModel,
  randomNumbers,
  shakenCrystal,
  model as shipped,
} from "./support.js";

const cores: PhaseCore[] = [];
afterAll(() => Promise.all(cores.map((core) => core.dispose())));

async function coreOf(
  model: CoreModel,
  options: Parameters<typeof PhaseCore.create>[1] = {},
): Promise<PhaseCore> {
  const core = await PhaseCore.create(model, { threads: 1, ...options });
  cores.push(core);
  return core;
}

/** The seed of some smooth function: numbers of order one. */
function anySeed(length: number): Float32Array {
  const random = randomNumbers(length);
  return Float32Array.from({ length }, () => 2 * random() - 1);
}

const frame = { ...shakenCrystal(2, 0.4, 3), lengthScale: 2.3 };

/**
 * Channels, lmax, innerWidth, hiddenWidth, messageWidth, outerWidth, classes, cutoff and skippedDegree. There
 * are a small model, the smallest one, odd mixtures, the largest one, and two without l = 5.
 */
const shapes: readonly (readonly number[])[] = [
  [8, 4, 48, 32, 16, 64, 31, 2.1],
  [8, 2, 8, 8, 8, 16, 2, 2],
  [8, 6, 40, 16, 16, 48, 7, 2.2],
  [16, 3, 128, 64, 24, 80, 12, 1.9],
  [16, 5, 56, 24, 8, 112, 40, 2.3],
  [8, 3, 64, 40, 40, 64, 31, 2.5],
  [16, 2, 120, 64, 64, 512, 5, 1.7],
  [8, 6, 48, 32, 32, 64, 31, 2.2, 5],
  [16, 6, 64, 32, 24, 64, 9, 2, 5],
];

function modelOf(sizes: readonly number[], seed = 1): CoreModel {
  const [
    channels,
    lmax,
    innerWidth,
    hiddenWidth,
    messageWidth,
    outerWidth,
    classCount,
    cutoff,
    skippedDegree,
  ] = sizes as [number, number, number, number, number, number, number, number, number?];
  const shape = {
    channels,
    lmax,
    skippedDegree: skippedDegree ?? 0,
    innerWidth,
    hiddenWidth,
    messageWidth,
    cutoff,
  };
  return randomModel(seed, classCount, outerWidth, shape);
}

describe.each(shapes)("K %i, L %i, V %i, H %i, M %i, U %i, C %i, cutoff %f", (...sizes) => {
  const model = modelOf(sizes);

  it("keeps every tensor in its own region", async () => {
    const { context } = (await coreOf(model)) as unknown as { context: CoreContext };
    for (const [name, tensor] of Object.entries(model.tensors)) {
      const kept = context.singles(name.toUpperCase().replace(".", "_"), tensor.length);
      expect(Array.from(kept), name).toEqual(Array.from(tensor));
    }
  });

  it.each(builds)("agrees with the reference, in values and derivatives, build %s", async (build) => {
    const core = await coreOf(model, { build });
    for (const structure of [frame, randomFrame(12), randomFrame(17)]) {
      core.load(structure);
      const { logits, logDensity } = await core.forward();
      const reference = forwardReference(core.loadedFrame());
      expectClose("logits", logits, reference.logits, 1e-5);
      expectClose("logDensity", [logDensity], [reference.logDensity], 1e-5, 1);
      const score = await core.score();
      const exact = backwardReference(core.loadedFrame());
      expectClose("score", score.score, exact.gradient, 1e-4, 1);
      expectClose("virial", score.virial, exact.virial, 1e-4, 1);
      const seed = anySeed(logits.length);
      const any = await core.backward(seed);
      const anyExact = backwardReference(core.loadedFrame(), Float64Array.from(seed));
      expectClose("gradient of any seed", any.gradient, anyExact.gradient, 1e-4, 1);
      expectClose("virial of any seed", any.virial, anyExact.virial, 1e-4, 1);
    }
  });

  it("has a reference whose gradient is the slope of its values", async () => {
    const core = await coreOf(model);
    core.load(frame);
    const seed = anySeed((frame.positions.length / 3) * model.classCount);
    const { gradient } = backwardReference(core.loadedFrame(), Float64Array.from(seed));
    const value = (coordinate: number, x: number): number => {
      const positions = frame.positions.slice();
      positions[coordinate]! += x;
      core.load({ ...frame, positions });
      return forwardReference(core.loadedFrame()).logits.reduce(
        (sum, logit, index) => sum + logit * seed[index]!,
        0,
      );
    };
    const scale = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    for (const coordinate of [0, 4, 50, 95]) {
      const f = (x: number): number => value(coordinate, x);
      const slope = (f(-6e-4) - 8 * f(-3e-4) + 8 * f(3e-4) - f(6e-4)) / (12 * 3e-4);
      expectClose("slope", [gradient[coordinate]!], [slope], 1e-6, scale);
    }
  });

  it("gives the same bits on one thread and on three", async () => {
    const large = shakenCrystal(8, 0.2, 1);
    const runs = [];
    for (const threads of [1, 3]) {
      const core = await coreOf(model, { threads, build: "baseline" });
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
});

/** Appends zeros to each row of `rows` x `from` numbers. */
function widened(data: Float32Array, from: number, to: number): Float32Array {
  const rows = data.length / from;
  const wide = new Float32Array(rows * to);
  for (let row = 0; row < rows; row++) wide.set(data.subarray(row * from, (row + 1) * from), row * to);
  return wide;
}

function lengthened(data: Float32Array, to: number): Float32Array {
  const long = new Float32Array(to);
  long.set(data);
  return long;
}

describe("a wider model whose additional numbers are zero", () => {
  it("gives the same results: inner, hidden and message widths", async () => {
    const narrow = randomModel(3, 9, 64, { innerWidth: 48, hiddenWidth: 24, messageWidth: 16 });
    const { tensors } = narrow;
    const invariants = tensors["standard.mean"].length;
    // Input of network 2: hidden numbers first, then messages.
    const outer = widened(tensors["network2.weight0"], 40, 96);
    for (let row = 0; row < 64; row++) {
      const from = tensors["network2.weight0"].subarray(40 * row, 40 * row + 40);
      outer.fill(0, 96 * row, 96 * (row + 1));
      outer.set(from.subarray(0, 24), 96 * row);
      outer.set(from.subarray(24), 96 * row + 48);
    }
    const wide: CoreModel = {
      ...narrow,
      innerWidth: 64,
      hiddenWidth: 48,
      messageWidth: 48,
      tensors: {
        ...tensors,
        "network1.weight0": lengthened(tensors["network1.weight0"], 64 * invariants),
        "network1.bias0": lengthened(tensors["network1.bias0"], 64),
        "network1.weight1": lengthened(widened(tensors["network1.weight1"], 48, 64), 48 * 64),
        "network1.bias1": lengthened(tensors["network1.bias1"], 48),
        "network2.weight0": outer,
      },
    };
    const [first, second] = [await coreOf(narrow), await coreOf(wide)];
    for (const core of [first, second]) core.load(frame);
    const [one, other] = [await first.forward(), await second.forward()];
    expectClose("logits", other.logits, one.logits, 1e-6);
    const seed = anySeed(one.logits.length);
    expectClose(
      "gradient",
      (await second.backward(seed)).gradient,
      (await first.backward(seed)).gradient,
      1e-5,
    );
  });
});

describe("the shipped model", () => {
  it("has the shape of its golden files", async () => {
    const [golden] = goldenFiles();
    const core = await coreOf(shipped);
    core.load(goldenFrame(golden!));
    const { invariants, hidden, messages } = forwardReference(core.loadedFrame());
    const widths = [golden!.invariants, golden!.hidden, golden!.messages].map((rows) => rows[0]!.length);
    const atoms = golden!.positions.length;
    expect([invariants, hidden, messages].map((table) => table.length / atoms)).toEqual(widths);
    expect(widths).toEqual([invariantCount(shipped), shipped.hiddenWidth, shipped.messageWidth]);
  });
});

describe("refused", () => {
  it.each<[keyof ModelShape, number, string]>([
    ["channels", 12, "a multiple of 8 from 8 to 16"],
    ["channels", 24, "a multiple of 8 from 8 to 16"],
    ["channels", 0, "a multiple of 8"],
    ["lmax", 1, "a whole number from 2 to 6"],
    ["lmax", 7, "a whole number from 2 to 6"],
    ["lmax", 4.5, "a whole number"],
    ["skippedDegree", 4, "a multiple of 5 from 0 to 5 (5 only if lmax is 6)"],
    ["innerWidth", 60, "a multiple of 8 from 8 to 128"],
    ["innerWidth", 136, "a multiple of 8 from 8 to 128"],
    ["hiddenWidth", 72, "a multiple of 8 from 8 to 64"],
    ["messageWidth", 40, "a multiple of 8 from 8 to 32 (hiddenWidth)"],
    ["messageWidth", 0, "a multiple of 8"],
    ["basisCount", 65, "a whole number from 2 to 64"],
    ["classCount", 1024, "a whole number from 2 to 1023"],
    ["classCount", Number.NaN, "a whole number"],
  ])("%s %d", async (key, size, expected) => {
    const error = await expectError("MODEL_SHAPE", () =>
      PhaseCore.create({ ...randomModel(1, 5), [key]: size }, { threads: 1 }),
    );
    expect([error.field, error.message]).toEqual([key, expect.stringContaining(expected)]);
  });

  it.each<[keyof ModelShape, string]>([
    ["channels", "radial.mix"],
    ["lmax", "invariants.mix"],
    ["skippedDegree", "invariants.mix"],
    ["innerWidth", "network1.weight0"],
    ["hiddenWidth", "network1.weight1"],
    ["messageWidth", "network2.weight0"],
  ])("%s that its tensors do not have, by the first of them", async (key, tensor) => {
    const other = {
      channels: 8,
      lmax: 4,
      skippedDegree: 5,
      innerWidth: 48,
      hiddenWidth: 40,
      messageWidth: 8,
    } as const;
    const changed = { ...randomModel(1, 5), [key]: other[key as keyof typeof other] };
    const error = await expectError("MODEL_SHAPE", () => PhaseCore.create(changed, { threads: 1 }));
    expect(error.field).toBe(tensor);
  });
});
