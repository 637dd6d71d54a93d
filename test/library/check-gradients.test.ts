/** `phasewire check-gradients`, and the variables of `phasewire classify`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/index.js";
import { variables as table } from "../../src/contract/variables.js";
import { createAnalyser, type Frame, FrameWriter, loadModel, type Variable } from "../../src/index.js";
import { modelFile } from "./model-file.js";
import { crystal, fccSites, shaken, TextSink, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const modelPath = inFolder("random.safetensors");

const copper = shaken(crystal(fccSites, 3.61, 2), 0.2);
const alloy = shaken(crystal(fccSites, 3.61, 2, ["Cu", "Zn", "Cu", "Zn"]), 0.2);
const large = shaken(crystal(fccSites, 3.61, 7), 0.2);

async function writeFrames(name: string, ...frames: Frame[]): Promise<void> {
  const writer = await FrameWriter.open(inFolder(name));
  for (const frame of frames) await writer.write(frame);
  await writer.close();
}

beforeAll(async () => {
  await writeFile(modelPath, modelFile());
  await writeFrames("copper.extxyz", copper);
  await writeFrames("alloy.extxyz", alloy);
  await writeFrames("surface.extxyz", {
    ...copper,
    cell: Float64Array.of(7.22, 0, 0, 0, 7.22, 0, 0, 0, 0),
    periodic: [true, true, false],
  });
  await writeFrames("cluster.extxyz", { ...copper, cell: null, periodic: [false, false, false] });
  await writeFrames("large.extxyz", large);
});

async function run(...args: string[]) {
  const [stdout, stderr] = [new TextSink(), new TextSink()];
  const exitCode = await runCli(args, { stdout, stderr, signal: new AbortController().signal });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

const check = (file: string, ...args: string[]) =>
  run("check-gradients", modelPath, inFolder(file), "--samples", "2", ...args);

interface Found {
  maxRelativeError: number;
  virialRelativeError: number;
  variables: { name: string; value: number; maxRelativeError: number; virialRelativeError: number }[];
  builds: { build: string; maxRelativeError: number }[];
  natoms: number;
  atomsChecked: number;
  tolerance: number;
  lengthScale: number;
  ok: boolean;
}

async function checkJson(file: string, ...args: string[]): Promise<Found> {
  const { exitCode, stdout, stderr } = await check(file, "--json", ...args);
  expect(stderr).toBe("");
  expect(stdout.split("\n")).toHaveLength(2);
  const found = JSON.parse(stdout) as Found;
  expect(exitCode).toBe(found.ok ? 0 : 1);
  return found;
}

async function fileOf(name: string, variables: unknown): Promise<string> {
  await writeFile(inFolder(name), JSON.stringify(variables));
  return inFolder(name);
}

describe("checking gradients", () => {
  test("confirms the derivatives of every kind of variable, in both builds", async () => {
    const found = await checkJson("alloy.extxyz");
    expect(found.ok).toBe(true);
    expect(found.tolerance).toBe(1e-3);
    expect(found.builds.map(({ build }) => build)).toEqual(["baseline", "relaxed"]);
    const names = found.variables.map(({ name }) => name.split(".")[0]);
    expect(new Set(names)).toEqual(new Set(Object.keys(table.kinds)));
    expect(found.variables.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["meanLogit.species", "meanLogit.ids", "distance.ball", "logDensity.slab"]),
    );
    // The error is not zero, since differences are approximate.
    expect(found.maxRelativeError).toBeGreaterThan(1e-9);
    expect(found.maxRelativeError).toBeLessThan(1e-4);
    expect(found.virialRelativeError).toBeGreaterThan(1e-9);
    const worst = Math.max(...found.variables.map(({ maxRelativeError }) => maxRelativeError));
    expect(found.maxRelativeError).toBe(worst);
  });

  test.each(["surface.extxyz", "cluster.extxyz"])("accepts %s", async (file) => {
    const found = await checkJson(file, "--build", "baseline");
    expect(found.ok).toBe(true);
    expect(found.builds.map(({ build }) => build)).toEqual(["baseline"]);
    // Regions need a periodic cell, which neither file has.
    expect(found.variables.some(({ name }) => name.includes("ball"))).toBe(false);
  });

  test("fails above the tolerance, and reports it", async () => {
    expect((await checkJson("copper.extxyz", "--tolerance", "1e-12", "--build", "baseline")).ok).toBe(false);
    const { exitCode, stdout } = await check("copper.extxyz", "--tolerance", "1e-12", "--build", "baseline");
    expect(exitCode).toBe(1);
    expect(stdout).toContain("FAILED");
  });

  test("prints a table as text", async () => {
    const { exitCode, stdout } = await check("copper.extxyz");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^model random, 32 atoms, length scale 2\.\d+, 2 atoms moved\n/);
    expect(stdout).toMatch(
      /variable +value +forces baseline +virial baseline +forces relaxed +virial relaxed\n/,
    );
    expect(stdout).toMatch(/\nok: [^\n]+\n$/);
  });

  test("accepts variables from a file, and weights of classes", async () => {
    const file = await fileOf("own.json", [
      {
        kind: "distance",
        class: "bcc",
        name: "mine",
        select: { region: { axis: 1, from: 0, to: 0.4, width: 0.3 } },
      },
    ]);
    const found = await checkJson(
      "copper.extxyz",
      "--variables",
      file,
      "--classes",
      "fcc,bcc=0.5",
      "--length-scale",
      "2.2",
    );
    expect(found.variables.map(({ name }) => name)).toEqual(["mine"]);
    expect(found.lengthScale).toBe(2.2);
    expect(found.ok).toBe(true);
  });

  test("checks only a part of a frame that is too large", async () => {
    const file = await fileOf("one.json", [{ kind: "meanLogit", class: "fcc" }]);
    const found = await checkJson(
      "large.extxyz",
      "--variables",
      file,
      "--build",
      "baseline",
      "--samples",
      "1",
    );
    expect(found.natoms).toBe(1372);
    expect(found.atomsChecked).toBe(400);
    expect(found.lengthScale).toBeCloseTo(3.61 / 4 ** (1 / 3), 6);
    expect(found.ok).toBe(true);
  });

  test.each<[string, string, unknown, RegExp]>([
    [
      "an unknown key",
      "unknown.json",
      [{ kind: "fraction", class: "fcc", colour: 1 }],
      /variables\[0\]\.colour/,
    ],
    ["an unknown class", "class.json", [{ kind: "fraction", class: "omega" }], /no class "omega"/],
    [
      "a sharp edge",
      "sharp.json",
      [{ kind: "logDensity", select: { region: { axis: 0, from: 0, to: 0.5, width: 0 } } }],
      /sharp edge/,
    ],
  ])("refuses %s as wrong usage", async (_, name, variables, text) => {
    const { exitCode, stderr } = await check("copper.extxyz", "--variables", await fileOf(name, variables));
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(text);
  });

  test("refuses files that are missing or are not JSON", async () => {
    await writeFile(inFolder("broken.json"), "[{");
    const broken = await check("copper.extxyz", "--variables", inFolder("broken.json"));
    expect(broken).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("FILE_FORMAT") });
    const missing = await check("copper.extxyz", "--variables", inFolder("missing.json"));
    expect(missing).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("FILE_ACCESS") });
    const wrong = await check("copper.extxyz", "--tolerance", "-1");
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--tolerance") });
  });

  test("stops when it is interrupted", async () => {
    const [stdout, stderr] = [new TextSink(), new TextSink()];
    const controller = new AbortController();
    controller.abort();
    const exitCode = await runCli(["check-gradients", modelPath, inFolder("copper.extxyz")], {
      stdout,
      stderr,
      signal: controller.signal,
    });
    expect(exitCode).toBe(130);
    expect(stdout.text).toBe("");
  });
});

describe("classify --variables", () => {
  const variables: Variable[] = [
    { kind: "fraction", class: "fcc" },
    {
      kind: "distance",
      class: "bcc",
      name: "far",
      select: { region: { axis: 0, from: 0.1, to: 0.4, width: 0.2 } },
    },
  ];

  test("gives their values in JSON and in the report", async () => {
    const file = await fileOf("values.json", variables);
    const common = ["classify", "--model", modelPath, "--threads", "1", "--variables", file];
    const { stdout } = await run(...common, "--json", inFolder("copper.extxyz"));
    const { values } = JSON.parse(stdout) as { values: Record<string, number> };
    const analyser = await createAnalyser(await loadModel(modelPath), { threads: 1 });
    const expected = await analyser.analyse(copper, { variables });
    await analyser.dispose();
    expect(Object.keys(values)).toEqual(["fraction.fcc", "far"]);
    expect(values).toEqual(expected.values);
    const report = await run(...common, inFolder("copper.extxyz"));
    expect(report.stdout).toContain(`  far           ${Number(values.far!.toPrecision(6))}\n`);
  });

  test("ends the run if the model lacks a class", async () => {
    const file = await fileOf("lacking.json", [{ kind: "fraction", class: "omega" }]);
    const { exitCode, stderr } = await run(
      "classify",
      "--model",
      modelPath,
      "--variables",
      file,
      inFolder("copper.extxyz"),
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain("omega");
  });
});
