/** Variables that are code, for users of TypeScript. They cannot be declared in JSON. */
import { PhasewireError } from "../errors/index.js";
import type { VariableFrame } from "./frame.js";

/** A custom function. */
export interface CustomVariable {
  readonly kind: "custom";
  /** Its name in files of results. */
  readonly name: string;
  /** Returns its value and derivatives. Called once per frame. It must not change the frame's arrays. */
  readonly evaluate: (frame: VariableFrame) => CustomResult;
}

/** The result of a custom function. N atoms, C classes. */
export interface CustomResult {
  readonly value: number;
  /** N x C, dV/dl_ac. */
  readonly seed: ArrayLike<number>;
  /** N x 3, dV/dr in addition to the part through the logits; zero by default. */
  readonly gradient?: ArrayLike<number>;
  /** 9 numbers, the virial in addition to the part through the logits; zero by default. */
  readonly virial?: ArrayLike<number>;
  /** The derivative by log a0 in addition to the part through the logits; 0 by default. */
  readonly logLengthScale?: number;
}

/** @throws PhasewireError `BAD_OPTION` for a result that has the wrong shape or is not finite */
export function evaluateCustom({ name, evaluate }: CustomVariable, frame: VariableFrame): CustomResult {
  const result = evaluate(frame);
  const { value, seed, gradient, virial, logLengthScale = 0 } = result;
  const { atomCount, classCount } = frame;
  check(name, "value", [value], 1);
  check(name, "seed", seed, atomCount * classCount);
  if (gradient !== undefined) check(name, "gradient", gradient, 3 * atomCount);
  if (virial !== undefined) check(name, "virial", virial, 9);
  check(name, "logLengthScale", [logLengthScale], 1);
  return result;
}

function check(name: string, key: keyof CustomResult, values: ArrayLike<number>, length: number): void {
  const isSound = values.length === length && Array.prototype.every.call(values, Number.isFinite);
  if (isSound) return;
  throw new PhasewireError("BAD_OPTION", {
    field: `${name}.${key}`,
    value: values.length,
    message: `the custom variable ${name} gave a ${key} of ${values.length} numbers; ${length} finite ones were expected`,
    remedy: "Return a finite value, and dV/dl as atoms x classes numbers, row-major.",
  });
}
