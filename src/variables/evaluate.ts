/**
 * Variables of a frame: first the values, then the derivatives of their energy, with one seed for all
 * variables.
 */
import { type CoreContext, coreAlone } from "../core/index.js";
import { copiedAtoms } from "./atoms.js";
import { atOnce, Evaluation } from "./evaluation.js";
import type { VariableInput } from "./frame.js";
import type { ResolvedVariable } from "./resolve.js";

/** Derivatives of an energy E, the sum of coefficient x V over the variables. N atoms, C classes. */
export interface VariableDerivatives {
  /** N x C, dE/dl_ac, the input of the core's backward pass. */
  readonly seed: Float64Array;
  /**
   * N x 3, dE/dr in addition to the part through the logits: the weights of regions change as atoms move.
   * Null without regions.
   */
  readonly gradient: Float64Array | null;
  /** 9 numbers, the virial that belongs to the gradient. */
  readonly virial: Float64Array;
  /** dE/dlog a0 in addition to the part through the logits, from distances. */
  readonly logLengthScale: number;
}

/** The variables of one frame. */
export interface VariableEvaluation {
  /** One per variable. */
  readonly values: readonly number[];
  /**
   * Returns the derivatives of E.
   *
   * @param coefficients one per variable
   * @throws PhasewireError `BAD_OPTION` if a region that counts has a sharp edge
   */
  derivatives(coefficients: readonly number[]): VariableDerivatives;
}

let alone: CoreContext | null = null;

/**
 * Evaluates variables in a core without a model. The arrays of `input` must not change before the last call
 * of `derivatives`.
 *
 * @throws PhasewireError `EMPTY_SELECTION`, `MISSING_CELL`, `SINGULAR_CELL`; `BAD_OPTION` for a region that
 *   meets its own image, or a custom variable of the wrong shape
 */
export function evaluateVariables(
  variables: readonly ResolvedVariable[],
  input: VariableInput,
): VariableEvaluation {
  alone ??= coreAlone();
  const context = alone;
  const evaluation = new Evaluation(context.core, variables, input, copiedAtoms(context));
  return {
    values: atOnce(evaluation.evaluate()),
    derivatives: (coefficients) => collect(evaluation, coefficients, input),
  };
}

/** Copies the derivatives from the core's memory. */
function collect(
  evaluation: Evaluation,
  coefficients: readonly number[],
  { logits, classCount }: VariableInput,
): VariableDerivatives {
  const { context } = evaluation;
  const seed = new Float64Array(logits.length);
  let gradient: Float64Array | null = null;
  const take = (begin: number, end: number): void => {
    const atoms = end - begin;
    seed.set(context.doubles("VARIABLES_SEED", atoms * classCount), begin * classCount);
    if (!evaluation.hasGradient) return;
    gradient ??= new Float64Array(3 * (logits.length / classCount));
    gradient.set(context.doubles("VARIABLES_GRADIENT", 3 * atoms), 3 * begin);
  };
  atOnce(evaluation.pull(coefficients, take));
  return {
    seed,
    gradient,
    virial: context.values("VARIABLES_VIRIAL", 9).slice(),
    logLengthScale: context.value("VARIABLES_LOG_LENGTH_SCALE"),
  };
}
