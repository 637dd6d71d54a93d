/** The neighbours that the kernels use, read from the core's memory. */
import type { PhaseCore } from "../../src/core/index.js";

/** Neighbours of all atoms. There are P pairs in all; each occurs at both of its atoms. */
export interface NeighbourLists {
  /** N + 1: the pairs of atom i are starts[i] to starts[i + 1] - 1. */
  readonly starts: Int32Array;
  /** P, the neighbour's index. */
  readonly atoms: Int32Array;
  /** P, 1 if the neighbour is of another species. */
  readonly other: Uint8Array;
  /** 3P, vector to the neighbour in units of a0. */
  readonly vectors: Float32Array;
}

/**
 * Returns the neighbours of the loaded frame, in the order of its atoms.
 *
 * @throws PhasewireError the errors of `forward`
 */
export async function neighbourLists(core: PhaseCore): Promise<NeighbourLists> {
  await core.forward({ arrays: "atoms" });
  const { context } = core.evaluatedFrame();
  const atomCount = context.count("ATOMS");
  const capacity = context.count("PAIR_CAPACITY");
  const order = context.integers("ORDER", atomCount);
  const pairStart = context.integers("PAIR_START", atomCount);
  const pairCount = context.integers("PAIR_COUNT", atomCount);
  const links = context.integers("PAIR_LINK", capacity);
  const components = ["PAIR_X", "PAIR_Y", "PAIR_Z"].map((name) => context.singles(name, capacity));
  const starts = new Int32Array(atomCount + 1);
  for (let place = 0; place < atomCount; place++) starts[order[place]! + 1] = pairCount[place]!;
  for (let atom = 0; atom < atomCount; atom++) starts[atom + 1]! += starts[atom]!;
  const total = starts[atomCount]!;
  const atoms = new Int32Array(total);
  const other = new Uint8Array(total);
  const vectors = new Float32Array(3 * total);
  for (let place = 0; place < atomCount; place++) {
    const to = starts[order[place]!]!;
    const from = pairStart[place]!;
    for (let index = 0; index < pairCount[place]!; index++) {
      const link = links[from + index]!;
      atoms[to + index] = order[link >> 1]!;
      other[to + index] = link & 1;
      components.forEach((component, axis) => {
        vectors[3 * (to + index) + axis] = component[from + index]!;
      });
    }
  }
  return { starts, atoms, other, vectors };
}
