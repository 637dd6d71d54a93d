/**
 * The prior over classes (docs/maths.md, "Prior over classes").
 *
 *     l_ac = [W4 silu(...) + c4]_c + log w_c,   log 0 := EXCLUDED
 *
 * The log-weights enter the last bias, so all results derived from the logits follow, in the kernel
 * and in the reference. They are computed here and not by the host, so that every host gets the
 * same bits.
 */
import {
  ADDRESS_BIAS2_1,
  ADDRESS_CLASS_WEIGHTS,
  ADDRESS_LOG_PRIOR,
  ADDRESS_NETWORK2_BIAS1,
  COUNT_CLASSES,
  STATUS_BAD_PRIOR,
  STATUS_OK,
} from "./abi";
import { LEFT_OUT } from "./contract";
import { at4, count, loadF4, loadF8, region, storeF8 } from "./memory";
import { paddedClasses } from "./shape";


/**
 * Logit of the padding that fills up a register tile. Its exponential is negligible next to that of
 * any class.
 */
export const PADDING: f64 = -1e9;

/** Gives every class weight 1: the prior of a model that was just loaded. */
export function clearPrior(ctx: usize): void {
  const weights = region(ctx, ADDRESS_CLASS_WEIGHTS);
  const classCount = count(ctx, COUNT_CLASSES);
  for (let c = 0; c < classCount; ++c) storeF8(weights, c, 1);
  setPrior(ctx);
}

/**
 * Applies ADDRESS_CLASS_WEIGHTS to all later passes. All weights must be finite and not negative,
 * and a crystalline class must have one above 0. Otherwise returns STATUS_BAD_PRIOR and keeps the
 * previous prior.
 */
export function setPrior(ctx: usize): i32 {
  const weights = region(ctx, ADDRESS_CLASS_WEIGHTS);
  const logPrior = region(ctx, ADDRESS_LOG_PRIOR);
  const given = region(ctx, ADDRESS_NETWORK2_BIAS1);
  const bias = region(ctx, ADDRESS_BIAS2_1);
  const classCount = count(ctx, COUNT_CLASSES);
  let crystalline = false;
  for (let c = 0; c < classCount; ++c) {
    const weight = loadF8(weights, c);
    if (!(weight >= 0 && weight < Infinity)) return STATUS_BAD_PRIOR;
    if (c > 0 && weight > 0) crystalline = true;
  }
  if (!crystalline) return STATUS_BAD_PRIOR;
  for (let c = classCount; c < paddedClasses(classCount); ++c) store<f32>(at4(bias, c), <f32>PADDING);
  for (let c = 0; c < classCount; ++c) {
    const weight = loadF8(weights, c);
    const logWeight = weight > 0 ? Math.log(weight) : LEFT_OUT;
    storeF8(logPrior, c, logWeight);
    store<f32>(at4(bias, c), <f32>(<f64>loadF4(given, c) + logWeight));
  }
  return STATUS_OK;
}
