/** Variables of the library's users: their names, and their input from a frame. */
import type { Frame } from "../frame/index.js";
import { logWeights, type Model } from "../model/index.js";
import type { KnownInput } from "../variables/in-core.js";
import {
  evaluateVariables,
  type ResolvedVariable,
  readVariables,
  resolveVariables,
  type Variable,
  type VariableEvaluation,
  type VariableInput,
  variableNames,
} from "../variables/index.js";
import type { PreparedFrame } from "./prepare.js";

/** The input of variables that comes from a frame, apart from positions and logits. */
export type NamedAtoms = Pick<VariableInput, "cell" | "periodic" | "species" | "speciesNames" | "ids">;

/** Returns the input of variables without the parts that the core has. */
export function knownInput(
  { classCount, idealLogits, logitLength }: Pick<Model, "classCount" | "idealLogits" | "logitLength">,
  weights: Float64Array | undefined,
  atoms: NamedAtoms,
): KnownInput {
  const logs = weights === undefined ? null : logWeights(weights);
  return { classCount, idealLogits, logitLength, logWeights: logs, ...atoms };
}

/** A list of variables for the classes of a model. */
export class FrameVariables {
  readonly names: readonly string[];
  readonly resolved: readonly ResolvedVariable[];

  /** @throws PhasewireError `BAD_OPTION` that names the faulty key, such as `variables[0].class` */
  constructor(
    private readonly model: Model,
    declared: readonly Variable[],
  ) {
    const variables = readVariables(declared);
    this.names = variableNames(variables);
    this.resolved = resolveVariables(variables, model.classes);
  }

  /**
   * Returns the input of the variables without the parts that the core has.
   *
   * @param weights weights of the classes; equal by default
   */
  known(frame: Frame, prepared: PreparedFrame, weights: Float64Array | undefined): KnownInput {
    return knownInput(this.model, weights, namedAtoms(frame, prepared));
  }

  /**
   * Evaluates the variables on given logits.
   *
   * @param logits M x C, for the M analysed atoms
   * @throws PhasewireError the errors of `evaluateVariables`
   */
  evaluate(
    frame: Frame,
    prepared: PreparedFrame,
    { logits, lengthScale }: { readonly logits: Float32Array | Float64Array; readonly lengthScale: number },
    weights: Float64Array | undefined,
  ): VariableEvaluation {
    return evaluateVariables(this.resolved, {
      ...this.known(frame, prepared, weights),
      ...{ logits, lengthScale, positions: prepared.core.positions },
    });
  }

  /** Returns the values by name. */
  named(values: readonly number[]): Record<string, number> {
    return Object.fromEntries(this.names.map((name, index) => [name, values[index]!]));
  }
}

function namedAtoms(
  { cell, periodic, ids = null }: Frame,
  { selection, species }: PreparedFrame,
): NamedAtoms {
  return {
    cell,
    periodic,
    species,
    // Without ids, an atom's id is its index in the frame, not among the selected atoms.
    ids: selection === null ? ids : Float64Array.from(selection, (atom) => ids?.[atom] ?? atom),
  };
}
