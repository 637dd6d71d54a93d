/** Which atoms a record looks at: w_a, a product of factors by id, by species and by place. */
import {
  ADDRESS_VARIABLES_IDS,
  ADDRESS_VARIABLES_LISTS,
  ADDRESS_VARIABLES_SPECIES,
  COUNT_VARIABLES_FIRST_ATOM,
} from "./abi";
import { at4, at8, count, loadF8, region, storeF8, value } from "../memory";
import {
  RECORD_ID_COUNT,
  RECORD_IDS,
  RECORD_REGION,
  RECORD_SPECIES,
  RECORD_SPECIES_COUNT,
  REGION_NONE,
} from "./program";
import { weighRegion } from "./regions";
import { SELECTION_WEIGHT } from "./scratch";

/** Address of the list that the field of a record points to. */
// @ts-ignore: decorator
@inline
export function listOf(vctx: usize, record: usize, field: i32): usize {
  return at8(region(vctx, ADDRESS_VARIABLES_LISTS), <i32>value(record, field));
}

/** No id and no species has been seen yet. */
export function clearMarks(vctx: usize, record: usize): void {
  const ids = <i32>value(record, RECORD_ID_COUNT);
  const species = <i32>value(record, RECORD_SPECIES_COUNT);
  for (let i = 0; i < ids; ++i) storeF8(listOf(vctx, record, RECORD_IDS), ids + i, 0);
  for (let i = 0; i < species; ++i) storeF8(listOf(vctx, record, RECORD_SPECIES), 2 * species + i, 0);
}

/** Whether all ids have been seen. */
export function hasAllIds(vctx: usize, record: usize): bool {
  const ids = <i32>value(record, RECORD_ID_COUNT);
  const marks = at8(listOf(vctx, record, RECORD_IDS), ids);
  for (let i = 0; i < ids; ++i) {
    if (loadF8(marks, i) == 0) return false;
  }
  return true;
}

/** Whether one species of each group has been seen. */
export function hasAllSpecies(vctx: usize, record: usize): bool {
  const species = <i32>value(record, RECORD_SPECIES_COUNT);
  const groups = at8(listOf(vctx, record, RECORD_SPECIES), species);
  const marks = at8(groups, species);
  for (let i = 0; i < species; ) {
    const group = loadF8(groups, i);
    let seen: f64 = 0;
    for (; i < species && loadF8(groups, i) == group; ++i) seen += loadF8(marks, i);
    if (seen == 0) return false;
  }
  return true;
}

/** Writes the weights of `length` atoms from `begin` on, and the slopes of a region. */
export function weigh(vctx: usize, record: usize, selection: usize, begin: i32, length: i32): void {
  const weights = selection + SELECTION_WEIGHT;
  for (let i = 0; i < length; ++i) storeF8(weights, i, 1);
  if (value(record, RECORD_ID_COUNT) > 0) keepIds(vctx, record, weights, begin, length);
  if (value(record, RECORD_SPECIES_COUNT) > 0) keepSpecies(vctx, record, weights, begin, length);
  if (<i32>value(record, RECORD_REGION) != REGION_NONE) weighRegion(vctx, record, selection, begin, length);
}

/** Whether `place` is that of the first number of an ascending list that is not below `wanted`. */
// @ts-ignore: decorator
@inline
function isPlaceOf(list: usize, length: i32, wanted: f64, place: i32): bool {
  return (place == length || loadF8(list, place) >= wanted) && (place == 0 || loadF8(list, place - 1) < wanted);
}

/** The place of the first number of an ascending list that is not below `wanted`. */
function search(list: usize, length: i32, wanted: f64): i32 {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (loadF8(list, middle) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

function keepIds(vctx: usize, record: usize, weights: usize, begin: i32, length: i32): void {
  const wanted = <i32>value(record, RECORD_ID_COUNT);
  const list = listOf(vctx, record, RECORD_IDS);
  const ids = region(vctx, ADDRESS_VARIABLES_IDS);
  const first = count(vctx, COUNT_VARIABLES_FIRST_ATOM);
  // Atoms often come in the order of their ids, so the place of the previous one, or the next, is
  // tried first.
  let place = 0;
  for (let i = 0; i < length; ++i) {
    const atom = begin + i;
    const id = ids == 0 ? <f64>(first + atom) : loadF8(ids, atom);
    if (!isPlaceOf(list, wanted, id, place)) place = search(list, wanted, id);
    if (place < wanted && loadF8(list, place) == id) {
      storeF8(list, wanted + place, 1);
      ++place;
    } else {
      storeF8(weights, i, 0);
    }
  }
}

function keepSpecies(vctx: usize, record: usize, weights: usize, begin: i32, length: i32): void {
  const wanted = <i32>value(record, RECORD_SPECIES_COUNT);
  const list = listOf(vctx, record, RECORD_SPECIES);
  const species = region(vctx, ADDRESS_VARIABLES_SPECIES);
  for (let i = 0; i < length; ++i) {
    const own = species == 0 ? NaN : <f64>load<i32>(at4(species, begin + i));
    let found = false;
    for (let j = 0; j < wanted; ++j) {
      if (loadF8(list, j) != own) continue;
      storeF8(list, 2 * wanted + j, 1);
      found = true;
    }
    if (!found) storeF8(weights, i, 0);
  }
}
