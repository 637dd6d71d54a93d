/**
 * Compares forces and virials of the core with finite differences. The kernels compute in single precision;
 * the five-point rule is applied to values of the scalar reference in double precision. This checks both the
 * arithmetic of the kernels and the derivatives of the variables.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { type CoreBuild, forwardReference, PhaseCore } from "../core/index.js";
import type { Frame } from "../frame/index.js";
import type { Model } from "../model/index.js";
import { evaluateInCore } from "../variables/in-core.js";
import type { Variable } from "../variables/index.js";
import { FrameVariables } from "./frame-variables.js";
import type { PreparedFrame } from "./prepare.js";

/** Steps of the differences: for coordinates in units of a0, and for strains. */
const coordinateStep = 1e-4;
const strainStep = 1e-4;
/**
 * Errors are relative to the largest derivative, but at least to this share of the bound that follows from
 * the seed: in a perfect crystal all derivatives vanish.
 */
const leastShare = 0.1;

/** The frame and the variables to check, and how. */
export interface GradientCheckInput {
  readonly model: Model;
  readonly frame: Frame;
  /** The prepared frame with a length scale, which is a constant in all derivatives. */
  readonly prepared: PreparedFrame & { readonly core: { readonly lengthScale: number } };
  readonly weights: Float64Array | undefined;
  readonly variables: readonly Variable[];
  readonly builds: readonly CoreBuild[];
  /** Number of samples: a random atom is moved along a random direction. */
  readonly samples: number;
  /** Seed of the random numbers. */
  readonly seed: number;
  /** Called with the share that is done; returns false to stop. */
  readonly onProgress: (share: number) => boolean;
}

/** Largest errors of one variable, relative to its largest derivative. */
export interface VariableCheck {
  readonly name: string;
  readonly value: number;
  /** One error per build, in the order given. */
  readonly forceErrors: readonly number[];
  readonly virialErrors: readonly number[];
}

/** Derivatives of all variables from one build of the core. */
interface BuildDerivatives {
  readonly gradients: readonly Float64Array[];
  readonly virials: readonly Float64Array[];
  /** The errors of each variable are divided by these. */
  readonly gradientScales: readonly number[];
  readonly virialScales: readonly number[];
}

/**
 * Checks the derivatives of all variables for each build.
 *
 * @returns null if it was stopped
 * @throws PhasewireError the errors of variables and of the core's passes; `BAD_OPTION` for a region with a
 *   sharp edge, which has no derivatives
 */
export async function checkGradients(input: GradientCheckInput): Promise<VariableCheck[] | null> {
  const { model, builds } = input;
  const variables = new FrameVariables(model, input.variables);
  const derivatives: BuildDerivatives[] = [];
  for (const build of builds) {
    const core = await PhaseCore.create(model, { threads: 1, build });
    try {
      derivatives.push(await derivativesOf(core, variables, input));
    } finally {
      await core.dispose();
    }
  }
  const reference = await PhaseCore.create(model, { threads: 1, build: "baseline" });
  try {
    reference.setPrior(input.weights);
    return await compare(reference, variables, derivatives, input);
  } finally {
    await reference.dispose();
  }
}

async function derivativesOf(
  core: PhaseCore,
  variables: FrameVariables,
  { model, frame, prepared, weights }: GradientCheckInput,
): Promise<BuildDerivatives> {
  core.setPrior(weights);
  core.load(prepared.core);
  const evaluation = variables.evaluate(frame, prepared, await core.forward(), weights);
  const inCore = await evaluateInCore(core, variables.resolved, variables.known(frame, prepared, weights));
  const gradients: Float64Array[] = [];
  const virials: Float64Array[] = [];
  const gradientScales: number[] = [];
  const virialScales: number[] = [];
  for (const index of variables.names.keys()) {
    const unit = variables.names.map((_, other) => Number(other === index));
    const { gradient, virial } = await inCore.pull(unit, false);
    const { largest, total } = rowSums(evaluation.derivatives(unit).seed, model.classCount);
    gradients.push(gradient);
    virials.push(virial);
    gradientScales.push(
      Math.max(longest(gradient), (leastShare * largest) / prepared.core.lengthScale, Number.MIN_VALUE),
    );
    virialScales.push(Math.max(...virial.map(Math.abs), leastShare * total, Number.MIN_VALUE));
  }
  return { gradients, virials, gradientScales, virialScales };
}

async function compare(
  reference: PhaseCore,
  variables: FrameVariables,
  derivatives: readonly BuildDerivatives[],
  { frame, prepared, weights, samples, seed, onProgress }: GradientCheckInput,
): Promise<VariableCheck[] | null> {
  const { names } = variables;
  const { positions, cell, lengthScale } = prepared.core;
  const errors = names.map(() => ({
    force: derivatives.map(() => 0),
    virial: derivatives.map(() => 0),
  }));
  const valuesOf = (moved: Float64Array, strain: readonly number[] | null): readonly number[] => {
    const strained = (box: Float64Array | null) =>
      box === null || strain === null ? box : times(box, strain);
    const core = { ...prepared.core, positions: moved, cell: strained(cell) };
    reference.load(core);
    const changed = { ...frame, cell: strained(frame.cell) };
    return variables.evaluate(
      changed,
      { ...prepared, core },
      forwardReference(reference.loadedFrame()),
      weights,
    ).values;
  };
  const values = valuesOf(positions, null);
  const random = randomNumbers(seed);
  const evaluations = 4 * (samples + 9);
  let done = 0;
  let isStopped = false;
  const slopes = async (f: (x: number) => readonly number[], step: number): Promise<number[]> => {
    const found: (readonly number[])[] = [];
    for (const times of [-2, -1, 1, 2]) {
      found.push(f(times * step));
      done += 1;
      isStopped ||= !onProgress(done / evaluations);
      // Lets the process notice an interruption.
      await nextTurn();
    }
    const [a, b, c, d] = found as [
      readonly number[],
      readonly number[],
      readonly number[],
      readonly number[],
    ];
    return a.map((value, index) => (value - 8 * b[index]! + 8 * c[index]! - d[index]!) / (12 * step));
  };
  for (let sample = 0; sample < samples && !isStopped; sample++) {
    const atom = Math.floor((random() * positions.length) / 3);
    const direction = unitVector(random);
    const found = await slopes((x) => {
      const moved = positions.slice();
      for (let i = 0; i < 3; i++) moved[3 * atom + i]! += x * direction[i]!;
      return valuesOf(moved, null);
    }, coordinateStep * lengthScale);
    for (const [build, { gradients, gradientScales }] of derivatives.entries()) {
      names.forEach((_, index) => {
        const along = direction.reduce((sum, part, i) => sum + part * gradients[index]![3 * atom + i]!, 0);
        const error = Math.abs(found[index]! - along) / gradientScales[index]!;
        errors[index]!.force[build] = Math.max(errors[index]!.force[build]!, error);
      });
    }
  }
  for (let component = 0; component < 9 && !isStopped; component++) {
    const found = await slopes((x) => {
      const strain = [1, 0, 0, 0, 1, 0, 0, 0, 1];
      strain[component]! += x;
      return valuesOf(times(positions, strain), strain);
    }, strainStep);
    // dV/d eps_ab = -virial_ba
    const transposed = 3 * (component % 3) + Math.floor(component / 3);
    for (const [build, { virials, virialScales }] of derivatives.entries()) {
      names.forEach((_, index) => {
        const error = Math.abs(found[index]! + virials[index]![transposed]!) / virialScales[index]!;
        errors[index]!.virial[build] = Math.max(errors[index]!.virial[build]!, error);
      });
    }
  }
  if (isStopped) return null;
  return names.map((name, index) => ({
    name,
    value: values[index]!,
    forceErrors: errors[index]!.force,
    virialErrors: errors[index]!.virial,
  }));
}

/**
 * Sums the magnitudes of a seed (N x C) over the classes; returns the largest sum per atom, and their total.
 */
function rowSums(seed: Float64Array, classCount: number): { largest: number; total: number } {
  let [largest, total] = [0, 0];
  for (let row = 0; row < seed.length; row += classCount) {
    let sum = 0;
    for (let c = 0; c < classCount; c++) sum += Math.abs(seed[row + c]!);
    largest = Math.max(largest, sum);
    total += sum;
  }
  return { largest, total };
}

/** Returns the length of the longest of N x 3 vectors. */
function longest(vectors: Float64Array): number {
  let most = 0;
  for (let at = 0; at < vectors.length; at += 3) {
    most = Math.max(most, Math.hypot(vectors[at]!, vectors[at + 1]!, vectors[at + 2]!));
  }
  return most;
}

/** Multiplies row vectors (M x 3) by a 3 x 3 matrix. */
function times(rows: Float64Array, matrix: readonly number[]): Float64Array {
  const product = new Float64Array(rows.length);
  for (let row = 0; row < rows.length; row += 3) {
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 3; k++) product[row + i]! += rows[row + k]! * matrix[3 * k + i]!;
    }
  }
  return product;
}

function unitVector(random: () => number): number[] {
  const z = 2 * random() - 1;
  const angle = 2 * Math.PI * random();
  const across = Math.sqrt(1 - z * z);
  return [across * Math.cos(angle), across * Math.sin(angle), z];
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
