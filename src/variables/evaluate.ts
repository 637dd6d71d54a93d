/**
 * Variables of a frame: values first, then, when it is known what an energy makes of them, the derivatives of that energy. Between the two
 * nothing is computed twice, and the derivatives of all variables go into one seed.
 */
import { Accumulator, type Evaluated } from "./accumulator.js";
import { softExtremum, switched, weightedSum } from "./composites.js";
import { evaluateCustom } from "./custom.js";
import type { VariableFrame, VariableInput } from "./frame.js";
import { evaluateMean } from "./means.js";
import type { ResolvedVariable } from "./resolve.js";
import { LogitTables } from "./tables.js";

/** Derivatives of E = sum over the variables of coefficient x V. N atoms, C classes. */
export interface VariableDerivatives {
  /** N x C, dE/dl_ac: what the core's backward pass takes. */
  readonly seed: Float64Array;
  /** N x 3, dE/dr beside that through the logits, from regions that have moved; null if there are none. */
  readonly gradient: Float64Array | null;
  /** 9 numbers, the virial that belongs to it. */
  readonly virial: Float64Array;
  /** dE/dlog a0 beside that through the logits, from distances. */
  readonly logLengthScale: number;
}

/** The variables of one frame. */
export interface VariableEvaluation {
  /** One a variable. */
  readonly values: readonly number[];
  /**
   * @param coefficients one a variable
   * @throws PhasewireError `BAD_OPTION` if a region that counts has a sharp edge
   */
  derivatives(coefficients: readonly number[]): VariableDerivatives;
}

/**
 * Evaluates variables. The arrays of `input` must stay as they are until its derivatives have been taken.
 *
 * @throws PhasewireError `EMPTY_SELECTION`, `MISSING_CELL`, `SINGULAR_CELL`; `BAD_OPTION` for a region that meets its own image, or a custom
 *   variable of the wrong shape
 */
export function evaluateVariables(
  variables: readonly ResolvedVariable[],
  input: VariableInput,
): VariableEvaluation {
  const { logits, classCount } = input;
  const atomCount = logits.length / classCount;
  const frame: VariableFrame = { ...input, atomCount, tables: new LogitTables(logits, classCount) };
  const evaluated = variables.map((variable) => evaluate(variable, frame));
  return {
    values: evaluated.map(({ value }) => value),
    derivatives(coefficients) {
      const into = new Accumulator(atomCount, classCount);
      evaluated.forEach((variable, index) => {
        const coefficient = coefficients[index]!;
        if (coefficient !== 0) variable.pull(coefficient, into);
      });
      const { seed, directGradient: gradient, virial, logLengthScale } = into;
      return { seed, gradient, virial, logLengthScale };
    },
  };
}

function evaluate(variable: ResolvedVariable, frame: VariableFrame): Evaluated {
  switch (variable.kind) {
    case "mean":
      return evaluateMean(variable, frame);
    case "sum":
      return weightedSum(
        variable.constant,
        variable.terms.map(({ weight, variable: inner }) => ({ weight, variable: evaluate(inner, frame) })),
      );
    case "extremum":
      return softExtremum(
        variable.variables.map((inner) => evaluate(inner, frame)),
        variable.sharpness,
      );
    case "switch":
      return switched(evaluate(variable.variable, frame), variable.switch);
    case "custom":
      return evaluateCustom(variable, frame);
  }
}
