/** Variables of the frame whose forward pass stands in a core: nothing of size N x C is copied. */
import type { BackwardResult, PhaseCore } from "../core/index.js";
import { evaluatedAtoms } from "./atoms.js";
import { Evaluation } from "./evaluation.js";
import type { VariableInput } from "./frame.js";
import type { ResolvedVariable } from "./resolve.js";

/** What is known of a frame apart from what the core holds: its logits, positions and length scale. */
export type KnownInput = Omit<VariableInput, "logits" | "positions" | "lengthScale">;

/** The variables of a frame in the core. It holds until the core is given another frame. */
export interface CoreEvaluation {
  /** One a variable. */
  readonly values: readonly number[];
  /**
   * Gradient and virial of E, by a backward pass.
   *
   * @param coefficients dE/dV, one a variable
   * @param followsCell whether a0 is (V/N)^(1/3), so that the virial has a part of it (docs/variables.md, "Derivatives")
   * @throws PhasewireError `BAD_OPTION` if a region that counts has a sharp edge
   */
  pull(coefficients: readonly number[], followsCell: boolean): Promise<BackwardResult>;
}

/** @throws PhasewireError what `evaluateVariables` throws */
export function evaluateInCore(
  core: PhaseCore,
  variables: readonly ResolvedVariable[],
  input: KnownInput,
): CoreEvaluation {
  const evaluated = core.evaluatedFrame();
  const { context } = evaluated;
  const atomCount = context.count("ATOMS");
  const evaluation = new Evaluation(
    context.core,
    variables,
    {
      ...input,
      logits: context.singles("LOGITS", atomCount * input.classCount),
      positions: context.doubles("POSITIONS", 3 * atomCount),
      lengthScale: context.value("LENGTH_SCALE"),
    },
    evaluatedAtoms(evaluated),
  );
  return {
    values: evaluation.values,
    pull(coefficients, followsCell) {
      evaluation.pull(coefficients);
      const { address } = evaluation.context;
      return core.pull(evaluation.context.region("VARIABLES_SEED"), { address, followsCell });
    },
  };
}
