/** Surroundings of fewer than three dimensions are not those of a crystal (assembly/spatial.ts). */
import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, forwardReference, PhaseCore } from "../../src/core/index.js";
import { builds, expectClose, model, norm, randomFrame, randomModel, randomNumbers } from "./support.js";

const shipped = await PhaseCore.create(model, { threads: 1 });
afterAll(() => shipped.dispose());

type Place = [number, number, number];

/** Copies of a cell's sites, moved by up to `noise` along each axis. */
function lattice(
  rows: number[],
  sites: Place[],
  repeats: Place,
  noise: number,
  periodic: CoreFrame["periodic"],
): CoreFrame {
  const random = randomNumbers(9);
  const positions: number[] = [];
  for (let a = 0; a < repeats[0]; a++) {
    for (let b = 0; b < repeats[1]; b++) {
      for (let c = 0; c < repeats[2]; c++) {
        for (const [x, y, z] of sites) {
          for (let k = 0; k < 3; k++) {
            positions.push(
              (a + x) * rows[k]! +
                (b + y) * rows[3 + k]! +
                (c + z) * rows[6 + k]! +
                noise * (2 * random() - 1),
            );
          }
        }
      }
    }
  }
  return {
    positions: Float64Array.from(positions),
    cell: Float64Array.from(rows, (x, index) => x * repeats[Math.floor(index / 3)]!),
    periodic,
    species: null,
  };
}

const hexagonal = (edge: number, height: number) => [
  edge,
  0,
  0,
  -edge / 2,
  (edge * Math.sqrt(3)) / 2,
  0,
  0,
  0,
  height,
];
const honeycomb: Place[] = [
  [1 / 3, 2 / 3, 0.5],
  [2 / 3, 1 / 3, 0.5],
];
const [slab, whole] = [[true, true, false] as const, [true, true, true] as const];
const graphite: Place[] = [
  [0, 0, 0.25],
  [1 / 3, 2 / 3, 0.25],
  [0, 0, 0.75],
  [2 / 3, 1 / 3, 0.75],
];
const bilayer: Place[] = [
  [0, 0, 0.4],
  [1 / 3, 2 / 3, 0.6],
];

async function shares(frame: CoreFrame): Promise<Record<string, number>> {
  shipped.load(frame);
  const { labels } = await shipped.forward();
  const found: Record<string, number> = {};
  for (const label of labels) {
    const name = model.classes[label]!.name;
    found[name] = (found[name] ?? 0) + 1 / labels.length;
  }
  return found;
}

describe("without a third dimension everything is disordered:", () => {
  const graphene = lattice(hexagonal(2.46, 20), honeycomb, [8, 8, 1], 0.08, slab);
  const chain = lattice([2.5, 0, 0, 0, 20, 0, 0, 0, 20], [[0, 0.5, 0.5]], [16, 1, 1], 0.05, whole);
  const molecules = lattice(
    [40, 0, 0, 0, 40, 0, 0, 0, 40],
    [
      [0, 0, 0],
      [0.0157, 0.0157, 0.0157],
      [-0.0157, -0.0157, 0.0157],
      [0.0157, -0.0157, -0.0157],
      [-0.0157, 0.0157, -0.0157],
    ],
    [3, 3, 3],
    0.02,
    whole,
  );
  it.each([
    ["graphene", graphene],
    ["graphene in a cell with vacuum", { ...graphene, periodic: whole }],
    ["graphene of the length scale of graphite", { ...graphene, lengthScale: 2.06 }],
    ["graphene of a length scale too large", { ...graphene, lengthScale: 3 }],
    ["a flake", { ...graphene, periodic: [false, false, false] as const }],
    ["a triangular layer", lattice(hexagonal(2.55, 20), [[0, 0, 0.5]], [12, 12, 1], 0.1, slab)],
    ["a square layer", lattice([2.5, 0, 0, 0, 2.5, 0, 0, 0, 20], [[0, 0, 0.5]], [12, 12, 1], 0.1, slab)],
    [
      "a row of four",
      { ...lattice([2.5, 0, 0, 0, 20, 0, 0, 0, 20], [[0, 0, 0]], [4, 1, 1], 0, whole), lengthScale: 2.3 },
    ],
    ["a chain", chain],
    ["a chain in open space", { ...chain, cell: null, periodic: [false, false, false] as const }],
    ["molecules far apart", molecules],
  ])("%s", async (_, frame) => {
    expect(await shares(frame)).toEqual({ disordered: expect.closeTo(1, 9) });
  });
});

describe("what has one keeps its label:", () => {
  it.each([
    ["graphite", "graphite", lattice(hexagonal(2.46, 6.7), graphite, [5, 5, 2], 0.08, whole)],
    ["two layers of fcc", "fcc", lattice(hexagonal(2.55, 10.41), bilayer, [8, 8, 1], 0.05, slab)],
  ])("%s", async (_, name, frame) => {
    expect((await shares(frame))[name]).toBeGreaterThan(0.99);
  });
});

describe("the rule", () => {
  const classCount = 5;
  const frames = [3, 8, 12, 21, 34, 55].map((seed) => randomFrame(seed));
  const layer = { ...lattice(hexagonal(2.5, 6), [[0, 0, 0.5]], [7, 7, 1], 0.9, slab), lengthScale: 2.4 };
  const row = {
    ...lattice([2.5, 0, 0, 0, 9, 0, 0, 0, 9], [[0, 0, 0]], [20, 1, 1], 0.5, whole),
    lengthScale: 2.4,
  };

  it.each(builds)("is that of docs/maths.md, build %s", async (build) => {
    const core = await PhaseCore.create(randomModel(4, classCount), { threads: 1, build });
    const kinds = { flat: 0, few: 0, spatial: 0 };
    for (const frame of [...frames, layer, row]) {
      core.load(frame);
      const { probabilities, labels } = await core.forward();
      const reference = core.loadedFrame();
      forwardReference(reference);
      const { context } = reference;
      context.core.readReference(context.address);
      const atomCount = labels.length;
      expectClose(
        "probabilities",
        probabilities,
        context.doubles("REFERENCE_PROBABILITIES", atomCount * classCount),
        2e-5,
      );
      const starts = context.integers("REFERENCE_START", atomCount + 1);
      const vectors = context.doubles("REFERENCE_VECTOR", 3 * starts[atomCount]!);
      for (let atom = 0; atom < atomCount; atom++) {
        const rows = Array.from({ length: starts[atom + 1]! - starts[atom]! }, (_, row) =>
          Array.from(vectors.subarray(3 * (starts[atom]! + row), 3 * (starts[atom]! + row + 1))),
        );
        const kind = rows.length < 8 ? "few" : leastShare(rows) < 0.08 ? "flat" : "spatial";
        kinds[kind] += 1;
        const certain = probabilities[atom * classCount] === 1;
        expect(certain || labels[atom] !== 0 || kind === "spatial").toBe(true);
        if (kind !== "spatial")
          expect([labels[atom], certain], `${rows.length} neighbours`).toEqual([0, true]);
      }
    }
    for (const [kind, count] of Object.entries(kinds)) expect(count, kind).toBeGreaterThan(15);
    await core.dispose();
  });
});

/** Least mean square along any direction, as a share of the mean square, by search over directions. */
function leastShare(rows: number[][]): number {
  const trace = rows.reduce((sum, row) => sum + norm(row) ** 2, 0);
  const along = (u: number[]): number =>
    rows.reduce((sum, row) => sum + (row[0]! * u[0]! + row[1]! * u[1]! + row[2]! * u[2]!) ** 2, 0) / trace;
  const random = randomNumbers(1);
  let best = [0, 0, 1];
  for (let step = 1; step > 1e-5; step *= 0.97) {
    const trial = best.map((x) => x + step * (2 * random() - 1));
    const length = norm(trial);
    const unit = trial.map((x) => x / length);
    if (along(unit) < along(best)) best = unit;
  }
  return along(best);
}
