/**
 * The double-precision reference, made of the scalar formulas that each kernel has in its file.
 * Slow, for tests and gradient checks. Arrays are in the order given; regions are
 * ADDRESS_REFERENCE_* of abi.ts.
 */
import {
  ADDRESS_LOG_PRIOR,
  ADDRESS_NETWORK1_BIAS0,
  ADDRESS_NETWORK1_BIAS1,
  ADDRESS_NETWORK1_WEIGHT0,
  ADDRESS_NETWORK1_WEIGHT1,
  ADDRESS_NETWORK2_BIAS0,
  ADDRESS_NETWORK2_BIAS1,
  ADDRESS_NETWORK2_WEIGHT0,
  ADDRESS_NETWORK2_WEIGHT1,
  ADDRESS_REFERENCE_DENSITY,
  ADDRESS_REFERENCE_GRADIENT,
  ADDRESS_REFERENCE_HIDDEN,
  ADDRESS_REFERENCE_INVARIANTS,
  ADDRESS_REFERENCE_LINK,
  ADDRESS_REFERENCE_LOGITS,
  ADDRESS_REFERENCE_MESSAGES,
  ADDRESS_REFERENCE_PROBABILITIES,
  ADDRESS_REFERENCE_SCRATCH,
  ADDRESS_REFERENCE_SEED,
  ADDRESS_REFERENCE_START,
  ADDRESS_REFERENCE_VECTOR,
  COUNT_ATOMS,
  COUNT_CHANNELS,
  COUNT_CLASSES,
  COUNT_HIDDEN,
  COUNT_INNER,
  COUNT_MESSAGE,
  COUNT_OUTER,
  VALUE_LENGTH_SCALE,
  VALUE_VIRIAL,
} from "./abi";
import { densityReference, densityReferenceBackward } from "./density";
import { invariantsReference, invariantsReferenceBackward } from "./invariants";
import { addF8, at4, at8, count, loadF8, region, value } from "./memory";
import { addRowReference, dotReference } from "./messages";
import { speciesAroundReference } from "./nameable";
import { layerReference, layerReferenceBackward, siluReference, siluReferenceBackward } from "./network";
import { radialReference } from "./radial";
import { logDensityReference, probabilitiesReference, seedAtomReference } from "./readout";
import {
  REFERENCE_A0,
  REFERENCE_ADJOINTS,
  REFERENCE_DA,
  REFERENCE_DB,
  REFERENCE_DENSITY_ADJOINT,
  REFERENCE_DX,
  REFERENCE_HARMONICS,
  REFERENCE_PAIR,
  REFERENCE_X,
  REFERENCE_Z0,
  REFERENCE_Z1,
} from "./scratch";
import { harmonicCount, invariantCount } from "./shape";

/** Everything up to the logits of all atoms, from referencePairs. Returns logP. */
export function forwardReference(ctx: usize): f64 {
  const n = count(ctx, COUNT_ATOMS);
  const classCount = count(ctx, COUNT_CLASSES);
  const scratch = region(ctx, ADDRESS_REFERENCE_SCRATCH);
  const starts = region(ctx, ADDRESS_REFERENCE_START);
  const links = region(ctx, ADDRESS_REFERENCE_LINK);
  const vectors = region(ctx, ADDRESS_REFERENCE_VECTOR);
  const hidden = region(ctx, ADDRESS_REFERENCE_HIDDEN);
  const messages = region(ctx, ADDRESS_REFERENCE_MESSAGES);
  const logits = region(ctx, ADDRESS_REFERENCE_LOGITS);
  const logPrior = region(ctx, ADDRESS_LOG_PRIOR);
  const outer = count(ctx, COUNT_OUTER);
  const channels = count(ctx, COUNT_CHANNELS);
  const densityLength = harmonicCount(ctx) * channels;
  const width = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  for (let i = 0; i < n; ++i) {
    const start = load<i32>(at4(starts, i));
    const length = load<i32>(at4(starts, i + 1)) - start;
    const density = at8(region(ctx, ADDRESS_REFERENCE_DENSITY), densityLength * i);
    densityReference(ctx, density, at8(vectors, 3 * start), at4(links, start), length, at8(scratch, REFERENCE_HARMONICS));
    invariantsReference(ctx, at8(region(ctx, ADDRESS_REFERENCE_INVARIANTS), invariantCount(ctx) * i), density);
    network1Reference(ctx, i);
    siluReference(at8(hidden, width * i), at8(scratch, REFERENCE_Z1), width);
  }
  memory.fill(messages, 0, <usize>(message * 8) * n);
  let logDensity: f64 = 0;
  for (let i = 0; i < n; ++i) {
    for (let p = load<i32>(at4(starts, i)); p < load<i32>(at4(starts, i + 1)); ++p) {
      const link = load<i32>(at4(links, p));
      const weight = radialReference(ctx, link & 1, channels, pairLength(vectors, p));
      addRowReference(at8(messages, message * i), weight, hidden, width, link >> 1, message);
    }
    network2Reference(ctx, i);
    const own = at8(logits, classCount * i);
    const bias1 = region(ctx, ADDRESS_NETWORK2_BIAS1);
    layerReference(own, at8(scratch, REFERENCE_A0), region(ctx, ADDRESS_NETWORK2_WEIGHT1), bias1, classCount, outer);
    for (let c = 0; c < classCount; ++c) addF8(own, c, loadF8(logPrior, c));
    logDensity += logDensityReference(own, classCount);
  }
  return logDensity;
}

/** The probabilities in ADDRESS_REFERENCE_PROBABILITIES, after forwardReference. */
export function readReference(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const classCount = count(ctx, COUNT_CLASSES);
  const found = region(ctx, ADDRESS_REFERENCE_SCRATCH);
  for (let i = 0; i < n; ++i) {
    const probabilities = at8(region(ctx, ADDRESS_REFERENCE_PROBABILITIES), classCount * i);
    const logits = at8(region(ctx, ADDRESS_REFERENCE_LOGITS), classCount * i);
    probabilitiesReference(ctx, probabilities, logits, speciesAroundReference(ctx, found, i));
  }
}

/** The seed of logP in ADDRESS_REFERENCE_SEED, after forwardReference. */
export function seedReference(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const classCount = count(ctx, COUNT_CLASSES);
  for (let i = 0; i < n; ++i) {
    const seed = at8(region(ctx, ADDRESS_REFERENCE_SEED), classCount * i);
    seedAtomReference(seed, at8(region(ctx, ADDRESS_REFERENCE_LOGITS), classCount * i), classCount);
  }
}

/**
 * Gradient and virial from the seed in ADDRESS_REFERENCE_SEED (f64 N x C), after forwardReference.
 */
export function backwardReference(ctx: usize): void {
  const n = count(ctx, COUNT_ATOMS);
  const classCount = count(ctx, COUNT_CLASSES);
  const scratch = region(ctx, ADDRESS_REFERENCE_SCRATCH);
  const starts = region(ctx, ADDRESS_REFERENCE_START);
  const links = region(ctx, ADDRESS_REFERENCE_LINK);
  const vectors = region(ctx, ADDRESS_REFERENCE_VECTOR);
  const hidden = region(ctx, ADDRESS_REFERENCE_HIDDEN);
  const gradient = region(ctx, ADDRESS_REFERENCE_GRADIENT);
  const outer = count(ctx, COUNT_OUTER);
  const channels = count(ctx, COUNT_CHANNELS);
  const densityLength = harmonicCount(ctx) * channels;
  const inner = count(ctx, COUNT_INNER);
  const width = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  const hiddenAdjoint = at8(scratch, REFERENCE_ADJOINTS);
  const messagesAdjoint = at8(scratch, REFERENCE_ADJOINTS + width * n);
  const lengthScale = value(ctx, VALUE_LENGTH_SCALE);
  memory.fill(gradient, 0, 24 * <usize>n);
  memory.fill(ctx + VALUE_VIRIAL, 0, 9 * 8);

  for (let i = 0; i < n; ++i) {
    network2Reference(ctx, i);
    const seed = at8(region(ctx, ADDRESS_REFERENCE_SEED), classCount * i);
    const da = at8(scratch, REFERENCE_DA);
    layerReferenceBackward(da, seed, region(ctx, ADDRESS_NETWORK2_WEIGHT1), classCount, outer);
    siluReferenceBackward(da, at8(scratch, REFERENCE_Z0), outer);
    const dx = at8(scratch, REFERENCE_DX);
    layerReferenceBackward(dx, da, region(ctx, ADDRESS_NETWORK2_WEIGHT0), outer, width + message);
    memory.copy(at8(hiddenAdjoint, width * i), dx, width << 3);
    memory.copy(at8(messagesAdjoint, message * i), at8(dx, width), message << 3);
  }
  // Messages backwards: dh_j += w_ij dn_i.
  for (let i = 0; i < n; ++i) {
    for (let p = load<i32>(at4(starts, i)); p < load<i32>(at4(starts, i + 1)); ++p) {
      const link = load<i32>(at4(links, p));
      const weight = radialReference(ctx, link & 1, channels, pairLength(vectors, p));
      addRowReference(at8(hiddenAdjoint, width * (link >> 1)), weight, messagesAdjoint, message, i, message);
    }
  }
  for (let i = 0; i < n; ++i) {
    network1Reference(ctx, i);
    const dh = at8(hiddenAdjoint, width * i);
    siluReferenceBackward(dh, at8(scratch, REFERENCE_Z1), width);
    const da = at8(scratch, REFERENCE_DA);
    layerReferenceBackward(da, dh, region(ctx, ADDRESS_NETWORK1_WEIGHT1), width, inner);
    siluReferenceBackward(da, at8(scratch, REFERENCE_Z0), inner);
    const db = at8(scratch, REFERENCE_DB);
    layerReferenceBackward(db, da, region(ctx, ADDRESS_NETWORK1_WEIGHT0), inner, invariantCount(ctx));
    const densityAdjoint = at8(scratch, REFERENCE_DENSITY_ADJOINT);
    const density = at8(region(ctx, ADDRESS_REFERENCE_DENSITY), densityLength * i);
    invariantsReferenceBackward(ctx, densityAdjoint, db, density);
    for (let p = load<i32>(at4(starts, i)); p < load<i32>(at4(starts, i + 1)); ++p) {
      const link = load<i32>(at4(links, p));
      const j = link >> 1;
      const dw = dotReference(at8(messagesAdjoint, message * i), at8(hidden, width * j), message);
      const pair = at8(scratch, REFERENCE_PAIR);
      memory.fill(pair, 0, 3 * 8);
      const vector = at8(vectors, 3 * p);
      densityReferenceBackward(ctx, pair, densityAdjoint, dw, vector, link & 1, at8(scratch, REFERENCE_HARMONICS));
      for (let a = 0; a < 3; ++a) {
        addF8(gradient, 3 * j + a, loadF8(pair, a) / lengthScale);
        addF8(gradient, 3 * i + a, -loadF8(pair, a) / lengthScale);
        for (let b = 0; b < 3; ++b) addF8(ctx + VALUE_VIRIAL, 3 * a + b, -loadF8(pair, a) * loadF8(vector, b));
      }
    }
  }
}

function pairLength(vectors: usize, p: i32): f64 {
  const x = loadF8(vectors, 3 * p);
  const y = loadF8(vectors, 3 * p + 1);
  const z = loadF8(vectors, 3 * p + 2);
  return Math.sqrt(x * x + y * y + z * z);
}

/** REFERENCE_Z0, _A0 and _Z1 of network 1 for atom i. */
function network1Reference(ctx: usize, i: i32): void {
  const scratch = region(ctx, ADDRESS_REFERENCE_SCRATCH);
  const b = at8(region(ctx, ADDRESS_REFERENCE_INVARIANTS), invariantCount(ctx) * i);
  const z0 = at8(scratch, REFERENCE_Z0);
  const a0 = at8(scratch, REFERENCE_A0);
  const bias0 = region(ctx, ADDRESS_NETWORK1_BIAS0);
  const inner = count(ctx, COUNT_INNER);
  layerReference(z0, b, region(ctx, ADDRESS_NETWORK1_WEIGHT0), bias0, inner, invariantCount(ctx));
  siluReference(a0, z0, inner);
  const bias1 = region(ctx, ADDRESS_NETWORK1_BIAS1);
  layerReference(at8(scratch, REFERENCE_Z1), a0, region(ctx, ADDRESS_NETWORK1_WEIGHT1), bias1, count(ctx, COUNT_HIDDEN), inner);
}

/** REFERENCE_Z0 and _A0 of network 2 for atom i. */
function network2Reference(ctx: usize, i: i32): void {
  const scratch = region(ctx, ADDRESS_REFERENCE_SCRATCH);
  const x = at8(scratch, REFERENCE_X);
  const width = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  memory.copy(x, at8(region(ctx, ADDRESS_REFERENCE_HIDDEN), width * i), width << 3);
  memory.copy(at8(x, width), at8(region(ctx, ADDRESS_REFERENCE_MESSAGES), message * i), message << 3);
  const z0 = at8(scratch, REFERENCE_Z0);
  const outer = count(ctx, COUNT_OUTER);
  const bias0 = region(ctx, ADDRESS_NETWORK2_BIAS0);
  layerReference(z0, x, region(ctx, ADDRESS_NETWORK2_WEIGHT0), bias0, outer, width + message);
  siluReference(at8(scratch, REFERENCE_A0), z0, outer);
}
