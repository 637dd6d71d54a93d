/**
 * Labels frames that are too large for the core's memory slab by slab along the longest axis.
 *
 * The results of an atom depend on its neighbours and on their neighbours, so each slab is analysed with a
 * halo of three cutoffs on either side. The results of the halo are dropped. All slabs share the length scale
 * of the whole frame. Along its axis a slab is not periodic: atoms that its halo reaches across the border of
 * the cell are added as images. So each atom gets the same results as in the whole frame, up to rounding,
 * since its neighbours have another order.
 */
import { limits } from "../contract/limits.js";
import type { CoreFrame, ForwardResult, PhaseCore } from "../core/index.js";
import { PhasewireError, refusal } from "../errors/index.js";

/**
 * Bins along the axis for counting atoms. Cuts lie between bins, which are so narrow that this costs almost
 * nothing.
 */
const binCount = 16384;
/** The halo is deeper than three cutoffs by this factor, so that rounding loses no neighbour. */
const margin = 1 + 1e-6;

/** A direction that a frame is cut along. */
interface Axis {
  readonly index: number;
  /** Unit vector perpendicular to the other two cell vectors. */
  readonly normal: readonly number[];
  /** The cell vector if the axis is periodic, else null. */
  readonly vector: readonly number[] | null;
  /** The first coordinate along the normal, and the range of coordinates (the period if there is one). */
  readonly begin: number;
  readonly length: number;
}

/**
 * A slab from `begin` to `end` along the axis. Atoms that rounding puts beyond the ends of the frame belong
 * to its first and last slab.
 */
interface Slab {
  readonly begin: number;
  readonly end: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface SlabOptions {
  /** a0 of the whole frame. */
  readonly lengthScale: number;
  /** The model's cutoff, units of a0. */
  readonly cutoff: number;
  readonly classCount: number;
  /** Most atoms of a slab, including its halo. */
  readonly atomsAtOnce: number;
  /** Whether logits and probabilities are needed. */
  readonly perClass: boolean;
  /** Called after each slab with the share that is done. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Evaluates a frame slab by slab.
 *
 * @returns the results of all atoms in the order of the frame, and the number of slabs
 * @throws PhasewireError `TOO_LARGE` if a halo alone exceeds the number of atoms at once; the errors of
 *   `PhaseCore.forward`
 */
export async function forwardBySlabs(
  core: PhaseCore,
  frame: CoreFrame,
  options: SlabOptions,
): Promise<ForwardResult & { readonly slabs: number }> {
  const { lengthScale, cutoff, classCount, perClass } = options;
  const atomCount = frame.positions.length / 3;
  const axis = longestAxis(frame);
  const places = placesAlong(frame.positions, axis);
  refuseFar(frame.positions, places, axis);
  const halo = 3 * cutoff * lengthScale * margin;
  const slabs = cut(places, axis, halo, options.atomsAtOnce);
  const table = perClass ? atomCount * classCount : 0;
  const logits = new Float32Array(table);
  const probabilities = new Float32Array(table);
  const labels = new Uint16Array(atomCount);
  const confidence = new Float32Array(atomCount);
  const margins = new Float32Array(atomCount);
  const atomLogDensity = new Float32Array(atomCount);
  const distance = new Float32Array(atomCount);
  for (const [done, slab] of slabs.entries()) {
    const part = takeSlab(core, frame, axis, places, slab, halo, perClass);
    core.load(
      { ...part.frame, lengthScale },
      { gradients: false, perClass, atomNumber: (row) => part.atoms[row]! },
    );
    const result = await core.forward({ arrays: "views" });
    part.atoms.forEach((atom, row) => {
      if (part.isHalo[row]) return;
      labels[atom] = result.labels[row]!;
      confidence[atom] = result.confidence[row]!;
      margins[atom] = result.margin[row]!;
      atomLogDensity[atom] = result.atomLogDensity[row]!;
      distance[atom] = result.distance[row]!;
      if (!perClass) return;
      const [from, to] = [row * classCount, (row + 1) * classCount];
      logits.set(result.logits.subarray(from, to), atom * classCount);
      probabilities.set(result.probabilities.subarray(from, to), atom * classCount);
    });
    options.onProgress?.((done + 1) / slabs.length);
  }
  return {
    logits,
    probabilities,
    labels,
    confidence,
    margin: margins,
    atomLogDensity,
    distance,
    logDensity: atomLogDensity.reduce((sum, part) => sum + part, 0),
    lengthScale,
    slabs: slabs.length,
  };
}

/** Returns the axis along which the frame is longest, so that halos are smallest. */
function longestAxis({ positions, cell, periodic }: CoreFrame): Axis {
  const axes = [0, 1, 2].map((index): Axis => {
    const rows = [0, 1, 2].map((row) => Array.from((cell ?? identity).subarray(3 * row, 3 * row + 3)));
    const perpendicular = cross(rows[(index + 1) % 3]!, rows[(index + 2) % 3]!);
    const scale = Math.hypot(...perpendicular) * (dot(perpendicular, rows[index]!) < 0 ? -1 : 1);
    const normal = perpendicular.map((part) => part / scale);
    if (periodic[index]) {
      return { index, normal, vector: rows[index]!, begin: 0, length: dot(rows[index]!, normal) };
    }
    const [begin, end] = extent(positions, normal);
    return { index, normal, vector: null, begin, length: end - begin };
  });
  return axes.reduce((longest, axis) => (axis.length > longest.length ? axis : longest));
}

const identity = Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);

function extent(positions: Float64Array, normal: readonly number[]): [number, number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (let at = 0; at < positions.length; at += 3) {
    const place = along(positions, at, normal);
    if (place < least) least = place;
    if (place > most) most = place;
  }
  return [least, most];
}

/**
 * Returns the coordinate of each atom along the axis, unwrapped: atoms of a periodic frame may lie outside
 * the cell.
 */
function placesAlong(positions: Float64Array, { normal }: Axis): Float64Array {
  const places = new Float64Array(positions.length / 3);
  for (let atom = 0; atom < places.length; atom++) places[atom] = along(positions, 3 * atom, normal);
  return places;
}

/** Refuses an atom that cannot be wrapped along the axis; the core refuses it along the others. */
function refuseFar(positions: Float64Array, places: Float64Array, { vector, length }: Axis): void {
  if (vector === null) return;
  const { mostPeriods } = limits.frame;
  const atom = places.findIndex((place) => !(Math.abs(place) <= mostPeriods * length));
  if (atom < 0) return;
  const position = Array.from(positions.subarray(3 * atom, 3 * atom + 3));
  throw refusal("farPosition", { atom, most: mostPeriods }, { value: position });
}

/** Returns by how many periods an atom at this coordinate must move to lie in the cell. */
function periodsInto(place: number, length: number): number {
  return -Math.floor(place / length);
}

/** Cuts the frame into the fewest slabs that each have at most `atomsAtOnce` atoms, including their halos. */
function cut(places: Float64Array, axis: Axis, halo: number, atomsAtOnce: number): Slab[] {
  const { begin, length, vector } = axis;
  const width = length / binCount;
  const upTo = countsUpTo(places, axis);
  /** Returns the number of atoms, including images, below bin `edge`, which may lie beyond either end. */
  const below = (edge: number): number => {
    if (vector === null) return upTo[Math.max(0, Math.min(binCount, edge))]!;
    const period = Math.floor(edge / binCount);
    return period * places.length + upTo[edge - period * binCount]!;
  };
  // One more bin on either side, since rounding may move a coordinate into the next one.
  const reach = width > 0 ? Math.ceil(halo / width) + 1 : 1;
  const slabs: Slab[] = [];
  for (let first = 0; first < binCount; ) {
    let last = first;
    while (last < binCount && below(last + 1 + reach) - below(first - reach) <= atomsAtOnce) last += 1;
    if (last === first) {
      throw new PhasewireError("TOO_LARGE", {
        message: `slabs of the ${places.length} atoms may have at most ${atomsAtOnce}, but three cutoffs on either side of a cut hold more`,
        field: "positions",
        value: places.length,
        remedy: "Allow more atoms at once (atomsAtOnce), or analyse a part of the system.",
      });
    }
    slabs.push({
      begin: begin + first * width,
      end: begin + last * width,
      isFirst: first === 0,
      isLast: last === binCount,
    });
    first = last;
  }
  return slabs;
}

/**
 * Counts the atoms in the bins before each edge. Along a periodic axis, atoms are first moved into the cell.
 */
function countsUpTo(places: Float64Array, { begin, length, vector }: Axis): Float64Array {
  const upTo = new Float64Array(binCount + 1);
  for (const place of places) {
    const inside = vector === null ? place - begin : place + periodsInto(place, length) * length;
    const bin = length > 0 ? Math.floor((inside / length) * binCount) : 0;
    upTo[Math.max(0, Math.min(binCount - 1, bin)) + 1]! += 1;
  }
  for (let edge = 1; edge <= binCount; edge++) upTo[edge]! += upTo[edge - 1]!;
  return upTo;
}

interface SlabPart {
  readonly frame: CoreFrame;
  /** The atom of the whole frame that each row holds. */
  readonly atoms: Uint32Array;
  /** 1 for rows of the halo, whose results belong to other slabs. */
  readonly isHalo: Uint8Array;
}

/** Writes a slab with its halo into the core's memory. */
function takeSlab(
  core: PhaseCore,
  frame: CoreFrame,
  axis: Axis,
  places: Float64Array,
  slab: Slab,
  halo: number,
  perClass: boolean,
): SlabPart {
  const { positions, species } = frame;
  const [from, to] = [slab.begin - halo, slab.end + halo];
  let rows = 0;
  for (const place of places) rows += firstImage(place, axis, to) - firstImage(place, axis, from);
  const room = core.room(rows, { gradients: false, perClass });
  const atoms = new Uint32Array(rows);
  const isHalo = new Uint8Array(rows);
  let row = 0;
  for (let atom = 0; atom < places.length; atom++) {
    const place = places[atom]!;
    const end = firstImage(place, axis, to);
    for (let image = firstImage(place, axis, from); image < end; image++) {
      for (let k = 0; k < 3; k++) {
        const shift = axis.vector === null ? 0 : image * axis.vector[k]!;
        room.positions[3 * row + k] = positions[3 * atom + k]! + shift;
      }
      if (species !== null) room.species[row] = species[atom]!;
      atoms[row] = atom;
      isHalo[row] = isOwn(place, image, axis, slab) ? 0 : 1;
      row += 1;
    }
  }
  const periodic = frame.periodic.map((flag, index) => flag && index !== axis.index);
  return {
    frame: {
      positions: room.positions,
      cell: frame.cell,
      periodic: periodic as unknown as CoreFrame["periodic"],
      species: species === null ? null : room.species,
    },
    atoms,
    isHalo,
  };
}

/**
 * Returns the first image of an atom, in periods, that lies at `from` or beyond. Along an axis that is not
 * periodic, 0 is the atom and 1 means that there is none.
 */
function firstImage(place: number, { vector, length }: Axis, from: number): number {
  if (vector === null) return place >= from ? 0 : 1;
  return Math.ceil((from - place) / length);
}

/** Returns whether an image is the atom in the cell, and lies in the slab without its halo. */
function isOwn(place: number, image: number, { vector, length }: Axis, slab: Slab): boolean {
  if (vector !== null && image !== periodsInto(place, length)) return false;
  const inside = vector === null ? place : place + image * length;
  return (slab.isFirst || inside >= slab.begin) && (slab.isLast || inside < slab.end);
}

function along(positions: Float64Array, at: number, normal: readonly number[]): number {
  return positions[at]! * normal[0]! + positions[at + 1]! * normal[1]! + positions[at + 2]! * normal[2]!;
}

function dot(u: readonly number[], v: readonly number[]): number {
  return u[0]! * v[0]! + u[1]! * v[1]! + u[2]! * v[2]!;
}

function cross(u: readonly number[], v: readonly number[]): number[] {
  return [u[1]! * v[2]! - u[2]! * v[1]!, u[2]! * v[0]! - u[0]! * v[2]!, u[0]! * v[1]! - u[1]! * v[0]!];
}
