import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, PhaseCore } from "../../src/core/index.js";
import {
  expectClose,
  model,
  multiply,
  norm,
  randomFrame,
  randomNumbers,
  randomRotation,
  shakenCrystal,
} from "./support.js";

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

/** 1 up to `begin`, 0 from `end` on, smooth between. */
function fade(x: number, begin: number, end: number): number {
  const t = Math.max(0, Math.min(1, (x - begin) / (end - begin)));
  return 1 - 3 * t ** 2 + 2 * t ** 3;
}

/**
 * Returns v of docs/maths.md, "Length scale".
 *
 * @param neighbours for each atom, the vectors to its 48 nearest neighbours, nearest first
 * @param extent v_x
 */
function innerVolume(neighbours: Vector[][], extent: number): number {
  const atoms = neighbours.map((vectors) => {
    const terms: number[] = [];
    for (let k = 12; k <= vectors.length; k += 2) {
      terms.push(((4 / 3) * Math.PI * norm(vectors[k - 1]!) ** 3) / (k + 0.5));
    }
    const furthest = norm(vectors.at(-1)!);
    const weights = vectors.map((vector) => 1 - (norm(vector) / furthest) ** 2);
    const sum = [0, 1, 2].map((axis) =>
      vectors.reduce((total, vector, j) => total + (weights[j]! * vector[axis]!) / norm(vector), 0),
    );
    return {
      volume: terms.reduce((total, term) => total + term, 0) / terms.length,
      symmetry: fade(Math.hypot(...sum) / weights.reduce((total, weight) => total + weight, 0), 0.05, 0.15),
    };
  });
  const volumes = atoms.map(({ volume }) => volume).sort((a, b) => a - b);
  const rank = 0.25 * (volumes.length - 1);
  const below = volumes[Math.floor(rank)]!;
  const quartile = below + (rank - Math.floor(rank)) * (volumes[Math.ceil(rank)]! - below);
  const weights = atoms.map(({ volume, symmetry }) => symmetry * fade(volume / quartile, 1.5, 1.7));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const missing = Math.max(0, 20 - total);
  const logs = atoms.reduce((sum, { volume }, i) => sum + weights[i]! * Math.log(volume), 0);
  const mean = (logs + missing * Math.log(Math.min(quartile, extent))) / (total + missing);
  return Math.min(Math.exp(mean), 1.3 * extent);
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;

/** Orthonormal vectors that span the space orthogonal to some vectors. */
function complement(vectors: readonly number[][]): number[][] {
  const found: number[][] = [];
  const unit = (vector: number[], others: readonly number[][]): number[] => {
    let rest = vector;
    for (const other of others) rest = rest.map((x, k) => x - dot(rest, other) * other[k]!);
    const length = norm(rest);
    return length > 1e-6 ? rest.map((x) => x / length) : [];
  };
  const closed: number[][] = [];
  for (const vector of vectors)
    closed.push(
      unit(
        vector.map((x) => x / norm(vector)),
        closed,
      ),
    );
  for (const axis of [
    [1, 0.1, 0.2],
    [0.2, 1, 0.1],
    [0.1, 0.2, 1],
  ]) {
    const next = unit(axis, [...closed, ...found]);
    if (next.length > 0 && closed.length + found.length < 3) found.push(next);
  }
  return found;
}

function determinant(matrix: number[][]): number {
  if (matrix.length === 1) return matrix[0]![0]!;
  return matrix[0]!.reduce(
    (sum, x, k) =>
      sum +
      (k % 2 ? -1 : 1) * x * determinant(matrix.slice(1).map((row) => row.filter((_, other) => other !== k))),
    0,
  );
}

/**
 * Returns v_x of docs/maths.md, "Length scale", by bisection.
 *
 * @param places positions that lie on the same side of all gaps
 * @param periods the cell vectors of the axes that are not open
 */
function extentVolume(places: readonly number[][], periods: readonly number[][]): number {
  const axes = complement(periods);
  const atomCount = places.length;
  const along = places.map((place) => axes.map((axis) => dot(place, axis)));
  const mean = axes.map((_, k) => along.reduce((sum, x) => sum + x[k]!, 0) / atomCount);
  const covariance = axes.map((_, i) =>
    axes.map(
      (_, k) => along.reduce((sum, x) => sum + (x[i]! - mean[i]!) * (x[k]! - mean[k]!), 0) / atomCount,
    ),
  );
  const [a, b] = periods;
  const measure =
    a === undefined ? 1 : b === undefined ? norm(a) : Math.sqrt(dot(a, a) * dot(b, b) - dot(a, b) ** 2);
  const excess = (v: number): number => {
    const filled = covariance.map((row, i) => row.map((x, k) => x + (i === k ? 0.0787 * v ** (2 / 3) : 0)));
    const d = determinant(filled);
    const volume = [
      Math.sqrt(12 * d),
      0.95 * 4 * Math.PI * Math.sqrt(d),
      0.85 * (4 / 3) * Math.PI * Math.sqrt(125 * d),
    ][axes.length - 1]!;
    return (volume * measure) / atomCount - v;
  };
  let [low, high] = [1e-9, 1e9];
  for (let step = 0; step < 200; step++) {
    const middle = Math.sqrt(low * high);
    if (excess(middle) > 0) low = middle;
    else high = middle;
  }
  return low;
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
  const rows = [0, 1, 2].map((axis) => Array.from(cell.subarray(3 * axis, 3 * axis + 3)));
  const periods = rows.filter((_, axis) => periodic[axis]);
  const places = Array.from({ length: atomCount }, (_, i) =>
    Array.from(positions.subarray(3 * i, 3 * i + 3)),
  );
  // No frame of this test has a gap in a periodic cell.
  const inner = innerVolume(
    neighbours,
    periods.length === 3 ? Number.POSITIVE_INFINITY : extentVolume(places, periods),
  );
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

  it("of atoms in columns, whose nearest neighbours are their own images, is that of their spacing", () => {
    const crystal = shakenCrystal(3, 0.1, 5);
    const height = 1e-4;
    const cell = crystal.cell!.slice();
    cell[8] = height;
    expectClose("lengthScale", [estimate({ ...crystal, cell })], [height / 0.9], 1e-9);
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
    expect(Math.abs(sampled / all - 1) < 0.005, `${sampled}, of all ${all}`).toBe(true);
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
  const places = Array.from({ length: atomCount }, (_, i) =>
    Array.from(positions.subarray(3 * i, 3 * i + 3)),
  );
  const periods = [0, 1].map((axis) => Array.from(frame.cell!.subarray(3 * axis, 3 * axis + 3)));
  return Math.cbrt(innerVolume(neighbours, extentVolume(places, periods)));
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

  const open = { cell: null, periodic: [false, false, false], species: null } as const;

  it.each(Object.entries(lattices))("of %s have the estimate of docs/maths.md", async (_, sites) => {
    for (const [atomCount, tolerance] of [
      [13, 0.1],
      [20, 0.06],
      [40, 0.06],
      [80, 0.05],
      [120, 0.03],
      [250, 0.025],
      [500, 0.02],
    ] as const) {
      core.load({ positions: ball(sites, atomCount), ...open });
      const { lengthScale } = await core.forward();
      const error = Math.abs(lengthScale - 1);
      expect(error <= tolerance, `${atomCount} atoms: ${lengthScale}`).toBe(true);
    }
  });

  /** The atoms of a lattice, with one per unit volume, inside a shape around the origin. */
  function cut(sites: number[][], inside: (x: number, y: number, z: number) => boolean): Float64Array {
    const points = ball(sites, 1500);
    const kept: number[] = [];
    for (let at = 0; at < points.length; at += 3) {
      const place = Array.from(points.subarray(at, at + 3));
      if (inside(place[0]!, place[1]!, place[2]!)) kept.push(...place);
    }
    return Float64Array.from(kept);
  }

  const shapes: readonly (readonly [string, (x: number, y: number, z: number) => boolean])[] = [
    ["cubes", (x, y, z) => Math.max(Math.abs(x), Math.abs(y), Math.abs(z)) < 1.9],
    ["octahedra", (x, y, z) => Math.abs(x) + Math.abs(y) + Math.abs(z) < 3.4],
    ["rods", (x, y, z) => x * x + y * y < 2.9 && Math.abs(z) < 5],
    ["plates", (x, y, z) => x * x + y * y < 16 && Math.abs(z) < 1.7],
  ];

  it.each(shapes)("that are %s too", (_, inside) => {
    for (const [name, sites] of Object.entries(lattices)) {
      const positions = cut(sites, inside);
      const found = estimate({ positions, ...open });
      const message = `${name}, ${positions.length / 3} atoms: ${found}`;
      expect(Math.abs(found - 1) <= 0.09, message).toBe(true);
    }
  });

  it("in a periodic cell with vacuum have that of open ones", () => {
    const positions = ball(lattices.fcc, 60);
    const cell = Float64Array.of(12, 0, 0, 3, 13, 0, -2, 1, 14);
    const inCell = estimate({ positions, cell, periodic: [true, true, true], species: null });
    expectClose("lengthScale", [inCell], [estimate({ positions, ...open })], 1e-3);
    // The atoms lie across the borders of the cell now.
    const moved = positions.map((x, index) => x + 0.3 * cell[index % 3]! + 5);
    expectClose(
      "moved",
      [estimate({ positions: moved, cell, periodic: [true, true, true], species: null })],
      [inCell],
      1e-9,
    );
  });

  it.each([13, 19, 43, 55, 79, 85, 201, 1400])(
    "of %i atoms have the same estimate in any orientation, place and order",
    (atomCount) => {
      const random = randomNumbers(atomCount);
      // Around a site, so that neighbours are at equal distances.
      const positions = ball(lattices.fcc, atomCount).map((x, i) => x - [0.11, 0.07, -0.13][i % 3]!);
      const expected = estimate({ positions, ...open });
      for (let trial = 0; trial < 12; trial++) {
        const turned = multiply(positions, randomRotation(random));
        const order = Array.from({ length: atomCount }, (_, i) => [random(), i] as const).sort(
          (a, b) => a[0] - b[0],
        );
        const mixed = order.flatMap(([, i]) =>
          turned.slice(3 * i, 3 * i + 3).map((x, k) => x + [100, -7, 31][k]!),
        );
        const found = estimate({ positions: Float64Array.from(mixed), ...open });
        expectClose(`lengthScale, trial ${trial} of seed ${atomCount}`, [found], [expected], 1e-9);
      }
    },
  );

  it("of a droplet of any size, hot, have the same estimate in any orientation and order", () => {
    for (const [seed, frame] of [
      [41, shakenCrystal(3, 0.3, 41)],
      [42, shakenCrystal(8, 0.4, 42)],
    ] as const) {
      const random = randomNumbers(seed);
      const expected = estimate({ positions: frame.positions, ...open });
      for (let trial = 0; trial < 5; trial++) {
        const turned = multiply(frame.positions, randomRotation(random));
        const rows = Array.from({ length: turned.length / 3 }, (_, i) => turned.slice(3 * i, 3 * i + 3));
        rows.sort((a, b) => a[2]! - b[2]!);
        const found = estimate({ positions: Float64Array.from(rows.flat()), ...open });
        expectClose(`lengthScale, trial ${trial} of seed ${seed}`, [found], [expected], 1e-9);
      }
    }
  });

  it("need 13 atoms, in a periodic cell with vacuum too", () => {
    const positions = ball(lattices.fcc, 12);
    expect(() => estimate({ positions, ...open })).toThrow(/length scale/);
    const cell = Float64Array.of(20, 0, 0, 0, 20, 0, 0, 0, 20);
    expect(() => estimate({ positions, cell, periodic: [true, true, true], species: null })).toThrow(
      /length scale/,
    );
  });
});

describe("slabs", () => {
  it.each([2, 3, 4, 6])(
    "of %i layers are estimated within a tenth, alone and in a cell with vacuum",
    (layers) => {
      const crystal = shakenCrystal(8, 0.1, layers);
      const kept: number[] = [];
      for (let at = 0; at < crystal.positions.length; at += 3) {
        if (crystal.positions[at + 2]! < 1.8 * layers - 0.9)
          kept.push(...crystal.positions.subarray(at, at + 3));
      }
      const positions = Float64Array.from(kept);
      const cell = crystal.cell!.slice();
      cell[8] = 1.8 * layers + 9;
      const bulk = 3.6 / 4 ** (1 / 3);
      const alone = estimate({ positions, cell, periodic: [true, true, false], species: null });
      expect(Math.abs(alone / bulk - 1) < 0.1, `${layers} layers: ${alone / bulk}`).toBe(true);
      const whole = estimate({ positions, cell, periodic: [true, true, true], species: null });
      expectClose("in a cell with vacuum", [whole], [alone], 0.01);
    },
  );
});
