/** A model, checked and copied into the core's memory. */
import { PhasewireError } from "../errors/index.js";
import type { CoreContext } from "./context.js";
import { findBadSize, type ModelShape, tensorShapes } from "./shape.js";
import { statusError } from "./status.js";
import type { CoreModel, CoreTensors } from "./types.js";

/** Field of the context for each size of the model. */
const shapeFields: Readonly<Record<keyof ModelShape, string>> = {
  classCount: "CLASSES",
  basisCount: "BASIS",
  channels: "CHANNELS",
  lmax: "LMAX",
  skippedDegree: "SKIPPED_DEGREE",
  innerWidth: "INNER",
  hiddenWidth: "HIDDEN",
  messageWidth: "MESSAGE",
  outerWidth: "OUTER",
};

/** Field of the context for each constant. */
const constantFields = {
  cutoff: "CUTOFF",
  basisFirst: "BASIS_FIRST",
  basisLast: "BASIS_LAST",
  basisWidth: "BASIS_WIDTH",
  epsilon: "EPSILON",
  logitLength: "LOGIT_LENGTH",
} as const satisfies Partial<Record<keyof CoreModel, string>>;

/** Field of the context for each tensor. */
const tensorFields: Readonly<Record<keyof CoreTensors, string>> = {
  "radial.mix": "RADIAL_MIX",
  "invariants.mix": "INVARIANTS_MIX",
  "standard.mean": "STANDARD_MEAN",
  "standard.scale": "STANDARD_SCALE",
  "network1.weight0": "NETWORK1_WEIGHT0",
  "network1.bias0": "NETWORK1_BIAS0",
  "network1.weight1": "NETWORK1_WEIGHT1",
  "network1.bias1": "NETWORK1_BIAS1",
  "network2.weight0": "NETWORK2_WEIGHT0",
  "network2.bias0": "NETWORK2_BIAS0",
  "network2.weight1": "NETWORK2_WEIGHT1",
  "network2.bias1": "NETWORK2_BIAS1",
};

/**
 * Copies a model into the core.
 *
 * @returns the first address after it
 * @throws PhasewireError `MODEL_SHAPE` if a size is impossible or a tensor's length is wrong,
 *   `MODEL_NON_FINITE`
 */
export function writeModel(model: CoreModel, context: CoreContext): number {
  const { core } = context;
  const wrong = findBadSize(model);
  if (wrong !== null) {
    const { key, expected } = wrong;
    throw new PhasewireError("MODEL_SHAPE", {
      message: `the model's ${key} is ${model[key]}; ${expected} is needed`,
      field: key,
      value: model[key],
    });
  }
  for (const [key, field] of Object.entries(shapeFields)) {
    context.setCount(field, model[key as keyof ModelShape]);
  }
  for (const [key, field] of Object.entries(constantFields)) {
    context.setValue(field, model[key as keyof typeof constantFields]);
  }
  const end = core.layoutModel(context.address, context.end);
  if (end === 0)
    throw new PhasewireError("INTERNAL", { message: "the core refuses a model of a valid shape" });
  context.reserve(end, "model");
  for (const [name, shape] of Object.entries(tensorShapes(model))) {
    const tensor = model.tensors[name as keyof CoreTensors];
    const length = shape.reduce((product, size) => product * size);
    checkLength(name, tensor?.length, length);
    context.singles(tensorFields[name as keyof CoreTensors], length).set(tensor);
  }
  checkLength("idealLogits", model.idealLogits.length, model.classCount);
  context.doubles("IDEAL_LOGITS", model.classCount).set(model.idealLogits);
  const status = core.prepareModel(context.address);
  if (status !== core.STATUS_OK.value) throw statusError(status, context);
  return end;
}

function checkLength(name: string, found: number | undefined, expected: number): void {
  if (found === expected) return;
  throw new PhasewireError("MODEL_SHAPE", {
    message: `${name} has ${found ?? "no"} numbers; ${expected} are needed`,
    field: name,
    value: found,
  });
}
