/**
 * Cells close to the limit of flatness: their vectors are nearly parallel, but they repeat an ordinary
 * crystal.
 */
import { afterAll, describe, expect, it } from "vitest";
import { limits } from "../../src/contract/limits.js";
import { type CoreFrame, PhaseCore } from "../../src/core/index.js";
import { completeCell } from "../../src/frame/index.js";
import { expectError, model, multiply, randomNumbers, randomRotation, relativeError } from "./support.js";

const core = await PhaseCore.create(model, { threads: 1 });
afterAll(() => core.dispose());

const { flatCell } = limits.frame;

/** A bar of crystal that begins at `start` along x: 4 x 4 x 4 cubes of fcc, periodic along y and z. */
function bar(start: number, random: () => number): { rows: number[][]; edge: number } {
  const cube = Math.cbrt(4);
  const sites = [
    [0, 0, 0],
    [0.5, 0.5, 0],
    [0.5, 0, 0.5],
    [0, 0.5, 0.5],
  ];
  const rows: number[][] = [];
  for (let place = 0; place < 64; place++) {
    const corner = [place >> 4, (place >> 2) & 3, place & 3];
    for (const site of sites) {
      rows.push(site.map((part, axis) => cube * (corner[axis]! + part) + 0.05 * (random() - 0.5)));
    }
  }
  for (const row of rows) row[0]! += start;
  return { rows, edge: 4 * cube };
}

async function evaluate(positions: number[], cell: number[]) {
  const frame: CoreFrame = {
    positions: Float64Array.from(positions),
    cell: completeCell(Float64Array.from(cell), [true, true, true]),
    periodic: [true, true, true],
    species: null,
    lengthScale: 1,
  };
  core.load(frame);
  return (await core.forward()).logits;
}

/** Cells whose vectors span a share of about `flatness`. Each of them repeats a bar of crystal. */
const shapes = {
  "two vectors nearly parallel": (edge: number, flatness: number) => {
    const length = edge / flatness;
    return [length, 0, 0, length, edge, 0, 0, 0, edge];
  },
  "all three nearly parallel": (edge: number, flatness: number) => {
    const length = edge / Math.sqrt(flatness);
    return [length, 0, 0, length, edge, 0, length, 0, edge];
  },
};

describe.each(Object.entries(shapes))("flat cells, %s", (_name, cellOf) => {
  it.each([1e-6, 1e-8, 1.2 * flatCell])(
    "with a share of %d have the logits of an ordinary cell",
    async (share) => {
      const random = randomNumbers(5);
      for (let trial = 0; trial < 4; trial++) {
        const start = (cellOf(1, share)[0]! * random()) / 2;
        const { rows, edge } = bar(start, random);
        const matrix = randomRotation(random);
        const inShortCell = rows.flatMap(([x, y, z]) => [x! - start + 10, y!, z!]);
        const expected = await evaluate(inShortCell, [100, 0, 0, 0, edge, 0, 0, 0, edge]);
        const found = await evaluate(multiply(rows.flat(), matrix), multiply(cellOf(edge, share), matrix));
        expect(relativeError(found, expected)).toBeLessThan(1e-4);
      }
    },
  );

  it("just beyond the limit are refused by the core and by the library", async () => {
    const cell = Float64Array.from(cellOf(5, 0.8 * flatCell));
    const frame: CoreFrame = {
      ...{
        positions: new Float64Array(3),
        cell,
        periodic: [true, true, true],
        species: null,
        lengthScale: 1,
      },
    };
    await expectError("SINGULAR_CELL", () => core.load(frame));
    await expectError("SINGULAR_CELL", () => completeCell(cell, [true, true, true]));
  });
});
