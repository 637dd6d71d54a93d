/**
 * The backward pass: stages over ranges of sorted atoms, in order backwardLogits, backwardDensity, gatherGradient, finishBackward.
 *
 * From the seed D = dL/dl (N x C, order given) to gradient (f64 3N, order given) and virial (f64 9):
 *
 *     G_p = dL/dx_p of every pair p = (i, j, S), formed at i
 *     dL/dr_i = (sum over the row of i of G_reverse(p) - G_p) / a0,     virial = - sum_p G_p (x) x_p
 *
 * Every sum has a fixed order, so results do not depend on how many threads there are; each G enters twice with opposite signs,
 * so the gradients of all atoms add up to zero within the rounding of f64.
 */
import { densityBackward } from "./density";
import { formMixed, MIXED_BYTES, network1, network2, workerScratch } from "./forward";
import { invariantsBackward, invariantsForward } from "./invariants";
import {
  ADDRESS_BACKWARD2_1,
  ADDRESS_BLOCK_VIRIAL,
  ADDRESS_GRADIENT,
  ADDRESS_HIDDEN,
  ADDRESS_HIDDEN_ADJOINT,
  ADDRESS_MESSAGES_ADJOINT,
  ADDRESS_MIXED,
  ADDRESS_NETWORK1_WEIGHT0,
  ADDRESS_NETWORK1_WEIGHT1,
  ADDRESS_NETWORK2_WEIGHT0,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_GRADIENT_X,
  ADDRESS_PAIR_GRADIENT_Y,
  ADDRESS_PAIR_GRADIENT_Z,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_REVERSE,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_WEIGHT,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_SEED,
  BLOCK,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_OUTER,
  COUNT_REVERSE_READY,
  HIDDEN,
  INVARIANTS,
  LAYER,
  paddedClasses,
  STATUS_OK,
  VALUE_LENGTH_SCALE,
  VALUE_VIRIAL,
} from "./layout";
import { addF8, at4, at8, count, loadF4, loadF8, region, storeF8, value } from "./memory";
import { gatherRows, weightAdjoints } from "./messages";
import { reversePairs } from "./neighbours";
import { layerBackward, siluBackward } from "./network";
import { seedLogDensity } from "./readout";
import {
  SCRATCH_DENSITY_ADJOINT,
  SCRATCH_INVARIANTS,
  SCRATCH_INVARIANTS_ADJOINT,
  SCRATCH_LAYER0,
  SCRATCH_LAYER0_ADJOINT,
  SCRATCH_LAYER1,
  SCRATCH_LAYER1_ADJOINT,
  SCRATCH_LOGITS,
  SCRATCH_MIXED,
  SCRATCH_MIXED_ADJOINT,
  SCRATCH_OUTER,
  SCRATCH_OUTER_ADJOINT,
  SCRATCH_PAIRS,
} from "./scratch";

/** Adjoints of hidden numbers (through network 2 alone) and messages of the sorted atoms [begin, end); and their reverse pairs, once a frame. */
export function backwardLogits(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  const classCount = count(ctx, COUNT_CLASSES);
  const classes = paddedClasses(classCount);
  const outer = count(ctx, COUNT_OUTER);
  const seed = region(ctx, ADDRESS_SEED);
  const order = region(ctx, ADDRESS_ORDER);
  const hiddenAdjoint = region(ctx, ADDRESS_HIDDEN_ADJOINT);
  const messagesAdjoint = region(ctx, ADDRESS_MESSAGES_ADJOINT);
  const logitsAdjoint = scratch + SCRATCH_LOGITS;
  const da = scratch + SCRATCH_OUTER_ADJOINT;
  const dx = scratch + SCRATCH_LAYER1_ADJOINT;
  if (!count(ctx, COUNT_REVERSE_READY)) reversePairs(ctx, begin, end);
  memory.fill(logitsAdjoint, 0, <usize>(4 * classes) << 2);
  for (let first = begin; first < end; first += 4) {
    const rows = min(4, end - first);
    for (let row = 0; row < rows; ++row) {
      const from = at4(seed, load<i32>(at4(order, first + row)) * classCount);
      memory.copy(at4(logitsAdjoint, row * classes), from, <usize>classCount << 2);
    }
    network2(ctx, scratch, first);
    layerBackward(da, logitsAdjoint, region(ctx, ADDRESS_BACKWARD2_1), classes, outer);
    siluBackward(da, da, scratch + SCRATCH_OUTER, 4 * outer);
    layerBackward(dx, da, region(ctx, ADDRESS_NETWORK2_WEIGHT0), outer, LAYER);
    for (let row = 0; row < rows; ++row) {
      memory.copy(at4(hiddenAdjoint, (first + row) * HIDDEN), dx + (row << 8), HIDDEN * 4);
      memory.copy(at4(messagesAdjoint, (first + row) * HIDDEN), dx + (row << 8) + HIDDEN * 4, HIDDEN * 4);
    }
  }
}

/** G of the pairs of the sorted atoms [begin, end). */
export function backwardDensity(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  const kept = region(ctx, ADDRESS_MIXED);
  const hidden = region(ctx, ADDRESS_HIDDEN);
  const hiddenAdjoint = region(ctx, ADDRESS_HIDDEN_ADJOINT);
  const messagesAdjoint = region(ctx, ADDRESS_MESSAGES_ADJOINT);
  const pairStart = region(ctx, ADDRESS_PAIR_START);
  const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
  const weights = region(ctx, ADDRESS_PAIR_WEIGHT);
  const links = region(ctx, ADDRESS_PAIR_LINK);
  const dh = scratch + SCRATCH_LAYER1_ADJOINT;
  const da = scratch + SCRATCH_LAYER0_ADJOINT;
  const db = scratch + SCRATCH_INVARIANTS_ADJOINT;
  const densityAdjoint = scratch + SCRATCH_DENSITY_ADJOINT;
  const dw = scratch + SCRATCH_PAIRS;
  for (let first = begin; first < end; first += 4) {
    const until = min(first + 4, end);
    for (let s = first; s < until; ++s) {
      const row = s - first;
      const start = load<i32>(at4(pairStart, s));
      const length = load<i32>(at4(pairCount, s));
      const own = at4(dh, row * HIDDEN);
      memory.copy(own, at4(hiddenAdjoint, s * HIDDEN), HIDDEN * 4);
      gatherRows(own, at4(weights, start), at4(links, start), length, messagesAdjoint);
      const mixed = mixedOf(scratch, kept, s, row);
      if (!kept) formMixed(ctx, scratch, mixed, s);
      invariantsForward(ctx, scratch + SCRATCH_INVARIANTS + row * (INVARIANTS * 4), mixed);
    }
    network1(ctx, scratch);
    siluBackward(dh, dh, scratch + SCRATCH_LAYER1, 4 * HIDDEN);
    layerBackward(da, dh, region(ctx, ADDRESS_NETWORK1_WEIGHT1), HIDDEN, LAYER);
    siluBackward(da, da, scratch + SCRATCH_LAYER0, 4 * LAYER);
    layerBackward(db, da, region(ctx, ADDRESS_NETWORK1_WEIGHT0), LAYER, INVARIANTS);
    for (let s = first; s < until; ++s) {
      const row = s - first;
      const start = load<i32>(at4(pairStart, s));
      const length = load<i32>(at4(pairCount, s));
      const mixed = mixedOf(scratch, kept, s, row);
      const dbRow = db + row * (INVARIANTS * 4);
      invariantsBackward(ctx, densityAdjoint, dbRow, mixed, scratch + SCRATCH_MIXED_ADJOINT);
      // Pairs that fill a row up have no slope, but their adjoints must be numbers.
      weightAdjoints(dw, at4(messagesAdjoint, s * HIDDEN), at4(links, start), (length + 3) & ~3, hidden);
      densityBackward(
        ctx,
        scratch,
        at4(region(ctx, ADDRESS_PAIR_GRADIENT_X), start),
        at4(region(ctx, ADDRESS_PAIR_GRADIENT_Y), start),
        at4(region(ctx, ADDRESS_PAIR_GRADIENT_Z), start),
        at4(weights, start),
        densityAdjoint,
        dw,
        at4(region(ctx, ADDRESS_PAIR_X), start),
        at4(region(ctx, ADDRESS_PAIR_Y), start),
        at4(region(ctx, ADDRESS_PAIR_Z), start),
        at4(links, start),
        length,
      );
    }
  }
}

/** Where A' of sorted atom s is: kept from the forward pass, or row `row` of the scratch memory. */
// @ts-ignore: decorator
@inline
function mixedOf(scratch: usize, kept: usize, s: i32, row: i32): usize {
  return kept ? kept + <usize>s * MIXED_BYTES : scratch + SCRATCH_MIXED + row * MIXED_BYTES;
}

/** Gradients of the sorted atoms [begin, end), and the virial of each block of BLOCK of them. */
export function gatherGradient(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const pairStart = region(ctx, ADDRESS_PAIR_START);
  const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
  const reverse = region(ctx, ADDRESS_PAIR_REVERSE);
  const pairX = region(ctx, ADDRESS_PAIR_X);
  const pairY = region(ctx, ADDRESS_PAIR_Y);
  const pairZ = region(ctx, ADDRESS_PAIR_Z);
  const gradientX = region(ctx, ADDRESS_PAIR_GRADIENT_X);
  const gradientY = region(ctx, ADDRESS_PAIR_GRADIENT_Y);
  const gradientZ = region(ctx, ADDRESS_PAIR_GRADIENT_Z);
  const gradient = region(ctx, ADDRESS_GRADIENT);
  const order = region(ctx, ADDRESS_ORDER);
  const scale: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  for (let block = begin; block < end; block += BLOCK) {
    const virial = at8(region(ctx, ADDRESS_BLOCK_VIRIAL), 9 * (block / BLOCK));
    memory.fill(virial, 0, 72);
    const until = min(block + BLOCK, end);
    for (let s = block; s < until; ++s) {
      const start = load<i32>(at4(pairStart, s));
      const stop = start + load<i32>(at4(pairCount, s));
      let fx: f64 = 0;
      let fy: f64 = 0;
      let fz: f64 = 0;
      let xx: f64 = 0;
      let xy: f64 = 0;
      let xz: f64 = 0;
      let yx: f64 = 0;
      let yy: f64 = 0;
      let yz: f64 = 0;
      let zx: f64 = 0;
      let zy: f64 = 0;
      let zz: f64 = 0;
      for (let p = start; p < stop; ++p) {
        const gx = <f64>loadF4(gradientX, p);
        const gy = <f64>loadF4(gradientY, p);
        const gz = <f64>loadF4(gradientZ, p);
        const back = load<i32>(at4(reverse, p));
        fx += <f64>loadF4(gradientX, back) - gx;
        fy += <f64>loadF4(gradientY, back) - gy;
        fz += <f64>loadF4(gradientZ, back) - gz;
        const x = <f64>loadF4(pairX, p);
        const y = <f64>loadF4(pairY, p);
        const z = <f64>loadF4(pairZ, p);
        xx -= gx * x;
        xy -= gx * y;
        xz -= gx * z;
        yx -= gy * x;
        yy -= gy * y;
        yz -= gy * z;
        zx -= gz * x;
        zy -= gz * y;
        zz -= gz * z;
      }
      const out = at8(gradient, 3 * load<i32>(at4(order, s)));
      store<f64>(out, fx * scale);
      store<f64>(out, fy * scale, 8);
      store<f64>(out, fz * scale, 16);
      addF8(virial, 0, xx);
      addF8(virial, 1, xy);
      addF8(virial, 2, xz);
      addF8(virial, 3, yx);
      addF8(virial, 4, yy);
      addF8(virial, 5, yz);
      addF8(virial, 6, zx);
      addF8(virial, 7, zy);
      addF8(virial, 8, zz);
    }
  }
}

/** Sums over the blocks, once every stage is done. */
export function finishBackward(ctx: usize): void {
  const blocks = (count(ctx, COUNT_ATOMS) + BLOCK - 1) / BLOCK;
  const perBlock = region(ctx, ADDRESS_BLOCK_VIRIAL);
  for (let i = 0; i < 9; ++i) {
    let sum: f64 = 0;
    for (let block = 0; block < blocks; ++block) sum += loadF8(perBlock, 9 * block + i);
    storeF8(ctx + VALUE_VIRIAL, i, sum);
  }
  store<i32>(ctx + COUNT_REVERSE_READY, 1);
}

/** The whole backward pass on one thread. */
export function backward(ctx: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  backwardLogits(ctx, 0, 0, n);
  backwardDensity(ctx, 0, 0, n);
  gatherGradient(ctx, 0, 0, n);
  finishBackward(ctx);
  return STATUS_OK;
}

/** The gradient of logP on one thread, after the forward pass. */
export function score(ctx: usize): i32 {
  seedLogDensity(ctx);
  return backward(ctx);
}
