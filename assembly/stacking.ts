/**
 * A stacking counts only where it is surrounded by itself (docs/maths.md, "Stacking").
 *
 *     Class d = COUNT_STACKED_CLASS (dhcp). An atom with the label d is barred from it if fewer
 *     than LEAST_SHARE of its neighbours within the cutoff have the label d, too. Its results are
 *     then those without class d.
 *
 * One layer of the other kind makes a twin or a stacking fault, and looks like a part of d for
 * atoms whose neighbours are shaken; d repeats itself over many layers. The labels of the pass
 * decide, so the result does not depend on the order of the atoms. Logits, logP and gradients stay.
 */
import {
  ADDRESS_BARRED,
  ADDRESS_BIAS2_1,
  ADDRESS_FORWARD2_1,
  ADDRESS_LABELS,
  ADDRESS_ORDER,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_SPECIES_AROUND,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_OUTER,
  COUNT_STACKED_CLASS,
} from "./abi";
import { at2, at4, count, region } from "./memory";
import { layerForward } from "./network";
import { network2 } from "./networks";
import { readOut } from "./readout";
import { SCRATCH_EXPONENTIALS, SCRATCH_LOGITS, SCRATCH_OUTER_OUT } from "./scratch";
import { paddedClasses } from "./shape";

/** Above the share in faults, twins and superheated fcc; crystals of d have more than 0.75. */
const LEAST_SHARE: f64 = 0.6;

/** Bars atoms from the stacked class where they are not surrounded by it. Needs all labels. */
export function settleStacking(ctx: usize, scratch: usize): void {
  const stacked = count(ctx, COUNT_STACKED_CLASS);
  if (stacked == 0) return;
  const n = count(ctx, COUNT_ATOMS);
  const order = region(ctx, ADDRESS_ORDER);
  const barred = region(ctx, ADDRESS_BARRED);
  if (!hasLabel(ctx, stacked)) {
    memory.fill(barred, 0, n);
    return;
  }
  let any = false;
  for (let s = 0; s < n; ++s) {
    const isBarred = labelAt(ctx, s) == stacked && !isSurrounded(ctx, s, stacked);
    store<u8>(barred + <usize>load<i32>(at4(order, s)), isBarred ? 1 : 0);
    any = any || isBarred;
  }
  if (!any) return;
  for (let first = 0; first < n; first += 4) {
    const until = min(first + 4, n);
    let here = false;
    for (let s = first; s < until; ++s) here = here || load<u8>(barred + <usize>load<i32>(at4(order, s))) != 0;
    if (here) readAgain(ctx, scratch, first, until);
  }
}

/** Whether any atom has the label. */
function hasLabel(ctx: usize, label: i32): bool {
  const labels = region(ctx, ADDRESS_LABELS);
  const n = count(ctx, COUNT_ATOMS);
  const wanted = i16x8.splat(<i16>label);
  let i = 0;
  for (; i + 8 <= n; i += 8) if (v128.any_true(i16x8.eq(v128.load(at2(labels, i)), wanted))) return true;
  for (; i < n; ++i) if (<i32>load<u16>(at2(labels, i)) == label) return true;
  return false;
}

function labelAt(ctx: usize, s: i32): i32 {
  return <i32>load<u16>(at2(region(ctx, ADDRESS_LABELS), load<i32>(at4(region(ctx, ADDRESS_ORDER), s))));
}

/** Whether enough neighbours of sorted atom s have the label. */
function isSurrounded(ctx: usize, s: i32, label: i32): bool {
  const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
  const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
  const links = region(ctx, ADDRESS_PAIR_LINK);
  let alike = 0;
  for (let p = start; p < start + length; ++p) if (labelAt(ctx, load<i32>(at4(links, p)) >> 1) == label) alike += 1;
  return <f64>alike >= LEAST_SHARE * <f64>length;
}

/** Results of the barred ones among the sorted atoms [first, until), from their hidden numbers. */
function readAgain(ctx: usize, scratch: usize, first: i32, until: i32): void {
  const classes = paddedClasses(count(ctx, COUNT_CLASSES));
  const logits = scratch + SCRATCH_LOGITS;
  network2(ctx, scratch, first);
  layerForward(
    logits,
    scratch + SCRATCH_OUTER_OUT,
    region(ctx, ADDRESS_FORWARD2_1),
    region(ctx, ADDRESS_BIAS2_1),
    classes,
    count(ctx, COUNT_OUTER),
  );
  for (let s = first; s < until; ++s) {
    const atom = load<i32>(at4(region(ctx, ADDRESS_ORDER), s));
    if (!load<u8>(region(ctx, ADDRESS_BARRED) + <usize>atom)) continue;
    const around = <i32>load<u8>(region(ctx, ADDRESS_SPECIES_AROUND) + <usize>atom);
    const row = (s - first) * classes;
    readOut(ctx, atom, around, true, at4(logits, row), at4(scratch + SCRATCH_EXPONENTIALS, row));
  }
}
