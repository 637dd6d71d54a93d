/** The pairs of the double-precision reference. */
import {
  ADDRESS_POSITIONS,
  ADDRESS_REFERENCE_LINK,
  ADDRESS_REFERENCE_START,
  ADDRESS_REFERENCE_VECTOR,
  ADDRESS_SPECIES,
  COUNT_ATOMS,
  COUNT_REFERENCE_CAPACITY,
  COUNT_REFERENCE_NEEDED,
  COUNT_SPECIES_USED,
  STATUS_OK,
  STATUS_REFERENCE_OVERFLOW,
  VALUE_CUTOFF,
  VALUE_GRID_BASIS,
  VALUE_GRID_INVERSE,
  VALUE_LENGTH_SCALE,
} from "./abi";
import { basisHeight, isPeriodic } from "./cells";
import { at4, count, loadF8, region, storeF8, value } from "./memory";

/**
 * The reference's pairs in f64 and in the order given, by brute force over all atoms and images.
 * Call after binAtoms, which determines basis and length scale. The row of atom i begins at
 * REFERENCE_START[i] and ends before REFERENCE_START[i + 1].
 */
export function referencePairs(ctx: usize): i32 {
  const n = count(ctx, COUNT_ATOMS);
  const capacity = count(ctx, COUNT_REFERENCE_CAPACITY);
  const positions = region(ctx, ADDRESS_POSITIONS);
  const species = region(ctx, ADDRESS_SPECIES);
  const tellSpecies = count(ctx, COUNT_SPECIES_USED);
  const starts = region(ctx, ADDRESS_REFERENCE_START);
  const links = region(ctx, ADDRESS_REFERENCE_LINK);
  const vectors = region(ctx, ADDRESS_REFERENCE_VECTOR);
  const basis = ctx + VALUE_GRID_BASIS;
  const lengthScale = value(ctx, VALUE_LENGTH_SCALE);
  const cutoff = value(ctx, VALUE_CUTOFF) * lengthScale;
  let length = 0;
  for (let i = 0; i < n; ++i) {
    store<i32>(at4(starts, i), length);
    for (let j = 0; j < n; ++j) {
      const dx = loadF8(positions, 3 * j) - loadF8(positions, 3 * i);
      const dy = loadF8(positions, 3 * j + 1) - loadF8(positions, 3 * i + 1);
      const dz = loadF8(positions, 3 * j + 2) - loadF8(positions, 3 * i + 2);
      const low0 = imageBound(ctx, 0, dx, dy, dz, -cutoff);
      const high0 = imageBound(ctx, 0, dx, dy, dz, cutoff);
      const low1 = imageBound(ctx, 1, dx, dy, dz, -cutoff);
      const high1 = imageBound(ctx, 1, dx, dy, dz, cutoff);
      const low2 = imageBound(ctx, 2, dx, dy, dz, -cutoff);
      const high2 = imageBound(ctx, 2, dx, dy, dz, cutoff);
      for (let a = low0; a <= high0; ++a) {
        for (let b = low1; b <= high1; ++b) {
          for (let c = low2; c <= high2; ++c) {
            if (i == j && a == 0 && b == 0 && c == 0) continue;
            const x = dx + <f64>a * loadF8(basis, 0) + <f64>b * loadF8(basis, 3) + <f64>c * loadF8(basis, 6);
            const y = dy + <f64>a * loadF8(basis, 1) + <f64>b * loadF8(basis, 4) + <f64>c * loadF8(basis, 7);
            const z = dz + <f64>a * loadF8(basis, 2) + <f64>b * loadF8(basis, 5) + <f64>c * loadF8(basis, 8);
            if (!(x * x + y * y + z * z < cutoff * cutoff)) continue;
            if (length < capacity) {
              const kind = tellSpecies && load<i32>(at4(species, j)) != load<i32>(at4(species, i)) ? 1 : 0;
              store<i32>(at4(links, length), 2 * j + kind);
              storeF8(vectors, 3 * length, x / lengthScale);
              storeF8(vectors, 3 * length + 1, y / lengthScale);
              storeF8(vectors, 3 * length + 2, z / lengthScale);
            }
            length += 1;
          }
        }
      }
    }
  }
  store<i32>(at4(starts, n), length);
  store<i32>(ctx + COUNT_REFERENCE_NEEDED, length);
  return length <= capacity ? STATUS_OK : STATUS_REFERENCE_OVERFLOW;
}

/**
 * First (cutoff < 0) or last (cutoff > 0) image along an axis whose plane is within the cutoff of
 * the vector's start.
 */
function imageBound(ctx: usize, axis: i32, x: f64, y: f64, z: f64, cutoff: f64): i32 {
  if (!isPeriodic(ctx, axis)) return 0;
  const inverse = ctx + VALUE_GRID_INVERSE;
  const f = x * loadF8(inverse, axis) + y * loadF8(inverse, 3 + axis) + z * loadF8(inverse, 6 + axis);
  const bound = -f + cutoff / basisHeight(ctx, axis);
  return cutoff > 0 ? <i32>Math.ceil(bound) : <i32>Math.floor(bound);
}
