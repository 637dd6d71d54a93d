import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inRoot, venvBin } from "../../scripts/lib/paths.mjs";
import { startServer } from "../../scripts/lib/server.mjs";

const run = promisify(execFile);
const limitMs = 240_000;

describe("the demonstration, shortened", () => {
  let folder;
  let server;
  let stdout;
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "phasewire-demo-"));
    server = await startServer({ logFile: path.join(folder, "server.log") });
    const script = inRoot("examples", "lammps_melt.py");
    const args = [script, "--server", server.endpoint, "--out", folder, "--shorten", "9"];
    ({ stdout } = await run(venvBin("python"), args));
  }, limitMs);
  afterAll(async () => {
    await server?.stop();
    fs.rmSync(folder, { recursive: true });
  });

  it("gives phases that add up at observed steps, the first of a crystal", () => {
    const [names, ...rows] = fs
      .readFileSync(path.join(folder, "series.csv"), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(","));
    const column = (name) => rows.map((row) => Number(row[names.indexOf(name)]));
    // A busy machine may drop some of the 22.
    expect(rows.length).toBeGreaterThanOrEqual(5);
    expect(column("step").every((step) => step % 50 === 0 && step <= 1050)).toBe(true);
    expect(column("temperature").every((kelvin) => kelvin > 100 && kelvin < 3000)).toBe(true);
    expect(column("fcc")[0]).toBeGreaterThan(0.99);
    const phases = names.slice(names.indexOf("disordered"), names.indexOf("error"));
    expect(phases).toContain("fcc");
    for (const row of rows) {
      const sum = phases.reduce((total, name) => total + Number(row[names.indexOf(name)]), 0);
      expect(sum).toBeCloseTo(1, 9);
    }
  });

  it("writes labelled frames and a picture, and prints their paths", () => {
    const trajectory = fs.readFileSync(path.join(folder, "labelled.extxyz"), "utf8");
    expect(trajectory.match(/^4000$/gm)?.length).toBeGreaterThanOrEqual(3);
    expect(trajectory).toMatch(/Properties=species:S:1:pos:R:3:id:I:1:phase:S:1:confidence:R:1/);
    expect(fs.readFileSync(path.join(folder, "melt.png")).subarray(1, 4).toString()).toBe("PNG");
    for (const name of ["series.csv", "labelled.extxyz", "melt.png"]) expect(stdout).toContain(name);
  });

  it("ends with its server alive, and the server ends on request", async () => {
    expect(server.hasEnded()).toBe(false);
    await server.stop();
    expect(server.hasEnded()).toBe(true);
  });
});
