/** A model, checked and copied into the core's memory. */
import { model as table } from "../contract/model.js";
import { PhasewireError } from "../errors/index.js";
import type { CoreContext } from "./context.js";
import { findBadSize, tensorShapes } from "./shape.js";
import { statusError } from "./status.js";
import type { CoreModel, CoreTensors } from "./types.js";

/** Field of the context for a tensor. */
const tensorField = (name: string): string => name.toUpperCase().replace(".", "_");

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
  for (const [key, { core: field }] of Object.entries(table.sizes)) {
    context.setCount(field, model[key as keyof typeof table.sizes]);
  }
  for (const [key, { core: field }] of Object.entries(table.constants)) {
    context.setValue(field, model[key as keyof typeof table.constants]);
  }
  const end = core.layoutModel(context.address, context.end);
  if (end === 0)
    throw new PhasewireError("INTERNAL", { message: "the core refuses a model of a valid shape" });
  context.reserve(end, "model");
  for (const [name, shape] of Object.entries(tensorShapes(model))) {
    const tensor = model.tensors[name as keyof CoreTensors] ?? new Float32Array();
    const length = shape.reduce((product, size) => product * size);
    checkLength(name, tensor.length, length);
    context.singles(tensorField(name), length).set(tensor);
  }
  checkLength("idealLogits", model.idealLogits.length, model.classCount);
  context.doubles("IDEAL_LOGITS", model.classCount).set(model.idealLogits);
  context.setCount("STACKED_CLASS", model.stackedClass ?? 0);
  const { speciesCounts = new Int32Array(model.classCount).fill(1) } = model;
  checkLength("speciesCounts", speciesCounts.length, model.classCount);
  context.integers("CLASS_SPECIES", model.classCount).set(speciesCounts);
  const status = core.prepareModel(context.address);
  if (status !== core.STATUS_OK.value) throw statusError(status, context);
  return end;
}

function checkLength(name: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new PhasewireError("MODEL_SHAPE", {
    message: `${name} has ${found} numbers; ${expected} are needed`,
    field: name,
    value: found,
  });
}
