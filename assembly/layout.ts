/**
 * The memory map. layoutModel, layoutFrame and layoutReference assign the addresses of regions from
 * a base upwards and return the end as f64 (an unsigned address in any host), or 0 if it does not
 * fit into 4 GiB. Regions are 64-byte aligned. test/core/abi.test.ts checks that none overlap.
 */
import {
  ADDRESS_ATOM_CELL,
  ADDRESS_ATOM_LOG_DENSITY,
  ADDRESS_ATOM_SLOT,
  ADDRESS_BACKWARD2_1,
  ADDRESS_BARRED,
  ADDRESS_BIAS2_1,
  ADDRESS_BLOCK_VIRIAL,
  ADDRESS_CLASS_SPECIES,
  ADDRESS_CLASS_WEIGHTS,
  ADDRESS_COMPACTION,
  ADDRESS_CONFIDENCE,
  ADDRESS_CURSOR,
  ADDRESS_DENOISE_POSITIONS,
  ADDRESS_DENOISE_STEP,
  ADDRESS_DISTANCE,
  ADDRESS_FORWARD1_0,
  ADDRESS_FORWARD1_1,
  ADDRESS_FORWARD2_0,
  ADDRESS_FORWARD2_1,
  ADDRESS_GRADIENT,
  ADDRESS_HARMONICS,
  ADDRESS_HIDDEN,
  ADDRESS_HIDDEN_ADJOINT,
  ADDRESS_FORWARD_KNOWN,
  ADDRESS_IDEAL_LOGITS,
  ADDRESS_KNOWN,
  ADDRESS_KNOWN_BIAS0,
  ADDRESS_KNOWN_ROUND,
  ADDRESS_KNOWN_WEIGHT0,
  ADDRESS_KNOWN_WEIGHT1,
  ADDRESS_INVARIANTS_MIX,
  ADDRESS_KEPT,
  ADDRESS_LABELS,
  ADDRESS_LIST_COUNT,
  ADDRESS_LIST_HOME,
  ADDRESS_LIST_IMAGE,
  ADDRESS_LIST_LINK,
  ADDRESS_LIST_START,
  ADDRESS_LIST_WRAPPED,
  ADDRESS_LOCAL,
  ADDRESS_LOG_PRIOR,
  ADDRESS_LOGITS,
  ADDRESS_MARGIN,
  ADDRESS_MESSAGES,
  ADDRESS_MESSAGES_ADJOINT,
  ADDRESS_MIX_BACKWARD,
  ADDRESS_MIX_FORWARD,
  ADDRESS_NETWORK1_BIAS0,
  ADDRESS_NETWORK1_BIAS1,
  ADDRESS_NETWORK1_WEIGHT0,
  ADDRESS_NETWORK1_WEIGHT1,
  ADDRESS_NETWORK2_BIAS0,
  ADDRESS_NETWORK2_BIAS1,
  ADDRESS_NETWORK2_WEIGHT0,
  ADDRESS_NETWORK2_WEIGHT1,
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
  ADDRESS_POSITIONS,
  ADDRESS_PROBABILITIES,
  ADDRESS_RADIAL_MIX,
  ADDRESS_RAW_LABELS,
  ADDRESS_REFERENCE_DENSITY,
  ADDRESS_REFERENCE_GRADIENT,
  ADDRESS_REFERENCE_HIDDEN,
  ADDRESS_REFERENCE_INVARIANTS,
  ADDRESS_REFERENCE_KNOWN,
  ADDRESS_REFERENCE_LINK,
  ADDRESS_REFERENCE_LOGITS,
  ADDRESS_REFERENCE_MESSAGES,
  ADDRESS_REFERENCE_PROBABILITIES,
  ADDRESS_REFERENCE_ROUND,
  ADDRESS_REFERENCE_SCRATCH,
  ADDRESS_REFERENCE_SEED,
  ADDRESS_REFERENCE_START,
  ADDRESS_REFERENCE_VECTOR,
  ADDRESS_SCRATCH,
  ADDRESS_SEED,
  ADDRESS_SLOT_KEY,
  ADDRESS_SLOT_START,
  ADDRESS_SORTED_SPECIES,
  ADDRESS_SPECIES,
  ADDRESS_SPECIES_AROUND,
  ADDRESS_SPECIES_GROUPS,
  ADDRESS_STANDARD_MEAN,
  ADDRESS_STANDARD_SCALE,
  ADDRESS_TABLE,
  ADDRESS_TAKES_PART,
  ADDRESS_UNSTACKED_SPECIES,
  ADDRESS_WRAPPED,
  BLOCK,
  COUNT_ADJOINTS_READY,
  COUNT_ATOMS,
  COUNT_BASIS,
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_CURSOR_MARK,
  COUNT_FEATURES,
  COUNT_FUSED,
  COUNT_HIDDEN,
  COUNT_INNER,
  COUNT_KNOWN,
  COUNT_LIST_CAPACITY,
  COUNT_LIST_REUSED,
  COUNT_LIST_STATE,
  COUNT_MESSAGE,
  COUNT_OUTER,
  COUNT_PAIR_CAPACITY,
  COUNT_REFERENCE_CAPACITY,
  COUNT_WORKERS,
  DENOISE_SKIN,
  FEATURE_GRADIENT,
  FEATURE_KEEP_DENSITY,
  FEATURE_LISTS,
  FEATURE_NO_TABLES,
  VALUE_CUTOFF,
  VALUE_SKIN,
} from "./abi";
import { MOST_GROUPED, MOST_PAIRS } from "./contract";
import { count, value } from "./memory";
import { REFERENCE_ADJOINTS, SCRATCH_BYTES } from "./scratch";
import { degreeCount, groupBytes, harmonicCount, invariantCount, isShapeSound, paddedClasses } from "./shape";
import { HARMONIC_CONSTANTS, tableBytes } from "./tables";

/** Largest end that a layout function may return: a shared 32-bit memory, less one page. */
const MEMORY_LIMIT: f64 = 4294901760;

/** Writes the address `end` of a region of `bytes` bytes; returns where the next one can start. */
export function place(ctx: usize, field: i32, end: f64, bytes: f64): f64 {
  store<u32>(ctx + field, <u32>min(end, MEMORY_LIMIT));
  return Math.ceil((end + bytes) / 64) * 64;
}

/** `end`, or 0 if it lies beyond the memory. */
export function checked(end: f64): f64 {
  return end <= MEMORY_LIMIT ? end : 0;
}

/** First address that belongs to the host. */
export function heapBase(): i32 {
  return (<i32>__heap_base + 63) & ~63;
}

/** Slots of the search grid: a power of two, at least 2 N. */
// @ts-ignore: decorator
@inline
export function slotCapacity(atomCount: i32): i32 {
  return 1 << (32 - clz(max(64, 2 * atomCount) - 1));
}

/**
 * Places the regions of a model from `base` upwards. The context must have its shape (see
 * shape.ts). Returns the end, or 0 if a size is out of range or the regions do not fit.
 */
export function layoutModel(ctx: usize, base: i32): f64 {
  if (!isShapeSound(ctx)) return 0;
  const c = <f64>count(ctx, COUNT_CLASSES);
  const basis = <f64>count(ctx, COUNT_BASIS);
  const k = <f64>count(ctx, COUNT_CHANNELS);
  const degrees = <f64>degreeCount(ctx);
  const i = <f64>invariantCount(ctx);
  const v = <f64>count(ctx, COUNT_INNER);
  const h = <f64>count(ctx, COUNT_HIDDEN);
  const x = h + <f64>count(ctx, COUNT_MESSAGE);
  const u = <f64>count(ctx, COUNT_OUTER);
  const padded = <f64>paddedClasses(count(ctx, COUNT_CLASSES));
  const t = <f64>count(ctx, COUNT_KNOWN);
  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_RADIAL_MIX, end, 8 * (k + 1) * basis);
  end = place(ctx, ADDRESS_INVARIANTS_MIX, end, 4 * degrees * k * k);
  end = place(ctx, ADDRESS_STANDARD_MEAN, end, 4 * i);
  end = place(ctx, ADDRESS_STANDARD_SCALE, end, 4 * i);
  end = place(ctx, ADDRESS_NETWORK1_WEIGHT0, end, 4 * v * i);
  end = place(ctx, ADDRESS_NETWORK1_BIAS0, end, 4 * v);
  end = place(ctx, ADDRESS_NETWORK1_WEIGHT1, end, 4 * h * v);
  end = place(ctx, ADDRESS_NETWORK1_BIAS1, end, 4 * h);
  end = place(ctx, ADDRESS_NETWORK2_WEIGHT0, end, 4 * u * x);
  end = place(ctx, ADDRESS_NETWORK2_BIAS0, end, 4 * u);
  end = place(ctx, ADDRESS_NETWORK2_WEIGHT1, end, 4 * u * c);
  end = place(ctx, ADDRESS_NETWORK2_BIAS1, end, 4 * c);
  end = place(ctx, ADDRESS_KNOWN_WEIGHT0, end, 4 * t * x);
  end = place(ctx, ADDRESS_KNOWN_BIAS0, end, 4 * t);
  end = place(ctx, ADDRESS_KNOWN_WEIGHT1, end, 4 * t);
  end = place(ctx, ADDRESS_IDEAL_LOGITS, end, 8 * c);
  end = place(ctx, ADDRESS_CLASS_SPECIES, end, 4 * padded);
  end = place(ctx, ADDRESS_TABLE, end, <f64>tableBytes(count(ctx, COUNT_CHANNELS)));
  end = place(ctx, ADDRESS_UNSTACKED_SPECIES, end, 4 * padded);
  end = place(ctx, ADDRESS_HARMONICS, end, <f64>HARMONIC_CONSTANTS * 4);
  end = place(ctx, ADDRESS_COMPACTION, end, 4 * 16 * 4);
  end = place(ctx, ADDRESS_MIX_FORWARD, end, 4 * degrees * k * k);
  end = place(ctx, ADDRESS_MIX_BACKWARD, end, 4 * degrees * k * k);
  end = place(ctx, ADDRESS_FORWARD1_0, end, 4 * v * i);
  end = place(ctx, ADDRESS_FORWARD1_1, end, 4 * h * v);
  end = place(ctx, ADDRESS_FORWARD2_0, end, 4 * u * x);
  end = place(ctx, ADDRESS_FORWARD2_1, end, 4 * u * padded);
  end = place(ctx, ADDRESS_BACKWARD2_1, end, 4 * u * padded);
  end = place(ctx, ADDRESS_BIAS2_1, end, 4 * padded);
  end = place(ctx, ADDRESS_FORWARD_KNOWN, end, 4 * t * x);
  end = place(ctx, ADDRESS_CLASS_WEIGHTS, end, 8 * c);
  end = place(ctx, ADDRESS_LOG_PRIOR, end, 8 * c);
  return checked(end);
}

/** Whether a frame laid out for `features` holds logits and probabilities. */
// @ts-ignore: decorator
@inline
export function hasTables(features: i32): bool {
  return (features & FEATURE_NO_TABLES) == 0 || (features & FEATURE_GRADIENT) != 0;
}

/**
 * Pairs per atom of a crystal up to `skin` beyond the cutoff, with headroom for rows that are
 * filled up to a multiple of 4 and for slightly denser structures.
 */
function usualPairs(ctx: usize, skin: f64): f64 {
  const cutoff = value(ctx, VALUE_CUTOFF) + skin;
  return Math.ceil(1.02 * (4.0 / 3.0) * Math.PI * cutoff * cutoff * cutoff + 4);
}

/**
 * Places the regions of a frame from `base` upwards; returns the end, or 0 if they do not fit.
 * The pairs come last: no other address depends on `pairCapacity` (0: room for a crystal, see
 * usualPairs).
 */
export function layoutFrame(
  ctx: usize,
  base: i32,
  atomCount: i32,
  pairCapacity: i32,
  workers: i32,
  features: i32,
): f64 {
  if (atomCount < 1 || workers < 1 || pairCapacity < 0) return 0;
  store<i32>(ctx + COUNT_ADJOINTS_READY, 0);
  store<i32>(ctx + COUNT_FUSED, 0);
  store<i32>(ctx + COUNT_CURSOR_MARK, 0);
  const n = <f64>atomCount;
  const n4 = Math.ceil(n / 4) * 4;
  const c = <f64>count(ctx, COUNT_CLASSES);
  const h = 4 * <f64>count(ctx, COUNT_HIDDEN);
  const m = 4 * <f64>count(ctx, COUNT_MESSAGE);
  const gradient: f64 = features & FEATURE_GRADIENT ? 1 : 0;
  const keep: f64 = features & FEATURE_KEEP_DENSITY ? 1 : 0;
  const slots: f64 = atomCount > 1 << 28 ? MEMORY_LIMIT : <f64>slotCapacity(atomCount);
  const blocks = Math.ceil(n / BLOCK);
  let pairs = pairCapacity == 0 ? usualPairs(ctx, 0) * n : <f64>pairCapacity;
  pairs = Math.ceil(pairs / 4) * 4;

  const skin = value(ctx, VALUE_SKIN);
  const lists: f64 = features & FEATURE_LISTS ? 1 : 0;
  const tables: f64 = hasTables(features) ? 1 : 0;
  const listCapacity = Math.ceil(usualPairs(ctx, skin > 0 ? skin : DENOISE_SKIN) / 4) * 4 * n * lists;
  store<i32>(ctx + COUNT_LIST_STATE, 0);
  store<i32>(ctx + COUNT_LIST_REUSED, 0);
  store<i32>(ctx + COUNT_LIST_CAPACITY, <i32>min(listCapacity, MOST_PAIRS));

  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_POSITIONS, end, 24 * n);
  end = place(ctx, ADDRESS_SPECIES, end, 4 * n);
  end = place(ctx, ADDRESS_SEED, end, 4 * n * c * gradient);
  end = place(ctx, ADDRESS_LOGITS, end, 4 * n * c * tables);
  end = place(ctx, ADDRESS_PROBABILITIES, end, 4 * n * c * tables);
  end = place(ctx, ADDRESS_LABELS, end, 2 * n);
  end = place(ctx, ADDRESS_CONFIDENCE, end, 4 * n);
  end = place(ctx, ADDRESS_MARGIN, end, 4 * n);
  end = place(ctx, ADDRESS_ATOM_LOG_DENSITY, end, 4 * n);
  end = place(ctx, ADDRESS_DISTANCE, end, 4 * n);
  end = place(ctx, ADDRESS_GRADIENT, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_RAW_LABELS, end, 2 * n * gradient);
  end = place(ctx, ADDRESS_TAKES_PART, end, n * gradient);
  end = place(ctx, ADDRESS_KNOWN, end, 4 * n * gradient);
  end = place(ctx, ADDRESS_KNOWN_ROUND, end, 4 * n * gradient);
  end = place(ctx, ADDRESS_SPECIES_AROUND, end, n);
  end = place(ctx, ADDRESS_BARRED, end, n);
  end = place(ctx, ADDRESS_SPECIES_GROUPS, end, 8 * <f64>MOST_GROUPED);
  end = place(ctx, ADDRESS_ORDER, end, 4 * n);
  end = place(ctx, ADDRESS_WRAPPED, end, 24 * n);
  end = place(ctx, ADDRESS_LOCAL, end, 12 * (n + 8));
  end = place(ctx, ADDRESS_SORTED_SPECIES, end, 4 * n);
  end = place(ctx, ADDRESS_ATOM_SLOT, end, 4 * n);
  end = place(ctx, ADDRESS_ATOM_CELL, end, 8 * n);
  end = place(ctx, ADDRESS_SLOT_START, end, 4 * (slots + 1));
  end = place(ctx, ADDRESS_SLOT_KEY, end, 8 * slots);
  end = place(ctx, ADDRESS_PAIR_START, end, 4 * n);
  end = place(ctx, ADDRESS_PAIR_COUNT, end, 4 * n);
  end = place(ctx, ADDRESS_HIDDEN, end, h * n4);
  end = place(ctx, ADDRESS_MESSAGES, end, m * n4);
  end = place(ctx, ADDRESS_HIDDEN_ADJOINT, end, h * n4 * gradient);
  end = place(ctx, ADDRESS_MESSAGES_ADJOINT, end, m * n4 * gradient);
  end = place(ctx, ADDRESS_BLOCK_VIRIAL, end, 8 * 9 * blocks * gradient);
  end = place(ctx, ADDRESS_CURSOR, end, 8 * n * <f64>workers * gradient);
  end = place(ctx, ADDRESS_DENOISE_POSITIONS, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_DENOISE_STEP, end, 24 * n * gradient);
  end = place(ctx, ADDRESS_SCRATCH, end, <f64>SCRATCH_BYTES * <f64>workers);
  end = place(ctx, ADDRESS_KEPT, end, 0.25 * <f64>groupBytes(ctx) * n4 * keep);
  if (!keep) store<u32>(ctx + ADDRESS_KEPT, 0);
  end = place(ctx, ADDRESS_LIST_START, end, 4 * n * lists);
  end = place(ctx, ADDRESS_LIST_COUNT, end, 4 * n * lists);
  end = place(ctx, ADDRESS_LIST_WRAPPED, end, 24 * n * lists);
  end = place(ctx, ADDRESS_LIST_HOME, end, 24 * n * lists);
  end = place(ctx, ADDRESS_LIST_LINK, end, 4 * listCapacity);
  end = place(ctx, ADDRESS_LIST_IMAGE, end, 4 * listCapacity);
  end = place(ctx, ADDRESS_PAIR_X, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_Y, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_Z, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_LINK, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_WEIGHT, end, 4 * pairs);
  end = place(ctx, ADDRESS_PAIR_REVERSE, end, 4 * pairs * gradient);
  end = place(ctx, ADDRESS_PAIR_GRADIENT, end, 16 * pairs * gradient);

  store<i32>(ctx + COUNT_ATOMS, atomCount);
  store<i32>(ctx + COUNT_PAIR_CAPACITY, <i32>min(pairs, MOST_PAIRS));
  store<i32>(ctx + COUNT_WORKERS, workers);
  store<i32>(ctx + COUNT_FEATURES, features);
  return checked(end);
}

/**
 * Places the regions of the double-precision reference from `base` (the end of the frame) upwards;
 * returns the end, or 0 if they do not fit.
 */
export function layoutReference(ctx: usize, base: i32, pairCapacity: i32): f64 {
  const n = <f64>count(ctx, COUNT_ATOMS);
  const c = <f64>count(ctx, COUNT_CLASSES);
  const h = 8 * <f64>count(ctx, COUNT_HIDDEN);
  const m = 8 * <f64>count(ctx, COUNT_MESSAGE);
  const densities = <f64>(harmonicCount(ctx) * count(ctx, COUNT_CHANNELS));
  const pairs: f64 = pairCapacity == 0 ? 64 * n : <f64>pairCapacity;
  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(ctx, ADDRESS_REFERENCE_START, end, 4 * (n + 1));
  end = place(ctx, ADDRESS_REFERENCE_LINK, end, 4 * pairs);
  end = place(ctx, ADDRESS_REFERENCE_VECTOR, end, 24 * pairs);
  end = place(ctx, ADDRESS_REFERENCE_DENSITY, end, 8 * densities * n);
  end = place(ctx, ADDRESS_REFERENCE_INVARIANTS, end, 8 * <f64>invariantCount(ctx) * n);
  end = place(ctx, ADDRESS_REFERENCE_HIDDEN, end, h * n);
  end = place(ctx, ADDRESS_REFERENCE_MESSAGES, end, m * n);
  end = place(ctx, ADDRESS_REFERENCE_LOGITS, end, 8 * c * n);
  end = place(ctx, ADDRESS_REFERENCE_PROBABILITIES, end, 8 * c * n);
  end = place(ctx, ADDRESS_REFERENCE_KNOWN, end, 8 * n);
  end = place(ctx, ADDRESS_REFERENCE_SEED, end, 8 * c * n);
  end = place(ctx, ADDRESS_REFERENCE_GRADIENT, end, 24 * n);
  end = place(ctx, ADDRESS_REFERENCE_ROUND, end, 8 * n);
  end = place(ctx, ADDRESS_REFERENCE_SCRATCH, end, 8 * <f64>REFERENCE_ADJOINTS + (h + m) * n);
  store<i32>(ctx + COUNT_REFERENCE_CAPACITY, <i32>min(pairs, MOST_PAIRS));
  return checked(end);
}
