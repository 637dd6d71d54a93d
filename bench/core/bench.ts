/**
 * Stages one by one, for the benchmark; built into a separate file. A stage runs one kernel over
 * the atoms of a frame that a forward and a backward pass have left. Where the numbers do not
 * matter, it works on what these left in the scratch memory.
 */
import {
  ADDRESS_BIAS2_1,
  ADDRESS_FORWARD2_1,
  ADDRESS_HARMONICS,
  ADDRESS_HIDDEN,
  ADDRESS_HIDDEN_ADJOINT,
  ADDRESS_MESSAGES_ADJOINT,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_GRADIENT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_WEIGHT,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  COUNT_ATOMS,
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_HIDDEN,
  COUNT_LMAX,
  COUNT_MESSAGE,
  COUNT_OUTER,
  COUNT_PAIRS_NEEDED,
  COUNT_SKIPPED_DEGREE,
} from "../../assembly/abi";
import { gatherGradient } from "../../assembly/backward";
import { binAtoms } from "../../assembly/bin";
import { formInvariants } from "../../assembly/forward";
import { harmonicsBackward, harmonicsForward } from "../../assembly/harmonics";
import { invariantsBackward } from "../../assembly/invariants";
import { at4, copyVectors, count, region } from "../../assembly/memory";
import { gatherRows, weightAdjoints } from "../../assembly/messages";
import { speciesAround } from "../../assembly/nameable";
import { findPairs } from "../../assembly/neighbours";
import { layerForward } from "../../assembly/network";
import { backwardNetwork1, backwardNetwork2, network1, network2 } from "../../assembly/networks";
import { product } from "../../assembly/product";
import { chunkGeometry, radialBackward, radialForward, radialSlopes, turnRadial } from "../../assembly/radial";
import { readOut } from "../../assembly/readout";
import { workerScratch } from "../../assembly/record";
import { reversePairs } from "../../assembly/reverse";
import {
  CHUNK,
  CHUNK_BYTES,
  SCRATCH_DENSITY,
  SCRATCH_DENSITY_ADJOINT,
  SCRATCH_EXPONENTIALS,
  SCRATCH_GROUP,
  SCRATCH_HARMONICS,
  SCRATCH_HARMONICS_ADJOINT,
  SCRATCH_INVARIANTS_ADJOINT,
  SCRATCH_LAYER1,
  SCRATCH_LOGITS,
  SCRATCH_MIXED_ADJOINT,
  SCRATCH_OUTER_OUT,
  SCRATCH_RADIAL,
  SCRATCH_RADIAL_ADJOINT,
  SCRATCH_RADIAL_TURNED,
  SCRATCH_SPECIES,
  SCRATCH_WEIGHT_ADJOINT,
} from "../../assembly/scratch";
import { harmonicCount, paddedClasses } from "../../assembly/shape";

/** Checks, length scale and sorting; the pairs. */
export const STAGE_BIN: i32 = 0;
export const STAGE_PAIRS: i32 = 1;
/**
 * Lengths, unit vectors and radial functions; harmonics; their products; invariants; networks;
 * results.
 */
export const STAGE_RADIAL: i32 = 2;
export const STAGE_HARMONICS: i32 = 3;
export const STAGE_DENSITY: i32 = 4;
export const STAGE_INVARIANTS: i32 = 5;
export const STAGE_NETWORK1: i32 = 6;
export const STAGE_MESSAGES: i32 = 7;
export const STAGE_NETWORK2: i32 = 8;
export const STAGE_READOUT: i32 = 9;
/** Adjoints, from the logits back, and the index of reverse pairs. */
export const STAGE_REVERSE: i32 = 10;
export const STAGE_NETWORK2_ADJOINT: i32 = 11;
export const STAGE_MESSAGES_ADJOINT: i32 = 12;
export const STAGE_NETWORK1_ADJOINT: i32 = 13;
export const STAGE_INVARIANTS_ADJOINT: i32 = 14;
export const STAGE_DENSITY_ADJOINT: i32 = 15;
export const STAGE_RADIAL_ADJOINT: i32 = 16;
export const STAGE_HARMONICS_ADJOINT: i32 = 17;
export const STAGE_GATHER: i32 = 18;

/** Runs a stage `repeats` times over all atoms, as worker 0. */
export function benchStage(ctx: usize, stage: i32, repeats: i32): void {
  const n = count(ctx, COUNT_ATOMS);
  for (let i = 0; i < repeats; ++i) {
    if (stage == STAGE_BIN) binAtoms(ctx);
    else if (stage == STAGE_PAIRS) {
      store<i32>(ctx + COUNT_PAIRS_NEEDED, 0);
      findPairs(ctx, 0, 0, n);
    } else if (stage == STAGE_REVERSE) reversePairs(ctx, 0, 0, n);
    else if (stage == STAGE_GATHER) gatherGradient(ctx, 0, 0, n);
    else if (isByGroup(stage)) for (let first = 0; first + 4 <= n; first += 4) benchGroup(ctx, stage, first);
    else for (let s = 0; s < n; ++s) benchAtom(ctx, stage, s);
  }
}

function isByGroup(stage: i32): bool {
  return (
    stage == STAGE_INVARIANTS ||
    stage == STAGE_NETWORK1 ||
    stage == STAGE_NETWORK2 ||
    stage == STAGE_READOUT ||
    stage == STAGE_NETWORK2_ADJOINT ||
    stage == STAGE_NETWORK1_ADJOINT ||
    stage == STAGE_INVARIANTS_ADJOINT
  );
}

/** Stages of four atoms at a time. */
function benchGroup(ctx: usize, stage: i32, first: i32): void {
  const scratch = workerScratch(ctx, 0);
  const record = scratch + SCRATCH_GROUP;
  const outer = count(ctx, COUNT_OUTER);
  const classes = paddedClasses(count(ctx, COUNT_CLASSES));
  if (stage == STAGE_INVARIANTS) formInvariants(ctx, scratch, record);
  else if (stage == STAGE_NETWORK1) network1(ctx, scratch, record, first);
  else if (stage == STAGE_NETWORK2) {
    network2(ctx, scratch, first);
    const a0 = scratch + SCRATCH_OUTER_OUT;
    const logits = scratch + SCRATCH_LOGITS;
    layerForward(logits, a0, region(ctx, ADDRESS_FORWARD2_1), region(ctx, ADDRESS_BIAS2_1), classes, outer);
  } else if (stage == STAGE_READOUT) {
    for (let s = first; s < first + 4; ++s) {
      const row = (s - first) * classes;
      const atom = load<i32>(at4(region(ctx, ADDRESS_ORDER), s));
      const around = speciesAround(ctx, scratch + SCRATCH_SPECIES, s);
      readOut(ctx, atom, around, false, at4(scratch + SCRATCH_LOGITS, row), at4(scratch + SCRATCH_EXPONENTIALS, row));
    }
  } else if (stage == STAGE_NETWORK2_ADJOINT) backwardNetwork2(ctx, scratch, first, first + 4);
  else if (stage == STAGE_NETWORK1_ADJOINT) {
    // Fresh for each group: slopes multiply these in place, which would soon end in subnormal
    // numbers.
    const hidden = count(ctx, COUNT_HIDDEN);
    copyVectors(scratch + SCRATCH_LAYER1, at4(region(ctx, ADDRESS_HIDDEN_ADJOINT), first * hidden), hidden << 4);
    backwardNetwork1(ctx, scratch, record);
  } else {
    const db = scratch + SCRATCH_INVARIANTS_ADJOINT;
    const dA = scratch + SCRATCH_DENSITY_ADJOINT;
    invariantsBackward(ctx, dA, db, record, scratch + SCRATCH_MIXED_ADJOINT, scratch + SCRATCH_DENSITY);
  }
}

/** Stages of the pairs of one atom. */
function benchAtom(ctx: usize, stage: i32, s: i32): void {
  const scratch = workerScratch(ctx, 0);
  const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
  const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
  const links = at4(region(ctx, ADDRESS_PAIR_LINK), start);
  const weights = at4(region(ctx, ADDRESS_PAIR_WEIGHT), start);
  const hidden = count(ctx, COUNT_HIDDEN) << 2;
  const message = count(ctx, COUNT_MESSAGE);
  if (stage == STAGE_MESSAGES) {
    // Onto numbers that nothing reads.
    gatherRows(scratch + SCRATCH_EXPONENTIALS, weights, links, length, region(ctx, ADDRESS_HIDDEN), hidden, message);
    return;
  }
  if (stage == STAGE_MESSAGES_ADJOINT) {
    const adjoint = region(ctx, ADDRESS_MESSAGES_ADJOINT);
    gatherRows(scratch + SCRATCH_EXPONENTIALS, weights, links, length, adjoint, message << 2, message);
    const dw = scratch + SCRATCH_WEIGHT_ADJOINT;
    weightAdjoints(dw, at4(adjoint, s * message), links, length, region(ctx, ADDRESS_HIDDEN), hidden, message);
    return;
  }
  for (let chunk = 0; chunk < length; chunk += CHUNK) {
    benchChunk(ctx, scratch, stage, start + chunk, min(CHUNK, length - chunk));
  }
}

/** Stages of up to CHUNK pairs. */
function benchChunk(ctx: usize, scratch: usize, stage: i32, start: i32, n: i32): void {
  const n4 = (n + 3) & ~3;
  const lmax = count(ctx, COUNT_LMAX);
  const channels = count(ctx, COUNT_CHANNELS);
  const bytes = channels << 2;
  const rowBytes = channels << 4;
  const depth = harmonicCount(ctx) - 1;
  const tiled = (depth + 3) & ~3;
  const harmonics = scratch + SCRATCH_HARMONICS;
  const constants = region(ctx, ADDRESS_HARMONICS);
  if (stage == STAGE_RADIAL) {
    const x = at4(region(ctx, ADDRESS_PAIR_X), start);
    const y = at4(region(ctx, ADDRESS_PAIR_Y), start);
    const z = at4(region(ctx, ADDRESS_PAIR_Z), start);
    chunkGeometry(ctx, scratch, x, y, z, at4(region(ctx, ADDRESS_PAIR_LINK), start), n4);
    radialForward(ctx, scratch, at4(region(ctx, ADDRESS_PAIR_WEIGHT), start), n4);
  } else if (stage == STAGE_HARMONICS) harmonicsForward(constants, scratch, lmax, count(ctx, COUNT_SKIPPED_DEGREE), n4);
  else if (stage == STAGE_DENSITY) {
    const rows = scratch + SCRATCH_DENSITY + rowBytes;
    product(rows, rowBytes, 0, 0, harmonics, CHUNK_BYTES, 4, scratch + SCRATCH_RADIAL, bytes, tiled, channels, n);
  } else if (stage == STAGE_DENSITY_ADJOINT) {
    const dR = scratch + SCRATCH_RADIAL_ADJOINT;
    const dC = scratch + SCRATCH_HARMONICS_ADJOINT;
    const turned = scratch + SCRATCH_RADIAL_TURNED;
    const adjoint = scratch + SCRATCH_DENSITY_ADJOINT;
    const rows = adjoint + rowBytes;
    turnRadial(scratch, channels, n4);
    product(dR, bytes, adjoint, 0, harmonics, 4, CHUNK_BYTES, rows, rowBytes, n4, channels, depth);
    product(dC, CHUNK_BYTES, 0, 0, rows, rowBytes, 4, turned, CHUNK_BYTES, tiled, (n4 + 7) & ~7, channels);
  } else if (stage == STAGE_RADIAL_ADJOINT) {
    radialSlopes(ctx, scratch, n4);
    radialBackward(ctx, scratch, scratch + SCRATCH_WEIGHT_ADJOINT, n4);
  } else {
    const gradient = region(ctx, ADDRESS_PAIR_GRADIENT) + (<usize>start << 4);
    harmonicsBackward(constants, scratch, lmax, count(ctx, COUNT_SKIPPED_DEGREE), gradient, n4);
  }
}

/**
 * The fastest that the registers allow: `repeats` products of a 48 x 64 and a 64 x 48 matrix that
 * stay in the nearest cache, at `scratch` (48 KiB, any numbers). Each takes 2 x 48 x 64 x 48
 * floating-point operations.
 */
export function benchPeak(scratch: usize, repeats: i32): void {
  const right = scratch + 48 * 64 * 4;
  const out = right + 64 * 48 * 4;
  for (let i = 0; i < repeats; ++i) product(out, 192, 0, 0, scratch, 256, 4, right, 192, 48, 48, 64);
}

/**
 * The fastest that memory can be read in a row: `repeats` times `bytes`, a multiple of 64, from
 * `from`. Returns a sum, so that no read is optimised away.
 */
export function benchRead(from: usize, bytes: i32, repeats: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  for (let i = 0; i < repeats; ++i) {
    for (let o = 0; o < bytes; o += 64) {
      s0 = f32x4.add(s0, v128.load(from + o));
      s1 = f32x4.add(s1, v128.load(from + o, 16));
      s2 = f32x4.add(s2, v128.load(from + o, 32));
      s3 = f32x4.add(s3, v128.load(from + o, 48));
    }
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)), 0);
}
