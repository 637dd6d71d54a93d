import { describe, expect, test } from "vitest";
import {
  completeCell,
  createFrame,
  type Frame,
  numberSpecies,
  type Periodic,
  selectAtoms,
  validateFrame,
} from "../../src/frame/index.js";
import { expectError } from "./support.js";

const cubic = [4, 0, 0, 0, 4, 0, 0, 0, 4];

/** Volume of a cell, with its sign. */
function determinant(cell: Float64Array): number {
  const [a, b, c, d, e, f, g, h, i] = [...cell] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}

describe("validating a frame", () => {
  const good = createFrame({ positions: [0, 0, 0, 1, 1, 1], cell: cubic, species: ["Na", "Cl"] });

  test("a good frame passes", () => {
    expect(() => validateFrame(good)).not.toThrow();
  });

  test.each<[string, Parameters<typeof expectError>[0], string, Partial<Frame>]>([
    ["no atoms", "EMPTY_FRAME", "positions", { positions: new Float64Array(0), species: null }],
    ["5 coordinates", "SHAPE_MISMATCH", "positions", { positions: new Float64Array(5) }],
    ["too few species", "SHAPE_MISMATCH", "species", { species: ["Na"] }],
    ["too many ids", "SHAPE_MISMATCH", "ids", { ids: [1, 2, 3] }],
    [
      "a short column",
      "SHAPE_MISMATCH",
      "arrays.a",
      { arrays: { a: { kind: "logical", width: 2, data: [true] } } },
    ],
    ["two periods", "SHAPE_MISMATCH", "periodic", { periodic: [true, true] as unknown as Periodic }],
    ["a NaN", "NON_FINITE_POSITIONS", "positions", { positions: Float64Array.of(0, 0, 0, 1, Number.NaN, 1) }],
    [
      "an infinity",
      "NON_FINITE_POSITIONS",
      "positions",
      { positions: Float64Array.of(0, 0, 0, 1, -Infinity, 1) },
    ],
  ])("%s is %s in %s", async (_, code, field, parts) => {
    const error = await expectError(code, () => validateFrame({ ...good, ...parts }));
    expect(error.field).toBe(field);
  });

  test("the message names the atom and the axis", async () => {
    const positions = Float64Array.of(0, 0, 0, 1, 1, Number.NaN);
    const error = await expectError("NON_FINITE_POSITIONS", () => validateFrame({ ...good, positions }));
    expect(error.message).toBe("coordinate z of atom 1 is NaN");
  });
});

describe("completing a cell", () => {
  const complete = (cell: number[] | null, periodic: Periodic) =>
    completeCell(cell === null ? null : Float64Array.from(cell), periodic);

  test("a complete cell is used as it is, left-handed or not", () => {
    expect([...complete(cubic, [true, true, true])!]).toEqual(cubic);
    const leftHanded = [0, 4, 0, 4, 0, 0, 0, 0, 4];
    expect([...complete(leftHanded, [true, true, true])!]).toEqual(leftHanded);
    expect([...complete(cubic, [true, false, true])!]).toEqual(cubic);
  });

  test("a cluster has no cell, whatever its vectors are", () => {
    expect(complete(null, [false, false, false])).toBeNull();
    expect(complete(cubic, [false, false, false])).toBeNull();
    expect(complete(new Array(9).fill(0), [false, false, false])).toBeNull();
  });

  test.each<[string, number[], Periodic]>([
    ["a slab without a third vector", [4, 0, 0, 1, 5, 0, 0, 0, 0], [true, true, false]],
    ["a slab whose third vector lies in its plane", [4, 0, 0, 1, 5, 0, 5, 5, 0], [true, true, false]],
    ["a slab normal to x", [0, 0, 0, 0, 3, 1, 0, 0, 4], [false, true, true]],
    ["a slab normal to y", [3, 0, 1, 0, 0, 0, 0, 0, 4], [true, false, true]],
    ["a wire along z", [0, 0, 0, 0, 0, 0, 0, 0, 7], [false, false, true]],
    ["a slanted wire", [1, 2, 3, 0, 0, 0, 0, 0, 0], [true, false, false]],
    ["a wire with a parallel second vector", [0, 5, 0, 0, 7, 0, 1, 0, 0], [false, true, false]],
  ])("%s gets free directions and keeps its periods", (_, cell, periodic) => {
    const completed = complete(cell, periodic)!;
    const rows = [0, 1, 2].map((axis) => [...completed.subarray(3 * axis, 3 * axis + 3)]);
    const lengths = rows.map((row) => Math.hypot(...row));
    expect(Math.abs(determinant(completed)) / (lengths[0]! * lengths[1]! * lengths[2]!)).toBeGreaterThan(0.1);
    periodic.forEach((isPeriodic, axis) => {
      if (isPeriodic) expect(rows[axis]).toEqual(cell.slice(3 * axis, 3 * axis + 3));
    });
  });

  test.each<[string, Parameters<typeof expectError>[0], number[] | null, Periodic]>([
    ["no cell", "MISSING_CELL", null, [false, false, true]],
    ["8 numbers", "SHAPE_MISMATCH", cubic.slice(1), [true, true, true]],
    ["a NaN", "NON_FINITE_CELL", [4, 0, 0, 0, Number.NaN, 0, 0, 0, 4], [true, true, true]],
    [
      "an infinity, even without periods",
      "NON_FINITE_CELL",
      [4, 0, 0, 0, Infinity, 0, 0, 0, 4],
      [false, false, false],
    ],
    ["a zero vector", "SINGULAR_CELL", [4, 0, 0, 0, 4, 0, 0, 0, 0], [true, true, true]],
    ["three vectors in a plane", "SINGULAR_CELL", [4, 0, 0, 0, 4, 0, 4, 4, 0], [true, true, true]],
    ["three vectors nearly in a plane", "SINGULAR_CELL", [4, 0, 0, 0, 4, 0, 4, 4, 1e-9], [true, true, true]],
    ["two parallel vectors", "SINGULAR_CELL", [4, 4, 0, 2, 2, 0, 0, 0, 4], [true, true, false]],
    ["a wire of no length", "SINGULAR_CELL", [0, 0, 0, 0, 4, 0, 0, 0, 4], [true, false, false]],
  ])("%s is %s", async (_, code, cell, periodic) => {
    const error = await expectError(code, () => complete(cell, periodic));
    expect(error.field).toBe("cell");
  });

  test("the unit of length does not matter", () => {
    for (const scale of [1e-10, 1e10]) {
      const scaled = cubic.map((part) => part * scale);
      expect([...complete(scaled, [true, true, true])!]).toEqual(scaled);
    }
  });
});

describe("species", () => {
  test("are numbered in order of appearance", () => {
    expect([...numberSpecies(["Na", "Cl", "Na", "Br"])!]).toEqual([0, 1, 0, 2]);
    expect(numberSpecies(null)).toBeNull();
  });

  test.each(["", "  ", "X", "?", undefined])("%j is UNKNOWN_SPECIES, with the atom", async (name) => {
    const error = await expectError("UNKNOWN_SPECIES", () => numberSpecies(["Na", name as string]));
    expect(error.message).toContain("atom 1");
  });

  test("select atoms in the order of the frame", () => {
    expect([...selectAtoms(["O", "H", "H", "O"], ["O"])]).toEqual([0, 3]);
    expect([...selectAtoms(["O", "H", "C"], ["C", "O"])]).toEqual([0, 2]);
  });

  test("a selection without atoms is EMPTY_SELECTION and names the species of the frame", async () => {
    const error = await expectError("EMPTY_SELECTION", () => selectAtoms(["O", "H"], ["N"]));
    expect(error.remedy).toContain("O, H");
    await expectError("EMPTY_SELECTION", () => selectAtoms(null, ["N"]));
    await expectError("EMPTY_SELECTION", () => selectAtoms(["O"], []));
  });
});
