/** The whole path: the command, the real model and core, golden structures over a socket. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serveCommand } from "../../bridge/server/index.js";
import type { WireMessage } from "../../bridge/server/wire/wire.js";
import { coresGiven } from "../../src/core/index.js";
import { packageRoot } from "../../src/package.js";
import { f64, i32, type Plain } from "./encoder.js";
import { FakeClient } from "./fake-client.js";

interface Golden {
  name: string;
  lengthScale: number;
  cell: number[][] | null;
  periodic: boolean[];
  species: number[];
  positions: number[][];
  logits: number[][];
  logDensity: number;
  score: number[][];
  virial: number[][];
}

const models = process.env.PHASEWIRE_MODELS ?? new URL("../../models", import.meta.url).pathname;
const golden = readdirSync(join(models, "golden"))
  .filter((name) => name.endsWith(".json"))
  .map((name) => JSON.parse(readFileSync(join(models, "golden", name), "utf8")) as Golden);

interface Ready {
  event: string;
  endpoint: string;
  model: string;
  classes: string[];
  threads: number;
  build: string;
}

const interruption = new AbortController();
const stdout = new PassThrough({ encoding: "utf8" });
const stderr = new PassThrough({ encoding: "utf8" });
let ended: Promise<number>;
let ready: Ready;
let client: FakeClient;
let welcome: WireMessage;

beforeAll(async () => {
  ended = serveCommand(["--endpoint", "tcp://127.0.0.1:*", "--threads", "1", "--nice", "0", "--json"], {
    stdout,
    stderr,
    signal: interruption.signal,
  });
  const line = new Promise<string>((resolve) => stdout.once("data", resolve));
  ready = JSON.parse(await Promise.race([line, ended.then((code) => `{"event":"ended ${code}"}`)])) as Ready;
  client = new FakeClient(ready.endpoint);
  welcome = await client.hello();
});

afterAll(async () => {
  client.close();
  interruption.abort();
  expect(await ended).toBe(0);
});

/** A request for a golden structure, its header and parts. */
function request(
  { cell, periodic, species, positions, lengthScale }: Golden,
  more: Record<string, Plain> = {},
): [Record<string, Plain>, ...Buffer[]] {
  const arrays: Plain[] = [
    { name: "positions", dtype: "f64", shape: [positions.length, 3] },
    { name: "species", dtype: "i32", shape: [species.length] },
  ];
  const parts = [f64(...positions.flat()), i32(...species)];
  if (cell !== null && periodic.includes(true)) {
    arrays.push({ name: "cell", dtype: "f64", shape: [3, 3] });
    parts.push(f64(...cell.flat()));
  }
  const header = { type: "analyse", mode: "request", step: 1, periodic, lengthScale, arrays };
  return [{ ...header, ...more }, ...parts];
}

/** Largest difference over the largest expected magnitude. */
function relativeError(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  let [worst, largest] = [0, 0];
  expected.forEach((value, index) => {
    worst = Math.max(worst, Math.abs(found[index]! - value));
    largest = Math.max(largest, Math.abs(value));
  });
  return worst / largest;
}

function expectBelow(found: number, bound: number, what: string): void {
  if (!(found <= bound)) throw new Error(`${what}: ${found} is above ${bound}`);
}

describe("phasewire serve", () => {
  it("reports that it is ready, with the same facts as the welcome", () => {
    expect(ready).toMatchObject({ event: "ready", threads: 1, cores: coresGiven() });
    expect(["baseline", "relaxed"]).toContain(ready.build);
    expect(ready.classes[0]).toBe("disordered");
    expect(welcome.header.model).toMatchObject({ name: ready.model, classes: ready.classes });
    expect(golden.length).toBeGreaterThanOrEqual(5);
  });

  it.each(golden)("gives the golden numbers of $name", async (structure) => {
    const fields = ["logits", "labels", "score", "forces", "virial"];
    const bias = { mode: "bias", fields, variables: [{ kind: "logDensity" }], coefficients: [-1] };
    const { header, arrays } = await client.ask(...request(structure, bias));
    expect(header.type).toBe("result");
    const { logDensity } = structure;
    expectBelow(
      Math.abs((header.logDensity as number) - logDensity) / Math.abs(logDensity),
      1e-4,
      "logDensity",
    );
    expectBelow(Math.abs((header.energy as number) + logDensity) / Math.abs(logDensity), 1e-4, "energy");
    expectBelow(relativeError(arrays.get("logits")!.data, structure.logits.flat()), 1e-4, "logits");
    const best = structure.logits.map((row) => row.indexOf(Math.max(...row)));
    expect(Array.from(arrays.get("labels")!.data)).toEqual(best);
    // The score of an ideal crystal is only rounding, so its errors are compared with forces of the size of
    // the virial over a length.
    const unit = Math.max(...structure.virial.flat().map(Math.abs)) / structure.lengthScale;
    const score = structure.score.flat();
    const [found, forces] = [arrays.get("score")!.data, arrays.get("forces")!.data];
    score.forEach((value, index) => {
      expectBelow(Math.abs(found[index]! - value), 1e-4 * unit, `score ${index}`);
      expectBelow(Math.abs(forces[index]! - value), 1e-4 * unit, `forces ${index}`);
    });
    const virial = Array.from(arrays.get("virial")!.data, (value) => -value);
    expectBelow(relativeError(virial, structure.virial.flat()), 1e-4, "virial");
  });

  it("recognises an ideal crystal", async () => {
    const structure = golden.find(({ name }) => name === "fcc-ideal")!;
    const { header } = await client.ask(...request(structure, { mode: "monitor", lengthScale: null }));
    expect(header.fractions).toEqual({ fcc: 1 });
  });

  it("gives forces of a mixture of variables that are the derivatives of its energy", async () => {
    const structure = golden.find(({ name }) => name === "fcc-hot")!;
    const crystal = ready.classes.slice(1, 3);
    const variables: Plain[] = [
      { kind: "fraction", class: crystal[0]! },
      { kind: "logitDifference", class: crystal[1]!, minus: crystal[0]! },
      { kind: "meanLogit", class: crystal[0]! },
    ];
    const bias = { mode: "bias", variables, coefficients: [30, 5, -2] };
    const forces = Array.from((await client.ask(...request(structure, bias))).arrays.get("forces")!.data);
    const step = 1e-3 * structure.lengthScale;
    const energyAt = async (at: number, by: number): Promise<number> => {
      const moved = structure.positions.map((row) => [...row]);
      moved[Math.floor(at / 3)]![at % 3]! += by;
      const { header } = await client.ask(...request({ ...structure, positions: moved }, bias));
      return header.energy as number;
    };
    const largest = forces.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest).toBeGreaterThan(0);
    for (const at of [0, 4, 11]) {
      const slope = ((await energyAt(at, step)) - (await energyAt(at, -step))) / (2 * step);
      expectBelow(Math.abs(forces[at]! + slope), 0.01 * largest, `force ${at}`);
    }
    const sums = [0, 1, 2].map((axis) =>
      forces.reduce((sum, value, at) => (at % 3 === axis ? sum + value : sum), 0),
    );
    for (const sum of sums) expectBelow(Math.abs(sum), 1e-4 * largest, "sum of forces");
  });

  it("weights the classes as a session or a frame requests", async () => {
    const structure = golden.find(({ name }) => name === "fcc-hot")!;
    const fields = ["probabilities", "labels"];
    const { arrays: plain } = await client.ask(...request(structure, { fields }));
    const classes = { hcp: 1, fcc: 0.5, disordered: 0 };
    const { arrays } = await client.ask(...request(structure, { fields, classes }));
    const session = new FakeClient(ready.endpoint);
    await session.hello({ classes });
    const { header, arrays: same } = await session.ask(...request(structure, { fields }));
    session.close();
    expect(same).toEqual(arrays);
    const count = ready.classes.length;
    const [fcc, hcp] = [ready.classes.indexOf("fcc"), ready.classes.indexOf("hcp")];
    const [before, after] = [plain, arrays].map((table) => table.get("probabilities")!.data);
    for (let row = 0; row < before!.length; row += count) {
      const [weighted, other] = [0.5 * before![row + fcc]!, before![row + hcp]!];
      expectBelow(Math.abs(after![row + fcc]! - weighted / (weighted + other)), 1e-5, "probability");
    }
    const labels = new Set(arrays.get("labels")!.data);
    expect([fcc, hcp]).toEqual(expect.arrayContaining([...labels]));
    expect(["fcc", "hcp"]).toEqual(expect.arrayContaining(Object.keys(header.fractions as object)));
  });

  it("denoises, and keeps the numbers of the frame as sent", async () => {
    const structure = golden.find(({ name }) => name === "fcc-hot")!;
    const options = { denoise: 4, fields: ["denoised", "score"] };
    const { header, arrays } = await client.ask(...request(structure, options));
    expect(header.denoising).toMatchObject({ steps: 4 });
    const { meanDisplacement } = header.denoising as { meanDisplacement: number };
    const denoised = arrays.get("denoised")!.data;
    const moved = structure.positions.map((row, atom) =>
      Math.hypot(...row.map((value, axis) => denoised[3 * atom + axis]! - value)),
    );
    expectBelow(
      Math.abs(moved.reduce((a, b) => a + b) / moved.length - meanDisplacement),
      1e-9,
      "displacement",
    );
    expect(meanDisplacement).toBeGreaterThan(0);
    const { logDensity } = structure;
    expectBelow(
      Math.abs((header.logDensity as number) - logDensity) / Math.abs(logDensity),
      1e-4,
      "logDensity",
    );
  });

  it("estimates the length scale if it gets none", async () => {
    const structure = golden.find(({ name }) => name === "fcc-hot")!;
    const { header } = await client.ask(...request(structure, { lengthScale: null }));
    expectBelow(Math.abs((header.lengthScale as number) / structure.lengthScale - 1), 0.1, "lengthScale");
  });

  it("names coincident atoms and unknown classes, and keeps running", async () => {
    const structure = golden[0]!;
    const twice = {
      ...structure,
      positions: structure.positions.map((row, atom) => (atom === 1 ? structure.positions[0]! : row)),
    };
    const coincident = await client.ask(...request(twice));
    expect(coincident.header).toMatchObject({ type: "error", code: "COINCIDENT_ATOMS" });
    const unknown = await client.ask(
      ...request(structure, { variables: [{ kind: "fraction", class: "no-such-class" }] }),
    );
    expect(unknown.header).toMatchObject({ type: "error", code: "BAD_OPTION", field: "variables[0].class" });
    expect((await client.ask(...request(structure))).type).toBe("result");
  });

  it("refuses settings that cannot be served before it starts to listen", async () => {
    const serve = (...args: string[]): Promise<number> =>
      serveCommand(["--nice", "0", ...args], {
        stdout: new PassThrough(),
        stderr: new PassThrough(),
        signal: AbortSignal.timeout(10_000),
      });
    await expect(serve("--endpoint", "tcp://0.0.0.0:5757")).rejects.toMatchObject({
      code: "ENDPOINT_INSECURE",
    });
    await expect(serve("--endpoint", ready.endpoint)).rejects.toMatchObject({ code: "ENDPOINT_IN_USE" });
    await expect(serve("--model", "no-such-model")).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    await expect(serve("--threads", "0")).rejects.toMatchObject({ code: "BAD_OPTION", field: "threads" });
    await expect(serve("--threads", "100000")).rejects.toMatchObject({
      code: "BAD_OPTION",
      field: "threads",
    });
    await expect(serve("--classes", "fcc,hpc")).rejects.toMatchObject({
      code: "BAD_OPTION",
      field: "classes",
      value: "hpc",
    });
    await expect(serve("--classes", "fcc=-1")).rejects.toMatchObject({
      code: "BAD_OPTION",
      field: "classes",
    });
    for (const nice of ["-1", "20", "1.5", "much"]) {
      await expect(serve("--nice", nice)).rejects.toMatchObject({ code: "BAD_OPTION", field: "nice" });
    }
    await expect(serve("--sideways")).rejects.toMatchObject({ code: "BAD_OPTION" });
    await expect(serve("--keys", "/nowhere")).rejects.toMatchObject({ code: "FILE_ACCESS", field: "keys" });
  });

  it("yields to other programs, as much as requested", async () => {
    const executable = join(packageRoot(), "dist/bridge/server/main.js");
    const args = ["serve", "--json", "--threads", "2", "--endpoint", "tcp://127.0.0.1:*"];
    const own = getPriority();
    for (const [more, expected] of [
      [[], 10],
      [["--nice", "19"], 19],
      [["--nice", "0"], 0],
    ] as const) {
      const child = spawn(process.execPath, [executable, ...args, ...more], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      const exit = once(child, "exit");
      await once(child.stdout, "data");
      const niceness = Math.max(own, expected);
      expect(getPriority(child.pid)).toBe(niceness);
      // The threads that it has started since then include its workers.
      expect(threadsOfNiceness(child.pid!, niceness)).toBeGreaterThanOrEqual(3);
      child.kill("SIGTERM");
      await exit;
    }
  });

  it("offers shared memory unless this is disabled", async () => {
    expect(welcome.header.capabilities).toContain("shared");
    const stop = new AbortController();
    const out = new PassThrough({ encoding: "utf8" });
    const args = ["--endpoint", "tcp://127.0.0.1:*", "--threads", "1", "--nice", "0", "--json"];
    const end = serveCommand([...args, "--no-shared-memory"], {
      stdout: out,
      stderr: new PassThrough(),
      signal: stop.signal,
    });
    const [line] = (await once(out, "data")) as [string];
    const other = new FakeClient((JSON.parse(line) as Ready).endpoint);
    expect((await other.hello()).header.capabilities).not.toContain("shared");
    other.close();
    stop.abort();
    expect(await end).toBe(0);
  });

  it("keeps serving when its log is no longer read", async () => {
    const executable = join(packageRoot(), "dist/bridge/server/main.js");
    const args = ["serve", "--json", "--threads", "1", "--endpoint", "tcp://127.0.0.1:*"];
    const child = spawn(process.execPath, [executable, ...args, "--log-level", "debug"]);
    const exit = once(child, "exit");
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    child.stderr.destroy();
    const watcher = new FakeClient((JSON.parse(line.toString()) as Ready).endpoint);
    for (let turn = 0; turn < 10; turn++) expect((await watcher.hello()).type).toBe("welcome");
    watcher.close();
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  });

  it("ends by one SIGTERM when its log is full and not read", async () => {
    const executable = join(packageRoot(), "dist/bridge/server/main.js");
    const args = ["serve", "--json", "--threads", "1", "--endpoint", "tcp://127.0.0.1:*"];
    const child = spawn(process.execPath, [executable, ...args, "--log-level", "debug"]);
    const exit = once(child, "exit");
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    child.stderr.pause();
    const watcher = new FakeClient((JSON.parse(line.toString()) as Ready).endpoint);
    // Each turn is a line of over 120 bytes, and a pipe holds 64 KiB.
    for (let turn = 0; turn < 1000; turn++) {
      const client = { name: "x".repeat(120), version: "0" };
      expect((await watcher.hello({ client })).type).toBe("welcome");
    }
    watcher.close();
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
    const rest = Buffer.concat(await child.stderr.toArray()).toString();
    expect(rest).not.toContain("stopping");
  });

  it("makes keys", async () => {
    const folder = mkdtempSync(join(tmpdir(), "phasewire-"));
    const out = new PassThrough({ encoding: "utf8" });
    const code = await serveCommand(["--generate-keys", join(folder, "keys")], {
      stdout: out,
      stderr: new PassThrough(),
      signal: AbortSignal.timeout(10_000),
    });
    expect(code).toBe(0);
    expect(String(out.read())).toContain("client.key_secret");
    rmSync(folder, { recursive: true });
  });
});

/**
 * Number of threads of a process with this niceness. Infinite on systems where niceness belongs to the
 * process.
 */
function threadsOfNiceness(pid: number, niceness: number): number {
  const folder = `/proc/${pid}/task`;
  if (!existsSync(folder)) return Number.POSITIVE_INFINITY;
  return readdirSync(folder).filter((thread) => {
    // proc(5): the niceness is the 19th field, the 17th after the name in parentheses.
    const fields = readFileSync(join(folder, thread, "stat"), "utf8")
      .split(") ")
      .at(-1)!
      .split(" ");
    return Number(fields[16]) === niceness;
  }).length;
}
