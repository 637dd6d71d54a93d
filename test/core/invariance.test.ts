import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, forwardReference, PhaseCore } from "../../src/core/index.js";
import {
  expectClose,
  model,
  multiply,
  randomFrame,
  randomModel,
  randomNumbers,
  randomRotation,
} from "./support.js";

const random = randomModel(6, 9);
const cores = [
  await PhaseCore.create(model, { threads: 1, build: "baseline" }),
  await PhaseCore.create(random, { threads: 1, build: "baseline" }),
  await PhaseCore.create(random, { threads: 1, build: "relaxed" }),
];
const classCounts = [model.classCount, 9, 9];
afterAll(() => Promise.all(cores.map((core) => core.dispose())));

const seeds = [31, 32, 33, 34, 35, 36];
const tight = 1e-9;
const loose = 1e-5;

/** A frame that should be equivalent. Atom i of the frame is atom order[i] of the original. */
interface Equivalent {
  readonly frame: CoreFrame;
  readonly order?: number[];
}

const changes: Record<string, (frame: CoreFrame, seed: number) => Equivalent> = {
  "rotated about any axis": (frame, seed) => {
    const rotation = randomRotation(randomNumbers(seed));
    return {
      frame: {
        ...frame,
        positions: Float64Array.from(multiply(frame.positions, rotation)),
        cell: frame.cell && Float64Array.from(multiply(frame.cell, rotation)),
      },
    };
  },
  "mirrored, so that the cell changes its handedness": (frame) => {
    const mirror = [1, 0, 0, 0, 1, 0, 0, 0, -1];
    return {
      frame: {
        ...frame,
        positions: Float64Array.from(multiply(frame.positions, mirror)),
        cell: frame.cell && Float64Array.from(multiply(frame.cell, mirror)),
      },
    };
  },
  "translated as a whole": (frame, seed) => {
    const shift = [seed, -2.3, 0.77];
    return { frame: { ...frame, positions: frame.positions.map((x, index) => x + shift[index % 3]!) } };
  },
  "single atoms moved by lattice vectors": (frame, seed) => {
    const random = randomNumbers(seed);
    const positions = frame.positions.slice();
    for (let atom = 0; atom < positions.length / 3; atom++) {
      const cells = frame.periodic.map((wraps) => (wraps ? Math.floor(5 * random()) - 2 : 0));
      multiply(cells, frame.cell!).forEach((offset, axis) => {
        positions[3 * atom + axis]! += offset;
      });
    }
    return { frame: { ...frame, positions } };
  },
  "atoms in another order": (frame, seed) => {
    const random = randomNumbers(seed);
    const order = Array.from({ length: frame.positions.length / 3 }, (_, atom) => ({ atom, key: random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ atom }) => atom);
    return {
      order,
      frame: {
        ...frame,
        positions: Float64Array.from(
          order.flatMap((atom) => [...frame.positions.subarray(3 * atom, 3 * atom + 3)]),
        ),
        species: frame.species && Int32Array.from(order, (atom) => frame.species![atom]!),
      },
    };
  },
  "cell vectors exchanged": (frame) => {
    const [a, b, c] = [0, 3, 6].map((row) => [...frame.cell!.subarray(row, row + 3)]);
    return {
      frame: {
        ...frame,
        cell: Float64Array.from([...b!, ...c!, ...a!]),
        periodic: [frame.periodic[1], frame.periodic[2], frame.periodic[0]],
      },
    };
  },
  "species renamed": (frame) => ({
    frame: { ...frame, species: frame.species?.map((s) => 7 - 3 * s) ?? null },
  }),
  "in another unit of length": (frame) => ({
    frame: {
      ...frame,
      positions: frame.positions.map((x) => x * 10),
      cell: frame.cell?.map((x) => x * 10) ?? null,
      lengthScale: frame.lengthScale! * 10,
    },
  }),
};

describe.each(Object.entries(changes))("%s", (_, change) => {
  it.each(seeds)("structure %i", async (seed) => {
    const frame = randomFrame(seed);
    const { frame: changed, order } = change(frame, seed);
    for (const [index, core] of cores.entries()) {
      const classCount = classCounts[index]!;
      const permuted = (table: ArrayLike<number>): number[] =>
        (order ?? Array.from({ length: table.length / classCount }, (_, atom) => atom)).flatMap((atom) =>
          Array.from({ length: classCount }, (_, c) => table[atom * classCount + c]!),
        );
      core.load(frame);
      const kernels = await core.forward();
      const reference = forwardReference(core.loadedFrame());
      core.load(changed);
      const changedKernels = await core.forward();
      const changedReference = forwardReference(core.loadedFrame());
      expectClose("reference", changedReference.logits, permuted(reference.logits), tight);
      expectClose("kernels", changedKernels.logits, permuted(kernels.logits), loose);
      expectClose("logDensity", [changedKernels.logDensity], [kernels.logDensity], loose, 1);
    }
  });
});

describe("a repeated cell", () => {
  it("has the same logits for every copy of an atom", async () => {
    const frame = randomFrame(36);
    const core = cores[1]!;
    const single: CoreFrame = { ...frame, periodic: [true, true, true] };
    core.load(single);
    const { logits } = await core.forward();
    const shift = frame.cell!.subarray(0, 3);
    core.load({
      ...single,
      positions: Float64Array.from([...frame.positions, ...frame.positions.map((x, i) => x + shift[i % 3]!)]),
      cell: frame.cell!.map((x, i) => (i < 3 ? 2 * x : x)),
      species: frame.species && Int32Array.from([...frame.species, ...frame.species]),
    });
    const doubled = await core.forward();
    expectClose("copies", doubled.logits, [...logits, ...logits], loose);
  });
});

describe("species", () => {
  it("that are all equal count as none", async () => {
    const frame = randomFrame(34);
    const core = cores[1]!;
    core.load({ ...frame, species: null });
    const ignored = await core.forward();
    core.load({ ...frame, species: new Int32Array(frame.positions.length / 3).fill(9) });
    expect(await core.forward()).toEqual(ignored);
  });

  it("that differ change the logits", async () => {
    const frame = randomFrame(34);
    const core = cores[1]!;
    core.load({ ...frame, species: null });
    const ignored = await core.forward();
    core.load({
      ...frame,
      species: Int32Array.from({ length: frame.positions.length / 3 }, (_, atom) => atom % 2),
    });
    const { logits } = await core.forward();
    expect(logits.some((logit, index) => Math.abs(logit - ignored.logits[index]!) > 1e-2)).toBe(true);
  });
});
