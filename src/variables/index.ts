export {
  type LinearVariable,
  type NamedVariable,
  resolveVariables,
  type VariableInput,
  variableSeed,
  variableValues,
} from "./linear.js";
