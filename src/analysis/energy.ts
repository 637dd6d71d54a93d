/** Variables of frames, and energies of them, as users of the library ask for them. */
import type { BackwardResult, PhaseCore } from "../core/index.js";
import { PhasewireError, refusal } from "../errors/index.js";
import { cellGeometry } from "../frame/geometry.js";
import type { Frame } from "../frame/index.js";
import type { ClassWeights } from "../model/index.js";
import type { FrameVariables } from "./frame-variables.js";
import { type EnergyOfValues, runPass } from "./pass.js";
import type { FrameOptions, PreparedFrame } from "./prepare.js";

export interface EvaluateOptions extends Omit<FrameOptions, "lengthScale"> {
  /**
   * a0 in the length unit of the positions, a constant of all derivatives; estimated from the frame if absent. `"cell"`: (V/N)^(1/3), N the atoms
   * analysed, which follows the cell, and has its part in the virial.
   */
  readonly lengthScale?: number | "cell";
  /** The classes allowed, with weights where they are not equal; all if absent. */
  readonly classes?: ClassWeights;
  /** E = sum of coefficient x V, one a variable. Not beside `energy`. */
  readonly coefficients?: readonly number[];
  /** E as a function of the values, called between forward and backward pass. */
  readonly energy?: (values: readonly number[]) => EnergyOfValues;
}

/** The values of variables, and the energy that was asked for. N atoms, those that were not analysed included. */
export interface EnergyAnalysis {
  /** One a variable. */
  readonly names: readonly string[];
  readonly values: readonly number[];
  /** By name. */
  readonly byName: Readonly<Record<string, number>>;
  /** E; absent, as all below, without coefficients and energy. */
  readonly energy?: number;
  /** N x 3, -dE/dr; 0 for atoms that were not analysed. */
  readonly forces?: Float64Array;
  /** 9 numbers, in the unit of E: dE/d eps_ab = -virial_ba under a strain of positions and cell (docs/maths.md, "Gradients"). */
  readonly virial?: Float64Array;
  /** a0 in use, in the length unit of the positions. */
  readonly lengthScale: number;
}

/**
 * Evaluates variables on a prepared frame, and the energy of them with its derivatives where one is asked for.
 *
 * @throws PhasewireError what `evaluateVariables` and the core's passes throw; `BAD_OPTION` for an energy that is not finite, or does not fit the variables
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
 * (V/N)^(1/3) of a frame.
 *
 * @throws PhasewireError `BAD_LENGTH_SCALE` unless all axes are periodic: else there is no volume
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
    message: "energy and coefficients exclude each other: each says what the energy is",
    remedy: "Give one of them.",
  });
}

/** An energy that is finite and fits the variables. */
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
    remedy: "The energy has left the range where it is defined: check it for the values given.",
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
