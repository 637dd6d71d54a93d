/** From derivatives by the logits to derivatives by positions and strain. */
import type { BackwardResult, PhaseCore } from "../core/index.js";
import type { VariableDerivatives } from "../variables/index.js";

/** dE/dr (3N) and the virial (9) of docs/maths.md, "Gradients". Forces are minus the former. */
export type Derivatives = BackwardResult;

/**
 * The backward pass of a seed in double precision. The pass is linear and in single precision, which large and small seeds would leave (joules, or a
 * mean over millions of atoms), so a power of two is taken out of it, without rounding.
 *
 * @param seed N x C, of the frame that the core has loaded
 */
export async function pullBack(core: PhaseCore, seed: Float64Array | Float32Array): Promise<Derivatives> {
  let largest = 0;
  for (let index = 0; index < seed.length; index++) largest = Math.max(largest, Math.abs(seed[index]!));
  const unit = largest > 0 && largest < Number.POSITIVE_INFINITY ? 2 ** Math.floor(Math.log2(largest)) : 1;
  const single = new Float32Array(seed.length);
  for (let index = 0; index < seed.length; index++) single[index] = seed[index]! / unit;
  const { gradient, virial } = await core.backward(single);
  for (let index = 0; index < gradient.length; index++) gradient[index]! *= unit;
  for (let index = 0; index < virial.length; index++) virial[index]! *= unit;
  return { gradient, virial };
}

/**
 * All derivatives of an energy: those through the logits, and those that variables have beside them (docs/variables.md, "Derivatives").
 *
 * @param throughLogits of the seed; its arrays are written to
 * @param followsCell whether a0 is (V/N)^(1/3), so that the virial has a part of it
 */
export function addDirect(
  throughLogits: Derivatives,
  { gradient: direct, virial: directVirial, logLengthScale }: VariableDerivatives,
  followsCell: boolean,
): Derivatives {
  const { gradient, virial } = throughLogits;
  // The logits depend on positions over a0, so their derivative by log a0 is the trace of their own virial, without that of regions.
  const pressure = followsCell ? (virial[0]! + virial[4]! + virial[8]! + logLengthScale) / 3 : 0;
  if (direct !== null) for (let index = 0; index < direct.length; index++) gradient[index]! += direct[index]!;
  for (let index = 0; index < 9; index++) {
    virial[index]! += directVirial[index]! - (index % 4 === 0 ? pressure : 0);
  }
  return { gradient, virial };
}
