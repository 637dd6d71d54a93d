/** Variables of frames, and energies of them, as users of the library ask for them. */
import type { PhaseCore } from "../core/index.js";
import { PhasewireError } from "../errors/index.js";
import type { Frame } from "../frame/index.js";
import { type ClassWeights, logWeights, type Model } from "../model/index.js";
import { cellGeometry } from "../variables/geometry.js";
import {
  evaluateVariables,
  type ResolvedVariable,
  readVariables,
  resolveVariables,
  type Variable,
  type VariableEvaluation,
  variableNames,
} from "../variables/index.js";
import { addDirect, type Derivatives, pullBack } from "./differentiate.js";
import type { FrameOptions, PreparedFrame } from "./prepare.js";

/** An energy of variables, and what its forces need of it. */
export interface EnergyOfValues {
  readonly energy: number;
  /** One a variable, dE/dV. */
  readonly derivatives: readonly number[];
}

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

/** A list of variables for the classes of a model. */
export class FrameVariables {
  readonly names: readonly string[];
  private readonly resolved: readonly ResolvedVariable[];

  /** @throws PhasewireError `BAD_OPTION` that names the key at fault, such as `variables[0].class` */
  constructor(
    private readonly model: Model,
    declared: readonly Variable[],
  ) {
    const variables = readVariables(declared);
    this.names = variableNames(variables);
    this.resolved = resolveVariables(variables, model.classes);
  }

  /**
   * @param logits M x C, of the M atoms analysed
   * @param weights of the classes; absent for equal ones
   * @throws PhasewireError what `evaluateVariables` throws
   */
  evaluate(
    frame: Frame,
    { core, selection }: PreparedFrame,
    { logits, lengthScale }: { readonly logits: Float32Array | Float64Array; readonly lengthScale: number },
    weights: Float64Array | undefined,
  ): VariableEvaluation {
    const { classCount, idealLogits, logitLength } = this.model;
    const { species, ids = null } = frame;
    return evaluateVariables(this.resolved, {
      classCount,
      idealLogits,
      logitLength,
      logits,
      lengthScale,
      logWeights: weights === undefined ? null : logWeights(weights),
      positions: core.positions,
      cell: frame.cell,
      periodic: frame.periodic,
      species:
        species === null || selection === null ? species : Array.from(selection, (atom) => species[atom]!),
      // Without ids, atoms are known by their places in the frame, not among those selected.
      ids: selection === null ? ids : Float64Array.from(selection, (atom) => ids?.[atom] ?? atom),
    });
  }

  /** The values by name. */
  named(values: readonly number[]): Record<string, number> {
    return Object.fromEntries(this.names.map((name, index) => [name, values[index]!]));
  }
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
  core.setPrior(weights);
  core.load(prepared.core, { gradients: energyOf !== null });
  // Views of logits hold until the values are known; the seed is formed before the backward pass.
  const forward = await core.forward({ arrays: "views" });
  const { lengthScale } = forward;
  const evaluation = variables.evaluate(frame, prepared, forward, weights);
  const values = [...evaluation.values];
  const found = { names: variables.names, values, byName: variables.named(values), lengthScale };
  if (energyOf === null) return found;
  const known = energyOf(values);
  checkEnergy(known, values.length);
  const derivatives = evaluation.derivatives(known.derivatives);
  const pulled = addDirect(await pullBack(core, derivatives.seed), derivatives, scale === "cell");
  return { ...found, energy: known.energy, forces: forcesOf(pulled, frame, prepared), virial: pulled.virial };
}

/**
 * (V/N)^(1/3) of a frame.
 *
 * @throws PhasewireError `BAD_LENGTH_SCALE` unless all axes are periodic: else there is no volume
 */
export function lengthScaleOfCell({ core }: PreparedFrame): number {
  const { cell, periodic, positions } = core;
  if (cell === null || !periodic.every(Boolean)) {
    throw new PhasewireError("BAD_LENGTH_SCALE", {
      field: "lengthScale",
      value: "cell",
      message: 'the length scale "cell" needs a frame that is periodic along all three axes',
      remedy: "Give a number, such as the estimate of the first frame.",
    });
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

function checkEnergy({ energy, derivatives }: EnergyOfValues, count: number): void {
  if (derivatives.length !== count) {
    throw new PhasewireError("BAD_OPTION", {
      field: "coefficients",
      value: derivatives.length,
      message: `there are ${derivatives.length} coefficients for ${count} variables`,
      remedy: "Give one for each variable, in their order.",
    });
  }
  if (Number.isFinite(energy) && derivatives.every(Number.isFinite)) return;
  throw new PhasewireError("BAD_OPTION", {
    field: "energy",
    value: energy,
    message: `the energy is ${energy}, its derivatives ${derivatives.join(", ")}; finite numbers are needed`,
    remedy: "The energy has left the range where it is defined: check it for the values given.",
  });
}

function forcesOf({ gradient }: Derivatives, frame: Frame, { selection }: PreparedFrame): Float64Array {
  const forces = new Float64Array(frame.positions.length);
  for (let row = 0; row < gradient.length / 3; row++) {
    const atom = selection === null ? row : selection[row]!;
    for (let i = 0; i < 3; i++) forces[3 * atom + i] = -gradient[3 * row + i]!;
  }
  return forces;
}
