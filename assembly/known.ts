/**
 * Whether denoised surroundings are those of a class (docs/maths.md, "Known surroundings").
 *
 *     k_a = v . silu(V [h_a, n_a] + c)                     log-odds; H + M -> T -> 1
 *     k_a := (k_a + sum_j w_aj k_j) / (1 + sum_j w_aj)     AVERAGES times, of those that took part
 *     l_a0 := log (exp l_a0 + w_0 exp(u_a - k_a) sum_(c >= 1) exp l_ac)
 *
 * After the last denoising step, the last line adds to the constant logit of class 0 for the atoms
 * that took part: label, confidence, margin and probabilities follow from it as in
 * readout.ts. The stored logits, logP, its gradient and the distance stay as they are.
 *
 * Until then class 0 counts a tenth: its logit is lower by LEAD, so that what is a crystal in doubt
 * moves. All atoms that are crystalline with that logit take part in denoising. Those that need it
 * get the lead back in the end: u_a = LEAD where the raw label is class 0, else 0.
 *
 * Kernel: four sorted atoms at a time, f32. Results are stored at the place of the atom in the
 * order given.
 */
import {
  ADDRESS_ATOM_LOG_DENSITY,
  ADDRESS_BIAS2_1,
  ADDRESS_CLASS_WEIGHTS,
  ADDRESS_CONFIDENCE,
  ADDRESS_FORWARD_KNOWN,
  ADDRESS_HIDDEN,
  ADDRESS_KNOWN,
  ADDRESS_KNOWN_BIAS0,
  ADDRESS_KNOWN_WEIGHT0,
  ADDRESS_KNOWN_ROUND,
  ADDRESS_KNOWN_WEIGHT1,
  ADDRESS_LABELS,
  ADDRESS_LOGITS,
  ADDRESS_MARGIN,
  ADDRESS_MESSAGES,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_PROBABILITIES,
  ADDRESS_RAW_LABELS,
  ADDRESS_REFERENCE_HIDDEN,
  ADDRESS_REFERENCE_KNOWN,
  ADDRESS_REFERENCE_LINK,
  ADDRESS_REFERENCE_MESSAGES,
  ADDRESS_REFERENCE_ROUND,
  ADDRESS_REFERENCE_SCRATCH,
  ADDRESS_REFERENCE_START,
  ADDRESS_REFERENCE_VECTOR,
  ADDRESS_SPECIES_AROUND,
  ADDRESS_TAKES_PART,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_FEATURES,
  COUNT_HIDDEN,
  COUNT_KNOWN,
  COUNT_LOWERED,
  COUNT_MESSAGE,
  FEATURE_GRADIENT,
  VALUE_CUTOFF,
} from "./abi";
import { AVERAGES } from "./contract";
import { at2, at4, at8, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { neededAt } from "./nameable";
import { layerForward, layerReference, siluForward, siluReference } from "./network";
import { gatherInput } from "./networks";
import { sumLogDensity } from "./readout";
import { REFERENCE_A0, REFERENCE_X, REFERENCE_Z0, SCRATCH_INPUT, SCRATCH_OUTER, SCRATCH_OUTER_OUT } from "./scratch";

/** Below this sum the probabilities of crystalline classes have no useful ratios. */
const LEAST_SHARE: f64 = 1e-30;

/** By how much the logit of class 0 is lower in denoising: log 10. */
export const LEAD: f32 = 2.302585;

/** Whether the model asks the question at all. */
// @ts-ignore: decorator
@inline
export function asksKnown(ctx: usize): bool {
  return count(ctx, COUNT_KNOWN) > 0;
}

/**
 * Whether the best crystalline logit of an atom (order given), of those that it can be named after,
 * is that close to class 0's.
 */
export function isCandidate(ctx: usize, atom: i32): bool {
  const classCount = count(ctx, COUNT_CLASSES);
  const logits = at4(region(ctx, ADDRESS_LOGITS), atom * classCount);
  const needed = neededAt(ctx, atom);
  const seen = <i32>load<u8>(region(ctx, ADDRESS_SPECIES_AROUND) + <usize>atom);
  const least = loadF4(logits, 0) - LEAD;
  for (let c = 1; c < classCount; ++c) {
    if (loadF4(logits, c) > least && load<i32>(at4(needed, c)) <= seen) return true;
  }
  return false;
}

/** Lowers the logit of class 0 in a row of logits. */
// @ts-ignore: decorator
@inline
export function lowerLogit(logits: usize): void {
  store<f32>(logits, load<f32>(logits) - LEAD);
}

/** Lowers the logit of class 0 in the results of all atoms, or gives it back its value. */
export function lowerFlat(ctx: usize, lowered: bool): void {
  const n = count(ctx, COUNT_ATOMS);
  const classCount = count(ctx, COUNT_CLASSES);
  const flat = load<f32>(region(ctx, ADDRESS_BIAS2_1));
  const factor: f64 = lowered ? Math.exp(-(<f64>LEAD)) : Math.exp(<f64>LEAD);
  let logits = region(ctx, ADDRESS_LOGITS);
  let probabilities = region(ctx, ADDRESS_PROBABILITIES);
  const perAtom = region(ctx, ADDRESS_ATOM_LOG_DENSITY);
  for (let i = 0; i < n; ++i) {
    const logDensity = <f64>loadF4(perAtom, i);
    const share = Math.exp(<f64>loadF4(logits, 0) - logDensity);
    store<f32>(at4(perAtom, i), <f32>(logDensity + Math.log(1 + share * (factor - 1))));
    store<f32>(logits, lowered ? flat - LEAD : flat);
    const none = <f64>loadF4(probabilities, 0);
    const sum = 1 + none * (factor - 1);
    store<f32>(probabilities, <f32>((none * factor) / sum));
    for (let c = 1; c < classCount; ++c) {
      store<f32>(at4(probabilities, c), <f32>(<f64>loadF4(probabilities, c) / sum));
    }
    logits = at4(logits, classCount);
    probabilities = at4(probabilities, classCount);
  }
  store<i32>(ctx + COUNT_LOWERED, i32(lowered));
  sumLogDensity(ctx);
}

/** Weight of a neighbour whose distance has this square, in units of the cutoff. */
// @ts-ignore: decorator
@inline
function nearness(squared: f64): f64 {
  return (1 - squared) * (1 - squared);
}

// @ts-ignore: decorator
@inline
function takesPart(ctx: usize, atom: i32): bool {
  return load<u8>(region(ctx, ADDRESS_TAKES_PART) + <usize>atom) != 0;
}

/** One round of averages, from one table (order given) into another. */
function averageRound(ctx: usize, from: usize, to: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const order = region(ctx, ADDRESS_ORDER);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const scale = 1 / (cutoff * cutoff);
  for (let s = 0; s < n; ++s) {
    const atom = load<i32>(at4(order, s));
    let sum = <f64>loadF4(from, atom);
    let weights: f64 = 1;
    if (takesPart(ctx, atom)) {
      const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
      const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
      const px = at4(region(ctx, ADDRESS_PAIR_X), start);
      const py = at4(region(ctx, ADDRESS_PAIR_Y), start);
      const pz = at4(region(ctx, ADDRESS_PAIR_Z), start);
      const links = at4(region(ctx, ADDRESS_PAIR_LINK), start);
      for (let p = 0; p < length; ++p) {
        const other = load<i32>(at4(order, load<i32>(at4(links, p)) >> 1));
        if (!takesPart(ctx, other)) continue;
        const x = <f64>loadF4(px, p);
        const y = <f64>loadF4(py, p);
        const z = <f64>loadF4(pz, p);
        const weight = nearness((x * x + y * y + z * z) * scale);
        sum += weight * <f64>loadF4(from, other);
        weights += weight;
      }
    }
    store<f32>(at4(to, atom), <f32>(sum / weights));
  }
}

/** k_a of all atoms, from the hidden numbers and messages of the last forward pass. */
export function evaluateKnown(ctx: usize, scratch: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const width = count(ctx, COUNT_KNOWN);
  const input = count(ctx, COUNT_HIDDEN) + count(ctx, COUNT_MESSAGE);
  const order = region(ctx, ADDRESS_ORDER);
  const known = region(ctx, ADDRESS_KNOWN);
  const weights = region(ctx, ADDRESS_KNOWN_WEIGHT1);
  const z = scratch + SCRATCH_OUTER;
  const a = scratch + SCRATCH_OUTER_OUT;
  for (let first = 0; first < n; first += 4) {
    gatherInput(ctx, scratch, first);
    layerForward(z, scratch + SCRATCH_INPUT, region(ctx, ADDRESS_FORWARD_KNOWN), region(ctx, ADDRESS_KNOWN_BIAS0), width, input);
    siluForward(a, z, 4 * width);
    const until = min(first + 4, n);
    for (let s = first; s < until; ++s) {
      const row = at4(a, (s - first) * width);
      // Terms are summed in f64 and in order, so that both builds round them alike.
      let sum: f64 = 0;
      for (let i = 0; i < width; ++i) sum += <f64>loadF4(row, i) * <f64>loadF4(weights, i);
      store<f32>(at4(known, load<i32>(at4(order, s))), <f32>sum);
    }
  }
  const round = region(ctx, ADDRESS_KNOWN_ROUND);
  // AVERAGES is even, so they end where they began.
  for (let pass = 0; pass < AVERAGES; pass += 2) {
    averageRound(ctx, known, round);
    averageRound(ctx, round, known);
  }
}

/** Gives an atom (order given) the logit of class 0 that k_a stands for, and all that follows. */
export function applyKnown(ctx: usize, atom: i32): void {
  const classCount = count(ctx, COUNT_CLASSES);
  const logits = at4(region(ctx, ADDRESS_LOGITS), atom * classCount);
  const probabilities = at4(region(ctx, ADDRESS_PROBABILITIES), atom * classCount);
  const needed = neededAt(ctx, atom);
  const seen = <i32>load<u8>(region(ctx, ADDRESS_SPECIES_AROUND) + <usize>atom);
  let crystal = 0;
  let first: f32 = -Infinity;
  let second: f32 = -Infinity;
  let crystalline: f64 = 0;
  for (let c = 1; c < classCount; ++c) {
    if (load<i32>(at4(needed, c)) > seen) continue;
    const logit = loadF4(logits, c);
    if (logit > first) {
      second = first;
      first = logit;
      crystal = c;
    } else {
      second = max(second, logit);
    }
    crystalline += <f64>loadF4(probabilities, c);
  }
  // So far from every class that it can be named after that single precision holds no share of the
  // crystals: it stays class 0.
  if (crystalline < LEAST_SHARE) return;
  const sure = load<u16>(at2(region(ctx, ADDRESS_RAW_LABELS), atom)) != 0;
  const known = <f64>loadF4(region(ctx, ADDRESS_KNOWN), atom) - (sure ? 0 : <f64>LEAD);
  const best = <f64>first;
  const bestShare = <f64>loadF4(probabilities, crystal) / crystalline;
  const crystals = best - Math.log(bestShare);
  // p_a0 / (1 - p_a0)
  const odds = Math.exp(<f64>loadF4(logits, 0) - crystals) + loadF8(region(ctx, ADDRESS_CLASS_WEIGHTS), 0) * Math.exp(-known);
  const share = 1 / (1 + odds);
  const flat = crystals + Math.log(odds);
  const label = flat >= best ? 0 : crystal;
  for (let c = 1; c < classCount; ++c) {
    store<f32>(at4(probabilities, c), <f32>((<f64>loadF4(probabilities, c) / crystalline) * share));
  }
  const none = odds / (1 + odds);
  store<f32>(probabilities, <f32>none);
  store<u16>(at2(region(ctx, ADDRESS_LABELS), atom), <u16>label);
  store<f32>(at4(region(ctx, ADDRESS_CONFIDENCE), atom), <f32>(label > 0 ? bestShare * share : none));
  const rival = label > 0 ? max(<f64>second, flat) : best;
  store<f32>(at4(region(ctx, ADDRESS_MARGIN), atom), <f32>((label > 0 ? best : flat) - rival));
}

/** k_a of all atoms in f64, after forwardReference, averaged if the frame was denoised. */
export function knownReference(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const width = count(ctx, COUNT_KNOWN);
  const hidden = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  const scratch = region(ctx, ADDRESS_REFERENCE_SCRATCH);
  const x = at8(scratch, REFERENCE_X);
  const z = at8(scratch, REFERENCE_Z0);
  const a = at8(scratch, REFERENCE_A0);
  for (let i = 0; i < n; ++i) {
    memory.copy(x, at8(region(ctx, ADDRESS_REFERENCE_HIDDEN), hidden * i), hidden << 3);
    memory.copy(at8(x, hidden), at8(region(ctx, ADDRESS_REFERENCE_MESSAGES), message * i), message << 3);
    layerReference(z, x, region(ctx, ADDRESS_KNOWN_WEIGHT0), region(ctx, ADDRESS_KNOWN_BIAS0), width, hidden + message);
    siluReference(a, z, width);
    let sum: f64 = 0;
    for (let t = 0; t < width; ++t) sum += loadF8(a, t) * <f64>loadF4(region(ctx, ADDRESS_KNOWN_WEIGHT1), t);
    storeF8(region(ctx, ADDRESS_REFERENCE_KNOWN), i, sum);
  }
  // Without room for gradients there was no denoising.
  if (!(count(ctx, COUNT_FEATURES) & FEATURE_GRADIENT)) return;
  for (let pass = 0; pass < AVERAGES; ++pass) averageReference(ctx);
}

function averageReference(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const known = region(ctx, ADDRESS_REFERENCE_KNOWN);
  const round = region(ctx, ADDRESS_REFERENCE_ROUND);
  const starts = region(ctx, ADDRESS_REFERENCE_START);
  const links = region(ctx, ADDRESS_REFERENCE_LINK);
  const vectors = region(ctx, ADDRESS_REFERENCE_VECTOR);
  const cutoff = value(ctx, VALUE_CUTOFF);
  memory.copy(round, known, 8 * <usize>n);
  for (let i = 0; i < n; ++i) {
    if (!takesPart(ctx, i)) continue;
    let sum = loadF8(round, i);
    let weights: f64 = 1;
    for (let p = load<i32>(at4(starts, i)); p < load<i32>(at4(starts, i + 1)); ++p) {
      const j = load<i32>(at4(links, p)) >> 1;
      if (!takesPart(ctx, j)) continue;
      const x = loadF8(vectors, 3 * p);
      const y = loadF8(vectors, 3 * p + 1);
      const z = loadF8(vectors, 3 * p + 2);
      const weight = nearness((x * x + y * y + z * z) / (cutoff * cutoff));
      sum += weight * loadF8(round, j);
      weights += weight;
    }
    storeF8(known, i, sum / weights);
  }
}
