// A copper crystal with the disorder of about 0.7 of its melting temperature, the same at every call.

const edge = 3.66;
/**
 * Half the width of the uniform distribution of each coordinate, in Angstrom. Its root mean square is 0.16.
 */
const reach = 0.28;
const sites = [0, 0, 0, 0.5, 0.5, 0, 0.5, 0, 0.5, 0, 0.5, 0.5];

/** (volume per atom)^(1/3), in Angstrom. */
export const lengthScale = edge / Math.cbrt(4);

/** Number of cubic cells along each edge for about `atoms` atoms. */
export const cellsFor = (atoms) => Math.max(3, Math.round(Math.cbrt(atoms / 4)));

/** A periodic cube of `cells` cubic cells along each edge, with 4 cells^3 atoms, as input for the core. */
export function copper(cells) {
  let state = 12345;
  const noise = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return reach * (state / 0x40000000 - 1);
  };
  const positions = new Float64Array(12 * cells ** 3);
  let at = 0;
  for (let a = 0; a < cells; a++) {
    for (let b = 0; b < cells; b++) {
      for (let c = 0; c < cells; c++) {
        for (let site = 0; site < sites.length; site += 3) {
          positions[at++] = (a + sites[site]) * edge + noise();
          positions[at++] = (b + sites[site + 1]) * edge + noise();
          positions[at++] = (c + sites[site + 2]) * edge + noise();
        }
      }
    }
  }
  return cube(positions, cells * edge);
}

/** A frame of one species in a periodic cube. */
export function cube(positions, length) {
  return {
    positions,
    cell: Float64Array.of(length, 0, 0, 0, length, 0, 0, 0, length),
    periodic: [true, true, true],
    species: null,
  };
}
