/** Variables of frames, and energies of them, for users of the library. */
import type { BackwardResult, CallLimits, PhaseCore } from "../core/index.js";
import { PhasewireError, refusal } from "../errors/index.js";
import { cellGeometry } from "../frame/geometry.js";
import type { Frame } from "../frame/index.js";
import type { ClassWeights } from "../model/index.js";
import type { FrameVariables } from "./frame-variables.js";
import { type EnergyOfValues, runPass } from "./pass.js";
import type { FrameOptions, PreparedFrame } from "./prepare.js";

export interface EvaluateOptions extends Omit<FrameOptions, "lengthScale">, CallLimits {
  /**
   * a0 in the length unit of the positions, a constant in all derivatives; estimated from the frame by
   * default. With `"cell"` it is (V/N)^(1/3), where N counts the analysed atoms; it then follows the cell and
   * contributes to the virial.
   */
  readonly lengthScale?: number | "cell";
  /** The classes allowed, with weights unless they are equal; all by default. */
  readonly classes?: ClassWeights;
  /** E = sum of coefficient x V, with one coefficient per variable. `energy` must be absent. */
  readonly coefficients?: readonly number[];
  /** E as a function of the values, called between the forward and the backward pass. */
  readonly energy?: (values: readonly number[]) => EnergyOfValues;
}

/** The values of variables, and the energy if requested. N counts all atoms, analysed or not. */
export interface EnergyAnalysis {
  /** One per variable. */
  readonly names: readonly string[];
  readonly values: readonly number[];
  /** By name. */
  readonly byName: Readonly<Record<string, number>>;
  /** E. Without coefficients and energy, it is absent, and so are forces and virial. */
  readonly energy?: number;
  /** N x 3, -dE/dr; 0 for atoms that were not analysed. */
  readonly forces?: Float64Array;
  /**
   * 9 numbers, in the unit of E: dE/d eps_ab = -virial_ba under a strain of positions and cell
   * (docs/maths.md, "Gradients").
   */
  readonly virial?: Float64Array;
  /** a0 in use, in the length unit of the positions. */
  readonly lengthScale: number;
}

/**
 * Evaluates variables on a prepared frame, and their energy with its derivatives if requested.
 *
 * @throws PhasewireError the errors of `evaluateVariables` and of the core's passes; `BAD_OPTION` for an
 *   energy that is not finite, or does not fit the variables
 */
export async function evaluateEnergy(
  core: PhaseCore,
  variables: FrameVariables,
  frame: Frame,
  prepared: PreparedFrame,
  weights: Float64Array | undefined,
  { coefficients, energy, lengthScale: scale }: EvaluateOptions,
): Promise<EnergyAnalysis> {
  refuseBoth(coefficients, energy);
  const energyOf = energy ?? (coefficients === undefined ? null : linear(coefficients));
  const answer = await runPass(core, {
    load: () => {
      core.setPrior(weights);
      core.load(prepared.core, { gradients: energyOf !== null });
    },
    variables: {
      resolved: variables.resolved,
      input: () => variables.known(frame, prepared, weights),
      energy: energyOf === null ? null : (values) => checked(energyOf(values), values.length),
      wantsDerivatives: true,
      followsCell: scale === "cell",
    },
    seed: null,
    wantsScore: false,
    denoise: null,
    arrays: "views",
  });
  const values = answer.values!;
  const { lengthScale } = answer.read;
  const found = { names: variables.names, values, byName: variables.named(values), lengthScale };
  if (answer.energy === null) return found;
  const derivatives = answer.derivatives!;
  const { virial } = derivatives;
  return { ...found, energy: answer.energy.energy, forces: forcesOf(derivatives, frame, prepared), virial };
}

/**
 * Returns (V/N)^(1/3) of a frame.
 *
 * @throws PhasewireError `BAD_LENGTH_SCALE` unless all axes are periodic, since there is no volume then
 */
export function lengthScaleOfCell({ core }: PreparedFrame): number {
  const { cell, periodic, positions } = core;
  if (cell === null || !periodic.every(Boolean)) {
    throw refusal("noCellLengthScale", {}, { value: "cell" });
  }
  const volume = cellGeometry(cell, "lengthScale").volume;
  return Math.cbrt(volume / (positions.length / 3));
}

function linear(coefficients: readonly number[]): (values: readonly number[]) => EnergyOfValues {
  return (values) => ({
    energy: values.reduce((sum, value, index) => sum + (coefficients[index] ?? Number.NaN) * value, 0),
    derivatives: coefficients,
  });
}

function refuseBoth(coefficients: unknown, energy: unknown): void {
  if (coefficients === undefined || energy === undefined) return;
  throw new PhasewireError("BAD_OPTION", {
    field: "energy",
    message: "energy and coefficients exclude each other: each of them defines the energy",
    remedy: "Give one of them.",
  });
}

/** Returns the energy, or refuses it if it is not finite or does not fit the variables. */
function checked(found: EnergyOfValues, count: number): EnergyOfValues {
  const { energy, derivatives } = found;
  if (derivatives.length !== count) {
    throw new PhasewireError("BAD_OPTION", {
      field: "coefficients",
      value: derivatives.length,
      message: `there are ${derivatives.length} coefficients for ${count} variables`,
      remedy: "Give one for each variable, in their order.",
    });
  }
  if (Number.isFinite(energy) && derivatives.every(Number.isFinite)) return found;
  throw new PhasewireError("BAD_OPTION", {
    field: "energy",
    value: energy,
    message: `the energy is ${energy}, its derivatives ${derivatives.join(", ")}; finite numbers are needed`,
    remedy: "The energy may not be defined for these values of the variables: check it there.",
  });
}

function forcesOf({ gradient }: BackwardResult, frame: Frame, { selection }: PreparedFrame): Float64Array {
  const forces = new Float64Array(frame.positions.length);
  for (let row = 0; row < gradient.length / 3; row++) {
    const atom = selection === null ? row : selection[row]!;
    for (let i = 0; i < 3; i++) forces[3 * atom + i] = -gradient[3 * row + i]!;
  }
  return forces;
}
