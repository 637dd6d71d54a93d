/**
 * Calls that end before they are done: by an abort, a signal, a budget, or an error of any kind. The next
 * sound frame gets the bits that a new core gives.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import { type CallLimits, type CoreFrame, PhaseCore } from "../../src/core/index.js";
import type { ErrorCode, PhasewireError } from "../../src/errors/index.js";
import { expectError, model, randomNumbers, shakenCrystal } from "./support.js";

/** A small frame, one that threads share, and one that one thread takes in slices. */
const small = shakenCrystal(3, 0.15, 3);
const shared = shakenCrystal(6, 0.15, 5);
const sliced = shakenCrystal(11, 0.15, 5);
const open: CoreFrame = { ...small, cell: null, periodic: [false, false, false] };

const cores = {
  "one thread": await PhaseCore.create(model, { threads: 1, build: "baseline" }),
  "three threads": await PhaseCore.create(model, { threads: 3, build: "baseline" }),
  "a skin": await PhaseCore.create(model, { threads: 1, build: "baseline", skin: 0.3 }),
};
afterAll(() => Promise.all(Object.values(cores).map((core) => core.dispose())));

/** A digest of all bits of some results. */
function digest(results: readonly object[]): string {
  const hash = createHash("sha256");
  for (const value of results.flatMap((result) => Object.values(result) as unknown[])) {
    hash.update(ArrayBuffer.isView(value) ? (value as Float64Array) : Float64Array.of(Number(value)));
  }
  return hash.digest("hex");
}

/** All results of a frame, in an order in which each depends on what earlier frames left. */
async function everything(core: PhaseCore, frame: CoreFrame): Promise<string> {
  core.load(frame);
  const forward = await core.forward();
  const score = await core.score();
  const moved = { ...frame, positions: frame.positions.map((x, at) => x + 0.01 * Math.sin(at)) };
  core.load(moved);
  const next = await core.forward();
  const denoised = await core.denoise({ steps: 3 });
  core.load(frame);
  return digest([forward, score, next, denoised, await core.forward()]);
}

/** The results of a new core with the same options. */
async function fresh(core: PhaseCore, frame: CoreFrame): Promise<string> {
  const other = await PhaseCore.create(model, {
    threads: core.threads,
    build: "baseline",
    skin: (core as unknown as { skin: number }).skin,
  });
  const results = await everything(other, frame);
  await other.dispose();
  return results;
}

const expected = new Map<string, Promise<string>>();

async function expectLikeNew(core: PhaseCore, name: string, frame = small): Promise<void> {
  const key = `${name}, ${frame.positions.length} coordinates`;
  if (!expected.has(key)) expected.set(key, fresh(core, frame));
  expect(await everything(core, frame)).toBe(await expected.get(key));
}

const primitives: Readonly<Record<string, (core: PhaseCore) => Promise<unknown>>> = {
  forward: (core) => core.forward(),
  backward: (core) => core.backward(seedOf(core)),
  pull: (core) => core.pull(seedOf(core)),
  score: (core) => core.score(),
  denoise: (core) => core.denoise({ steps: 50 }),
};

function seedOf(core: PhaseCore): Float32Array {
  const atoms = core.loadedFrame().context.count("ATOMS");
  return Float32Array.from({ length: atoms * model.classCount }, (_, at) => Math.sin(at));
}

const changed = (frame: CoreFrame, at: number, value: number): CoreFrame => ({
  ...frame,
  positions: frame.positions.map((x, index) => (index === at ? value : x)),
});

/** Frames that the core refuses, for every kind of reason. */
const badFrames: readonly [string, ErrorCode, CoreFrame][] = [
  ["a coordinate that is not a number", "NON_FINITE_POSITIONS", changed(small, 7, Number.NaN)],
  ["a cell without a volume", "SINGULAR_CELL", { ...small, cell: new Float64Array(9) }],
  ["a cell that is not finite", "NON_FINITE_CELL", { ...small, cell: new Float64Array(9).fill(Infinity) }],
  ["an extreme length scale", "BAD_LENGTH_SCALE", { ...small, lengthScale: 1e150 }],
  [
    "no length scale",
    "BAD_LENGTH_SCALE",
    { ...open, positions: small.positions.slice(0, 30), species: null },
  ],
  ["far too many neighbours", "BAD_LENGTH_SCALE", { ...small, lengthScale: 40 }],
  ["too many neighbours", "BAD_LENGTH_SCALE", { ...small, lengthScale: 8 }],
  ["two atoms in one place", "COINCIDENT_ATOMS", changed(changed(changed(small, 0, 1), 1, 1), 2, 1)],
];
badFrames[7]![2].positions.set([1, 1, 1.01], 3);

describe.each(Object.entries(cores))("with %s, a sound frame has the bits of a new core", (name, core) => {
  it.each(badFrames)("after a frame with %s", async (_, code, frame) => {
    core.load(small);
    await core.denoise({ steps: 2 });
    for (const run of [primitives.forward!, primitives.denoise!]) {
      await expectError(code, async () => {
        core.load(frame);
        await run(core);
      });
      expect(core.evaluated()).toBeNull();
      await expectLikeNew(core, name);
    }
  });

  it.each(Object.entries(primitives))("after %s was ended at random moments", async (_, run) => {
    for (let seed = 1; seed <= 3; seed++) {
      core.load(core.threads > 1 ? shared : sliced);
      const call = run(core);
      const ended = call.then(
        () => null,
        (error: PhasewireError) => error,
      );
      await sleep(40 * randomNumbers(seed)());
      core.abort();
      const asked = performance.now();
      const error = await ended;
      const waited = performance.now() - asked;
      // A call that was done before has its results.
      expect(error?.code ?? "ABORTED", `seed ${seed}`).toBe("ABORTED");
      expect(waited, `seed ${seed}: ms until the call ended`).toBeLessThan(5000);
      if (error !== null) expect(core.evaluated()).toBeNull();
      await expectLikeNew(core, name);
    }
    await expectLikeNew(core, name, shared);
  });

  it("after denoising failed at its first, second, ... step", async () => {
    const { context } = core as unknown as { context: CoreContext };
    for (let steps = 0; steps < 4; steps++) {
      core.load(small);
      const call = core.denoise({ steps: 20 });
      const failing = expectError("NON_FINITE_POSITIONS", () => call);
      // The next trial begins at a place that is not a number.
      while (context.count("DENOISE_STEPS") < steps) await sleep(0);
      context.doubles("DENOISE_POSITIONS", 1)[0] = Number.NaN;
      context.doubles("POSITIONS", 1)[0] = Number.NaN;
      await failing;
      await expectLikeNew(core, name);
    }
  });

  it("after a batch was ended", async () => {
    const frames = Array.from({ length: 40 }, (_, seed) => shakenCrystal(5, 0.1, seed + 1));
    const call = core.forwardBatch(frames);
    await sleep(15);
    core.abort();
    await expectError("ABORTED", () => call);
    await expectLikeNew(core, name);
    expect((await core.forwardBatch([small, small])).length).toBe(2);
  });

  it("after a budget was used up", async () => {
    const run = () =>
      core.within(
        { budget: 0.02 },
        () => 5324,
        async () => {
          core.load(sliced);
          return core.denoise({ steps: 1000 });
        },
      );
    const error = await expectError("OVER_BUDGET", run);
    expect(error.message).toBe("the analysis of 5324 atoms was ended after 0.02 s, its budget");
    await expectLikeNew(core, name);
  });
});

describe("an abort", () => {
  const core = cores["one thread"];

  it("without a call has no effect", async () => {
    core.abort();
    core.load(small);
    core.abort();
    expect((await core.forward()).labels.length).toBe(108);
  });

  it("ends an action between its calls", async () => {
    const limits: CallLimits = {};
    const run = () =>
      core.within(
        limits,
        () => 108,
        async () => {
          core.load(small);
          await core.forward();
          core.abort();
          await core.score();
        },
      );
    await expectError("ABORTED", run);
    await expectError("ABORTED", () =>
      core.within(
        { signal: AbortSignal.abort() },
        () => 0,
        async () => undefined,
      ),
    );
    core.load(small);
    await core.forward();
  });

  it("lets timers run while one thread computes", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    core.load(sliced);
    await core.denoise({ steps: 4 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });
});
