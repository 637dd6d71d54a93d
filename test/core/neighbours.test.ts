import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, PhaseCore } from "../../src/core/index.js";
import { neighbourLists } from "./neighbour-lists.js";
import { model, norm, randomFrame, randomNumbers, shakenCrystal } from "./support.js";

const core = await PhaseCore.create(model, { threads: 1 });
afterAll(() => core.dispose());

/** Neighbour atom, kind and vector of one pair. */
type Pair = { readonly atom: number; readonly other: number; readonly vector: readonly number[] };

/** Finds all pairs of every atom within the cutoff by a search of every image that could be near. */
function bruteForce(frame: CoreFrame, lengthScale: number): Pair[][] {
  const { positions, periodic, species } = frame;
  const cell = frame.cell ?? new Float64Array(9);
  const atomCount = positions.length / 3;
  const cutoff = model.cutoff * lengthScale;
  const reciprocal = reciprocalVectors(cell);
  // Images around the nearest one in fractional coordinates, with one more on either side.
  const reach = reciprocal.map((vector) => Math.ceil(cutoff * norm(vector)) + 1);
  const images = (axis: number, difference: readonly number[]): number[] => {
    if (!periodic[axis]) return [0];
    const centre = -Math.round(difference.reduce((sum, d, i) => sum + d * reciprocal[axis]![i]!, 0));
    return Array.from({ length: 2 * reach[axis]! + 1 }, (_, index) => centre + index - reach[axis]!);
  };
  return Array.from({ length: atomCount }, (_, i) => {
    const pairs: Pair[] = [];
    for (let j = 0; j < atomCount; j++) {
      const difference = [0, 1, 2].map((axis) => positions[3 * j + axis]! - positions[3 * i + axis]!);
      const [dx, dy, dz] = difference;
      const [along1, along2, along3] = [0, 1, 2].map((axis) => images(axis, difference));
      for (const a of along1!) {
        for (const b of along2!) {
          for (const c of along3!) {
            if (i === j && a === 0 && b === 0 && c === 0) continue;
            const vector = [
              (dx! + a * cell[0]! + b * cell[3]! + c * cell[6]!) / lengthScale,
              (dy! + a * cell[1]! + b * cell[4]! + c * cell[7]!) / lengthScale,
              (dz! + a * cell[2]! + b * cell[5]! + c * cell[8]!) / lengthScale,
            ];
            if (norm(vector) < model.cutoff) {
              pairs.push({ atom: j, other: species !== null && species[i] !== species[j] ? 1 : 0, vector });
            }
          }
        }
      }
    }
    return pairs;
  });
}

/**
 * Returns the vectors g with g_i . h_k = delta_ik for the rows h of the cell. Unit vectors replace rows of
 * zeros.
 */
function reciprocalVectors(cell: ArrayLike<number>): number[][] {
  const rows = [0, 1, 2].map((axis) => {
    const row = Array.from({ length: 3 }, (_, i) => cell[3 * axis + i]!);
    return row.every((component) => component === 0) ? [0, 1, 2].map((i) => (i === axis ? 1 : 0)) : row;
  }) as [number[], number[], number[]];
  const cross = (u: number[], v: number[]): number[] => [
    u[1]! * v[2]! - u[2]! * v[1]!,
    u[2]! * v[0]! - u[0]! * v[2]!,
    u[0]! * v[1]! - u[1]! * v[0]!,
  ];
  const volume = cross(rows[1], rows[2]).reduce((sum, c, i) => sum + c * rows[0][i]!, 0);
  return [0, 1, 2].map((axis) => cross(rows[(axis + 1) % 3]!, rows[(axis + 2) % 3]!).map((c) => c / volume));
}

/** Sorts pairs in the same way for both sides: by atom, then by vector within the precision of f32. */
function sorted(pairs: readonly Pair[]): Pair[] {
  const key = (pair: Pair) => pair.vector.map((component) => Math.round(component * 2000));
  return [...pairs].sort((a, b) => {
    if (a.atom !== b.atom) return a.atom - b.atom;
    const [ka, kb] = [key(a), key(b)];
    const axis = ka.findIndex((component, index) => component !== kb[index]);
    return axis < 0 ? 0 : ka[axis]! - kb[axis]!;
  });
}

async function found(frame: CoreFrame): Promise<Pair[][]> {
  core.load(frame);
  const { starts, atoms, other, vectors } = await neighbourLists(core);
  return Array.from({ length: starts.length - 1 }, (_, atom) =>
    Array.from({ length: starts[atom + 1]! - starts[atom]! }, (_, index) => {
      const pair = starts[atom]! + index;
      return {
        atom: atoms[pair]!,
        other: other[pair]!,
        vector: Array.from(vectors.subarray(3 * pair, 3 * pair + 3)),
      };
    }),
  );
}

/** Compares kernels with brute force. Pairs at the cutoff, within rounding, may be missing on either side. */
async function compare(frame: CoreFrame, what: string): Promise<void> {
  const rows = await found(frame);
  const expected = bruteForce(frame, core.lengthScale);
  expect(rows.length, what).toBe(expected.length);
  const inside = (pair: Pair) => norm(pair.vector) < model.cutoff - 1e-5;
  rows.forEach((row, atom) => {
    const actual = sorted(row.filter(inside));
    const wanted = sorted(expected[atom]!.filter(inside));
    expect(
      actual.map(({ atom, other }) => [atom, other]),
      `${what}, atom ${atom}`,
    ).toEqual(wanted.map(({ atom, other }) => [atom, other]));
    const apart = (pair: Pair, other: Pair) => norm(pair.vector.map((x, axis) => x - other.vector[axis]!));
    // One assertion per atom: one per pair would take most of the time.
    const wrong = actual.flatMap((pair, index) => {
      const error = apart(pair, wanted[index]!);
      const images = wanted.filter((other) => other.atom === pair.atom);
      const nearest = Math.min(...images.map((other) => apart(pair, other)));
      // Sorting may swap images of the same atom that differ by less than its resolution.
      return error <= 2e-3 && nearest <= 2e-6 ? [] : [{ pair: index, error, nearest }];
    });
    expect(wrong, `${what}, atom ${atom}`).toEqual([]);
  });
}

describe("neighbours agree with brute force", () => {
  it.each(Array.from({ length: 120 }, (_, index) => 100 + index))(
    "random structure, seed %i",
    async (seed) => {
      await compare(randomFrame(seed), `seed ${seed}`);
    },
  );

  it("one atom in a cell much smaller than the cutoff", async () => {
    const frame: CoreFrame = {
      positions: Float64Array.of(5, -7, 11),
      cell: Float64Array.of(0, 1.4, 1.4, 1.4, 0, 1.4, 1.4, 1.4, 0),
      periodic: [true, true, true],
      species: null,
      lengthScale: 1.4 * 2 ** (1 / 3),
    };
    const rows = await found(frame);
    expect(rows[0]!.length).toBe(42);
    await compare(frame, "primitive fcc");
  });

  it("a strongly skewed cell of a simple lattice", async () => {
    const frame: CoreFrame = {
      positions: Float64Array.of(0, 0, 0),
      cell: Float64Array.of(1, 0, 0, 7, 1, 0, -5, 9, 1),
      periodic: [true, true, true],
      species: null,
      lengthScale: 1,
    };
    expect((await found(frame))[0]!.length).toBe(32);
    await compare(frame, "skewed sc");
  });

  it("a cluster without a cell, far from the origin", async () => {
    const random = randomNumbers(3);
    const positions = Float64Array.from({ length: 90 }, (_, i) => 1e4 * (i % 3) + 9 * random());
    await compare(
      { positions, cell: null, periodic: [false, false, false], species: null, lengthScale: 2 },
      "far cluster",
    );
  });

  it("atoms on cell boundaries", async () => {
    const positions: number[] = [];
    for (let a = 0; a < 4; a++)
      for (let b = 0; b < 4; b++) for (let c = 0; c < 4; c++) positions.push(a, b, c);
    const frame: CoreFrame = {
      positions: Float64Array.from(
        positions,
        (x, index) => (index % 5 === 0 ? x - 4 : x) + (index % 7 === 0 ? 4 : 0),
      ),
      cell: Float64Array.of(4, 0, 0, 0, 4, 0, 0, 0, 4),
      periodic: [true, true, true],
      species: null,
      lengthScale: 1,
    };
    for (const row of await found(frame)) expect(row.length).toBe(32);
    await compare(frame, "sc on boundaries");
  });

  it("and the two ends of every pair have opposite vectors, to the last bit", async () => {
    for (const seed of [100, 103, 108, 113]) {
      const rows = await found(randomFrame(seed));
      rows.forEach((row, atom) => {
        for (const pair of row) {
          const back = rows[pair.atom]!.some(
            ({ atom: end, vector }) => end === atom && vector.every((x, axis) => x === -pair.vector[axis]!),
          );
          expect(back, `seed ${seed}, atom ${atom}`).toBe(true);
        }
      });
    }
  });

  it("and vectors are opposite even if rounding of the positions is coarse", async () => {
    // A crystal across the boundary of a cell so long that f64 keeps nine digits of a neighbour's distance.
    const crystal = shakenCrystal(5, 0.2, 6);
    const cell = crystal.cell!.slice();
    cell[0] = 1e7;
    const positions = crystal.positions.map((x, index) => (index % 3 === 0 ? x - 9 : x));
    core.load({ ...crystal, positions, cell, lengthScale: 2.27 });
    const { starts, atoms, vectors } = await neighbourLists(core);
    for (let atom = 0; atom < starts.length - 1; atom++) {
      for (let pair = starts[atom]!; pair < starts[atom + 1]!; pair++) {
        let back = starts[atoms[pair]!]!;
        const end = starts[atoms[pair]! + 1]!;
        while (
          back < end &&
          [0, 1, 2].some((axis) => vectors[3 * back + axis] !== -vectors[3 * pair + axis]!)
        )
          back += 1;
        if (back === end) expect.fail(`atom ${atom}, pair ${pair}: no opposite vector`);
      }
    }
    expect((await core.score()).score.every(Number.isFinite)).toBe(true);
  });

  it("two clusters with a million lengths of vacuum between them", async () => {
    const random = randomNumbers(8);
    const near = randomFrame(112).positions;
    const frame: CoreFrame = {
      positions: Float64Array.from([...near, ...Array.from(near, (x) => x + 2e6 + random())]),
      cell: null,
      periodic: [false, false, false],
      species: null,
      lengthScale: 2.6,
    };
    await compare(frame, "two clusters");
  });
});

describe("a frame with more pairs than fit", () => {
  it("is laid out again with enough room", async () => {
    const frame = randomFrame(112);
    core.load({ ...frame, lengthScale: 5.2 });
    const { starts } = await neighbourLists(core);
    const total = starts[starts.length - 1]!;
    expect(total / (starts.length - 1)).toBeGreaterThan(100);
    await compare({ ...frame, lengthScale: 5.2 }, "dense");
    await compare(frame, "after the dense one");
  });
});
