/** The table of formats: every command that accepts files reads and writes the formats registered there. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/index.js";
import { knownFormats } from "../../src/formats/table.js";
import { type Frame, type FrameFormat, FrameWriter, readFrames, registerFormat } from "../../src/index.js";
import { packageRoot } from "../../src/package.js";
import { modelFile } from "./model-file.js";
import {
  bccSites,
  collect,
  crystal,
  expectError,
  fccSites,
  shaken,
  TextSink,
  temporaryFolder,
} from "./support.js";
import { points } from "./toy-format.js";

const folder = temporaryFolder();
const inFolder = (name: string): string => join(folder, name);
const copper = shaken(crystal(fccSites, 3.61, 3), 0.2);
const iron = shaken(crystal(bccSites, 2.87, 4, ["Fe", "Fe"]), 0.2);

async function writeFrames(name: string, frames: readonly Frame[], format?: string): Promise<string> {
  const writer = await FrameWriter.open(inFolder(name), { format });
  for (const frame of frames) await writer.write(frame);
  await writer.close();
  return inFolder(name);
}

async function run(...args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new TextSink(), new TextSink()];
  const exitCode = await runCli(args, { stdout, stderr, signal: new AbortController().signal });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** Fractions of every frame, as `classify --json` prints them. */
async function fractions(...args: string[]): Promise<unknown[]> {
  const { exitCode, stdout, stderr } = await run("classify", "--threads", "1", "--json", ...args);
  expect([exitCode, stderr]).toEqual([0, ""]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { fractions: unknown }).fractions);
}

beforeAll(async () => {
  const file = modelFile();
  await writeFile(inFolder("random.safetensors"), file);
  const sha256 = createHash("sha256").update(file).digest("hex");
  const entry = { name: "random", file: "random.safetensors", sha256, classCount: 4, description: "" };
  await writeFile(inFolder("manifest.json"), JSON.stringify({ default: "random", models: [entry] }));
  process.env.PHASEWIRE_MODELS = folder;
});
afterAll(() => {
  delete process.env.PHASEWIRE_MODELS;
});

describe("a format that is registered", () => {
  let remove: () => void;
  beforeEach(() => {
    remove = registerFormat(points);
  });
  afterEach(() => remove());

  test("goes through `classify` and back", async () => {
    const input = await writeFrames("two.pts", [copper, iron]);
    expect(await readFile(input, "utf8")).toMatch(/^POINTS 1\nbox 108 [\s\S]*\nend\n$/);
    const out = inFolder("labelled.pts.gz");
    const found = await fractions(input, "--out", out);
    expect(found).toEqual(await fractions(await writeFrames("two.extxyz", [copper, iron])));
    expect(gunzipSync(await readFile(out)).toString()).toMatch(/^POINTS 1\n/);
    const frames = await collect(readFrames(out));
    expect(frames.map(({ positions }) => positions)).toEqual([copper.positions, iron.positions]);
    const labels = frames[0]!.arrays.phase!.data as string[];
    const share = labels.filter((label) => label === "fcc").length / labels.length;
    expect((found[0] as { fcc: number }).fcc).toBeCloseTo(share, 12);
  });

  test("goes through `denoise` and `check-gradients`", async () => {
    const input = await writeFrames("one.points", [copper]);
    const out = inFolder("clean.extxyz");
    expect((await run("denoise", input, "--out", out, "--steps", "1", "--threads", "1")).exitCode).toBe(0);
    expect(await collect(readFrames(out))).toHaveLength(1);
    const checked = await run(
      "check-gradients",
      "random",
      input,
      "--samples",
      "1",
      "--tolerance",
      "1",
      "--json",
    );
    expect(JSON.parse(checked.stdout)).toMatchObject({ file: input, natoms: 108 });
  });

  test("is recognised by its first bytes under any other name, compressed or not", async () => {
    const text = await readFile(await writeFrames("named.pts", [copper]));
    const expected = await fractions(inFolder("named.pts"));
    for (const [name, bytes] of [
      ["bare", text],
      ["bare.gz", gzipSync(text)],
      ["bare.unknown", text],
    ] as const) {
      await writeFile(inFolder(name), bytes);
      expect(await fractions(inFolder(name)), name).toEqual(expected);
    }
  });

  test.skipIf(process.platform === "win32")(
    "is recognised in a pipe that gives its bytes one by one",
    async () => {
      const bytes = gzipSync(await readFile(await writeFrames("named.pts", [copper])));
      const fifo = inFolder("pipe");
      execFileSync("mkfifo", [fifo]);
      const reading = collect(readFrames(fifo));
      const file = await open(fifo, "w");
      for (const at of [0, 1, 2]) {
        await file.write(bytes, at, 1);
        await pause(20);
      }
      await file.write(bytes, 3);
      await file.close();
      expect((await reading).map(({ positions }) => positions)).toEqual([copper.positions]);
    },
  );

  test("can be named if the name of the file suggests another one", async () => {
    await writeFrames("wrong.xyz", [copper], "points");
    expect(await fractions(inFolder("wrong.xyz"), "--format", "points")).toHaveLength(1);
    const out = inFolder("out.dat");
    await fractions(inFolder("wrong.xyz"), "--format", "points", "--out", out, "--out-format", "points");
    expect(await readFile(out, "utf8")).toMatch(/^POINTS 1\n/);
    const error = await expectError("FILE_FORMAT", () => collect(readFrames(inFolder("wrong.xyz"))));
    expect(error.message).toContain("wrong.xyz, line 1: the number of atoms was expected");
  });

  test("is listed in the help, and unregistered formats are refused", async () => {
    const titles = "extended XYZ (.extxyz, .exyz, .xyz); labelled points (.pts, .points)";
    for (const command of ["classify", "denoise", "check-gradients"]) {
      const { stdout } = await run("help", command);
      expect(stdout.replace(/\s+/g, " "), command).toContain(titles);
      expect(stdout, command).toContain('"points"');
    }
    const wrong = await run("classify", "--format", "dump", inFolder("two.pts"));
    expect(wrong.exitCode).toBe(2);
    expect(wrong.stderr).toContain("Allowed choices are extxyz, points.");
  });

  test("is gone when it is removed", async () => {
    remove();
    await expectError("BAD_OPTION", () => collect(readFrames(inFolder("two.pts"), { format: "points" })));
    await expectError("BAD_OPTION", () => FrameWriter.open(inFolder("new.pts")));
    await expectError("FILE_FORMAT", () => collect(readFrames(inFolder("two.pts"))));
  });

  test("shares no name and no extension with another one, and can be named in a shell", async () => {
    const refused: Partial<FrameFormat>[] = [
      { name: "points" },
      { name: "other", extensions: [".pts"] },
      { name: "other", extensions: ["pts"] },
      { name: "other", extensions: [".PTS"] },
      { name: "other", extensions: [".gz"] },
      { name: "An Other", extensions: [] },
    ];
    for (const change of refused) {
      await expectError("BAD_OPTION", () => registerFormat({ ...points, ...change }));
    }
  });

  test("must not begin like another one to be recognised", async () => {
    const twin = registerFormat({ ...points, name: "twin", title: "twins", extensions: [".twin"] });
    try {
      await writeFrames("unclear", [copper], "points");
      const error = await expectError("FILE_FORMAT", () => collect(readFrames(inFolder("unclear"))));
      expect(error.message).toContain("it may be labelled points or twins");
      expect(await collect(readFrames(inFolder("unclear"), { format: "twin" }))).toHaveLength(1);
    } finally {
      twin();
    }
  });
});

test("docs/formats.md has a row for every format", async () => {
  const page = await readFile(join(packageRoot(), "docs/formats.md"), "utf8");
  const yes = (is: unknown): string => (is === undefined ? "no" : "yes");
  const rows = knownFormats().map(
    ({ title, name, extensions, read, createEncoder, recognises }) =>
      `| ${title} | \`${name}\` | ${extensions.map((text) => `\`${text}\``).join(", ")} | ${yes(read)} | ${yes(createEncoder)} | ${yes(recognises)} |`,
  );
  expect(page.match(/^\| (?!format|---).*\|$/gm)).toEqual(rows);
});

describe("a file of no format", () => {
  test("is refused, and the message has the known formats and a command that converts it", async () => {
    await writeFile(inFolder("run.lammpstrj"), "ITEM: TIMESTEP\n0\n");
    const { exitCode, stderr } = await run("classify", inFolder("run.lammpstrj"));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      "run.lammpstrj: the extension .lammpstrj is unknown, and its first bytes match no format. Formats that can be read: extended XYZ (.extxyz, .exyz, .xyz)\n",
    );
    expect(stderr).toContain("`ase convert run.lammpstrj run.extxyz`");
    expect(stderr).toContain("--format NAME");
  });

  test.each<[string, string | Uint8Array, string]>([
    ["bare", "Cu bulk\n1.0\n", "its first bytes match no format"],
    ["empty", "", "the file is empty"],
    ["empty.gz", gzipSync(""), "the file is empty"],
    ["binary", Uint8Array.from({ length: 4000 }, (_, index) => index % 256), "its first bytes"],
  ])("%s is refused, too", async (name, content, reason) => {
    await writeFile(inFolder(name), content);
    const error = await expectError("FILE_FORMAT", () => collect(readFrames(inFolder(name))));
    expect(error.message).toContain(`${name}: ${reason}`);
    expect(error.field).toBe(inFolder(name));
  });

  test("is extended XYZ all the same if its content is", async () => {
    for (const text of ["1\nc\nH 0 0 0\n", "\n 1 \r\nc\nH 0 0 0\n"]) {
      await writeFile(inFolder("frames.txt"), text);
      expect(await collect(readFrames(inFolder("frames.txt")))).toHaveLength(1);
    }
    // A file that ends within its first line has no frame.
    await writeFile(inFolder("frames.txt"), "12");
    await expectError("FILE_FORMAT", () => collect(readFrames(inFolder("frames.txt"))));
  });

  test("is not written", async () => {
    await writeFrames("one.extxyz", [copper]);
    const { exitCode, stderr } = await run("classify", inFolder("one.extxyz"), "--out", inFolder("new.dump"));
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error BAD_OPTION: .*new.dump cannot be written: the extension .dump is unknown/);
    expect(stderr).toContain("extended XYZ (.extxyz, .exyz, .xyz)");
    expect(stderr).toContain("--out-format NAME");
    await expect(readFile(inFolder("new.dump"))).rejects.toThrow("ENOENT");
  });

  test("is extended XYZ if it is new and has no extension", async () => {
    expect(await readFile(await writeFrames("new", [copper]), "utf8")).toMatch(/^108\nLattice=/);
    expect(gunzipSync(await readFile(await writeFrames("new.gz", [copper]))).toString()).toMatch(/^108\n/);
  });
});
