import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import { PhaseCore } from "../../src/core/index.js";
import { createMemory } from "../../src/core/instance.js";
import { coreModule } from "../../src/core/platform.js";
import { WorkerPool } from "../../src/core/pool.js";
import { expectError, model, randomModel, randomNumbers, shakenCrystal } from "./support.js";

describe("results with any number of threads", () => {
  // Large enough that three threads share the work.
  const frame = shakenCrystal(8, 0.25, 1);
  const atomCount = frame.positions.length / 3;
  const random = randomNumbers(2);
  const seed = Float32Array.from({ length: atomCount * 7 }, () => 2 * random() - 1);
  const cores: PhaseCore[] = [];
  afterAll(() => Promise.all(cores.map((core) => core.dispose())));

  async function evaluate(threads: number) {
    const core = await PhaseCore.create(randomModel(8, 7), { threads });
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
    const core = await PhaseCore.create(model, { threads: 2 });
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
  it("are refused, and the one under way goes on", async () => {
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
  async function createPool(): Promise<{ pool: WorkerPool; workers: Worker[] }> {
    const memory = createMemory();
    const pool = new WorkerPool(await coreModule(), memory, 2);
    return { pool, workers: (pool as unknown as { workers: Worker[] }).workers };
  }

  it("by a trap rejects the job with INTERNAL, and all that follow", async () => {
    const { pool } = await createPool();
    // A context beyond the end of the memory.
    const error = await expectError("INTERNAL", () =>
      pool.run("forwardDensity", "forwardLogits", 0x7fff0000, 1000, 64),
    );
    expect(error.message).toContain("out of bounds");
    await expectError("INTERNAL", () => pool.run("findPairs", "findPairs", 0x7fff0000, 1000, 64));
    await pool.dispose();
  });

  it("by dying rejects with INTERNAL and ends the others", async () => {
    const { pool, workers } = await createPool();
    await workers[1]!.terminate();
    await expectError("INTERNAL", () => pool.run("findPairs", "findPairs", 0, 1000, 64));
    await pool.dispose();
    for (const worker of workers) expect(worker).toBeInstanceOf(Worker);
  });

  it("by dying in the middle of a job rejects it", async () => {
    const core = await PhaseCore.create(model, { threads: 2 });
    core.load(shakenCrystal(14, 0.1, 4));
    const running = core.denoise({ steps: 64 });
    const { workers } = (core as unknown as { pool: { workers: Worker[] } }).pool;
    setTimeout(() => void workers[0]!.terminate(), 50);
    await expectError("INTERNAL", () => running);
    await core.dispose();
  });
});
