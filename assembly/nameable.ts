/**
 * Which classes an atom can be named after (docs/maths.md, "Species of a class").
 *
 *     nu_a     species among atom a and its neighbours within the cutoff; 1 if species are ignored;
 *              0 if its surroundings are not spatial (spatial.ts)
 *     kappa_c  species that the prototype of class c has around each of its sites,
 *              ADDRESS_CLASS_SPECIES
 *     Class c can be named at a if kappa_c <= nu_a.
 *
 * So a crystal of one element has no name of a compound. nu_a jumps where an atom crosses the
 * cutoff, so only labels and what is read off with them depend on it: logits, logP and all
 * gradients do not.
 *
 * nu_a is counted only up to COUNT_SPECIES_WANTED, the largest kappa_c, and up to the species of
 * the frame. The count ends with the first neighbour that completes it: in a frame of two species,
 * at the first neighbour of the other one.
 */
import {
  ADDRESS_BARRED,
  ADDRESS_CLASS_SPECIES,
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_REFERENCE_LINK,
  ADDRESS_REFERENCE_START,
  ADDRESS_SORTED_SPECIES,
  ADDRESS_SPECIES,
  ADDRESS_UNSTACKED_SPECIES,
  COUNT_ATOMS,
  COUNT_CLASSES,
  COUNT_SPECIES_FOUND,
  COUNT_SPECIES_USED,
  COUNT_SPECIES_WANTED,
  COUNT_STACKED_CLASS,
} from "./abi";
import { MOST_CLASS_SPECIES } from "./contract";
import { at4, count, region } from "./memory";
import { paddedClasses } from "./shape";
import { isSpatial, isSpatialReference } from "./spatial";

/**
 * Reads the kappa_c of a model. Returns false if one is not from 1 to MOST_CLASS_SPECIES, or the
 * stacked class is not a class. The padding of the classes needs none.
 */
export function prepareNameable(ctx: usize): bool {
  const needed = region(ctx, ADDRESS_CLASS_SPECIES);
  const classCount = count(ctx, COUNT_CLASSES);
  let most = 1;
  for (let c = 0; c < classCount; ++c) {
    const k = load<i32>(at4(needed, c));
    if (k < 1 || k > MOST_CLASS_SPECIES) return false;
    most = max(most, k);
  }
  // Class 0 needs nothing: it remains where no crystal can be.
  store<i32>(needed, 0);
  for (let c = classCount; c < paddedClasses(classCount); ++c) store<i32>(at4(needed, c), 0);
  store<i32>(ctx + COUNT_SPECIES_WANTED, most);
  const stacked = count(ctx, COUNT_STACKED_CLASS);
  if (stacked < 0 || stacked >= classCount) return false;
  const unstacked = region(ctx, ADDRESS_UNSTACKED_SPECIES);
  memory.copy(unstacked, needed, <usize>paddedClasses(classCount) << 2);
  if (stacked > 0) store<i32>(at4(unstacked, stacked), MOST_CLASS_SPECIES + 1);
  return true;
}

/**
 * The kappa_c that hold for an atom (order given): where it is barred from the stacked class
 * (stacking.ts), that class needs more species than there are.
 */
export function neededAt(ctx: usize, atom: i32): usize {
  return region(ctx, isBarred(ctx, atom) ? ADDRESS_UNSTACKED_SPECIES : ADDRESS_CLASS_SPECIES);
}

/** Whether an atom (order given) is barred from the stacked class. Valid after the forward pass. */
// @ts-ignore: decorator
@inline
export function isBarred(ctx: usize, atom: i32): bool {
  return count(ctx, COUNT_STACKED_CLASS) != 0 && load<u8>(region(ctx, ADDRESS_BARRED) + <usize>atom) != 0;
}

/** Counts the species of the frame, as far as a class needs them: COUNT_SPECIES_FOUND. */
export function countSpecies(ctx: usize, found: usize): void {
  let seen = 1;
  if (count(ctx, COUNT_SPECIES_USED)) {
    const species = region(ctx, ADDRESS_SPECIES);
    const n = count(ctx, COUNT_ATOMS);
    const wanted = count(ctx, COUNT_SPECIES_WANTED);
    store<i32>(found, load<i32>(species));
    for (let i = 1; i < n && seen < wanted; ++i) seen = note(found, seen, load<i32>(at4(species, i)));
  }
  store<i32>(ctx + COUNT_SPECIES_FOUND, seen);
}

/**
 * nu_a of sorted atom s. `found`, i32 MOST_CLASS_SPECIES, is scratch.
 */
export function speciesAround(ctx: usize, found: usize, s: i32): i32 {
  if (!isSpatial(ctx, s)) return 0;
  const most = count(ctx, COUNT_SPECIES_FOUND);
  if (most == 1) return 1;
  const species = region(ctx, ADDRESS_SORTED_SPECIES);
  const links = at4(region(ctx, ADDRESS_PAIR_LINK), load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s)));
  const length = load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
  store<i32>(found, load<i32>(at4(species, s)));
  let seen = 1;
  for (let p = 0; p < length && seen < most; ++p) {
    const link = load<i32>(at4(links, p));
    if (link & 1) seen = note(found, seen, load<i32>(at4(species, link >> 1)));
  }
  return seen;
}

/** nu_a of atom a from the reference's pairs, counted to the end. */
export function speciesAroundReference(ctx: usize, found: usize, a: i32): i32 {
  const species = region(ctx, ADDRESS_SPECIES);
  const starts = region(ctx, ADDRESS_REFERENCE_START);
  if (!isSpatialReference(ctx, a)) return 0;
  if (!count(ctx, COUNT_SPECIES_USED)) return 1;
  store<i32>(found, load<i32>(at4(species, a)));
  let seen = 1;
  for (let p = load<i32>(at4(starts, a)); p < load<i32>(at4(starts, a + 1)); ++p) {
    const j = load<i32>(at4(region(ctx, ADDRESS_REFERENCE_LINK), p)) >> 1;
    if (seen < MOST_CLASS_SPECIES) seen = note(found, seen, load<i32>(at4(species, j)));
  }
  return seen;
}

/** Adds a species to the `seen` ones unless it is among them; returns their number. */
// @ts-ignore: decorator
@inline
function note(found: usize, seen: i32, species: i32): i32 {
  for (let k = 0; k < seen; ++k) if (load<i32>(at4(found, k)) == species) return seen;
  store<i32>(at4(found, seen), species);
  return seen + 1;
}

/** Lanes of the classes c to c + 3 that an atom with `seen` in all lanes cannot be named after. */
// @ts-ignore: decorator
@inline
export function unnameable(needed: usize, c: i32, seen: v128): v128 {
  return i32x4.gt_s(v128.load(at4(needed, c)), seen);
}
