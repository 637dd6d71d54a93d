/**
 * The two networks (docs/maths.md, "Networks and messages") and their adjoints, four atoms at a
 * time.
 */
import {
  ADDRESS_BACKWARD2_1,
  ADDRESS_FORWARD1_0,
  ADDRESS_FORWARD1_1,
  ADDRESS_FORWARD2_0,
  ADDRESS_HIDDEN,
  ADDRESS_HIDDEN_ADJOINT,
  ADDRESS_MESSAGES,
  ADDRESS_MESSAGES_ADJOINT,
  ADDRESS_NETWORK1_BIAS0,
  ADDRESS_NETWORK1_BIAS1,
  ADDRESS_NETWORK1_WEIGHT0,
  ADDRESS_NETWORK1_WEIGHT1,
  ADDRESS_NETWORK2_BIAS0,
  ADDRESS_NETWORK2_WEIGHT0,
  COUNT_CLASSES,
  COUNT_HIDDEN,
  COUNT_INNER,
  COUNT_MESSAGE,
  COUNT_OUTER,
} from "./abi";
import { at4, copyVectors, count, region } from "./memory";
import { layerBackward, layerForward, siluBackward, siluForward } from "./network";
import { recordLayer0, recordLayer1 } from "./record";
import {
  SCRATCH_INPUT,
  SCRATCH_INPUT_ADJOINT,
  SCRATCH_INVARIANTS,
  SCRATCH_INVARIANTS_ADJOINT,
  SCRATCH_LAYER0,
  SCRATCH_LAYER1,
  SCRATCH_LOGITS,
  SCRATCH_OUTER,
  SCRATCH_OUTER_OUT,
} from "./scratch";
import { invariantCount, paddedClasses } from "./shape";

/**
 * From the invariants of four atoms: the hidden numbers of the sorted atoms from `first` on and, in
 * the record, the slopes of both layers of network 1.
 */
export function network1(ctx: usize, scratch: usize, record: usize, first: i32): void {
  const invariants = scratch + SCRATCH_INVARIANTS;
  const a0 = scratch + SCRATCH_LAYER0;
  const z0 = recordLayer0(ctx, record);
  const z1 = recordLayer1(ctx, record);
  const inner = count(ctx, COUNT_INNER);
  const hidden = count(ctx, COUNT_HIDDEN);
  const bias0 = region(ctx, ADDRESS_NETWORK1_BIAS0);
  layerForward(z0, invariants, region(ctx, ADDRESS_FORWARD1_0), bias0, inner, invariantCount(ctx));
  siluForward(a0, z0, 4 * inner);
  const bias1 = region(ctx, ADDRESS_NETWORK1_BIAS1);
  layerForward(z1, a0, region(ctx, ADDRESS_FORWARD1_1), bias1, hidden, inner);
  siluForward(at4(region(ctx, ADDRESS_HIDDEN), first * hidden), z1, 4 * hidden);
}

/**
 * From the adjoints of the hidden numbers of four atoms (SCRATCH_LAYER1, overwritten): those of
 * their invariants (SCRATCH_INVARIANTS_ADJOINT).
 */
export function backwardNetwork1(ctx: usize, scratch: usize, record: usize): void {
  const inner = count(ctx, COUNT_INNER);
  const hidden = count(ctx, COUNT_HIDDEN);
  const dh = scratch + SCRATCH_LAYER1;
  const da = scratch + SCRATCH_LAYER0;
  const db = scratch + SCRATCH_INVARIANTS_ADJOINT;
  siluBackward(dh, recordLayer1(ctx, record), 4 * hidden);
  layerBackward(da, dh, region(ctx, ADDRESS_NETWORK1_WEIGHT1), hidden, inner);
  siluBackward(da, recordLayer0(ctx, record), 4 * inner);
  layerBackward(db, da, region(ctx, ADDRESS_NETWORK1_WEIGHT0), inner, invariantCount(ctx));
}

/** The hidden numbers and messages of four sorted atoms, side by side (SCRATCH_INPUT). */
export function gatherInput(ctx: usize, scratch: usize, first: i32): void {
  const input = scratch + SCRATCH_INPUT;
  const hidden = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  const width = hidden + message;
  for (let row = 0; row < 4; ++row) {
    const to = at4(input, row * width);
    copyVectors(to, at4(region(ctx, ADDRESS_HIDDEN), (first + row) * hidden), hidden << 2);
    copyVectors(at4(to, hidden), at4(region(ctx, ADDRESS_MESSAGES), (first + row) * message), message << 2);
  }
}

/**
 * From the hidden numbers and messages of four atoms: the last hidden layer (SCRATCH_OUTER_OUT) and
 * its slopes (SCRATCH_OUTER).
 */
export function network2(ctx: usize, scratch: usize, first: i32): void {
  gatherInput(ctx, scratch, first);
  const width = count(ctx, COUNT_HIDDEN) + count(ctx, COUNT_MESSAGE);
  const outer = count(ctx, COUNT_OUTER);
  const z = scratch + SCRATCH_OUTER;
  layerForward(z, scratch + SCRATCH_INPUT, region(ctx, ADDRESS_FORWARD2_0), region(ctx, ADDRESS_NETWORK2_BIAS0), outer, width);
  siluForward(scratch + SCRATCH_OUTER_OUT, z, 4 * outer);
}

/**
 * From the adjoints of the logits (SCRATCH_LOGITS, rows of the padded classes) and the slopes of
 * the last hidden layer (SCRATCH_OUTER): the adjoints of hidden numbers (only through network 2)
 * and messages of the sorted atoms [first, until), at most four.
 */
export function backwardNetwork2(ctx: usize, scratch: usize, first: i32, until: i32): void {
  const outer = count(ctx, COUNT_OUTER);
  const hidden = count(ctx, COUNT_HIDDEN);
  const message = count(ctx, COUNT_MESSAGE);
  const width = hidden + message;
  const da = scratch + SCRATCH_OUTER_OUT;
  const dx = scratch + SCRATCH_INPUT_ADJOINT;
  const classes = paddedClasses(count(ctx, COUNT_CLASSES));
  layerBackward(da, scratch + SCRATCH_LOGITS, region(ctx, ADDRESS_BACKWARD2_1), classes, outer);
  siluBackward(da, scratch + SCRATCH_OUTER, 4 * outer);
  layerBackward(dx, da, region(ctx, ADDRESS_NETWORK2_WEIGHT0), outer, width);
  for (let s = first; s < until; ++s) {
    const from = at4(dx, (s - first) * width);
    copyVectors(at4(region(ctx, ADDRESS_HIDDEN_ADJOINT), s * hidden), from, hidden << 2);
    copyVectors(at4(region(ctx, ADDRESS_MESSAGES_ADJOINT), s * message), at4(from, hidden), message << 2);
  }
}
