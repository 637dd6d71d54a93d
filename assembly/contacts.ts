/**
 * Species that occupy the same sites, by their neighbours (docs/hints.md).
 *
 *     M_xy = sum over neighbours of species y around atoms of species x of (1 - (r / R)^2)^2,
 *            rows divided by their sums,   R = 1.6 a0
 *     d_xx' = sum_y |M_xy - M_x'y|
 *     c_xx' = sum_y sqrt((2 / pi) m_y (1 - m_y) (1 / e_x + 1 / e_x')),   m_y = (M_xy + M_x'y) / 2
 *
 * Species of one sublattice have the same neighbours, up to the chance of random occupation: c is
 * the mean of d if each of the e_x neighbours of species x, (sum of weights)^2 / (sum of their
 * squares), is drawn by itself. Groups are merged while d_xx' is at most ALIKE or CHANCE c_xx' for
 * all members x, x' of two of them.
 */
import {
  ADDRESS_PAIR_COUNT,
  ADDRESS_PAIR_LINK,
  ADDRESS_PAIR_START,
  ADDRESS_PAIR_X,
  ADDRESS_PAIR_Y,
  ADDRESS_PAIR_Z,
  ADDRESS_SCRATCH,
  ADDRESS_SORTED_SPECIES,
  ADDRESS_SPECIES_GROUPS,
  COUNT_ATOMS,
  COUNT_SPECIES_USED,
} from "./abi";
import { MOST_GROUPED } from "./contract";
import { addF8, at4, at8, count, loadF4, loadF8, region, storeF8 } from "./memory";
import { SCRATCH_CONTACTS } from "./scratch";

const REACH: f64 = 1.6;
/** Below the species of perovskite, which differ least. */
const ALIKE: f64 = 0.15;
/** Above the largest d between the species of random alloys, in units of its mean. */
const CHANCE: f64 = 2.2;

/**
 * Writes the species of the frame and the group of each, as pairs in the order of first appearance
 * in the sorted order, to ADDRESS_SPECIES_GROUPS. Groups count from 0. Returns the number of
 * species, or 0 if species are ignored or more than MOST_GROUPED. Needs the pairs of the frame.
 */
export function groupSpecies(ctx: usize): i32 {
  if (!count(ctx, COUNT_SPECIES_USED)) return 0;
  const groups = region(ctx, ADDRESS_SPECIES_GROUPS);
  const contacts = region(ctx, ADDRESS_SCRATCH) + SCRATCH_CONTACTS;
  const found = listSpecies(ctx, groups);
  if (found == 0) return 0;
  countContacts(ctx, groups, found, contacts);
  for (let x = 0; x < found; ++x) storeGroup(groups, x, x);
  while (mergeClosest(groups, found, contacts)) continue;
  numberGroups(groups, found);
  return found;
}

function storeGroup(groups: usize, x: i32, group: i32): void {
  store<i32>(at4(groups, 2 * x + 1), group);
}

function groupOf(groups: usize, x: i32): i32 {
  return load<i32>(at4(groups, 2 * x + 1));
}

/** The species of the frame; returns their number, or 0 if there are too many. */
function listSpecies(ctx: usize, groups: usize): i32 {
  const species = region(ctx, ADDRESS_SORTED_SPECIES);
  const n = count(ctx, COUNT_ATOMS);
  let found = 0;
  for (let s = 0; s < n; ++s) {
    const own = load<i32>(at4(species, s));
    if (indexOf(groups, found, own) >= 0) continue;
    if (found == MOST_GROUPED) return 0;
    store<i32>(at4(groups, 2 * found), own);
    found += 1;
  }
  return found;
}

/** The place of a species in the list, or -1. */
function indexOf(groups: usize, found: i32, species: i32): i32 {
  for (let x = 0; x < found; ++x) if (load<i32>(at4(groups, 2 * x)) == species) return x;
  return -1;
}

/** M, of MOST_GROUPED numbers per row, and behind it e. */
function countContacts(ctx: usize, groups: usize, found: i32, contacts: usize): void {
  const species = region(ctx, ADDRESS_SORTED_SPECIES);
  const n = count(ctx, COUNT_ATOMS);
  const independent = at8(contacts, MOST_GROUPED * MOST_GROUPED);
  memory.fill(contacts, 0, 8 * MOST_GROUPED * (MOST_GROUPED + 1));
  for (let s = 0; s < n; ++s) {
    const x = indexOf(groups, found, load<i32>(at4(species, s)));
    const row = at8(contacts, MOST_GROUPED * x);
    const start = load<i32>(at4(region(ctx, ADDRESS_PAIR_START), s));
    const end = start + load<i32>(at4(region(ctx, ADDRESS_PAIR_COUNT), s));
    for (let p = start; p < end; ++p) {
      const dx = <f64>loadF4(region(ctx, ADDRESS_PAIR_X), p);
      const dy = <f64>loadF4(region(ctx, ADDRESS_PAIR_Y), p);
      const dz = <f64>loadF4(region(ctx, ADDRESS_PAIR_Z), p);
      const left = 1 - (dx * dx + dy * dy + dz * dz) / (REACH * REACH);
      if (!(left > 0)) continue;
      const link = load<i32>(at4(region(ctx, ADDRESS_PAIR_LINK), p));
      const y = link & 1 ? indexOf(groups, found, load<i32>(at4(species, link >> 1))) : x;
      addF8(row, y, left * left);
      addF8(independent, x, left * left * left * left);
    }
  }
  for (let x = 0; x < found; ++x) {
    const row = at8(contacts, MOST_GROUPED * x);
    let sum: f64 = 0;
    for (let y = 0; y < found; ++y) sum += loadF8(row, y);
    if (!(sum > 0)) continue;
    for (let y = 0; y < found; ++y) storeF8(row, y, loadF8(row, y) / sum);
    storeF8(independent, x, (sum * sum) / loadF8(independent, x));
  }
}

/** The largest d between members of two groups, in units of what makes them alike. */
function difference(groups: usize, found: i32, contacts: usize, first: i32, second: i32): f64 {
  let largest: f64 = 0;
  for (let x = 0; x < found; ++x) {
    if (groupOf(groups, x) != first) continue;
    for (let z = 0; z < found; ++z) {
      if (groupOf(groups, z) != second) continue;
      largest = max(largest, distanceOf(found, contacts, x, z));
    }
  }
  return largest;
}

/** d of two species over the larger of ALIKE and CHANCE c. */
function distanceOf(found: i32, contacts: usize, x: i32, z: i32): f64 {
  const independent = at8(contacts, MOST_GROUPED * MOST_GROUPED);
  const fewness = 1 / loadF8(independent, x) + 1 / loadF8(independent, z);
  let d: f64 = 0;
  let chance: f64 = 0;
  for (let y = 0; y < found; ++y) {
    const one = loadF8(contacts, MOST_GROUPED * x + y);
    const other = loadF8(contacts, MOST_GROUPED * z + y);
    const mean = (one + other) / 2;
    d += abs(one - other);
    // Rounding may take a share beyond 1.
    chance += sqrt((2 / Math.PI) * max(0, mean * (1 - mean)) * fewness);
  }
  return d / max(ALIKE, CHANCE * chance);
}

/** Merges the two groups that differ least, if they are alike. */
function mergeClosest(groups: usize, found: i32, contacts: usize): bool {
  let least: f64 = Infinity;
  let one = -1;
  let other = -1;
  for (let first = 0; first < found; ++first) {
    if (!isUsed(groups, found, first)) continue;
    for (let second = first + 1; second < found; ++second) {
      if (!isUsed(groups, found, second)) continue;
      const d = difference(groups, found, contacts, first, second);
      if (d >= least) continue;
      least = d;
      one = first;
      other = second;
    }
  }
  if (!(least <= 1)) return false;
  for (let x = 0; x < found; ++x) if (groupOf(groups, x) == other) storeGroup(groups, x, one);
  return true;
}

function isUsed(groups: usize, found: i32, group: i32): bool {
  for (let x = 0; x < found; ++x) if (groupOf(groups, x) == group) return true;
  return false;
}

/** Gives the groups numbers without gaps. A group has the number of its first species so far. */
function numberGroups(groups: usize, found: i32): void {
  let next = 0;
  for (let group = 0; group < found; ++group) {
    if (!isUsed(groups, found, group)) continue;
    for (let x = 0; x < found; ++x) if (groupOf(groups, x) == group) storeGroup(groups, x, next);
    next += 1;
  }
}
