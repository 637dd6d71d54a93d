import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, PhaseCore } from "../../src/core/index.js";
import { expectClose, model, multiply, norm, randomFrame, randomNumbers, shakenCrystal } from "./support.js";

const core = await PhaseCore.create(model, { threads: 1 });
afterAll(() => core.dispose());

function estimate(frame: CoreFrame): number {
  const { lengthScale: _, ...free } = frame;
  core.load(free);
  return core.lengthScale;
}

type Vector = readonly [number, number, number];

/** Returns the 48 shortest vectors, shortest first. */
function shortest(vectors: readonly Vector[]): Vector[] {
  const longest = Float64Array.from(vectors, norm).sort()[47] ?? Number.POSITIVE_INFINITY;
  const near = vectors.filter((vector) => norm(vector) <= longest);
  return near.sort((a, b) => norm(a) - norm(b)).slice(0, 48);
}

/**
 * Returns v of docs/maths.md, "Length scale".
 *
 * @param neighbours for each atom, the vectors to its 48 nearest neighbours, nearest first
 */
function innerVolume(neighbours: Vector[][]): number {
  const atoms = neighbours.map((vectors) => {
    const terms: number[] = [];
    for (let k = 12; k <= vectors.length; k += 2) {
      terms.push(((4 / 3) * Math.PI * norm(vectors[k - 1]!) ** 3) / (k + 0.5));
    }
    const mean = [0, 1, 2].map(
      (axis) => vectors.reduce((sum, vector) => sum + vector[axis]! / norm(vector), 0) / vectors.length,
    );
    return {
      volume: terms.reduce((sum, term) => sum + term, 0) / terms.length,
      asymmetry: Math.hypot(...mean),
    };
  });
  const volumes = atoms.map(({ volume }) => volume).sort((a, b) => a - b);
  const rank = 0.25 * (volumes.length - 1);
  const below = volumes[Math.floor(rank)]!;
  const quartile = below + (rank - Math.floor(rank)) * (volumes[Math.ceil(rank)]! - below);
  const inner = atoms.filter(({ volume, asymmetry }) => asymmetry < 0.2 && volume < 1.6 * quartile);
  if (inner.length < 8) return quartile;
  return Math.exp(inner.reduce((sum, { volume }) => sum + Math.log(volume), 0) / inner.length);
}

/** Computes a0 as in docs/maths.md, "Length scale", by brute force over images. */
function bruteForce(frame: CoreFrame, images: number): number {
  const { positions, periodic } = frame;
  const cell = frame.cell ?? new Float64Array(9);
  const atomCount = positions.length / 3;
  const range = periodic.map((wraps) => (wraps ? images : 0));
  const offsets: number[][] = [];
  for (let a = -range[0]!; a <= range[0]!; a++) {
    for (let b = -range[1]!; b <= range[1]!; b++) {
      for (let c = -range[2]!; c <= range[2]!; c++) offsets.push(multiply([a, b, c], cell));
    }
  }
  const neighbours = Array.from({ length: atomCount }, (_, i) => {
    const vectors: Vector[] = [];
    for (let j = 0; j < atomCount; j++) {
      const [dx, dy, dz] = [0, 1, 2].map((axis) => positions[3 * j + axis]! - positions[3 * i + axis]!);
      for (const [x, y, z] of offsets) {
        const vector: Vector = [dx! + x!, dy! + y!, dz! + z!];
        if (norm(vector) > 0) vectors.push(vector);
      }
    }
    return shortest(vectors);
  });
  const inner = innerVolume(neighbours);
  if (periodic.every(Boolean)) {
    const [a, b, c] = [cell.slice(0, 3), cell.slice(3, 6), cell.slice(6, 9)];
    const volume = Math.abs(
      a[0]! * (b[1]! * c[2]! - b[2]! * c[1]!) +
        a[1]! * (b[2]! * c[0]! - b[0]! * c[2]!) +
        a[2]! * (b[0]! * c[1]! - b[1]! * c[0]!),
    );
    if (Math.abs(volume / atomCount - inner) < 0.08 * inner) return Math.cbrt(volume / atomCount);
  }
  return Math.cbrt(inner);
}

/** Moves the atoms of a frame into the cell, so that brute force needs few images. */
function compact(seed: number): CoreFrame {
  const random = randomNumbers(seed);
  const frame = randomFrame(seed);
  const positions = shakenCrystal(2, 0.6, seed).positions;
  const periodic = [random() < 0.7, random() < 0.7, random() < 0.7] as const;
  // Up to half as much vacuum as crystal, so that V / N is used for some frames and not for others.
  const height = 7.3 + 3.6 * random();
  return {
    ...frame,
    positions,
    periodic,
    cell: Float64Array.of(7.2, 0.3, 0, -0.8, 7.2, 0.2, 0.5, 0.9, height),
    species: null,
  };
}

describe("length scale", () => {
  it.each(Array.from({ length: 20 }, (_, index) => 500 + index))("equals brute force, seed %i", (seed) => {
    const frame = compact(seed);
    expectClose("lengthScale", [estimate(frame)], [bruteForce(frame, 3)], 1e-12);
  });

  it("is exact for a crystal, shaken or not", () => {
    for (const noise of [0, 0.3]) {
      expectClose("lengthScale", [estimate(shakenCrystal(4, noise, 1))], [3.6 / 4 ** (1 / 3)], 1e-12);
    }
  });

  it("is right for one atom in a small cell", () => {
    const frame: CoreFrame = {
      positions: Float64Array.of(1, 2, 3),
      cell: Float64Array.of(-1, 1, 1, 1, -1, 1, 1, 1, -1),
      periodic: [true, true, true],
      species: null,
    };
    expectClose("lengthScale", [estimate(frame)], [4 ** (1 / 3)], 1e-12);
  });

  it("is right for a layer so flat that the nearest neighbours of each atom are its own images", () => {
    const crystal = shakenCrystal(3, 0.1, 5);
    const height = 1e-4;
    const cell = crystal.cell!.slice();
    cell[8] = height;
    let sum = 0;
    for (let k = 12; k <= 48; k += 2) sum += ((4 / 3) * Math.PI * ((k / 2) * height) ** 3) / (k + 0.5);
    expectClose("lengthScale", [estimate({ ...crystal, cell })], [Math.cbrt(sum / 19)], 1e-9);
  });

  it("of a skewed cell is that of the same crystal in an upright one", () => {
    const crystal = { ...shakenCrystal(3, 0.1, 6), periodic: [true, true, false] } as const;
    const skewed = crystal.cell!.slice();
    skewed[3]! += 1000 * skewed[0]!;
    expectClose("lengthScale", [estimate({ ...crystal, cell: skewed })], [estimate(crystal)], 1e-9);
  });

  it("is not estimated for a cell that would need a search of very many images", () => {
    const crystal = shakenCrystal(2, 0.1, 7);
    const cell = Float64Array.of(1e-3, 0, 0, 0, 1e6, 0, 0, 0, 1e6);
    expect(() => estimate({ ...crystal, cell })).toThrow(/spans no volume/);
  });

  it("ignores vacuum around a slab, and around a droplet in a box of a hundred thousand lengths", () => {
    const crystal = shakenCrystal(6, 0.05, 2);
    const bulk = 3.6 / 4 ** (1 / 3);
    for (const vacuum of [40, 3.6e5]) {
      const cell = crystal.cell!.slice();
      cell[8]! += vacuum;
      const slab = estimate({ ...crystal, cell });
      expect(Math.abs(slab / bulk - 1) < 0.015, `slab: ${slab}, bulk ${bulk}`).toBe(true);
      const drop = estimate({ ...crystal, cell: cell.map((x) => (x > 0 ? x + vacuum : 0)) });
      expect(Math.abs(drop / bulk - 1) < 0.02, `droplet: ${drop}, bulk ${bulk}`).toBe(true);
    }
  });

  it("of a sample of the atoms agrees with that of all atoms", () => {
    // There are 1372 atoms, and one axis is open, so V/N is not used.
    const frame = { ...shakenCrystal(7, 0.2, 3), periodic: [true, true, false] } as const;
    const sampled = estimate(frame);
    const all = bruteForceFast(frame);
    expect(Math.abs(sampled / all - 1) < 0.01, `${sampled}, of all ${all}`).toBe(true);
  });

  it("lies between those of two phases that share a box", () => {
    const dense = shakenCrystal(4, 0.1, 4);
    const apart = Float64Array.from(dense.positions, (x, index) => (index % 3 === 2 ? x + 14.4 : x));
    const positions = Float64Array.from([
      ...dense.positions,
      ...apart.map((x, i) => (i % 3 === 2 ? x * 1.4 - 5.76 : x)),
    ]);
    const cell = dense.cell!.slice();
    cell[8] = 14.4 * 2.4;
    const found = estimate({ ...dense, positions, cell, species: null });
    const bulk = 3.6 / 4 ** (1 / 3);
    expect(found > 0.97 * bulk && found < 1.4 ** (1 / 3) * bulk, `${found}`).toBe(true);
  });

  it("lies between the densities of a slab that is compressed on one side", () => {
    const crystal = shakenCrystal(8, 0.05, 6);
    const cell = crystal.cell!.slice();
    const middle = cell[8]! / 2;
    const positions = crystal.positions.map((x, index) =>
      index % 3 === 2 ? (x < middle ? x * 0.76 : x - 0.24 * middle) : x,
    );
    const bulk = 3.6 / 4 ** (1 / 3);
    const found = estimate({ ...crystal, positions, cell, periodic: [true, true, false] });
    expect(found > 0.93 * bulk && found < 0.98 * bulk, `${found / bulk} of the uncompressed`).toBe(true);
  });

  it("given by the user is used unchanged", () => {
    core.load({ ...shakenCrystal(2, 0.1, 1), lengthScale: 2.5 });
    expect(core.lengthScale).toBe(2.5);
  });
});

/** Brute force with only the nearest image, for cells much larger than the distances. */
function bruteForceFast(frame: CoreFrame): number {
  const { positions, periodic } = frame;
  const edges = [0, 4, 8].map((index) => frame.cell![index]!);
  const atomCount = positions.length / 3;
  const neighbours = Array.from({ length: atomCount }, (_, i) => {
    const along = (j: number, axis: number): number => {
      const d = positions[3 * j + axis]! - positions[3 * i + axis]!;
      return periodic[axis] ? d - edges[axis]! * Math.round(d / edges[axis]!) : d;
    };
    const vectors: Vector[] = [];
    for (let j = 0; j < atomCount; j++) {
      if (j === i) continue;
      const vector: Vector = [along(j, 0), along(j, 1), along(j, 2)];
      if (norm(vector) < 9) vectors.push(vector);
    }
    return shortest(vectors);
  });
  return Math.cbrt(innerVolume(neighbours));
}

describe("clusters", () => {
  const fcc = [
    [0, 0, 0],
    [0.5, 0.5, 0],
    [0.5, 0, 0.5],
    [0, 0.5, 0.5],
  ];
  const lattices = {
    sc: fcc.slice(0, 1),
    bcc: [fcc[0]!, [0.5, 0.5, 0.5]],
    fcc,
    diamond: fcc.flatMap((site) => [site, site.map((x) => x + 0.25)]),
  };

  /** Cuts a ball of this many atoms from a lattice with one atom per unit volume, around a general point. */
  function ball(sites: number[][], atomCount: number): Float64Array {
    const edge = sites.length ** (1 / 3);
    const reach = Math.ceil(8 / edge);
    const points: number[][] = [];
    for (let a = -reach; a <= reach; a++) {
      for (let b = -reach; b <= reach; b++) {
        for (let c = -reach; c <= reach; c++) {
          for (const [x, y, z] of sites)
            points.push([(a + x!) * edge + 0.11, (b + y!) * edge + 0.07, (c + z!) * edge - 0.13]);
        }
      }
    }
    points.sort((one, two) => Math.hypot(...one) - Math.hypot(...two));
    return Float64Array.from(points.slice(0, atomCount).flat());
  }

  it.each(Object.entries(lattices))("of %s have the estimate of docs/maths.md", async (_, sites) => {
    for (const [atomCount, tolerance] of [
      [120, 0.03],
      [250, 0.02],
      [500, 0.015],
    ] as const) {
      core.load({
        positions: ball(sites, atomCount),
        cell: null,
        periodic: [false, false, false],
        species: null,
      });
      const { lengthScale } = await core.forward();
      const error = Math.abs(lengthScale - 1);
      expect(error <= tolerance, `${atomCount} atoms: ${lengthScale}`).toBe(true);
    }
  });
});
