export type { CustomResult, CustomVariable } from "./custom.js";
export type {
  Ball,
  CompositeVariable,
  MeanOptions,
  MeanVariable,
  Region,
  Selection,
  Slab,
  SwitchOptions,
  Term,
  Variable,
  VariableKind,
} from "./declare.js";
export { evaluateVariables, type VariableDerivatives, type VariableEvaluation } from "./evaluate.js";
export type { VariableFrame, VariableInput } from "./frame.js";
export { variableNames } from "./names.js";
export { mostVariables, readVariables } from "./read.js";
export { type ResolvedVariable, resolveVariables } from "./resolve.js";
