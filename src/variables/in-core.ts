/** Variables of the frame that a core has evaluated. Nothing of size N x C is copied. */
import type { BackwardResult, PhaseCore } from "../core/index.js";
import { evaluatedAtoms } from "./atoms.js";
import { Evaluation, type Slices } from "./evaluation.js";
import type { VariableInput } from "./frame.js";
import type { ResolvedVariable } from "./resolve.js";

/** The input except logits, positions and length scale, which the core has. */
export type KnownInput = Omit<VariableInput, "logits" | "positions" | "lengthScale">;

/** The variables of a frame in the core, valid until the core gets another frame. */
export interface CoreEvaluation {
  /** One per variable. */
  readonly values: readonly number[];
  /**
   * Returns gradient and virial of E from a backward pass.
   *
   * @param coefficients dE/dV, one per variable
   * @param followsCell whether a0 is (V/N)^(1/3), which changes the virial (docs/variables.md, "Derivatives")
   * @throws PhasewireError `BAD_OPTION` if a region that counts has a sharp edge
   */
  pull(coefficients: readonly number[], followsCell: boolean): Promise<BackwardResult>;
}

/**
 * Evaluates variables of the frame that the core has evaluated. The event loop turns between slices of atoms.
 *
 * @throws PhasewireError the errors of `evaluateVariables` and of `PhaseCore.pause`
 */
export async function evaluateInCore(
  core: PhaseCore,
  variables: readonly ResolvedVariable[],
  input: KnownInput,
): Promise<CoreEvaluation> {
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
    values: await withPauses(core, evaluation.evaluate()),
    async pull(coefficients, followsCell) {
      await withPauses(core, evaluation.pull(coefficients));
      const { address } = evaluation.context;
      return core.pull(evaluation.context.region("VARIABLES_SEED"), { address, followsCell });
    },
  };
}

async function withPauses<Result>(core: PhaseCore, work: Slices<Result>): Promise<Result> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    await core.pause();
  }
}
