/** Cuts a part out of a frame that is small enough for slow calculations. */
import { cellGeometry } from "../frame/geometry.js";
import { createFrame, type Frame } from "../frame/index.js";

/**
 * The atoms nearest to a random atom of a frame, each at the position of its nearest image. They form a
 * cluster in the cell of the frame, which is no longer periodic.
 *
 * @param among the atoms to choose from; null for all
 * @param repeats the completed cell of the periodic axes; null if no axis is periodic
 */
export function cutOut(
  frame: Frame,
  among: Uint32Array | null,
  repeats: Float64Array | null,
  count: number,
  random: () => number,
): Frame {
  const { positions, cell, periodic, species, ids } = frame;
  const atoms = Array.from(among ?? { length: positions.length / 3 }, (atom, index) =>
    among === null ? index : (atom as number),
  );
  const centre = 3 * atoms[Math.floor(random() * atoms.length)]!;
  const geometry = repeats === null ? null : cellGeometry(repeats, "the frame");
  const vectors = atoms.map((atom) => {
    const [x, y, z] = [0, 1, 2].map((i) => positions[3 * atom + i]! - positions[centre + i]!) as [
      number,
      number,
      number,
    ];
    const vector = geometry === null ? [x, y, z] : geometry.nearestImage(x, y, z, periodic);
    return { atom, vector, length: Math.hypot(...vector) };
  });
  const kept = vectors.sort((a, b) => a.length - b.length).slice(0, count);
  return createFrame({
    positions: kept.flatMap(({ vector }) => vector.map((part, i) => positions[centre + i]! + part)),
    cell,
    periodic: [false, false, false],
    species: species && kept.map(({ atom }) => species[atom]!),
    ids: kept.map(({ atom }) => ids?.[atom] ?? atom),
  });
}
