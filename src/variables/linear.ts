/**
 * Order parameters of a frame that need one seed each: values V and seeds dV/dl_ac, so that the core's backward pass gives their forces.
 *
 * | kind | V | dV/dl_ac |
 * |---|---|---|
 * | fraction | mean over the atoms of p_ak | p_ak (delta_kc - p_ac) / N |
 * | logDensity | sum over the atoms of log sum_c exp l_ac | p_ac |
 * | meanLogit | mean over the atoms of l_ak | delta_kc / N |
 * | logitDifference | mean over the atoms of l_ak - l_am | (delta_kc - delta_mc) / N |
 *
 * N atoms, C classes; arrays are N x C, row-major. Symbols as in docs/maths.md; logits hold the log-weights of the prior.
 */
import { type ClassNames, findClass } from "../model/index.js";

/** A variable by the names of its classes. */
export type NamedVariable =
  | { readonly kind: "fraction" | "meanLogit"; readonly class: string }
  | { readonly kind: "logitDifference"; readonly class: string; readonly minus: string }
  | { readonly kind: "logDensity" };

/** A variable by the numbers of its classes. */
export type LinearVariable =
  | { readonly kind: "fraction" | "meanLogit"; readonly class: number }
  | { readonly kind: "logitDifference"; readonly class: number; readonly minus: number }
  | { readonly kind: "logDensity" };

/** What variables are made of: a forward pass. */
export interface VariableInput {
  readonly classCount: number;
  /** N x C */
  readonly logits: Float32Array;
  /** N x C */
  readonly probabilities: Float32Array;
  readonly logDensity: number;
}

/**
 * Looks up the classes of variables.
 *
 * @param classes names and other names in the order of class numbers
 * @throws PhasewireError `BAD_OPTION` that names the key, such as `variables[0].class`
 */
export function resolveVariables(
  variables: readonly NamedVariable[],
  classes: readonly ClassNames[],
): LinearVariable[] {
  const find = (name: string, field: string): number => findClass(name, classes, field);
  return variables.map((variable, index) => {
    const path = `variables[${index}]`;
    switch (variable.kind) {
      case "logDensity":
        return { kind: variable.kind };
      case "logitDifference":
        return {
          kind: variable.kind,
          class: find(variable.class, `${path}.class`),
          minus: find(variable.minus, `${path}.minus`),
        };
      default:
        return { kind: variable.kind, class: find(variable.class, `${path}.class`) };
    }
  });
}

/** The values V, one a variable, summed in double precision. */
export function variableValues(variables: readonly LinearVariable[], input: VariableInput): number[] {
  const { logits, probabilities, logDensity, classCount } = input;
  const mean = (matrix: Float32Array, column: number): number => columnMean(matrix, column, classCount);
  const evaluate = (variable: LinearVariable): number => {
    switch (variable.kind) {
      case "fraction":
        return mean(probabilities, variable.class);
      case "meanLogit":
        return mean(logits, variable.class);
      case "logitDifference":
        return mean(logits, variable.class) - mean(logits, variable.minus);
      case "logDensity":
        return logDensity;
    }
  };
  return variables.map(evaluate);
}

/**
 * The seed dE/dl_ac of E = sum over the variables of coefficient x V.
 *
 * @param coefficients one a variable
 * @returns N x C
 */
export function variableSeed(
  variables: readonly LinearVariable[],
  coefficients: readonly number[],
  { classCount, probabilities }: VariableInput,
): Float32Array {
  const atomCount = probabilities.length / classCount;
  // Seeds of one kind add up to weights by class, whatever the number of variables.
  const perProbability = new Float64Array(classCount);
  const perLogit = new Float64Array(classCount);
  let perLogDensity = 0;
  variables.forEach((variable, index) => {
    const weight = coefficients[index]! / atomCount;
    switch (variable.kind) {
      case "fraction":
        perProbability[variable.class]! += weight;
        break;
      case "meanLogit":
        perLogit[variable.class]! += weight;
        break;
      case "logitDifference":
        perLogit[variable.class]! += weight;
        perLogit[variable.minus]! -= weight;
        break;
      case "logDensity":
        perLogDensity += coefficients[index]!;
        break;
    }
  });
  const seed = new Float32Array(atomCount * classCount);
  for (let row = 0; row < seed.length; row += classCount) {
    // sum_k w_k p_k (delta_kc - p_c) = p_c (w_c - sum_k w_k p_k)
    let average = 0;
    for (let c = 0; c < classCount; c++) average += perProbability[c]! * probabilities[row + c]!;
    for (let c = 0; c < classCount; c++) {
      const p = probabilities[row + c]!;
      seed[row + c] = p * (perProbability[c]! - average + perLogDensity) + perLogit[c]!;
    }
  }
  return seed;
}

function columnMean(matrix: Float32Array, column: number, width: number): number {
  let sum = 0;
  for (let at = column; at < matrix.length; at += width) sum += matrix[at]!;
  return sum / (matrix.length / width);
}
