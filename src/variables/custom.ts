/** Variables that are code, for users of TypeScript: no JSON stands for them. */
import { PhasewireError } from "../errors/index.js";
import type { VariableFrame } from "./frame.js";

/** A function of one's own. */
export interface CustomVariable {
  readonly kind: "custom";
  /** What files of results call it. */
  readonly name: string;
  /** Its value and derivatives; called once a frame. The frame's arrays must be left as they are. */
  readonly evaluate: (frame: VariableFrame) => CustomResult;
}

/** What a function of one's own gives. N atoms, C classes. */
export interface CustomResult {
  readonly value: number;
  /** N x C, dV/dl_ac. */
  readonly seed: ArrayLike<number>;
  /** N x 3, dV/dr beside that through the logits; none if absent. */
  readonly gradient?: ArrayLike<number>;
  /** 9 numbers, the virial beside that through the logits; zero if absent. */
  readonly virial?: ArrayLike<number>;
  /** Derivative by log a0 beside that through the logits; 0 if absent. */
  readonly logLengthScale?: number;
}

/** @throws PhasewireError `BAD_OPTION` for results of the wrong shape, or that are not finite */
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
