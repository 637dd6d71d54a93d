/**
 * The row of one atom: selects its pairs among candidates, in f64, from the cells or from a list.
 */
import {
  ADDRESS_LIST_COUNT,
  ADDRESS_LIST_IMAGE,
  ADDRESS_LIST_LINK,
  ADDRESS_LIST_START,
  ADDRESS_SORTED_SPECIES,
  ADDRESS_WRAPPED,
  COUNT_LIST_CAPACITY,
  COUNT_LIST_NEEDED,
  COUNT_PAIR_TROUBLE,
  COUNT_SPECIES_USED,
  ROW_CAPACITY,
  VALUE_CUTOFF,
  VALUE_GRID_BASIS,
  VALUE_LENGTH_SCALE,
} from "./abi";
import { RUN_IMAGE, RUN_X, RUN_Y, RUN_Z } from "./candidates";
import { COINCIDENT } from "./contract";
import { imagesAlong, packImages } from "./lists";
import { at4, at8, copyVectors, count, loadF8, region, value } from "./memory";
import { CANDIDATES, PACKED_STRIDE, ROW_STRIDE } from "./scratch";


/** Bits of COUNT_PAIR_TROUBLE, above those of a row's length. */
export const TROUBLE_COINCIDENT: i32 = 1 << 16;
export const TROUBLE_DENSE: i32 = 1 << 17;
export const TROUBLE: i32 = TROUBLE_COINCIDENT | TROUBLE_DENSE;
/** An atom has no valid list. */
export const TROUBLE_UNLISTED: i32 = 1 << 18;

/** Offsets, from the links of the current list, of the images and of the count. */
const LISTED_IMAGE: i32 = CANDIDATES * 4;
export const LISTED_COUNT: i32 = 2 * LISTED_IMAGE;

/** Offsets, from x of the current row in the scratch memory, of y, z and link. */
export const ROW_Y: i32 = ROW_STRIDE;
export const ROW_Z: i32 = 2 * ROW_STRIDE;
export const ROW_LINK: i32 = 3 * ROW_STRIDE;

/**
 * Writes the pair vector from (wx, wy, wz) to sorted atom j, shifted by (sx, sy, sz), to the place
 * `row` of the current row, whether it is a pair or not. Returns its square, units of a0.
 */
// @ts-ignore: decorator
@inline
function formPair(row: usize, wrapped: usize, j: i32, wx: f64, wy: f64, wz: f64, sx: f64, sy: f64, sz: f64, inverse: f64): f64 {
  const there = at8(wrapped, 3 * j);
  const x = (load<f64>(there) - wx + sx) * inverse;
  const y = (load<f64>(there, 8) - wy + sy) * inverse;
  const z = (load<f64>(there, 16) - wz + sz) * inverse;
  store<f32>(row, <f32>x);
  store<f32>(row, <f32>y, ROW_Y);
  store<f32>(row, <f32>z, ROW_Z);
  return x * x + y * y + z * z;
}

/** Bits of trouble for a pair of this square at the place `row` of the current row. */
// @ts-ignore: decorator
@inline
function troubleOf(squared: f64, rows: usize, row: usize): i32 {
  const coincident = squared < COINCIDENT * COINCIDENT ? TROUBLE_COINCIDENT : 0;
  return row == rows + ROW_CAPACITY * 4 ? coincident | TROUBLE_DENSE : coincident;
}

/**
 * Selects the pairs of sorted atom s, in f64, among candidates (i32, numbers of packed ones, from
 * `near` to `end`). Adds them to its row, which has `length` pairs (with the bits of its troubles),
 * and returns the new length.
 *
 * With a skin, also adds the candidates within it to `listed`: link and image of each, then an i32
 * count. The count exceeds CANDIDATES if there are too many for a list or an image is too far away.
 */
export function acceptPairs(
  ctx: usize,
  rows: usize,
  length: i32,
  near: usize,
  end: usize,
  s: i32,
  packed: usize,
  runs: usize,
  listed: usize,
  skin: f64,
): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const species = region(ctx, ADDRESS_SORTED_SPECIES);
  const here = at8(wrapped, 3 * s);
  const wx = load<f64>(here);
  const wy = load<f64>(here, 8);
  const wz = load<f64>(here, 16);
  const inverse: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const limit = cutoff * cutoff;
  const listLimit = skin > 0 ? (cutoff + skin) * (cutoff + skin) : 0;
  const ownSpecies = load<i32>(at4(species, s));
  const tellSpecies = count(ctx, COUNT_SPECIES_USED);
  const still = packImages(0, 0, 0);
  let listedCount = load<i32>(listed, LISTED_COUNT);
  let trouble = length & TROUBLE;
  let row = rows + (<usize>(length & ~TROUBLE) << 2);
  for (let at = near; at < end; at += 4) {
    const candidate = at4(packed, load<i32>(at));
    const j = load<i32>(candidate, 3 * PACKED_STRIDE);
    const run = runs + load<i32>(candidate, 4 * PACKED_STRIDE);
    const image = load<i32>(run, RUN_IMAGE);
    if (j == s && image == still) continue;
    const squared = formPair(
      row,
      wrapped,
      j,
      wx,
      wy,
      wz,
      load<f64>(run, RUN_X),
      load<f64>(run, RUN_Y),
      load<f64>(run, RUN_Z),
      inverse,
    );
    const kind = tellSpecies && load<i32>(at4(species, j)) != ownSpecies ? 1 : 0;
    if (squared < listLimit) {
      if (listedCount < CANDIDATES) {
        store<i32>(at4(listed, listedCount), 2 * j + kind);
        store<i32>(at4(listed, listedCount), image, LISTED_IMAGE);
      }
      listedCount += image < 0 ? CANDIDATES + 1 : 1;
    }
    if (!(squared < limit)) continue;
    trouble |= troubleOf(squared, rows, row);
    // One pair too many decides: the row needs no others.
    if (trouble & TROUBLE_DENSE) break;
    store<i32>(row, 2 * j + kind, ROW_LINK);
    row += 4;
  }
  store<i32>(listed, listedCount, LISTED_COUNT);
  return <i32>((row - rows) >> 2) | trouble;
}

/**
 * Forms the row of sorted atom s from its list. Returns its length, with the bits of its troubles.
 */
export function rowFromList(ctx: usize, rows: usize, s: i32): i32 {
  const wrapped = region(ctx, ADDRESS_WRAPPED);
  const here = at8(wrapped, 3 * s);
  const wx = load<f64>(here);
  const wy = load<f64>(here, 8);
  const wz = load<f64>(here, 16);
  const inverse: f64 = 1 / value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF);
  const limit = cutoff * cutoff;
  const basis = ctx + VALUE_GRID_BASIS;
  const start = load<i32>(at4(region(ctx, ADDRESS_LIST_START), s));
  const stop = start + load<i32>(at4(region(ctx, ADDRESS_LIST_COUNT), s));
  const links = region(ctx, ADDRESS_LIST_LINK);
  const images = region(ctx, ADDRESS_LIST_IMAGE);
  let trouble = 0;
  let row = rows;
  let image = packImages(0, 0, 0);
  let sx: f64 = 0;
  let sy: f64 = 0;
  let sz: f64 = 0;
  for (let p = start; p < stop; ++p) {
    const link = load<i32>(at4(links, p));
    const next = load<i32>(at4(images, p));
    if (next != image) {
      image = next;
      const a = <f64>imagesAlong(image, 0);
      const b = <f64>imagesAlong(image, 1);
      const c = <f64>imagesAlong(image, 2);
      sx = a * loadF8(basis, 0) + b * loadF8(basis, 3) + c * loadF8(basis, 6);
      sy = a * loadF8(basis, 1) + b * loadF8(basis, 4) + c * loadF8(basis, 7);
      sz = a * loadF8(basis, 2) + b * loadF8(basis, 5) + c * loadF8(basis, 8);
    }
    const squared = formPair(row, wrapped, link >> 1, wx, wy, wz, sx, sy, sz, inverse);
    if (!(squared < limit)) continue;
    trouble |= troubleOf(squared, rows, row);
    if (row == rows + ROW_CAPACITY * 4) continue;
    store<i32>(row, link, ROW_LINK);
    row += 4;
  }
  return <i32>((row - rows) >> 2) | trouble;
}

/**
 * Stores the list of sorted atom s (`listed` from acceptPairs) if there is room. If it is not a
 * valid list, finishPairs gives up all lists.
 */
export function keepList(ctx: usize, s: i32, listed: usize): void {
  const length = load<i32>(listed, LISTED_COUNT);
  if (length > CANDIDATES) {
    atomic.or<i32>(ctx + COUNT_PAIR_TROUBLE, TROUBLE_UNLISTED);
    return;
  }
  const padded = (length + 3) & ~3;
  const start = atomic.add<i32>(ctx + COUNT_LIST_NEEDED, padded);
  store<i32>(at4(region(ctx, ADDRESS_LIST_START), s), start);
  store<i32>(at4(region(ctx, ADDRESS_LIST_COUNT), s), length);
  if (start < 0 || start > count(ctx, COUNT_LIST_CAPACITY) - padded) return;
  copyVectors(at4(region(ctx, ADDRESS_LIST_LINK), start), listed, padded << 2);
  copyVectors(at4(region(ctx, ADDRESS_LIST_IMAGE), start), listed + LISTED_IMAGE, padded << 2);
}
