/**
 * Denoising (docs/maths.md, "Denoising"): ascends L along (s a0)^2 dL/dr.
 *
 *     L = sum of logP_a over the atoms that take part
 *     r <- r + eta delta,  eta = 1 at first
 *     If L fell:          back to where the step began, eta <- eta / 2, and again from there
 *     If L did not fall:  a new gradient delta', and
 *                         eta <- eta |delta|^2 / (delta . (delta - delta')),
 *                         within [LEAST_FACTOR, MOST_FACTOR]
 *
 * This eta is the step length that the curvature along the last step suggests (Barzilai and
 * Borwein, IMA J. Numer. Anal. 8, 141, 1988, the longer of their two).
 *
 * The atoms that the raw pass calls crystalline take part. If the model can decide afterwards
 * whether their surroundings are known (known.ts), so do those whose best crystalline logit is less
 * than LEAD below that of class 0, whose logit in L is then lower by LEAD. Others never enter L, so
 * a crystal cannot grow into a liquid from one step to the next. A forward pass at the new place
 * decides, so a step that is taken back costs no gradient. Every step counts, also those that are
 * taken back.
 *
 * The loop is a machine of four phases. A host can run it itself, because neighbours, forward and
 * backward passes can run on threads:
 *
 *     PHASE_BEGIN   the given frame was loaded and evaluated
 *     PHASE_TRIAL   a step was made, the new place loaded and evaluated
 *     PHASE_SCORE   the gradient of L at the current place was computed (seedDenoise, backward)
 *     PHASE_RETURN  the last step was taken back, the place before it loaded and evaluated
 */
import {
  ADDRESS_ATOM_LOG_DENSITY,
  ADDRESS_CONFIDENCE,
  ADDRESS_DENOISE_POSITIONS,
  ADDRESS_DENOISE_STEP,
  ADDRESS_GRADIENT,
  ADDRESS_LABELS,
  ADDRESS_POSITIONS,
  ADDRESS_PROBABILITIES,
  ADDRESS_RAW_LABELS,
  ADDRESS_SEED,
  ADDRESS_TAKES_PART,
  COUNT_ADJOINTS_READY,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_DENOISE_CONVERGED,
  COUNT_DENOISE_LIMIT,
  COUNT_DENOISE_PHASE,
  COUNT_DENOISE_STEPS,
  COUNT_FUSED,
  COUNT_LOWERED,
  STATUS_COINCIDENT_ATOMS,
  STATUS_OK,
  STATUS_UNFINISHED,
  VALUE_DENOISE_FACTOR,
  VALUE_DENOISE_INITIAL,
  VALUE_DENOISE_LARGEST,
  VALUE_DENOISE_PREVIOUS,
  VALUE_DENOISE_TOLERANCE,
  VALUE_LENGTH_SCALE,
  VALUE_LENGTH_SCALE_GIVEN,
  VALUE_LOG_DENSITY,
  VALUE_LOGIT_LENGTH,
} from "./abi";
import { backward } from "./backward";
import { forward } from "./forward";
import { applyKnown, asksKnown, evaluateKnown, isCandidate, lowerFlat } from "./known";
import { loadFrame } from "./load";
import { at2, at4, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { workerScratch } from "./record";
import { adjointsReady, PHASE_BEGIN, PHASE_DONE, PHASE_RETURN, PHASE_SCORE, PHASE_TRIAL } from "./phases";
import { seedRow } from "./readout";

/** Requests of advanceDenoise: nothing more; the gradient; neighbours and a forward pass. */
export const DENOISE_DONE: i32 = 0;
export const DENOISE_SCORE: i32 = 1;
export const DENOISE_LOAD: i32 = 2;

/** Bounds of eta after a step that was not taken back. */
const LEAST_FACTOR: f64 = 0.25;
const MOST_FACTOR: f64 = 1.5;

/**
 * Begins to denoise the loaded frame. Its length scale stays in use: it becomes
 * VALUE_LENGTH_SCALE_GIVEN.
 */
export function startDenoise(ctx: usize): void {
  store<f64>(ctx + VALUE_LENGTH_SCALE_GIVEN, value(ctx, VALUE_LENGTH_SCALE));
  store<f64>(ctx + VALUE_DENOISE_FACTOR, 1);
  store<f64>(ctx + VALUE_DENOISE_LARGEST, 0);
  store<i32>(ctx + COUNT_FUSED, 0);
  store<i32>(ctx + COUNT_ADJOINTS_READY, 0);
  store<i32>(ctx + COUNT_DENOISE_STEPS, 0);
  store<i32>(ctx + COUNT_DENOISE_CONVERGED, 0);
  store<i32>(ctx + COUNT_DENOISE_PHASE, PHASE_BEGIN);
}

/**
 * Makes one decision, after the last request was carried out. A place that cannot be loaded because
 * atoms coincide has a logP of minus infinity: the host writes that to VALUE_LOG_DENSITY instead of
 * running a forward pass.
 */
export function advanceDenoise(ctx: usize): i32 {
  const phase = count(ctx, COUNT_DENOISE_PHASE);
  const n = count(ctx, COUNT_ATOMS);
  const steps = count(ctx, COUNT_DENOISE_STEPS);
  const limit = count(ctx, COUNT_DENOISE_LIMIT);
  if (phase == PHASE_BEGIN) {
    chooseAtoms(ctx);
    store<f64>(ctx + VALUE_DENOISE_INITIAL, value(ctx, VALUE_LOG_DENSITY));
    if (steps >= limit) return finish(ctx);
    if (asksKnown(ctx)) lowerFlat(ctx, true);
    return ask(ctx, PHASE_SCORE);
  }
  if (phase == PHASE_SCORE) {
    keepPlace(ctx);
    const largest = value(ctx, VALUE_DENOISE_LARGEST);
    if (largest < value(ctx, VALUE_DENOISE_TOLERANCE) || largest == 0) {
      store<i32>(ctx + COUNT_DENOISE_CONVERGED, 1);
      return finish(ctx);
    }
    makeStep(ctx);
    return ask(ctx, PHASE_TRIAL);
  }
  if (phase == PHASE_TRIAL) {
    // A new layout of the frame makes the forward pass forget that it belongs to denoising.
    const evaluated = value(ctx, VALUE_LOG_DENSITY) != -Infinity;
    if (asksKnown(ctx) && evaluated && !count(ctx, COUNT_LOWERED)) lowerFlat(ctx, true);
    const factor = value(ctx, VALUE_DENOISE_FACTOR);
    if (objective(ctx) >= value(ctx, VALUE_DENOISE_PREVIOUS)) {
      return steps < limit ? ask(ctx, PHASE_SCORE) : finish(ctx);
    }
    store<f64>(ctx + VALUE_DENOISE_FACTOR, 0.5 * factor);
    if (steps < limit) {
      makeStep(ctx);
      return ask(ctx, PHASE_TRIAL);
    }
    memory.copy(region(ctx, ADDRESS_POSITIONS), region(ctx, ADDRESS_DENOISE_POSITIONS), 24 * <usize>n);
    return ask(ctx, PHASE_RETURN);
  }
  return finish(ctx);
}

/** Keeps the raw labels, and notes which atoms take part. */
function chooseAtoms(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const labels = region(ctx, ADDRESS_LABELS);
  const takesPart = region(ctx, ADDRESS_TAKES_PART);
  const asks = asksKnown(ctx);
  memory.copy(region(ctx, ADDRESS_RAW_LABELS), labels, <usize>n << 1);
  for (let i = 0; i < n; ++i) {
    const chosen = load<u16>(at2(labels, i)) != 0 || (asks && isCandidate(ctx, i));
    store<u8>(takesPart + <usize>i, u8(chosen));
  }
}

// @ts-ignore: decorator
@inline
function isChosen(takesPart: usize, i: i32): bool {
  return load<u8>(takesPart + <usize>i) != 0;
}

/** L, or minus infinity if logP is. */
function objective(ctx: usize): f64 {
  if (value(ctx, VALUE_LOG_DENSITY) == -Infinity) return -Infinity;
  const takesPart = region(ctx, ADDRESS_TAKES_PART);
  const perAtom = region(ctx, ADDRESS_ATOM_LOG_DENSITY);
  const n = count(ctx, COUNT_ATOMS);
  let sum: f64 = 0;
  for (let i = 0; i < n; ++i) {
    if (isChosen(takesPart, i)) sum += <f64>loadF4(perAtom, i);
  }
  return sum;
}

/**
 * The seed of L: D_ac = dlogP_a/dl_ac for the atoms that take part, else 0. Not formed if the
 * forward pass has already continued with the adjoints.
 */
export function seedDenoise(ctx: usize): void {
  if (adjointsReady(ctx)) return;
  const takesPart = region(ctx, ADDRESS_TAKES_PART);
  const n = count(ctx, COUNT_ATOMS);
  const row = <usize>(count(ctx, COUNT_CLASSES) << 2);
  let seed = region(ctx, ADDRESS_SEED);
  for (let i = 0; i < n; ++i) {
    if (isChosen(takesPart, i)) seedRow(ctx, seed, i);
    else memory.fill(seed, 0, row);
    seed += row;
  }
}

function ask(ctx: usize, phase: i32): i32 {
  store<i32>(ctx + COUNT_DENOISE_PHASE, phase);
  return phase == PHASE_SCORE ? DENOISE_SCORE : DENOISE_LOAD;
}

/**
 * Stores the positions, L there, and delta. Computes the largest |delta| / a0 and, except at first,
 * eta.
 */
function keepPlace(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const gradient = region(ctx, ADDRESS_GRADIENT);
  const step = region(ctx, ADDRESS_DENOISE_STEP);
  const lengthScale = value(ctx, VALUE_LENGTH_SCALE);
  const scale = value(ctx, VALUE_LOGIT_LENGTH) * lengthScale * value(ctx, VALUE_LOGIT_LENGTH) * lengthScale;
  memory.copy(region(ctx, ADDRESS_DENOISE_POSITIONS), region(ctx, ADDRESS_POSITIONS), 24 * <usize>n);
  store<f64>(ctx + VALUE_DENOISE_PREVIOUS, objective(ctx));
  let largest: f64 = 0;
  let before: f64 = 0;
  let change: f64 = 0;
  for (let i = 0; i < n; ++i) {
    let squared: f64 = 0;
    for (let k = 0; k < 3; ++k) {
      const delta = scale * loadF8(gradient, 3 * i + k);
      const last = loadF8(step, 3 * i + k);
      before += last * last;
      change += last * (last - delta);
      storeF8(step, 3 * i + k, delta);
      squared += delta * delta;
    }
    largest = max(largest, squared);
  }
  store<f64>(ctx + VALUE_DENOISE_LARGEST, Math.sqrt(largest) / lengthScale);
  if (count(ctx, COUNT_DENOISE_STEPS) == 0) return;
  const factor = value(ctx, VALUE_DENOISE_FACTOR);
  const wanted = change > 0 ? (factor * before) / change : MOST_FACTOR;
  store<f64>(ctx + VALUE_DENOISE_FACTOR, max(LEAST_FACTOR, min(MOST_FACTOR, wanted)));
}

/** r = place + eta delta. */
function makeStep(ctx: usize): void {
  const positions = region(ctx, ADDRESS_POSITIONS);
  const place = region(ctx, ADDRESS_DENOISE_POSITIONS);
  const step = region(ctx, ADDRESS_DENOISE_STEP);
  const factor = value(ctx, VALUE_DENOISE_FACTOR);
  const n = 3 * count(ctx, COUNT_ATOMS);
  for (let i = 0; i < n; ++i) storeF8(positions, i, loadF8(place, i) + factor * loadF8(step, i));
  store<i32>(ctx + COUNT_DENOISE_STEPS, count(ctx, COUNT_DENOISE_STEPS) + 1);
  store<i32>(ctx + COUNT_FUSED, 1);
}

/**
 * Atoms that took no part stay disordered. Their confidence is the probability of class 0. Of the
 * others, the model decides whether their surroundings are known, if it can.
 */
function finish(ctx: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  const classCount = count(ctx, COUNT_CLASSES);
  const takesPart = region(ctx, ADDRESS_TAKES_PART);
  const labels = region(ctx, ADDRESS_LABELS);
  const asks = asksKnown(ctx);
  if (count(ctx, COUNT_LOWERED)) lowerFlat(ctx, false);
  if (asks) evaluateKnown(ctx, workerScratch(ctx, 0));
  for (let i = 0; i < n; ++i) {
    if (isChosen(takesPart, i)) {
      if (asks) applyKnown(ctx, i);
      continue;
    }
    store<u16>(at2(labels, i), 0);
    const probability = loadF4(region(ctx, ADDRESS_PROBABILITIES), i * classCount);
    store<f32>(at4(region(ctx, ADDRESS_CONFIDENCE), i), probability);
  }
  store<i32>(ctx + COUNT_DENOISE_PHASE, PHASE_DONE);
  return DENOISE_DONE;
}

/**
 * At most so many decisions of the loop on one thread, after startDenoise. Continues where an
 * overflow of the pairs or the last call stopped it; returns STATUS_UNFINISHED if more are to come.
 */
export function denoiseFor(ctx: usize, decisions: i32): i32 {
  for (; decisions > 0; --decisions) {
    const phase = count(ctx, COUNT_DENOISE_PHASE);
    if (phase == PHASE_DONE) return STATUS_OK;
    if (phase == PHASE_SCORE) {
      seedDenoise(ctx);
      const status = backward(ctx);
      if (status != STATUS_OK) return status;
    } else {
      let status = loadFrame(ctx);
      if (status == STATUS_OK) status = forward(ctx);
      if (status == STATUS_COINCIDENT_ATOMS && phase == PHASE_TRIAL) store<f64>(ctx + VALUE_LOG_DENSITY, -Infinity);
      else if (status != STATUS_OK) return status;
    }
    if (advanceDenoise(ctx) == DENOISE_DONE) return STATUS_OK;
  }
  return STATUS_UNFINISHED;
}

/** The whole loop on one thread, after startDenoise. */
export function denoise(ctx: usize): i32 {
  return denoiseFor(ctx, i32.MAX_VALUE);
}
