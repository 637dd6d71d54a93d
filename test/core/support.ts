/**
 * Helpers for tests of the core: models, random structures with printed seeds, comparisons that fail for NaN.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import {
  type CoreBuild,
  type CoreFrame,
  type CoreModel,
  type CoreTensors,
  type ModelShape,
  tensorShapes,
  usualShape,
} from "../../src/core/index.js";
import { invariantCount } from "../../src/core/shape.js";
import { type ErrorCode, PhasewireError } from "../../src/errors/index.js";
import { loadModel } from "../../src/model/index.js";
import { packageRoot } from "../../src/package.js";

/** The default shipped model. */
export const model = await loadModel();

/** Both builds of the core: every supported Node runs them. */
export const builds: readonly CoreBuild[] = ["baseline", "relaxed"];

/** A structure with double-precision results (models/FORMAT.md). */
export interface Golden {
  readonly name: string;
  readonly model: string;
  readonly lengthScale: number;
  readonly cell: number[][] | null;
  readonly periodic: [boolean, boolean, boolean];
  readonly species: number[];
  readonly positions: number[][];
  readonly neighbourCounts: number[];
  readonly invariants: number[][];
  readonly hidden: number[][];
  readonly messages: number[][];
  readonly logits: number[][];
  readonly densityFirst: number[][];
  readonly logDensity: number;
  readonly score: number[][];
  readonly virial: number[][];
}

/** Reads all golden structures of the default model. */
export function goldenFiles(): Golden[] {
  const folder = join(packageRoot(), "models", "golden");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Golden)
    .filter((golden) => golden.model === model.name);
}

export function goldenFrame(golden: Golden): CoreFrame {
  return {
    positions: Float64Array.from(golden.positions.flat()),
    cell: golden.cell === null ? null : Float64Array.from(golden.cell.flat()),
    periodic: golden.periodic,
    species: Int32Array.from(golden.species),
    lengthScale: golden.lengthScale,
  };
}

/** Returns a generator of random numbers in [0, 1) with a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns the length of a vector. Brute force needs millions of them, and Math.hypot is slow. */
export const norm = (vector: ArrayLike<number>): number =>
  Math.sqrt(vector[0]! * vector[0]! + vector[1]! * vector[1]! + vector[2]! * vector[2]!);

/** Returns a rotation (9 numbers, rows) by three random angles. */
export function randomRotation(random: () => number): number[] {
  const [a, b, c] = [random(), random(), random()].map((share) => 2 * Math.PI * share) as [
    number,
    number,
    number,
  ];
  const about = (axis: number, angle: number): number[] => {
    const matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    const [i, j] = [(axis + 1) % 3, (axis + 2) % 3];
    matrix[4 * i] = matrix[4 * j] = Math.cos(angle);
    matrix[3 * i + j] = -Math.sin(angle);
    matrix[3 * j + i] = Math.sin(angle);
    return matrix;
  };
  return multiply(multiply(about(2, a), about(0, b)), about(2, c));
}

/** Multiplies row vectors (M x 3, flat) by a 3 x 3 matrix (flat). */
export function multiply(rows: ArrayLike<number>, matrix: ArrayLike<number>): number[] {
  const product = new Array<number>(rows.length).fill(0);
  for (let row = 0; row < rows.length; row += 3) {
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 3; k++) product[row + i]! += rows[row + k]! * matrix[3 * k + i]!;
    }
  }
  return product;
}

/**
 * Returns a face-centred cubic block of repeats^3 cells with edge 3.6. Each atom is moved by up to `noise`
 * along each axis, and has one of two species at random.
 */
export function shakenCrystal(repeats: number, noise: number, seed: number): CoreFrame {
  const random = randomNumbers(seed);
  const edge = 3.6;
  const sites = [
    [0, 0, 0],
    [0.5, 0.5, 0],
    [0.5, 0, 0.5],
    [0, 0.5, 0.5],
  ];
  const positions: number[] = [];
  for (let a = 0; a < repeats; a++) {
    for (let b = 0; b < repeats; b++) {
      for (let c = 0; c < repeats; c++) {
        for (const site of sites) {
          [a, b, c].forEach((cell, axis) => {
            positions.push((cell + site[axis]!) * edge + noise * (2 * random() - 1));
          });
        }
      }
    }
  }
  const length = repeats * edge;
  return {
    positions: Float64Array.from(positions),
    cell: Float64Array.of(length, 0, 0, 0, length, 0, 0, 0, length),
    periodic: [true, true, true],
    species: Int32Array.from({ length: positions.length / 3 }, () => Math.floor(2 * random())),
  };
}

/**
 * Returns random atoms in a random cell. Atoms are at least 0.62 of the mean spacing apart; some lie outside
 * the cell. The cell is triclinic and sometimes left-handed, any of its axes may be periodic, and it may be
 * smaller than the cutoff.
 */
export function randomFrame(seed: number): CoreFrame {
  const random = randomNumbers(seed);
  const atomCount = 1 + Math.floor(random() ** 2 * 60);
  const periodic = [random() < 0.7, random() < 0.7, random() < 0.7] as const;
  const edge = 2.6 * atomCount ** (1 / 3);
  const aspect = [0.6 + 0.8 * random(), 0.6 + 0.8 * random(), 0.6 + 0.8 * random()];
  const lower = [
    edge * aspect[0]!,
    0,
    0,
    edge * 0.5 * (2 * random() - 1),
    edge * aspect[1]!,
    0,
    edge * 0.5 * (2 * random() - 1),
    edge * 0.5 * (2 * random() - 1),
    edge * aspect[2]! * (random() < 0.3 ? -1 : 1),
  ];
  const cell = multiply(lower, randomRotation(random));
  const kept: number[][] = [];
  for (let trial = 0; trial < 4000 && kept.length < atomCount; trial++) {
    const candidate = multiply([random(), random(), random()], cell);
    if (kept.every((atom) => nearestImage(atom, candidate, cell, periodic) > 0.62 * 2.6))
      kept.push(candidate);
  }
  // Some atoms are moved by several cells along the periodic axes.
  const positions = kept.flatMap((atom) => {
    const shift = periodic.map((wraps) => (wraps && random() < 0.3 ? Math.floor(7 * random()) - 3 : 0));
    return multiply(shift, cell).map((offset, axis) => atom[axis]! + offset);
  });
  return {
    positions: Float64Array.from(positions),
    cell: Float64Array.from(cell),
    periodic,
    species: random() < 0.3 ? null : Int32Array.from({ length: kept.length }, () => Math.floor(2 * random())),
    lengthScale: 2.6,
  };
}

function nearestImage(
  a: readonly number[],
  b: readonly number[],
  cell: readonly number[],
  periodic: readonly [boolean, boolean, boolean],
): number {
  const range = periodic.map((wraps) => (wraps ? [-1, 0, 1] : [0]));
  let nearest = Number.POSITIVE_INFINITY;
  for (const i of range[0]!) {
    for (const j of range[1]!) {
      for (const k of range[2]!) {
        const offset = multiply([i, j, k], cell);
        nearest = Math.min(nearest, norm(offset.map((o, axis) => b[axis]! - a[axis]! + o)));
      }
    }
  }
  return nearest;
}

/**
 * Returns the largest difference, divided by the largest expected magnitude. It is NaN if a number is NaN,
 * and infinite if the lengths differ.
 */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, floor = 0): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let scale = floor;
  for (let index = 0; index < expected.length; index++) {
    const error = Math.abs(actual[index]! - expected[index]!);
    if (!(error <= difference)) difference = error;
    scale = Math.max(scale, Math.abs(expected[index]!));
  }
  return difference === 0 ? 0 : difference / scale;
}

/**
 * Expects a relative error of at most `tolerance`. `what` names the quantity; `floor` is the least magnitude
 * to divide the error by.
 */
export function expectClose(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  floor = 0,
): void {
  const error = relativeError(actual, expected, floor);
  expect(error <= tolerance, `${what}: relative error ${error}, allowed ${tolerance}`).toBe(true);
}

/** Expects an action to fail with a PhasewireError of this code, and returns the error. */
export async function expectError(code: ErrorCode, action: () => unknown): Promise<PhasewireError> {
  let thrown: unknown;
  try {
    await action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, `an error ${code} was expected`).toBeInstanceOf(PhasewireError);
  expect((thrown as PhasewireError).code, (thrown as PhasewireError).message).toBe(code);
  return thrown as PhasewireError;
}

/**
 * Returns a model with random weights: every path through the formulas matters, unlike perhaps in a trained
 * model.
 */
export function randomModel(
  seed: number,
  classCount: number,
  outerWidth = 64,
  sizes: Partial<ModelShape & Pick<CoreModel, "cutoff">> = {},
): CoreModel {
  const random = randomNumbers(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const shape: ModelShape = { ...usualShape, basisCount: 10, classCount, outerWidth, ...sizes };
  const { hiddenWidth, messageWidth, innerWidth } = shape;
  const draw = (name: keyof CoreTensors, scale: number, shift = 0): Float32Array => {
    const length = tensorShapes(shape)[name]?.reduce((product, size) => product * size) ?? 0;
    return Float32Array.from({ length }, () => shift + scale * normal());
  };
  const last = draw("network2.weight1", 1.6 / Math.sqrt(shape.outerWidth));
  last.fill(0, 0, shape.outerWidth);
  return {
    ...shape,
    cutoff: sizes.cutoff ?? 2.3,
    basisFirst: 0.6,
    basisLast: sizes.cutoff ?? 2.3,
    basisWidth: 0.2,
    epsilon: 1e-3,
    logitLength: 0.06,
    idealLogits: Float64Array.from({ length: classCount }, () => random()),
    tensors: {
      "radial.mix": draw("radial.mix", 0.3),
      "invariants.mix": draw("invariants.mix", 0.3),
      "standard.mean": draw("standard.mean", 0.2, 0.5),
      "standard.scale": draw("standard.scale", 0.1, 0.8),
      "network1.weight0": draw("network1.weight0", 1.36 / Math.sqrt(invariantCount(shape))),
      "network1.bias0": draw("network1.bias0", 0.1),
      "network1.weight1": draw("network1.weight1", 1.36 / Math.sqrt(innerWidth)),
      "network1.bias1": draw("network1.bias1", 0.1),
      "network2.weight0": draw("network2.weight0", 1.36 / Math.sqrt(hiddenWidth + messageWidth)),
      "network2.bias0": draw("network2.bias0", 0.1),
      "network2.weight1": last,
      "network2.bias1": draw("network2.bias1", 0.5),
      "known.weight0": draw("known.weight0", 1.36 / Math.sqrt(hiddenWidth + messageWidth)),
      "known.bias0": draw("known.bias0", 0.1),
      "known.weight1": draw("known.weight1", 10 / Math.sqrt(Math.max(1, shape.knownWidth))),
    },
  };
}

/**
 * Writes a model's shape and lays the model out after the context. Returns the end, or 0 if the core refuses
 * the shape. The default is the full shape.
 */
export function layoutModel(
  context: CoreContext,
  shape: Partial<
    Record<
      | "CLASSES"
      | "BASIS"
      | "OUTER"
      | "CHANNELS"
      | "LMAX"
      | "SKIPPED_DEGREE"
      | "INNER"
      | "HIDDEN"
      | "MESSAGE"
      | "KNOWN",
      number
    >
  > = {},
): number {
  const full = {
    CLASSES: 12,
    BASIS: 10,
    OUTER: 64,
    CHANNELS: 16,
    LMAX: 6,
    SKIPPED_DEGREE: 0,
    INNER: 64,
    HIDDEN: 32,
    MESSAGE: 32,
    KNOWN: 0,
  };
  for (const [name, count] of Object.entries({ ...full, ...shape })) context.setCount(name, count);
  context.setValue("CUTOFF", 2.3);
  return context.core.layoutModel(context.address, context.end);
}
