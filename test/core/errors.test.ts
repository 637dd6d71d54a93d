import { afterAll, describe, expect, it } from "vitest";
import { model as table } from "../../src/contract/model.js";
import { type CoreFrame, type CoreModel, PhaseCore } from "../../src/core/index.js";
import type { ErrorCode } from "../../src/errors/index.js";
import { expectError, model, shakenCrystal } from "./support.js";

const core = await PhaseCore.create(model, { threads: 1 });
afterAll(() => core.dispose());

const good = shakenCrystal(2, 0.1, 1);
const nan = Number.NaN;

async function refused(code: ErrorCode, action: () => unknown): Promise<void> {
  await expectError(code, action);
}

function changed(array: Float64Array, index: number, value: number): Float64Array {
  const copy = array.slice();
  copy[index] = value;
  return copy;
}

describe("frames that cannot be used", () => {
  it("empty", () => refused("EMPTY_FRAME", () => core.load({ ...good, positions: new Float64Array(0) })));

  it.each([nan, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("a coordinate of %d", async (value) => {
    const error = await expectError("NON_FINITE_POSITIONS", () =>
      core.load({ ...good, positions: changed(good.positions, 3 * 17 + 1, value) }),
    );
    expect(error.message).toContain("atom 17");
    expect(error.field).toBe("positions");
  });

  it.each<[string, Partial<CoreFrame>]>([
    ["positions", { positions: new Float64Array(10) }],
    ["species", { species: new Int32Array(7) }],
    ["cell", { cell: new Float64Array(6) }],
  ])("%s of the wrong length", async (field, wrong) => {
    const error = await expectError("SHAPE_MISMATCH", () => core.load({ ...good, ...wrong }));
    expect(error.field).toBe(field);
  });

  it("periodic without a cell", () => refused("MISSING_CELL", () => core.load({ ...good, cell: null })));

  it.each([nan, Number.POSITIVE_INFINITY])("a cell component of %d", (value) =>
    refused("NON_FINITE_CELL", () => core.load({ ...good, cell: changed(good.cell!, 4, value) })),
  );

  it.each([
    [[1, 0, 0, 0, 1, 0, 0, 0, 0]],
    [[1, 2, 3, 2, 4, 6, 0, 0, 1]],
    [[5, 0, 0, 0, 5, 0, 5, 5, 1e-9]],
    [[0, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])("a singular cell %j", (cell) =>
    refused("SINGULAR_CELL", () => core.load({ ...good, cell: Float64Array.from(cell) })),
  );

  it("a zero vector along the only periodic axis", () =>
    refused("SINGULAR_CELL", () =>
      core.load({ ...good, cell: changed(good.cell!, 8, 0), periodic: [false, false, true] }),
    ));

  it("a cell that is singular along axes that are not periodic is allowed", async () => {
    core.load({ ...good, cell: changed(good.cell!, 8, 0), periodic: [true, true, false] });
    expect((await core.forward()).labels.length).toBe(32);
    core.load({ ...good, cell: changed(good.cell!, 8, nan), periodic: [true, true, false] });
    expect((await core.forward()).labels.length).toBe(32);
  });

  it.each([0, -1, nan, Number.POSITIVE_INFINITY, 1e200, 1e-200])("a length scale of %d", (lengthScale) =>
    refused("BAD_LENGTH_SCALE", () => core.load({ ...good, lengthScale })),
  );

  it("a length scale with thousands of neighbours", async () => {
    core.load({ ...shakenCrystal(4, 0.1, 1), lengthScale: 10 });
    const error = await expectError("BAD_LENGTH_SCALE", () => core.forward());
    expect(error.message).toContain("atom 0");
    expect(error.value).toBe(10);
  });

  it("a length scale whose cutoff reaches over millions of images", async () => {
    const error = await expectError("BAD_LENGTH_SCALE", () => core.load({ ...good, lengthScale: 1e5 }));
    expect(error.value).toBe(1e5);
  });

  it("too few atoms to estimate a length scale", async () => {
    const cluster: CoreFrame = {
      positions: Float64Array.from({ length: 36 }, (_, i) => 3 * ((i * i) % 11) + 0.1 * i),
      cell: null,
      periodic: [false, false, false],
      species: null,
    };
    await expectError("BAD_LENGTH_SCALE", () => core.load(cluster));
    core.load({ ...cluster, lengthScale: 3 });
    expect((await core.forward()).labels.length).toBe(12);
  });

  it.each([0, 1e-3, 0.1])("two atoms %d apart", async (distance) => {
    const positions = good.positions.slice();
    positions.copyWithin(3 * 20, 3 * 5, 3 * 6);
    positions[3 * 20]! += distance;
    core.load({ ...good, positions, lengthScale: 2.3 });
    const error = await expectError("COINCIDENT_ATOMS", () => core.forward());
    const [first, second, found] = error.value as [number, number, number];
    expect([first, second]).toEqual([5, 20]);
    expect(Math.abs(found - distance) < 1e-6).toBe(true);
  });

  it("an atom on an image of another", async () => {
    const positions = good.positions.slice();
    for (let axis = 0; axis < 3; axis++) positions[3 * 9 + axis] = positions[3 * 4 + axis]!;
    positions[3 * 9 + 2]! += good.cell![8]!;
    core.load({ ...good, positions, lengthScale: 2.3 });
    const error = await expectError("COINCIDENT_ATOMS", () => core.forward());
    expect((error.value as number[]).slice(0, 2)).toEqual([4, 9]);
  });

  it("an atom on its own image", async () => {
    core.load({ ...good, cell: changed(good.cell!, 8, 0.05), lengthScale: 2.3 });
    const error = await expectError("BAD_LENGTH_SCALE", () => core.forward());
    expect(error.message).toContain("neighbours");
  });

  it("a core goes on after an error", async () => {
    core.load(good);
    const before = await core.forward();
    await expectError("SINGULAR_CELL", () => core.load({ ...good, cell: new Float64Array(9) }));
    await expectError("BAD_OPTION", () => core.forward());
    core.load(good);
    expect(await core.forward()).toEqual(before);
  });
});

describe("options and calls that cannot be used", () => {
  it.each([0, -1, 1.5, nan])("threads: %d", (threads) =>
    refused("BAD_OPTION", () => PhaseCore.create(model, { threads })),
  );

  it.each([-1, 0.5, nan])("%d denoising steps", async (steps) => {
    core.load(good);
    await expectError("BAD_OPTION", () => core.denoise({ steps }));
  });

  it("a seed of the wrong length", async () => {
    core.load(good);
    await expectError("SHAPE_MISMATCH", () => core.backward(new Float32Array(31 * model.classCount)));
  });

  it("a pass without a frame", async () => {
    const fresh = await PhaseCore.create(model, { threads: 1 });
    await expectError("BAD_OPTION", () => fresh.forward());
    await expectError("BAD_OPTION", () => fresh.lengthScale);
    await fresh.dispose();
  });
});

describe("models that cannot be used", () => {
  const create = (wrong: Partial<CoreModel>) => PhaseCore.create({ ...model, ...wrong }, { threads: 1 });

  it.each([1, 256])("%d classes", (classCount) => refused("MODEL_SHAPE", () => create({ classCount })));

  it("a tensor that is too short", async () => {
    const tensors = { ...model.tensors, "network1.bias0": new Float32Array(63) };
    const error = await expectError("MODEL_SHAPE", () => create({ tensors }));
    expect(error.field).toBe("network1.bias0");
  });

  it("a weight that is NaN", () => {
    const weight = model.tensors["network2.weight0"].slice();
    weight[77] = nan;
    return refused("MODEL_NON_FINITE", () =>
      create({ tensors: { ...model.tensors, "network2.weight0": weight } }),
    );
  });

  it("a class 0 that is not flat", () => {
    const weight = model.tensors["network2.weight1"].slice();
    weight[5] = 0.1;
    return refused("MODEL_NON_FINITE", () =>
      create({ tensors: { ...model.tensors, "network2.weight1": weight } }),
    );
  });

  const absurd = Object.entries(table.constants).flatMap(([name, { least, most }]) =>
    [-1e300, 1e300, 1e-320, nan, least - 1e-3 * Math.abs(least), most + 1e-3 * Math.abs(most)]
      .filter((value) => !(value >= least && value <= most))
      .map((value) => [name, value] as const),
  );
  it.each(absurd)("%s of %d", (name, value) => refused("MODEL_NON_FINITE", () => create({ [name]: value })));
});
