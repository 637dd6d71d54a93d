/**
 * Lists with a skin only change the speed. Whatever happens in a run, the pairs equal those of a search from
 * scratch, and the results are the same up to the order of sums over neighbours.
 */
import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, PhaseCore } from "../../src/core/index.js";
import { neighbourLists } from "./neighbour-lists.js";
import {
  expectClose,
  expectError,
  multiply,
  randomFrame,
  randomModel,
  randomNumbers,
  shakenCrystal,
} from "./support.js";

const model = randomModel(7, 6, 64, { channels: 8, lmax: 3 });
const skins = [0.1, 0.3, 1];
const fresh = await PhaseCore.create(model, { threads: 1, build: "baseline" });
const kept = await Promise.all(
  skins.map(async (skin) => ({
    skin,
    core: await PhaseCore.create(model, { threads: 1, build: "baseline", skin }),
  })),
);
afterAll(() => Promise.all([fresh, ...kept.map(({ core }) => core)].map((core) => core.dispose())));

type Random = () => number;
/** A change from one frame of a run to the next. */
type Step = (frame: CoreFrame, random: Random) => CoreFrame;

const moveAll =
  (length: number): Step =>
  (frame, random) => ({ ...frame, positions: frame.positions.map((x) => x + length * (2 * random() - 1)) });

const pickAtom = (frame: CoreFrame, random: Random): number =>
  Math.floor((random() * frame.positions.length) / 3);

/** Multiplies all positions and the cell by a matrix near one. */
const strain =
  (size: number): Step =>
  (frame, random) => {
    const matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1].map((part) => part + size * (2 * random() - 1));
    return {
      ...frame,
      positions: Float64Array.from(multiply(frame.positions, matrix)),
      cell: frame.cell && Float64Array.from(multiply(frame.cell, matrix)),
    };
  };

const steps: Readonly<Record<string, Step>> = {
  "atoms tremble": moveAll(0.01),
  "atoms walk": moveAll(0.06),
  "one atom jumps": (frame, random) => {
    const positions = frame.positions.slice();
    const at = 3 * pickAtom(frame, random);
    for (let k = 0; k < 3; k++) positions[at + k]! += 1.2 * (2 * random() - 1);
    return { ...frame, positions };
  },
  "one atom jumps a little farther than a list allows": (frame, random) => {
    const positions = frame.positions.slice();
    positions[3 * pickAtom(frame, random)]! += 0.35 * (random() < 0.5 ? -1 : 1);
    return { ...frame, positions };
  },
  "atoms are wrapped, or unwrapped": (frame, random) => {
    const positions = frame.positions.slice();
    for (let atom = 0; atom < positions.length / 3; atom++) {
      const cells = frame.periodic.map((wraps) => (wraps ? Math.floor(3 * random()) - 1 : 0));
      multiply(cells, frame.cell!).forEach((offset, k) => {
        positions[3 * atom + k]! += offset;
      });
    }
    return { ...frame, positions };
  },
  "two atoms change places": (frame, random) => {
    const positions = frame.positions.slice();
    const [one, other] = [3 * pickAtom(frame, random), 3 * pickAtom(frame, random)];
    for (let k = 0; k < 3; k++) {
      [positions[one + k], positions[other + k]] = [positions[other + k]!, positions[one + k]!];
    }
    return { ...frame, positions };
  },
  "an atom changes its species": (frame, random) => {
    const species = frame.species?.slice() ?? null;
    if (species !== null) species[pickAtom(frame, random)]! += 1;
    return { ...frame, species };
  },
  "species are ignored, or no longer ignored": (frame) => ({
    ...frame,
    species: frame.species === null ? new Int32Array(frame.positions.length / 3).fill(3) : null,
  }),
  "the barostat breathes": strain(0.002),
  "the barostat works hard": strain(0.03),
  "the cell changes, the atoms do not": (frame, random) => ({
    ...frame,
    cell: frame.cell?.map((x) => x * (1 + 0.01 * random())) ?? null,
  }),
  "everything is shifted": (frame, random) => {
    const shift = [random(), 3 * random(), -20 * random()];
    return { ...frame, positions: frame.positions.map((x, index) => x + shift[index % 3]!) };
  },
  "an axis opens or closes": (frame, random) => {
    const axis = Math.floor(3 * random());
    const periodic = frame.periodic.map((flag, index) => (index === axis ? !flag : flag));
    return { ...frame, periodic: periodic as unknown as CoreFrame["periodic"] };
  },
  "the length scale changes": (frame, random) => ({
    ...frame,
    ...(frame.lengthScale === undefined ? {} : { lengthScale: 2.3 * (1 + 0.05 * random()) }),
  }),
  "another frame of this size follows": (frame, random) => ({
    ...frame,
    positions: frame.positions.map((x) => x + 0.5 * (2 * random() - 1)),
  }),
  "nothing happens": (frame) => frame,
};

interface Outcome {
  /** The code of the error, if the frame was refused. */
  readonly code: string | null;
  /** Neighbours of each atom. */
  readonly counts: number[];
  /** Neighbour and kind of every pair, in order. */
  readonly pairs: string[];
  readonly logits: Float32Array;
  readonly score: Float64Array;
  readonly virial: Float64Array;
  readonly lengthScale: number;
}

async function evaluate(core: PhaseCore, frame: CoreFrame): Promise<Outcome> {
  try {
    core.load(frame);
    const { starts, atoms, other } = await neighbourLists(core);
    const { logits } = await core.forward();
    const { score, virial } = await core.score();
    const { lengthScale } = core;
    const counts = Array.from(starts.subarray(1), (end, atom) => end - starts[atom]!);
    const pairs = counts.map((count, atom) =>
      Array.from(
        { length: count },
        (_, index) => 2 * atoms[starts[atom]! + index]! + other[starts[atom]! + index]!,
      )
        .sort((one, another) => one - another)
        .join(" "),
    );
    return { code: null, counts, pairs, logits, score, virial, lengthScale };
  } catch (error) {
    const none = new Float64Array(0);
    const code = (error as { code: string }).code;
    return {
      code,
      counts: [],
      pairs: [],
      logits: new Float32Array(0),
      score: none,
      virial: none,
      lengthScale: 0,
    };
  }
}

function expectSame(where: string, found: Outcome, expected: Outcome): void {
  expect(found.code, where).toBe(expected.code);
  expectClose(`${where}: length scale`, [found.lengthScale], [expected.lengthScale], 1e-12);
  expect(found.counts, where).toEqual(expected.counts);
  expect(found.pairs, where).toEqual(expected.pairs);
  expectClose(`${where}: logits`, found.logits, expected.logits, 1e-5, 1);
  expectClose(`${where}: score`, found.score, expected.score, 1e-4, 1);
  expectClose(`${where}: virial`, found.virial, expected.virial, 1e-4, 1);
}

/** Checks a run in which each frame differs from the one before by one to three changes. */
async function follow(first: CoreFrame, seed: number, length: number): Promise<void> {
  const random = randomNumbers(seed);
  const names = Object.keys(steps);
  let frame = first;
  for (let time = 0; time < length; time++) {
    const chosen = Array.from({ length: 1 + Math.floor(3 * random() ** 3) }, () =>
      // Half of the steps are usual ones.
      random() < 0.5 ? names[Math.floor(2 * random())]! : names[Math.floor(random() * names.length)]!,
    );
    for (const name of chosen) frame = steps[name]!(frame, random);
    const expected = await evaluate(fresh, frame);
    for (const { skin, core } of kept) {
      const where = `seed ${seed}, frame ${time}, skin ${skin}: ${chosen.join(", ")}`;
      expectSame(where, await evaluate(core, frame), expected);
    }
  }
}

describe("runs with a skin", () => {
  it.each([41, 42, 43, 44, 45, 46])("crystal %i", async (seed) => {
    await follow({ ...shakenCrystal(3, 0.15, seed), lengthScale: 2.3 }, seed, 40);
  });

  it.each([51, 52, 53, 54])("crystal %i with an estimated length scale", async (seed) => {
    await follow(shakenCrystal(3, 0.15, seed), seed, 40);
  });

  it.each([12, 17, 23, 31, 34, 36])("structure %i, in a cell of any shape and size", async (seed) => {
    await follow(randomFrame(seed), seed, 40);
  });
});

describe("lists", () => {
  const frame = { ...shakenCrystal(4, 0.1, 2), lengthScale: 2.3 };

  async function reused(core: PhaseCore, ...frames: CoreFrame[]): Promise<boolean[]> {
    const answers = [];
    for (const next of frames) {
      core.load(next);
      answers.push(core.hasReusedLists);
      await core.forward();
    }
    return answers;
  }

  const moved = (distance: number): CoreFrame => {
    const positions = frame.positions.slice();
    positions[10]! += distance;
    return { ...frame, positions };
  };

  it("are reused until an atom has moved by half the skin", async () => {
    const { core } = kept[1]!;
    const half = (0.3 * 2.3) / 2;
    expect(await reused(core, moved(0), moved(0.98 * half), moved(-0.98 * half), moved(0))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(await reused(core, moved(1.02 * half), moved(1.5 * half))).toEqual([false, true]);
  });

  it("are not reused without a skin", async () => {
    expect(await reused(fresh, frame, frame)).toEqual([false, false]);
  });

  it("follow atoms across the borders of the cell", async () => {
    const { core } = kept[1]!;
    const length = frame.cell![0]!;
    const positions = frame.positions.map((x, index) => (index % 3 === 0 ? x - length : x));
    expect(await reused(core, frame, { ...frame, positions })).toEqual([false, true]);
  });

  it("are dropped when a frame with another number of atoms is loaded", async () => {
    const { core } = kept[1]!;
    const small = { ...shakenCrystal(2, 0.1, 2), lengthScale: 2.3 };
    expect((await reused(core, frame, small, frame)).slice(1)).toEqual([false, false]);
  });

  it("serve passes on several threads, and denoising", async () => {
    const large = shakenCrystal(6, 0.1, 3);
    const near = { ...large, positions: large.positions.map((x, index) => x + 0.01 * Math.sin(index)) };
    const shared = await PhaseCore.create(model, { threads: 3, build: "baseline", skin: 0.3 });
    const results = [];
    for (const core of [fresh, shared]) {
      core.load(large);
      await core.forward();
      core.load(near);
      expect(core.hasReusedLists).toBe(core === shared);
      results.push({ ...(await core.forward()), denoised: (await core.denoise({ steps: 3 })).positions });
    }
    const [expected, found] = results;
    expectClose("logits", found!.logits, expected!.logits, 1e-5);
    expectClose("denoised", found!.denoised, expected!.denoised, 1e-5);
    await shared.dispose();
  });

  it("need a valid skin", async () => {
    for (const skin of [-0.1, Number.NaN, 3]) {
      const error = await expectError("BAD_OPTION", () => PhaseCore.create(model, { threads: 1, skin }));
      expect(error.field).toBe("skin");
    }
  });
});
