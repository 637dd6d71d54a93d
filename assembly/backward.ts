/**
 * The backward pass: stages over ranges of sorted atoms, in the order backwardLogits,
 * backwardDensity, gatherGradient, finishBackward.
 *
 * From the seed D = dL/dl (N x C, order given) to gradient (f64 3N, order given) and virial (f64
 * 9):
 *
 *     G_p = dL/dx_p of every pair p = (i, j, S), formed at i
 *     dL/dr_i = (sum over the row of i of G_reverse(p) - G_p) / a0
 *     virial = - sum_p G_p (x) x_p
 *
 * Every sum has a fixed order, so results do not depend on the number of threads. Each G enters
 * twice with opposite signs, so the gradients of all atoms add up to zero within the rounding of
 * f64.
 */
import {
  ADDRESS_BLOCK_VIRIAL,
  ADDRESS_GRADIENT,
  ADDRESS_HIDDEN,
  ADDRESS_HIDDEN_ADJOINT,
  ADDRESS_KEPT,
  ADDRESS_MESSAGES_ADJOINT,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_GRADIENT,
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
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_HIDDEN,
  COUNT_MESSAGE,
  COUNT_REVERSE_READY,
  STATUS_ABORTED,
  STATUS_OK,
  VALUE_LENGTH_SCALE,
  VALUE_VIRIAL,
} from "./abi";
import { clearFillers, densityBackward } from "./density";
import { formRecord } from "./forward";
import { invariantsBackward } from "./invariants";
import { addF8, at4, at8, copyVectors, count, loadF8, region, storeF8, value } from "./memory";
import { gatherRows, weightAdjoints } from "./messages";
import { backwardNetwork1, backwardNetwork2, network2 } from "./networks";
import { adjointsReady } from "./phases";
import { seedLogDensity } from "./readout";
import { groupRecord, workerScratch } from "./record";
import { reversePairs } from "./reverse";
import {
  SCRATCH_DENSITY,
  SCRATCH_DENSITY_ADJOINT,
  SCRATCH_INVARIANTS_ADJOINT,
  SCRATCH_LAYER1,
  SCRATCH_LOGITS,
  SCRATCH_MIXED_ADJOINT,
  SCRATCH_WEIGHT_ADJOINT,
} from "./scratch";
import { paddedClasses } from "./shape";
import { nmadd4 } from "./vector";
import { isAborted } from "./work";

/**
 * Adjoints of hidden numbers (only through network 2) and messages of the sorted atoms [begin,
 * end). Once per frame also the index of their reverse pairs.
 */
export function backwardLogits(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  const classCount = count(ctx, COUNT_CLASSES);
  const classes = paddedClasses(classCount);
  const seed = region(ctx, ADDRESS_SEED);
  const order = region(ctx, ADDRESS_ORDER);
  const logitsAdjoint = scratch + SCRATCH_LOGITS;
  if (!count(ctx, COUNT_REVERSE_READY)) reversePairs(ctx, worker, begin, end);
  if (adjointsReady(ctx)) return;
  memory.fill(logitsAdjoint, 0, <usize>(4 * classes) << 2);
  for (let first = begin; first < end; first += 4) {
    if (isAborted(ctx)) return;
    const until = min(first + 4, end);
    for (let s = first; s < until; ++s) {
      const from = at4(seed, load<i32>(at4(order, s)) * classCount);
      memory.copy(at4(logitsAdjoint, (s - first) * classes), from, <usize>classCount << 2);
    }
    network2(ctx, scratch, first);
    backwardNetwork2(ctx, scratch, first, until);
  }
}

/** G of the pairs of the sorted atoms [begin, end). */
export function backwardDensity(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const scratch = workerScratch(ctx, worker);
  clearFillers(ctx, scratch);
  const recompute = region(ctx, ADDRESS_KEPT) == 0;
  const messagesAdjoint = region(ctx, ADDRESS_MESSAGES_ADJOINT);
  const pairStart = region(ctx, ADDRESS_PAIR_START);
  const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
  const weights = region(ctx, ADDRESS_PAIR_WEIGHT);
  const links = region(ctx, ADDRESS_PAIR_LINK);
  const channelBytes = <usize>count(ctx, COUNT_CHANNELS) << 2;
  const hidden = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  const dh = scratch + SCRATCH_LAYER1;
  const densityAdjoint = scratch + SCRATCH_DENSITY_ADJOINT;
  const dw = scratch + SCRATCH_WEIGHT_ADJOINT;
  for (let first = begin; first < end; first += 4) {
    if (isAborted(ctx)) return;
    const until = min(first + 4, end);
    const record = groupRecord(ctx, scratch, first);
    if (recompute) formRecord(ctx, scratch, record, first, until);
    copyVectors(dh, at4(region(ctx, ADDRESS_HIDDEN_ADJOINT), first * hidden), hidden << 4);
    for (let s = first; s < until; ++s) {
      const start = load<i32>(at4(pairStart, s));
      const length = load<i32>(at4(pairCount, s));
      const own = at4(dh, (s - first) * hidden);
      gatherRows(own, at4(weights, start), at4(links, start), length, messagesAdjoint, message << 2, message);
    }
    backwardNetwork1(ctx, scratch, record);
    const db = scratch + SCRATCH_INVARIANTS_ADJOINT;
    invariantsBackward(ctx, densityAdjoint, db, record, scratch + SCRATCH_MIXED_ADJOINT, scratch + SCRATCH_DENSITY);
    for (let s = first; s < until; ++s) {
      const start = load<i32>(at4(pairStart, s));
      const length = load<i32>(at4(pairCount, s));
      const row = at4(messagesAdjoint, s * message);
      // Pairs that fill up a row have no slope, but their adjoints must be finite numbers.
      weightAdjoints(dw, row, at4(links, start), length, region(ctx, ADDRESS_HIDDEN), hidden << 2, message);
      densityBackward(
        ctx,
        scratch,
        region(ctx, ADDRESS_PAIR_GRADIENT) + (<usize>start << 4),
        at4(weights, start),
        densityAdjoint + <usize>(s - first) * channelBytes,
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

/**
 * Adds the lanes 0..2 of three f32 columns to a 3 x 3 matrix in f64: row i is lane i of the
 * columns.
 */
function addColumns(matrix: usize, x: v128, y: v128, z: v128): void {
  addF8(matrix, 0, <f64>f32x4.extract_lane(x, 0));
  addF8(matrix, 1, <f64>f32x4.extract_lane(y, 0));
  addF8(matrix, 2, <f64>f32x4.extract_lane(z, 0));
  addF8(matrix, 3, <f64>f32x4.extract_lane(x, 1));
  addF8(matrix, 4, <f64>f32x4.extract_lane(y, 1));
  addF8(matrix, 5, <f64>f32x4.extract_lane(z, 1));
  addF8(matrix, 6, <f64>f32x4.extract_lane(x, 2));
  addF8(matrix, 7, <f64>f32x4.extract_lane(y, 2));
  addF8(matrix, 8, <f64>f32x4.extract_lane(z, 2));
}

/**
 * Gradients of the sorted atoms [begin, end) and the virial of each block of BLOCK atoms. The
 * virial is summed in f32 over a row and in f64 over rows.
 */
export function gatherGradient(ctx: usize, worker: i32, begin: i32, end: i32): void {
  const pairStart = region(ctx, ADDRESS_PAIR_START);
  const pairCount = region(ctx, ADDRESS_PAIR_COUNT);
  const reverse = region(ctx, ADDRESS_PAIR_REVERSE);
  const pairX = region(ctx, ADDRESS_PAIR_X);
  const pairY = region(ctx, ADDRESS_PAIR_Y);
  const pairZ = region(ctx, ADDRESS_PAIR_Z);
  const pairGradient = region(ctx, ADDRESS_PAIR_GRADIENT);
  const gradient = region(ctx, ADDRESS_GRADIENT);
  const order = region(ctx, ADDRESS_ORDER);
  const scale = f64x2.splat(1 / value(ctx, VALUE_LENGTH_SCALE));
  for (let block = begin; block < end; block += BLOCK) {
    if (isAborted(ctx)) return;
    const virial = at8(region(ctx, ADDRESS_BLOCK_VIRIAL), 9 * (block / BLOCK));
    memory.fill(virial, 0, 9 * 8);
    const until = min(block + BLOCK, end);
    for (let s = block; s < until; ++s) {
      const start = load<i32>(at4(pairStart, s));
      const stop = start + load<i32>(at4(pairCount, s));
      let xy = f64x2.splat(0);
      let zw = xy;
      let vx = f32x4.splat(0);
      let vy = vx;
      let vz = vx;
      for (let p = start; p < stop; ++p) {
        const own = v128.load(pairGradient + (<usize>p << 4));
        const back = v128.load(pairGradient + (<usize>load<i32>(at4(reverse, p)) << 4));
        xy = f64x2.add(xy, f64x2.sub(f64x2.promote_low_f32x4(back), f64x2.promote_low_f32x4(own)));
        const backHigh = v128.shuffle<i64>(back, back, 1, 1);
        const ownHigh = v128.shuffle<i64>(own, own, 1, 1);
        zw = f64x2.add(zw, f64x2.sub(f64x2.promote_low_f32x4(backHigh), f64x2.promote_low_f32x4(ownHigh)));
        vx = nmadd4(own, v128.load32_splat(at4(pairX, p)), vx);
        vy = nmadd4(own, v128.load32_splat(at4(pairY, p)), vy);
        vz = nmadd4(own, v128.load32_splat(at4(pairZ, p)), vz);
      }
      const out = at8(gradient, 3 * load<i32>(at4(order, s)));
      v128.store(out, f64x2.mul(xy, scale));
      v128.store64_lane(out + 16, f64x2.mul(zw, scale), 0);
      addColumns(virial, vx, vy, vz);
    }
  }
}

/** Sums over the blocks. Runs after all other stages. */
export function finishBackward(ctx: usize): void {
  const blocks = (count(ctx, COUNT_ATOMS) + BLOCK - 1) / BLOCK;
  const perBlock = region(ctx, ADDRESS_BLOCK_VIRIAL);
  for (let i = 0; i < 9; ++i) {
    let sum: f64 = 0;
    for (let block = 0; block < blocks; ++block) sum += loadF8(perBlock, 9 * block + i);
    storeF8(ctx + VALUE_VIRIAL, i, sum);
  }
  store<i32>(ctx + COUNT_REVERSE_READY, isAborted(ctx) ? 0 : 1);
}

/** The whole backward pass on one thread. */
export function backward(ctx: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  backwardLogits(ctx, 0, 0, n);
  backwardDensity(ctx, 0, 0, n);
  gatherGradient(ctx, 0, 0, n);
  finishBackward(ctx);
  return isAborted(ctx) ? STATUS_ABORTED : STATUS_OK;
}

/** The gradient of logP on one thread, after the forward pass. */
export function score(ctx: usize): i32 {
  seedLogDensity(ctx);
  return backward(ctx);
}
