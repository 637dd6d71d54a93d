import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { chmod, link, lstat, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createHints } from "../../src/cli/hints.js";
import { runCli } from "../../src/cli/index.js";
import { createReport } from "../../src/cli/report.js";
import { createFrame } from "../../src/frame/index.js";
import {
  createAnalyser,
  type ErrorObject,
  type Frame,
  FrameWriter,
  loadModel,
  PhasewireError,
  readFrames,
} from "../../src/index.js";
import { packageRoot, packageVersion } from "../../src/package.js";
import { classNames, modelFile, modelFileOf } from "./model-file.js";
import { bccSites, collect, crystal, fccSites, shaken, TextSink, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);

/** Output of `classify --json` for a frame. */
interface FrameLine {
  file: string;
  frame: number;
  natoms: number;
  selection: string | null;
  lengthScale: number;
  fractions: Record<string, number>;
  meanLogDensityPerAtom: number;
  meanMargin: number;
  model: string;
  threads: number;
  build: string;
  seconds: number;
}

/** Its output for an error. */
interface ErrorLine {
  file: string | null;
  frame: number | null;
  error: ErrorObject;
}

const copper = shaken(crystal(fccSites, 3.61, 3), 0.2);
const iron = shaken(crystal(bccSites, 2.87, 4, ["Fe", "Fe"]), 0.2);
const chlorineSites = fccSites.map(([x, y, z]) => [x + 0.5, y, z] as const);
const saltSpecies = [...fccSites.map(() => "Na"), ...chlorineSites.map(() => "Cl")];
const salt = shaken(crystal([...fccSites, ...chlorineSites], 5.64, 2, saltSpecies), 0.2);

/** Oxygens on a body-centred lattice with one atom per 27 cubic units of length, each with hydrogens. */
const water = shaken(
  crystal(
    bccSites.flatMap(([x, y, z]) => [[x, y, z] as const, [x + 0.2, y, z] as const, [x, y + 0.2, z] as const]),
    3 * Math.cbrt(2),
    2,
    ["O", "H", "H", "O", "H", "H"],
  ),
  0.2,
);

async function writeFrames(name: string, ...frames: Frame[]): Promise<string> {
  const writer = await FrameWriter.open(inFolder(name));
  for (const frame of frames) await writer.write(frame);
  await writer.close();
  return inFolder(name);
}

/** Files that were to replace the one of this name. */
async function partsOf(name: string): Promise<string[]> {
  return (await readdir(folder)).filter((entry) => entry.startsWith(`${name}.part-`));
}

beforeAll(async () => {
  const file = modelFile();
  await writeFile(inFolder("random.safetensors"), file);
  const sha256 = createHash("sha256").update(file).digest("hex");
  const entry = {
    name: "random",
    file: "random.safetensors",
    sha256,
    classCount: 4,
    description: "random weights",
  };
  await writeFile(inFolder("manifest.json"), JSON.stringify({ default: "random", models: [entry] }));
  process.env.PHASEWIRE_MODELS = folder;
  await writeFrames("copper.extxyz", copper);
  await writeFrames("two.extxyz.gz", { ...copper, info: { step: 7, note: "first frame" } }, iron);
  await writeFrames("salt.extxyz", salt);
});
afterAll(() => {
  delete process.env.PHASEWIRE_MODELS;
});

interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs the command line in this process, on one thread. */
async function run(args: string[], signal = new AbortController().signal): Promise<Outcome> {
  const stdout = new TextSink();
  const stderr = new TextSink();
  const exitCode = await runCli(args, { stdout, stderr, signal });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

function lines<Line>(outcome: Outcome): Line[] {
  expect(outcome.stdout === "" || outcome.stdout.endsWith("\n")).toBe(true);
  return outcome.stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}

const classify = (...args: string[]): Promise<Outcome> => run(["classify", "--threads", "1", ...args]);
const denoise = (...args: string[]): Promise<Outcome> => run(["denoise", "--threads", "1", ...args]);

describe("classify --json", () => {
  test("prints one object per frame, each on a line, and nothing else", async () => {
    const files = [inFolder("copper.extxyz"), inFolder("two.extxyz.gz")];
    const outcome = await classify("--json", ...files);
    expect(outcome.exitCode).toBe(0);
    expect(outcome.stderr).toBe("");
    const found = lines<FrameLine>(outcome);
    expect(found.map(({ file, frame, natoms }) => [file, frame, natoms])).toEqual([
      [files[0], 0, 108],
      [files[1], 0, 108],
      [files[1], 1, 128],
    ]);
    for (const line of found) {
      expect(Object.keys(line)).toEqual([
        "file",
        "frame",
        "natoms",
        "selection",
        "lengthScale",
        "fractions",
        "hints",
        "meanLogDensityPerAtom",
        "meanMargin",
        "model",
        "threads",
        "build",
        "seconds",
      ]);
      expect(Object.keys(line.fractions)).toEqual(classNames);
      expect(Object.values(line.fractions).reduce((sum, fraction) => sum + fraction, 0)).toBeCloseTo(1, 12);
      expect(line.model).toBe("random");
      expect(line.threads).toBe(1);
      expect(["baseline", "relaxed"]).toContain(line.build);
      expect(line.seconds).toBeGreaterThan(0);
    }
  });

  test("agrees with the library", async () => {
    const analyser = await createAnalyser(await loadModel(), { threads: 1 });
    const expected = await analyser.analyse(salt, {
      denoise: 3,
      select: "Cl",
      lengthScale: 3.5,
      ignoreSpecies: true,
    });
    await analyser.dispose();
    const args = [
      "--denoise",
      "3",
      "--select",
      "Cl",
      "--length-scale",
      "3.5",
      "--ignore-species",
      "--model",
      "random",
    ];
    const [line] = lines<FrameLine>(await classify("--json", ...args, inFolder("salt.extxyz")));
    const { natoms, lengthScale, fractions, meanLogDensityPerAtom, meanMargin } = line!;
    expect({ natoms, lengthScale, fractions, meanLogDensityPerAtom, meanMargin }).toEqual({
      natoms: 32,
      lengthScale: 3.5,
      fractions: expected.fractions,
      meanLogDensityPerAtom: expected.meanLogDensityPerAtom,
      meanMargin: expected.meanMargin,
    });
  });

  test("ignores species on request", async () => {
    const [aware] = lines<FrameLine>(await classify("--json", inFolder("salt.extxyz")));
    const [ignoring] = lines<FrameLine>(
      await classify("--json", "--ignore-species", inFolder("salt.extxyz")),
    );
    const nameless = await writeFrames("nameless.extxyz", { ...salt, species: null });
    const [plain] = lines<FrameLine>(await classify("--json", nameless));
    expect(ignoring!.meanMargin).not.toBe(aware!.meanMargin);
    expect(ignoring!.meanMargin).toBe(plain!.meanMargin);
  });

  test("chooses among the allowed classes, by their weights", async () => {
    const analyser = await createAnalyser(await loadModel(), { threads: 1 });
    const expected = await analyser.analyse(copper, { classes: { fcc: 2, bcc: 0.25, disordered: 0.5 } });
    await analyser.dispose();
    const args = ["--classes", "ccp=2, bcc=0.25", "--classes", "disordered=0.5"];
    const [line] = lines<FrameLine>(await classify("--json", ...args, inFolder("copper.extxyz")));
    expect(line!.fractions).toEqual(expected.fractions);
    expect(Object.keys(line!.fractions)).toEqual(["disordered", "fcc", "bcc"]);
    expect(line!.meanMargin).toBe(expected.meanMargin);
    const [plain] = lines<FrameLine>(await classify("--json", inFolder("copper.extxyz")));
    expect(plain!.meanMargin).not.toBe(expected.meanMargin);
  });

  test("accepts a model by path, and several species", async () => {
    const args = ["--model", inFolder("random.safetensors"), "--select", "Na,Cl"];
    const [line] = lines<FrameLine>(await classify("--json", ...args, inFolder("salt.extxyz")));
    expect(line).toMatchObject({ natoms: 64, model: "random" });
  });

  test("continues with the next file after an error, reports it on a line, and exits with 1", async () => {
    const positions = copper.positions.slice();
    positions[4] = Number.NaN;
    const broken = await writeFrames("broken.extxyz", copper, { ...copper, positions }, copper);
    const outcome = await classify("--json", inFolder("missing.extxyz"), broken, inFolder("salt.extxyz"));
    expect(outcome.exitCode).toBe(1);
    const [missing, good, error, salty, ...more] = lines<FrameLine & ErrorLine>(outcome);
    expect(more).toEqual([]);
    expect(missing).toMatchObject({
      file: inFolder("missing.extxyz"),
      frame: 0,
      error: { code: "FILE_ACCESS" },
    });
    expect(good).toMatchObject({ file: broken, frame: 0, natoms: 108 });
    expect(error).toMatchObject({
      file: broken,
      frame: 1,
      error: { code: "NON_FINITE_POSITIONS", field: "positions", value: "NaN" },
    });
    expect(error!.error.message).toContain("atom 1");
    expect(error!.error.remedy).not.toBe("");
    expect(salty).toMatchObject({ file: inFolder("salt.extxyz"), natoms: 64 });
    expect(outcome.stderr).toContain(`error NON_FINITE_POSITIONS: ${broken}, frame 1: `);
  });

  test("reports an unusable model as an error without file and frame", async () => {
    const file = modelFile();
    file[file.length - 1]! ^= 1;
    await writeFile(inFolder("damaged.safetensors"), file);
    const outcome = await classify(
      "--json",
      "--model",
      inFolder("damaged.safetensors"),
      inFolder("copper.extxyz"),
    );
    expect(outcome.exitCode).toBe(1);
    expect(lines<ErrorLine>(outcome)).toMatchObject([
      { file: null, frame: null, error: { code: "MODEL_HASH" } },
    ]);
  });
});

describe("errors from files", () => {
  const block = "Properties=species:S:1:pos:R:3";
  const cell = 'Lattice="9 0 0 0 9 0 0 0 9"';
  const atoms = "Cu 0 0 0\nCu 4 4 4\n";
  test.each<[string, string, string[]]>([
    ["FILE_FORMAT", `2\n${block}\nCu 0 0 0\n`, []],
    ["EMPTY_FRAME", `0\n${block}\n`, []],
    ["NON_FINITE_POSITIONS", `2\n${cell} ${block}\nCu 0 0 inf\nCu 4 4 4\n`, []],
    ["MISSING_CELL", `2\n${block} pbc="T T T"\n${atoms}`, []],
    ["SINGULAR_CELL", `2\nLattice="9 0 0 0 9 0 9 9 0" ${block}\n${atoms}`, []],
    ["NON_FINITE_CELL", `2\nLattice="9 0 0 0 nan 0 0 0 9" ${block}\n${atoms}`, []],
    ["UNKNOWN_SPECIES", `2\n${cell} ${block}\nX 0 0 0\nCu 4 4 4\n`, []],
    ["COINCIDENT_ATOMS", `2\n${cell} ${block}\nCu 0 0 0\nCu 9 0 0.01\n`, []],
    ["EMPTY_SELECTION", `2\n${cell} ${block}\n${atoms}`, ["--select", "O"]],
    ["TOO_LARGE", `999999999999\n${block}\n`, []],
  ])("%s", async (code, content, args) => {
    const path = inFolder(`bad-${code}.extxyz`);
    await writeFile(path, content);
    const outcome = await classify("--json", ...args, path);
    expect(outcome.exitCode).toBe(1);
    expect(lines<ErrorLine>(outcome)).toMatchObject([{ file: path, frame: 0, error: { code } }]);
    const text = await classify(...args, path);
    expect(text.exitCode).toBe(1);
    expect(text.stdout).toBe("");
    expect(text.stderr).toMatch(new RegExp(`^error ${code}: .+\n {2}.+\n$`));
  });

  test.each<[string, string[]]>([
    ["MODEL_NOT_FOUND", ["--model", "other"]],
    ["MODEL_NOT_FOUND", ["--model", "./missing.safetensors"]],
    ["MODEL_FORMAT", ["--model", "FOLDER/truncated.safetensors"]],
    ["MODEL_VERSION", ["--model", "FOLDER/later.safetensors"]],
    ["MODEL_SHAPE", ["--model", "FOLDER/shape.safetensors"]],
    ["FILE_ACCESS", ["--out", "FOLDER/no/such/folder.extxyz"]],
  ])("%s", async (code, args) => {
    await writeFile(inFolder("truncated.safetensors"), modelFile().subarray(0, 5000));
    await writeFile(inFolder("later.safetensors"), modelFile({ description: { version: 2 } }));
    await writeFile(inFolder("shape.safetensors"), modelFile({ tensors: { "standard.mean": undefined } }));
    const given = args.map((text) => text.replace("FOLDER", folder));
    const outcome = await classify(...given, inFolder("copper.extxyz"));
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr).toMatch(new RegExp(`^error ${code}: `));
  });
});

describe("wrong usage", () => {
  test.each<[string, string[]]>([
    ["BAD_OPTION", ["classify"]],
    ["BAD_OPTION", ["classify", "--denoise", "0", "FILE"]],
    ["BAD_OPTION", ["classify", "--denoise", "many", "FILE"]],
    ["BAD_OPTION", ["classify", "--denoise", "1e9", "FILE"]],
    ["BAD_OPTION", ["classify", "--threads", "-1", "FILE"]],
    ["BAD_OPTION", ["classify", "--select", "O,,H", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc,,hcp", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc=", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc=1=2", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc=-1", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc=many", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc=1e999", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc,fcc", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc,ccp", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "fcc=0", "FILE"]],
    ["BAD_OPTION", ["classify", "--classes", "omega", "FILE"]],
    ["BAD_OPTION", ["denoise", "--out", "x.extxyz", "--classes", "omega", "FILE"]],
    ["BAD_OPTION", ["classify", "--no-such-option", "FILE"]],
    ["BAD_OPTION", ["classify", "--json", "--out", "FILE", "FILE"]],
    ["BAD_LENGTH_SCALE", ["classify", "--length-scale", "0", "FILE"]],
    ["BAD_LENGTH_SCALE", ["classify", "--length-scale", "nan", "FILE"]],
    ["BAD_LENGTH_SCALE", ["classify", "--length-scale", "", "FILE"]],
    ["BAD_OPTION", ["denoise", "FILE"]],
    ["BAD_OPTION", ["denoise", "--out", "x.extxyz", "--steps", "1.5", "FILE"]],
    ["BAD_OPTION", ["clasify", "FILE"]],
    ["BAD_OPTION", ["models", "surplus"]],
  ])("%s: %j exits with 2", async (code, args) => {
    const before = await readFile(inFolder("copper.extxyz"), "utf8");
    const outcome = await run(args.map((text) => text.replace("FILE", inFolder("copper.extxyz"))));
    expect(outcome.exitCode).toBe(2);
    expect(outcome.stderr).toMatch(new RegExp(`^error ${code}: .+\n {2}.+\n$`));
    expect(await readFile(inFolder("copper.extxyz"), "utf8")).toBe(before);
  });

  test.each([
    [["classify", "--denoise", "many", "FILE"], /a whole number from 1 to 10000 or `converged` is needed/],
    [["denoise", "--out", "FILE", "--steps", "many", "FILE"], /a whole number from 1 to 10000 is needed/],
    [["classify", "--classes", "hpc", "FILE"], /no class "hpc"\n.*Did you mean hcp\?/],
    [["classify", "--classes", "fcc=x", "FILE"], /the weight of fcc must be a number of at least 0/],
  ])("%j explains what the option accepts", async (args, expected) => {
    expect((await run(args)).stderr).toMatch(expected);
  });

  test("no command shows the help and exits with 2", async () => {
    const outcome = await run([]);
    expect(outcome.exitCode).toBe(2);
    expect(outcome.stderr).toContain("classify");
  });

  test.each([["--help"], ["help", "classify"], ["classify", "--help"]])(
    "%s %s shows help",
    async (...args) => {
      const outcome = await run(args.filter((text) => text !== undefined));
      expect(outcome.exitCode).toBe(0);
      expect(outcome.stdout).toContain("Usage: phasewire");
      expect(outcome.stderr).toBe("");
    },
  );

  test("--version prints the version of the package", async () => {
    expect(await run(["--version"])).toEqual({ exitCode: 0, stdout: `${packageVersion()}\n`, stderr: "" });
  });
});

describe("classify as text", () => {
  test("shows the phases of each frame, largest share first", async () => {
    const { exitCode, stdout } = await classify(inFolder("two.extxyz.gz"));
    expect(exitCode).toBe(0);
    const [run, ...blocks] = stdout.trimEnd().split("\n\n");
    expect(run).toMatch(/^model random, 1 thread of \d+ cores?, build (baseline|relaxed)$/);
    expect(blocks).toHaveLength(2);
    expect(blocks[0]).toContain("frame 0  108 atoms");
    expect(blocks[1]).toContain("frame 1  128 atoms");
    for (const block of blocks) {
      const shares = [...block.matchAll(/([\d.]+) %/g)].map((match) => Number(match[1]));
      expect(shares.length).toBeGreaterThan(0);
      expect(shares).toEqual([...shares].sort((a, b) => b - a));
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 0);
      expect(block).toContain("█");
    }
  });

  test("stays short with hundreds of classes", async () => {
    const analyser = await createAnalyser(await loadModel(), { threads: 1 });
    const analysis = await analyser.analyse(copper);
    await analyser.dispose();
    const phases = [
      "disordered",
      "fcc",
      ...Array.from({ length: 348 }, (_, i) => `a-phase-of-a-long-name-${i}`),
    ];
    const fractions = Object.fromEntries(phases.map((name) => [name, name === "fcc" ? 1 : 0]));
    const text = createReport(false)("a.xyz", 0, { ...analysis, phases, fractions });
    expect(text.split("\n")).toHaveLength(4);
    expect(text).toContain(`\n  fcc 100.0 %  ${"█".repeat(30)}\n`);
  });

  test("draws bars as long as the shares, and leaves out phases that do not occur", async () => {
    const analyser = await createAnalyser(await loadModel(), { threads: 1 });
    const analysis = await analyser.analyse(copper);
    await analyser.dispose();
    const fractions = { disordered: 0.25, fcc: 0.7, hcp: 0, bcc: 0.05 };
    const text = createReport(false)("a.xyz", 3, { ...analysis, fractions, lengthScale: 2.5, seconds: 0.5 });
    expect(text.split("\n").slice(0, 4)).toEqual([
      "a.xyz  frame 3  108 atoms  length scale 2.5000  0.500 s",
      `  fcc         70.0 %  ${"█".repeat(21)}`,
      `  disordered  25.0 %  ${"█".repeat(7)}▌`,
      `  bcc          5.0 %  █▌`,
    ]);
  });
});

describe("hints on standard error", () => {
  const lengthScaleOfSalt = 5.64 / Math.cbrt(8);
  const largeSalt = shaken(crystal([...fccSites, ...chlorineSites], 5.64, 3, saltSpecies), 0.2);

  test.each([
    ["the right length scale", 1, 0],
    ["one 6 % too long", 1.06, 0],
    ["one 10 % too long", 1.1, 1],
    ["one 10 % too short", 0.9, 1],
  ])("%s", async (_, factor, hints) => {
    const file = await writeFrames("salts.extxyz", largeSalt, largeSalt);
    const args = ["--length-scale", String(factor * lengthScaleOfSalt), file];
    const { exitCode, stdout, stderr } = await classify(...args);
    expect(exitCode).toBe(0);
    expect(stdout).not.toContain("hint");
    const hinted = stderr.split("\n").filter((line) => line.includes("the given length scale"));
    expect(hinted).toHaveLength(hints);
    for (const line of hinted) {
      expect(line).toMatch(/^hint: .*salts\.extxyz, frame 0: /);
      expect(line).toContain(`the estimate is ${lengthScaleOfSalt.toFixed(4)}`);
    }
    expect((await classify("--json", ...args)).stderr).toBe("");
  });

  test("a frame that is too small for a good estimate gets no hint about its length scale", async () => {
    const file = await writeFrames(
      "cluster.extxyz",
      createFrame({ positions: copper.positions.slice(0, 3 * 60) }),
    );
    const { exitCode, stderr } = await classify("--length-scale", "2.0", file);
    expect([exitCode, stderr]).toEqual([0, ""]);
  });

  test.each([
    ["several species", ["O", "H"], 1, [], /^hint: f, frame 1: .*water or ice, --select O /],
    ["several others", ["Si", "C"], 1, [], /^hint: f, frame 1: .*--select NAME .*\(Si, C\)$/],
    ["one species", ["O", "O"], 1, [], null],
    ["several species and some order", ["O", "H"], 0.9, [], null],
    ["a selection of one species", ["O", "H"], 1, [0, 2], null],
  ])("all is disordered: %s", async (_, species, disordered, selected, expected) => {
    const stderr = new TextSink();
    const io = { stdout: new TextSink(), stderr, signal: new AbortController().signal };
    const frame = crystal(bccSites, 3, 2, species);
    const analyser = await createAnalyser(await loadModel(), { threads: 1 });
    const analysis = {
      ...(await analyser.analyse(frame)),
      fractions: { disordered, fcc: 1 - disordered },
      ...(selected.length === 0
        ? {}
        : { selection: Uint32Array.from(selected), labels: new Uint16Array(selected.length) }),
    };
    const hints = createHints(io, analyser, {}, true);
    for (const frameIndex of [1, 2]) await hints.frameDone("f", frameIndex, frame, analysis);
    await createHints(io, analyser, {}, false).frameDone("f", 1, frame, analysis);
    await analyser.dispose();
    if (expected === null) expect(stderr.text).toBe("");
    else {
      expect(stderr.text.trimEnd().split("\n")).toHaveLength(1);
      expect(stderr.text.trimEnd()).toMatch(expected);
    }
  });

  test("the oxygens of water are analysed and reported as such, unless something else is selected", async () => {
    const file = await writeFrames("water.extxyz", water);
    const outcomes = async (...args: string[]): Promise<unknown[]> => {
      const [line] = lines<FrameLine>(await classify("--json", file, ...args));
      return [line!.natoms, line!.selection];
    };
    expect(await outcomes()).toEqual([16, "oxygen of water"]);
    expect(await outcomes("--select", "all")).toEqual([48, null]);
    expect(await outcomes("--ignore-species")).toEqual([48, null]);
    expect(await outcomes("--select", "O")).toEqual([16, "O"]);
    expect(await outcomes("--select", "H,O")).toEqual([48, "H, O"]);
    const salty = await writeFrames("salty.extxyz", {
      ...water,
      species: water.species!.map((name, atom) => (atom > 2 ? name : "Na")),
    });
    const [line] = lines<FrameLine>(await classify("--json", salty));
    expect([line!.natoms, line!.selection]).toEqual([48, null]);
    for (const outcome of [await classify(file), await denoise(file, "--out", inFolder("ice.extxyz"))]) {
      expect([outcome.exitCode, outcome.stderr]).toEqual([0, ""]);
      expect(outcome.stdout).toContain("  16 atoms (oxygen of water)  ");
    }
    expect((await classify("--select", "all", file)).stderr).not.toContain("warning");
  });

  test("a hint about the length scale of water compares with that of the analysed atoms", async () => {
    const file = await writeFrames("water.extxyz", water);
    const hintsFor = async (...args: string[]): Promise<string> => (await classify(file, ...args)).stderr;
    expect(await hintsFor("--length-scale", "3.0")).toBe("");
    expect(await hintsFor("--length-scale", "3.0", "--ignore-species")).toMatch(/the estimate is 2\.[01]/);
  });

  test("a selected species that never occurs is reported once, and the others are analysed", async () => {
    const file = await writeFrames("selected-salts.extxyz", salt, salt);
    const outcome = await classify("--json", "--select", "Cl,Ag", file);
    expect(outcome.exitCode).toBe(0);
    expect(lines<FrameLine>(outcome).map(({ natoms }) => natoms)).toEqual([32, 32]);
    expect(outcome.stderr).toBe(`warning: ${file}, frame 0: --select Ag, but no atom is Ag\n`);
    const none = await classify("--select", "Ag,Au", file);
    expect(none.stderr).toMatch(/^error EMPTY_SELECTION: /);
  });
});

describe("a model of hundreds of classes", () => {
  const args = (): string[] => ["--model", inFolder("many.safetensors"), inFolder("copper.extxyz")];
  beforeAll(async () => {
    await writeFile(inFolder("many.safetensors"), modelFileOf(350));
  });

  test("has labels beyond a byte, in reports and files", async () => {
    const out = inFolder("many.extxyz");
    const only = ["--classes", "c349,disordered=0"];
    const { stdout } = await classify(...args(), ...only, "--out", out);
    expect(stdout).toContain(`\n  c349 100.0 %  ${"█".repeat(30)}\n`);
    const [frame] = await collect(readFrames(out));
    expect(Object.keys(frame!.arrays)).toEqual(["phase", "confidence", "margin", "distance"]);
    expect(new Set(frame!.arrays.phase!.data as string[])).toEqual(new Set(["c349"]));
    const [line] = lines<FrameLine>(await classify("--json", ...args(), ...only));
    expect(line!.fractions).toEqual({ disordered: 0, c349: 1 });
  });

  test("keeps its reports short", async () => {
    const { stdout } = await classify(...args());
    expect(stdout).not.toContain(" 0.0 %");
    expect(stdout.trimEnd().split("\n").length).toBeLessThan(4 + 108);
  });

  test("suggests the classes closest to an unknown one, not all", async () => {
    const { stderr, exitCode } = await classify(...args(), "--classes", "c3490");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("Did you mean c340 or c349?");
    expect(stderr.match(/c\d+/g)!.length).toBeLessThan(8);
  });
});

describe("--out", () => {
  test("writes every frame with the columns of its analysis, and keeps its own columns", async () => {
    const out = inFolder("labelled.extxyz.gz");
    const { exitCode } = await classify(inFolder("two.extxyz.gz"), inFolder("salt.extxyz"), "--out", out);
    expect(exitCode).toBe(0);
    const frames = await collect(readFrames(out));
    expect(frames.map(({ species }) => species!.length)).toEqual([108, 128, 64]);
    expect(frames[0]!.info).toEqual({ step: 7, note: "first frame" });
    expect(frames[0]!.positions).toEqual(copper.positions);
    expect(frames[0]!.cell).toEqual(copper.cell);
    const analyser = await createAnalyser(await loadModel(), { threads: 1 });
    const { labels, confidence } = await analyser.analyse(salt);
    await analyser.dispose();
    const { arrays } = frames[2]!;
    expect(Object.keys(arrays)).toEqual(["phase", "confidence", "margin", "distance"]);
    expect(arrays.phase!.data).toEqual(Array.from(labels, (label) => classNames[label]));
    expect((arrays.confidence!.data[0] as number) - confidence[0]!).toBeCloseTo(0, 5);
  });

  test("marks atoms that were not selected", async () => {
    const out = inFolder("selected.extxyz");
    await classify(inFolder("salt.extxyz"), "--select", "Cl", "--out", out);
    const [frame] = await collect(readFrames(out));
    frame!.species!.forEach((name, atom) => {
      expect(frame!.arrays.phase!.data[atom] === "none").toBe(name === "Na");
    });
  });

  test("keeps the frames before an error", async () => {
    const broken = inFolder("breaks-off.extxyz");
    await writeFile(broken, `${await readFile(inFolder("copper.extxyz"), "utf8")}5\nnot whole\n`);
    const out = inFolder("kept.extxyz.gz");
    expect((await classify(broken, "--out", out)).exitCode).toBe(1);
    expect(await collect(readFrames(out))).toHaveLength(1);
  });

  test.each([
    ["plain", "old.extxyz"],
    ["compressed", "old.extxyz.gz"],
  ])("leaves an existing %s file as it was if no frame can be read", async (_, name) => {
    const old = await writeFrames(name, salt);
    const before = await readFile(old);
    const empty = inFolder("empty.extxyz");
    await writeFile(empty, "");
    for (const input of [inFolder("missing.extxyz"), empty]) {
      expect((await classify(input, "--out", old)).exitCode).toBe(1);
      expect(await readFile(old)).toEqual(before);
    }
    expect(await partsOf(name)).toEqual([]);
  });

  test("replaces an existing file at the end, and keeps its permissions and the links to it", async () => {
    const old = await writeFrames("replaced.extxyz", salt);
    await chmod(old, 0o600);
    await symlink(old, inFolder("link.extxyz"));
    const before = await readFile(old);
    const during: Buffer[] = [];
    const stdout = new TextSink(() => during.push(readFileSync(old)));
    const args = ["classify", "--threads", "1", inFolder("copper.extxyz"), "--out", inFolder("link.extxyz")];
    expect(await runCli(args, { stdout, stderr: new TextSink(), signal: new AbortController().signal })).toBe(
      0,
    );
    expect(during[0]).toEqual(before);
    expect((await collect(readFrames(old)))[0]!.species).toHaveLength(108);
    expect((await stat(old)).mode & 0o777).toBe(0o600);
    expect((await lstat(inFolder("link.extxyz"))).isSymbolicLink()).toBe(true);
    expect(await partsOf("replaced.extxyz")).toEqual([]);
  });

  test("leaves an existing file as it was if the new one cannot be written to its end", async () => {
    const old = await writeFrames("kept-whole.extxyz", salt);
    const before = await readFile(old);
    const writer = await FrameWriter.open(old);
    await writer.write(copper);
    const [part] = await partsOf("kept-whole.extxyz");
    expect(part).toBeDefined();
    // The new file cannot get its name.
    await rm(inFolder(part!));
    await expect(writer.close()).rejects.toMatchObject({ code: "FILE_ACCESS" });
    expect(await readFile(old)).toEqual(before);
  });

  test.each([
    ["a good", "copper.extxyz", 0],
    ["a bad", "missing.extxyz", 1],
  ])("reports that the output was lost on closing, after %s file", async (_, name, errorsBefore) => {
    const lost = new PhasewireError("FILE_ACCESS", { message: "lost.extxyz cannot be written: disk full" });
    const close = vi.spyOn(FrameWriter.prototype, "close").mockRejectedValueOnce(lost);
    const outcome = await classify("--json", inFolder(name), "--out", inFolder("lost.extxyz"));
    close.mockRestore();
    expect(outcome.exitCode).toBe(1);
    expect(outcome.stderr.match(/^error /gm)).toHaveLength(errorsBefore + 1);
    expect(outcome.stderr).toContain("error FILE_ACCESS: lost.extxyz");
    expect(lines(outcome)).toContainEqual({ file: null, frame: null, error: lost.toJSON() });
  });

  test("refuses to overwrite an input under another name", async () => {
    const input = await writeFrames("linked.extxyz", copper);
    await link(input, inFolder("other-name.extxyz"));
    await symlink(input, inFolder("symbolic.extxyz"));
    for (const name of ["other-name.extxyz", "symbolic.extxyz"]) {
      const outcome = await classify(input, "--out", inFolder(name));
      expect(outcome.exitCode).toBe(2);
      expect(outcome.stderr).toMatch(/^error BAD_OPTION: --out .* would be lost\n/);
    }
    expect(await collect(readFrames(input))).toHaveLength(1);
  });

  test("ends after the current frame when interrupted, with a complete file", async () => {
    const interruption = new AbortController();
    const stdout = new TextSink(() => interruption.abort());
    const out = inFolder("interrupted.extxyz.gz");
    const args = ["classify", "--threads", "1", inFolder("two.extxyz.gz"), "--out", out];
    const exitCode = await runCli(args, { stdout, stderr: new TextSink(), signal: interruption.signal });
    expect(exitCode).toBe(130);
    expect(await collect(readFrames(out))).toHaveLength(1);
  });
});

describe("denoise", () => {
  test("writes the moved atoms, their displacement and their phases", async () => {
    const out = inFolder("clean.extxyz");
    const { exitCode, stdout } = await denoise(inFolder("copper.extxyz"), "--out", out, "--steps", "3");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("denoised in 3 steps");
    const [frame] = await collect(readFrames(out));
    expect(Object.keys(frame!.arrays)).toEqual(["displacement", "phase", "confidence", "margin", "distance"]);
    const displacement = frame!.arrays.displacement!.data as Float64Array;
    expect(displacement.some((part) => part !== 0)).toBe(true);
    frame!.positions.forEach((coordinate, index) => {
      expect(coordinate - displacement[index]!).toBeCloseTo(copper.positions[index]!, 9);
    });
  });

  test("runs until converged by default", async () => {
    const out = inFolder("converged.extxyz");
    const { exitCode, stdout } = await denoise(inFolder("copper.extxyz"), "--out", out);
    expect(exitCode).toBe(0);
    expect(Number(/denoised in (\d+) steps/.exec(stdout)![1])).toBeLessThanOrEqual(64);
  });
});

describe("models", () => {
  test("lists the models", async () => {
    expect(await run(["models"])).toEqual({
      exitCode: 0,
      stdout: "random (default)  4 classes  random weights\n",
      stderr: "",
    });
  });

  test("prints JSON, one object per line", async () => {
    const [entry] = lines<Record<string, unknown>>(await run(["models", "--json"]));
    expect(entry).toMatchObject({ name: "random", default: true, classCount: 4, file: "random.safetensors" });
    expect(entry).not.toHaveProperty("classes");
  });

  test.each([[["--classes"]], [["--classes", "--tier", "random"]], [["--tier", "random"]]])(
    "%j lists the classes of the model in columns",
    async (args) => {
      const { exitCode, stdout } = await run(["models", ...args]);
      expect(exitCode).toBe(0);
      const [head, empty, , , , ...rows] = stdout.trimEnd().split("\n");
      expect([head, empty]).toEqual(["random: 4 classes", ""]);
      expect(rows.map((row) => row.trim().split(/ {2,}/))).toEqual([
        ["disordered", "disordered", "-", "-", "-", "-", "-"],
        ["fcc", "fcc", "-", "-", "-", "-", "ccp"],
        ["hcp", "hcp", "-", "-", "-", "-", "-"],
        ["bcc", "bcc", "-", "-", "-", "-", "-"],
      ]);
    },
  );

  test("--classes --json is one array with every name of every class", async () => {
    const found = JSON.parse((await run(["models", "--classes", "--json"])).stdout) as unknown[];
    expect(found).toHaveLength(4);
    expect(found[1]).toEqual({
      name: "fcc",
      aliases: ["ccp"],
      prototype: "fcc",
      strukturbericht: null,
      pearson: null,
      aflow: null,
      spaceGroup: null,
      water: null,
      model: "random",
      number: 1,
    });
  });

  test("--search shows only the classes that it finds", async () => {
    const { stdout } = await run(["models", "--search", "C C_p"]);
    expect(stdout).toContain("random: 4 classes, found 1\n");
    expect(stdout).toMatch(/^fcc .* ccp$/m);
    expect(stdout).not.toContain("hcp");
    const found = await run(["models", "--search", "cp", "--json"]);
    expect(JSON.parse(found.stdout)).toMatchObject([{ name: "fcc" }, { name: "hcp", number: 2 }]);
    expect((await run(["models", "--search", "spinel"])).stdout).toBe(
      'random: 4 classes, none has "spinel" in a name\n',
    );
    expect((await run(["models", "--search", "spinel", "--json"])).stdout).toBe("[\n]\n");
  });

  test("an unknown tier is refused, and the message names the known ones", async () => {
    const { exitCode, stdout, stderr } = await run(["models", "--classes", "--tier", "all"]);
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^error MODEL_NOT_FOUND: tier "all" does not ship; there are: random\n/);
  });
});

describe("the executable", () => {
  const executable = join(packageRoot(), "dist/bridge/server/main.js");

  test("classifies in a separate process, and ends by itself", async () => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      executable,
      ...["classify", "--json", inFolder("two.extxyz.gz")],
    ]);
    expect(stderr).toBe("");
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  test("returns its exit code", async () => {
    const failed = await promisify(execFile)(process.execPath, [
      executable,
      "classify",
      inFolder("missing"),
    ]).catch((error) => error);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/^error FILE_ACCESS: /);
  });

  test("states where an error is, for any name of the file", async () => {
    const text = await readFile(inFolder("copper.extxyz"), "utf8");
    await writeFile(inFolder("coordinate"), text.replace(/Cu \S+/, "Cu nan"));
    const failed = await promisify(execFile)(
      process.execPath,
      [executable, "classify", "--threads", "1", "coordinate"],
      { cwd: folder },
    ).catch((error) => error);
    expect(failed.stderr).toMatch(/^error NON_FINITE_POSITIONS: coordinate, frame 0: /);
  });

  test("ends quietly when its output is no longer read", async () => {
    const child = spawn(process.execPath, [
      executable,
      "classify",
      "--json",
      ...new Array(20).fill(inFolder("copper.extxyz")),
    ]);
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.stdout.once("data", () => child.stdout.destroy());
    await new Promise((resolve) => child.once("close", resolve));
    expect(stderr).toBe("");
  });

  test.each(["SIGHUP", "SIGTERM"] as const)("ends its files when it gets %s", async (signal) => {
    const out = inFolder(`${signal}.extxyz.gz`);
    await writeFrames(`${signal}.extxyz.gz`, salt);
    const files = new Array<string>(5000).fill(inFolder("copper.extxyz"));
    const child = spawn(process.execPath, [executable, "classify", "--json", "--out", out, ...files]);
    child.stdout.once("data", () => child.kill(signal));
    child.stdout.resume();
    const exitCode = await new Promise((resolve) => child.once("close", resolve));
    expect(exitCode).toBe(130);
    const frames = await collect(readFrames(out));
    expect(frames.length).toBeGreaterThan(0);
    expect(frames.length).toBeLessThan(5000);
    expect(frames[0]!.species).toHaveLength(108);
  });

  test.each(["--help", "classify FILE", "classify --json FILE"])(
    "names a full disk under standard output: %s",
    { skip: process.platform !== "linux" },
    async (line) => {
      const full = openSync("/dev/full", "w");
      const given = line.split(" ").map((arg) => (arg === "FILE" ? inFolder("copper.extxyz") : arg));
      const child = spawn(process.execPath, [executable, ...given], { stdio: ["ignore", full, "pipe"] });
      let stderr = "";
      child.stderr!.on("data", (chunk) => {
        stderr += chunk;
      });
      const exitCode = await new Promise((resolve) => child.once("close", resolve));
      closeSync(full);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^error FILE_ACCESS: standard output cannot be written: no space/);
      expect(stderr.match(/^error /gm)).toHaveLength(1);
    },
  );

  test("has the command serve, and loads sockets only for it", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [executable, "serve", "--help"]);
    expect(stdout).toContain("--endpoint");
  });
});
