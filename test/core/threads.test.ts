import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, describe, expect, it } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import type { CoreHost, WorkerHandle } from "../../src/core/host.js";
import { PhaseCore } from "../../src/core/index.js";
import { createMemory } from "../../src/core/instance.js";
import { coreModule, nodeHost } from "../../src/core/node-host.js";
import { WorkerPool } from "../../src/core/pool.js";
import { builds, expectError, model, randomModel, randomNumbers, shakenCrystal } from "./support.js";

describe.each(builds)("results of any number of threads, build %s", (build) => {
  // Large enough that three threads share the work.
  const frame = shakenCrystal(8, 0.25, 1);
  const atomCount = frame.positions.length / 3;
  const random = randomNumbers(2);
  const seed = Float32Array.from({ length: atomCount * 7 }, () => 2 * random() - 1);
  const cores: PhaseCore[] = [];
  afterAll(() => Promise.all(cores.map((core) => core.dispose())));

  async function evaluate(threads: number) {
    const core = await PhaseCore.create(randomModel(8, 7), { threads, build });
    cores.push(core);
    core.load(frame);
    const forward = await core.forward();
    const backward = await core.backward(seed);
    const score = await core.score();
    const denoised = await core.denoise({ steps: 3 });
    return { forward, backward, score, denoised };
  }

  it("are the same to the last bit", async () => {
    const alone = await evaluate(1);
    expect(alone.forward.logits.every(Number.isFinite)).toBe(true);
    for (const threads of [2, 3]) expect(await evaluate(threads), `${threads} threads`).toEqual(alone);
  });

  it("stay the same when frames of several sizes follow each other", async () => {
    const core = await PhaseCore.create(model, { threads: 2, build });
    cores.push(core);
    const sizes = [3, 8, 2, 7, 8];
    const first = new Map<number, Float32Array>();
    for (const repeats of sizes) {
      core.load(shakenCrystal(repeats, 0.1, repeats));
      const { logits } = await core.forward();
      if (first.has(repeats)) expect(logits).toEqual(first.get(repeats));
      first.set(repeats, logits);
    }
  });
});

describe("calls that overlap", () => {
  it("are refused, and the first call continues", async () => {
    const core = await PhaseCore.create(model, { threads: 2 });
    core.load(shakenCrystal(7, 0.1, 4));
    const running = core.forward();
    await expectError("BAD_OPTION", () => core.forward());
    await expectError("BAD_OPTION", () => core.load(shakenCrystal(2, 0.1, 4)));
    expect((await running).labels.length).toBe(4 * 7 ** 3);
    await core.dispose();
    await expectError("BAD_OPTION", () => core.forward());
    await expectError("BAD_OPTION", () => core.load(shakenCrystal(2, 0.1, 4)));
  });
});

describe("a worker that fails", () => {
  async function createPool(): Promise<{ pool: WorkerPool; workers: WorkerHandle[] }> {
    const pool = new WorkerPool(nodeHost, await coreModule("baseline"), createMemory(), 2);
    return { pool, workers: (pool as unknown as { workers: WorkerHandle[] }).workers };
  }

  const run = { first: "findPairs", last: "findPairs", atomCount: 1000, block: 64, workers: 2 } as const;

  it("by a trap rejects the job and all later ones with INTERNAL", async () => {
    const { pool } = await createPool();
    // The address is beyond the end of the memory.
    const error = await expectError("INTERNAL", () =>
      pool.run({ ...run, first: "forwardDensity", last: "forwardLogits", context: 0x7fff0000 }),
    );
    expect(error.message).toContain("out of bounds");
    await expectError("INTERNAL", () => pool.run({ ...run, context: 0x7fff0000 }));
    await pool.dispose();
  });

  it("by exiting rejects with INTERNAL and ends the others", async () => {
    const { pool, workers } = await createPool();
    await workers[1]!.terminate();
    await expectError("INTERNAL", () => pool.run({ ...run, context: 0 }));
    await pool.dispose();
  });

  it("by exiting in the middle of a job rejects it", async () => {
    const core = await PhaseCore.create(model, { threads: 2 });
    core.load(shakenCrystal(14, 0.1, 4));
    const running = core.denoise({ steps: 64 });
    const { workers } = (core as unknown as { pool: { workers: WorkerHandle[] } }).pool;
    void setTimeout(50).then(() => workers[0]!.terminate());
    await expectError("INTERNAL", () => running);
    await core.dispose();
  });
});

describe("frames of one size, one after the other", () => {
  it("need no more memory, and the core lays out its memory once", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const small = randomModel(3, 31, 64, { channels: 8, lmax: 2, innerWidth: 16 });
    const core = await PhaseCore.create(small, { threads: 2 });
    const { context } = core as unknown as { context: CoreContext };
    const { memory } = context as unknown as { memory: WebAssembly.Memory };
    const frame = shakenCrystal(5, 0.1, 4);
    const evaluate = async (times: number): Promise<number> => {
      for (let time = 0; time < times; time++) {
        core.load(frame);
        await core.forward();
        await core.score();
      }
      // Memory of buffers is freed a moment after their collection.
      for (let pass = 0; pass < 3; pass++) {
        collectGarbage();
        await setTimeout(20);
      }
      const { heapUsed, external, arrayBuffers } = process.memoryUsage();
      return heapUsed + external + arrayBuffers;
    };
    const before = await evaluate(30);
    const bytes = memory.buffer.byteLength;
    const addresses = ["POSITIONS", "LOGITS", "PAIR_X"].map((name) => context.region(name));
    const after = await evaluate(200);
    expect(memory.buffer.byteLength).toBe(bytes);
    expect(["POSITIONS", "LOGITS", "PAIR_X"].map((name) => context.region(name))).toEqual(addresses);
    // A frame's results take 200 kB, so a leak of one in twenty would be found.
    expect(after - before, `${after} after ${before} bytes`).toBeLessThan(2e6);
    await core.dispose();
  }, 300_000);
});

describe("a frame", () => {
  it.each([
    [3, 1],
    [5, 2],
    [6, 4],
  ])("of %i^3 cells is shared by %i of four workers", async (repeats, expected) => {
    const jobs: number[] = [];
    const host: CoreHost = {
      ...nodeHost,
      startWorker: (start, listener) => {
        const handle = nodeHost.startWorker(start, listener);
        return {
          ...handle,
          keepAlive: (wanted) => {
            if (wanted) jobs.push(start.worker);
            handle.keepAlive(wanted);
          },
        };
      },
    };
    const core = await PhaseCore.create(model, { threads: 4, host });
    core.load(shakenCrystal(repeats, 0.1, 4));
    await core.forward();
    expect(Math.max(1, new Set(jobs).size)).toBe(expected);
    await core.dispose();
  });

  it("loaded without room for gradients gives the same results, and refuses gradients", async () => {
    const core = await PhaseCore.create(model, { threads: 1, build: "baseline" });
    const frame = shakenCrystal(4, 0.2, 2);
    core.load(frame);
    const expected = await core.forward();
    core.load(frame, { gradients: false });
    expect(await core.forward()).toEqual(expected);
    for (const refused of [() => core.score(), () => core.denoise({ steps: 1 })]) {
      const error = await expectError("BAD_OPTION", refused);
      expect(error.field).toBe("gradients");
    }
    core.load(frame);
    expect((await core.score()).logDensity).toBe(expected.logDensity);
    await core.dispose();
  });
});
