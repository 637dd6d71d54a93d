/**
 * Frames with far too many neighbours: refused before their pairs are formed, and without a trace in the
 * frames after them.
 */
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import { type CoreFrame, PhaseCore } from "../../src/core/index.js";
import { PairRoom } from "../../src/core/pair-room.js";
import type { PhasewireError } from "../../src/errors/index.js";
import { expectError, model, randomNumbers, shakenCrystal } from "./support.js";

const core = await PhaseCore.create(model, { threads: 1 });
const threaded = await PhaseCore.create(model, { threads: 4 });
afterAll(() => Promise.all([core.dispose(), threaded.dispose()]));

/** Atoms at random in a cube of edge `spread`, in a periodic cell of edge `edge` or none. */
function crowd(atomCount: number, spread: number, edge: number | null, lengthScale?: number): CoreFrame {
  const random = randomNumbers(7);
  return {
    positions: Float64Array.from({ length: 3 * atomCount }, () => 1 + spread * random()),
    cell: edge === null ? null : Float64Array.of(edge, 0, 0, 0, edge, 0, 0, 0, edge),
    periodic: edge === null ? [false, false, false] : [true, true, true],
    species: null,
    ...(lengthScale === undefined ? {} : { lengthScale }),
  };
}

function tilted(edge: number, tilt: number): Float64Array {
  return Float64Array.of(edge, 0, 0, tilt, edge, 0, 0, 0, edge);
}

function both(one: CoreFrame, other: CoreFrame): CoreFrame {
  return { ...one, positions: Float64Array.of(...one.positions, ...other.positions) };
}

const count = (host: PhaseCore, name: string): number =>
  (host as unknown as { context: CoreContext }).context.count(name);

const crystal = shakenCrystal(4, 0.1, 3);
const slice = { gradients: false };

describe("a dense frame is refused with few tests of pairs", () => {
  it.each<[string, CoreFrame]>([
    ["a scale of 100 times too much", { ...crystal, lengthScale: 226 }],
    ["a scale of 30 times too much", { ...shakenCrystal(10, 0.1, 3), lengthScale: 68 }],
    ["a scale of 4 times too much", { ...shakenCrystal(10, 0.1, 3), lengthScale: 9.1 }],
    ["40,000 atoms at one point", crowd(40_000, 0, 60, 1)],
    ["40,000 atoms at one point, no cell", crowd(40_000, 0, null, 1)],
    ["40,000 atoms near one point", crowd(40_000, 1e-3, 60, 1)],
    ["4,000 atoms near one point, no cell", crowd(4000, 1e-3, null, 1)],
    ["4,000 atoms in one spot of a gas", both(crowd(1000, 100, 110, 1), crowd(4000, 0.5, null))],
  ])("%s", async (_, frame) => {
    const error = await expectError("BAD_LENGTH_SCALE", async () => {
      core.load(frame, slice);
      await core.forward();
    });
    expect(error.message).toContain("more than 1024 neighbours");
    expect(count(core, "PAIR_TESTS")).toBeLessThan(2 * (frame.positions.length / 3));
  });

  it.each<[string, CoreFrame]>([
    ["in a cell", crowd(1_000_000, 0, 60)],
    ["without one", crowd(1_000_000, 0, null)],
  ])("a million atoms at one point %s have no length scale", async (_, frame) => {
    await expectError("BAD_LENGTH_SCALE", () => core.load(frame, { gradients: false, perClass: false }));
  });

  /** Atoms of a cloud whose density spans many powers of ten. */
  function cloud(atomCount: number, power: number, edge: number | null): CoreFrame {
    const random = randomNumbers(11);
    const bell = () => random() + random() + random() + random() - 2;
    const positions = Float64Array.from({ length: 3 * atomCount }, () => 10 * bell() ** power);
    return { ...crowd(1, 0, edge), positions };
  }

  it.each<[string, CoreFrame]>([
    ["4,000 atoms of a cloud", cloud(4000, 5, null)],
    ["4,000 atoms of a steeper cloud", cloud(4000, 21, 1e4)],
    ["100,000 atoms of a cloud", cloud(100_000, 5, null)],
    ["100,000 atoms of a steeper cloud in a cell", cloud(100_000, 21, 1e4)],
    ["4,000 atoms in a cell tilted by 1e5", { ...cloud(4000, 1, 1), cell: tilted(20, 1e5) }],
  ])("%s cost the estimate of the length scale little", async (_, frame) => {
    try {
      core.load(frame, slice);
    } catch (error) {
      expect(["BAD_LENGTH_SCALE", "SINGULAR_CELL"]).toContain((error as PhasewireError).code);
    }
    const { context } = core as unknown as { context: CoreContext };
    const at = context.address + context.core.COUNT_SCALE_VISITS.value;
    const [cells, atoms] = new Int32Array(context.bytes().buffer, at, 2);
    // The last atom may exceed the bounds a little.
    expect(cells).toBeLessThan(1.4e7);
    expect(atoms).toBeLessThan(1.4e8);
  });

  it("by the same atom on any number of threads", async () => {
    const gas = crowd(3000, 60, 64, 1);
    const frame = both(gas, {
      ...crowd(3000, 0.5, null),
      positions: crowd(3000, 0.5, null).positions.map((x) => x + 30),
    });
    const messages = [];
    for (const host of [core, threaded, threaded, threaded]) {
      host.load(frame, slice);
      messages.push((await expectError("BAD_LENGTH_SCALE", () => host.forward())).message);
    }
    expect(new Set(messages).size).toBe(1);
  });
});

describe("rows that do not fit are counted", () => {
  const dense = { ...shakenCrystal(9, 0.1, 8), lengthScale: 4.4 };

  it("to the number that a search with room finds, or a few more", async () => {
    for (const host of [core, threaded]) {
      host.load(crystal, slice);
      await host.forward();
      const { context } = host as unknown as { context: CoreContext };
      host.load(dense, slice);
      const { address, core: exports } = context;
      exports.findPairs(address, 0, 0, dense.positions.length / 3);
      expect(exports.finishPairs(address)).toBe(exports.STATUS_PAIR_OVERFLOW.value);
      const counted = context.count("PAIRS_NEEDED");
      host.load(dense, slice);
      const found = await host.forward();
      const needed = context.count("PAIRS_NEEDED");
      expect(counted).toBeGreaterThanOrEqual(needed);
      expect(counted).toBeLessThan(1.0001 * needed + 64);
      // The room is there from the start now.
      host.load(dense, slice);
      expect((await host.forward()).logits).toEqual(found.logits);
    }
  });

  it("until one has too many pairs", async () => {
    const clump = crowd(2000, 1, null).positions.map((x) => x + 28);
    const frame = { ...both(dense, { ...crowd(1, 0, null), positions: clump }), species: null };
    const messages = [];
    for (const host of [core, threaded, threaded]) {
      host.load(frame, slice);
      messages.push((await expectError("BAD_LENGTH_SCALE", () => host.forward())).message);
    }
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toContain("more than 1024 neighbours");
  });
});

describe("frames of several densities are accepted", () => {
  const droplet = shakenCrystal(6, 0.1, 5);
  it.each<[string, CoreFrame]>([
    ["a droplet in a huge cell", { ...droplet, cell: Float64Array.of(9e3, 0, 0, 0, 9e3, 0, 0, 0, 9e3) }],
    ["a droplet without a cell", { ...droplet, cell: null, periodic: [false, false, false] }],
    ["twice the usual scale", { ...crystal, lengthScale: 4.52 }],
    [
      "a droplet in a gas",
      {
        ...both({ ...droplet, species: null }, crowd(60, 150, null)),
        cell: Float64Array.of(160, 0, 0, 0, 160, 0, 0, 0, 160),
        lengthScale: 2.26,
      },
    ],
  ])("%s", async (_, frame) => {
    core.load(frame, slice);
    const { labels } = await core.forward();
    expect(labels.length).toBe(frame.positions.length / 3);
  });
});

describe("room for pairs", () => {
  let core: PhaseCore;
  beforeEach(async () => {
    core = await PhaseCore.create(model, { threads: 1 });
  });
  afterEach(() => core.dispose());

  const capacity = async (frame: CoreFrame): Promise<number> => {
    core.load(frame, slice);
    await core.forward();
    return count(core, "PAIR_CAPACITY");
  };

  it("is the usual one after a frame that was refused", async () => {
    const usual = await capacity(crystal);
    core.load(crowd(256, 1e-3, null, 1), slice);
    await expectError("COINCIDENT_ATOMS", () => core.forward());
    expect(await capacity(crystal)).toBe(usual);
  });

  it("is the usual one if more does not fit", async () => {
    const usual = await capacity(crystal);
    expect(await capacity({ ...crystal, lengthScale: 5.6 })).toBeGreaterThan(9 * usual);
    expect(() => core.room(900_000, { gradients: false, perClass: false })).not.toThrow();
    expect(await capacity(crystal)).toBe(usual);
  });

  it("is given back when frames in a row need far less", async () => {
    const usual = await capacity(crystal);
    const most = await capacity({ ...crystal, lengthScale: 4.52 });
    const capacities = [];
    for (let frame = 0; frame < 9; frame++) capacities.push(await capacity(crystal));
    expect(capacities).toEqual([...Array(8).fill(most), usual]);
  });

  it("stays while some frames use it", () => {
    const room = new PairRoom();
    room.grow(40_000, 100);
    for (let frame = 0; frame < 30; frame++) room.used(frame % 8 === 7 ? 39_000 : 5000, 100);
    expect(room.perAtom).toBe(420);
  });
});
