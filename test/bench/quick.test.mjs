import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { startWorker } from "../../bench/lib/worker.mjs";
import { inRoot, root } from "../../scripts/lib/paths.mjs";

const run = promisify(execFile);
const bench = (...options) => run(process.execPath, [inRoot("bench", "main.mjs"), ...options], { cwd: root });

/** A spread of numbers. */
const times = { median: expect.any(Number), least: expect.any(Number), largest: expect.any(Number) };

describe("npm run bench -- --quick --json", () => {
  // Two sections are left out: peers needs packages that the tests do without, and overhead takes minutes.
  let report;
  beforeAll(async () => {
    const { stdout } = await bench("--quick", "--json", "--only", "stages,threads,scale,bridge,bias");
    report = JSON.parse(stdout.trim().split("\n").at(-1));
    // The work takes seconds, but a busy machine may stretch them.
  }, 300_000);

  it("has the headlines of the sections that were run", () => {
    expect(report.benchmark).toBe("phasewire");
    expect(report.twoThreadSpeedup).toBeGreaterThan(0);
  });

  it("states where, when and with which model every section was measured", () => {
    for (const name of ["stages", "threads", "scale", "bridge", "bias"]) {
      expect(report[name].machine.cores).toBeGreaterThan(0);
      expect(report[name].date).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(report[name].model.shape.channels).toBeGreaterThan(0);
    }
  });

  it("has the stages with their cost and time", () => {
    const { stages, peak, neighbours } = report.stages;
    expect(peak.gigaflops).toBeGreaterThan(0);
    expect(Object.keys(report.fractionOfPeak).length).toBeGreaterThan(10);
    expect(neighbours).toBeGreaterThan(10);
    for (const { name, cost, microseconds } of stages) {
      expect(microseconds, name).toMatchObject(times);
      if (cost !== null) expect(report.fractionOfPeak[name], name).toBeGreaterThan(0);
    }
  });

  it("has bytes per atom and the largest frames", () => {
    const { memory, mostAtoms } = report.scale;
    for (const { bytesAnAtom } of memory) expect(bytesAnAtom.forward).toBeGreaterThan(100);
    expect(mostAtoms.forward).toBeGreaterThan(mostAtoms["with gradient"]);
  });

  it("has the cost of a biased step, in process and over the server", () => {
    const { sizes, impulses } = report.bias;
    expect(impulses).toBe(5);
    expect(sizes.map(({ atoms }) => atoms)).toEqual([108, 256]);
    for (const { millisecondsAStep, cost } of sizes) {
      expect(millisecondsAStep.plain).toEqual({ wall: times, cpu: times });
      expect(Object.keys(cost)).toEqual([
        "in process, every step",
        "in process, impulses",
        "server, every step",
        "server, impulses",
      ]);
      for (const { wall, cpu } of Object.values(cost)) {
        expect(wall).toEqual(times);
        // A bias costs far more than a tenth of a step.
        expect(cpu.median).toBeGreaterThan(0.1);
      }
    }
  });

  it("splits the latency of a frame and measures echoes too", () => {
    const { sizes, milliseconds } = report.bridge;
    expect(sizes).toEqual([500]);
    const { shared, messages, zeroMqEcho, unixSocketEcho } = milliseconds[500];
    for (const echo of [zeroMqEcho, unixSocketEcho]) expect(echo.median).toBeGreaterThan(0);
    for (const { total, transport, analysis } of [shared, messages]) {
      expect(transport.median).toBeGreaterThan(0);
      expect(transport.median + analysis.median).toBeCloseTo(total.median, 6);
    }
  });
});

describe("npm run bench", () => {
  it.each([
    [["--only", "peer"], /--only peer: known are peers, stages/],
    [["--write", "--quick"], /--write and --quick/],
    [["--write", "--model", "runs/mine.safetensors"], /--write and --model/],
    [["--fast"], /--fast/],
  ])("refuses %j", async (options, message) => {
    await expect(bench(...options)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(message),
    });
  });

  it("lists its sections with --help", async () => {
    const { stdout } = await bench("--help");
    for (const name of ["peers", "stages", "threads", "scale", "bridge", "overhead", "bias"]) {
      expect(stdout).toContain(name);
    }
  });
});

describe("a worker", () => {
  it("that ends rejects the pending request with its last messages", async () => {
    const worker = startWorker("bench.nowhere");
    await expect(worker.ask({ do: "start" })).rejects.toThrow("No module named bench.nowhere");
    await worker.close();
    await expect(worker.ask({ do: "start" })).rejects.toThrow("has ended");
  });

  it("answers one request after the other", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "phasewire-bench-test-"));
    const worker = startWorker("bench.bridge");
    try {
      for (const atoms of [2, 5]) {
        const file = path.join(folder, "positions");
        writeFileSync(file, new Float64Array(3 * atoms));
        expect(await worker.ask({ do: "frame", file, edge: 1 })).toBe(atoms);
      }
    } finally {
      await worker.close();
      rmSync(folder, { recursive: true });
    }
  });
});
