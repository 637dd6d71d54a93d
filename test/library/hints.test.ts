/** Hints that come with results (docs/hints.md). */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { runCli } from "../../src/cli/index.js";
import { PhaseCore } from "../../src/core/index.js";
import { PhasewireError } from "../../src/errors/index.js";
import { createAnalyser, createFrame, type Frame, loadModel } from "../../src/index.js";
import { randomNumbers } from "../core/support.js";
import { TextSink, temporaryFolder } from "./support.js";

const analyser = await createAnalyser(await loadModel(), { threads: 1 });
afterAll(() => analyser.dispose());

type Site = readonly [number, number, number, name: string];
const half = 0.5;

/**
 * A block of cells with sites of named sublattices, shaken. `choose` gives the species of an atom of a
 * sublattice, or null for none.
 */
function block(
  edge: number,
  sites: readonly Site[],
  repeats: number,
  choose: (name: string, random: () => number) => string | null = (name) => name,
  noise = 0.08,
): Frame {
  const random = randomNumbers(repeats + sites.length);
  const positions: number[] = [];
  const species: string[] = [];
  for (let cell = 0; cell < repeats ** 3; cell++) {
    for (const [x, y, z, name] of sites) {
      const chosen = choose(name, random);
      if (chosen === null) continue;
      species.push(chosen);
      [x, y, z].forEach((part, axis) => {
        const index = Math.floor(cell / repeats ** axis) % repeats;
        positions.push(edge * (index + part) + noise * (2 * random() - 1));
      });
    }
  }
  const length = edge * repeats;
  return createFrame({ positions, cell: [length, 0, 0, 0, length, 0, 0, 0, length], species });
}

const fcc = (name: string): Site[] => [
  [0, 0, 0, name],
  [half, half, 0, name],
  [half, 0, half, name],
  [0, half, half, name],
];
const shifted = (sites: Site[], x: number, y: number, z: number, name: string): Site[] =>
  sites.map(([a, b, c]) => [(a + x) % 1, (b + y) % 1, (c + z) % 1, name]);
const ordered: Site[] = fcc("Ni").map(([x, y, z], index) => [x, y, z, index === 0 ? "Al" : "Ni"]);
const rocksalt = [...fcc("Mg"), ...shifted(fcc(""), half, 0, 0, "O")];
const pick =
  (map: Readonly<Record<string, readonly string[]>>) =>
  (name: string, random: () => number): string => {
    const choices = map[name] ?? [name];
    return choices[Math.floor(choices.length * random())]!;
  };

const mixed = block(3.57, ordered, 5, pick({ Ni: ["Ni", "Co"] }));
/** Octahedral sites of bcc, a sixth of which hold hydrogen. */
const hydride = block(
  3.4,
  [
    [0, 0, 0, "Nb"],
    [half, half, half, "Nb"],
    [half, half, 0.25, "H"],
    [half, 0.25, half, "H"],
    [0.25, 0, half, "H"],
    [0, half, 0.75, "H"],
  ],
  6,
  (name, random) => (name === "Nb" || random() < 0.3 ? name : null),
);

describe("species that share a sublattice", () => {
  test("are found, with the map that shows the parent compound", async () => {
    const { hints, fractions } = await analyser.analyse(mixed, { hints: true });
    expect(hints).toHaveLength(1);
    expect(hints[0]).toMatchObject({
      code: "MERGE_SPECIES",
      phase: "L1_2",
      share: 1,
      speciesMap: { Ni: "Co" },
    });
    expect(hints[0]!.message).toContain("Co and Ni occupy the same sites");
    expect(hints[0]!.remedy).toBe("--species Ni=Co");
    expect(fractions.L1_2).toBeLessThan(0.5);
    const { speciesMap } = hints[0]!;
    const after = await analyser.analyse(mixed, { speciesMap: speciesMap!, hints: true });
    expect(after.fractions.L1_2).toBe(1);
    expect(after.hints).toEqual([]);
  });

  test("are found after denoising, too", async () => {
    const { hints, denoised } = await analyser.analyse(mixed, { hints: true, denoise: 4 });
    expect(denoised).toBeDefined();
    expect(hints.map(({ code }) => code)).toEqual(["MERGE_SPECIES"]);
  });

  test("are found on both sublattices, and among eight elements", async () => {
    const both = block(3.57, ordered, 5, pick({ Ni: ["Ni", "Co"], Al: ["Al", "Ti"] }));
    const [hint] = (await analyser.analyse(both, { hints: true })).hints;
    expect(hint).toMatchObject({ phase: "L1_2", speciesMap: { Ni: "Co", Ti: "Al" } });
    const many = ["Al", "Co", "Cr", "Cu", "Fe", "Mn", "Ni", "Ti"];
    const alloy = block(3.6, fcc("M"), 5, pick({ M: many }), 0.2);
    const [of] = (await analyser.analyse(alloy, { hints: true })).hints;
    expect(of).toMatchObject({ code: "MERGE_SPECIES", phase: "fcc" });
    expect(Object.keys(of!.speciesMap!).length).toBe(7);
  });

  test.each<[string, Frame]>([
    ["an ordered compound", block(3.57, ordered, 4)],
    [
      "a compound of three species",
      block(
        3.9,
        [
          [0, 0, 0, "Sr"],
          [half, half, half, "Ti"],
          [half, half, 0, "O"],
          [half, 0, half, "O"],
          [0, half, half, "O"],
        ],
        4,
      ),
    ],
    ["a random alloy that is recognised", block(3.6, fcc("M"), 4, pick({ M: ["Cr", "Fe", "Ni"] }))],
    ["an oxide", block(4.2, rocksalt, 3)],
    ["an element", block(3.6, fcc("Cu"), 4)],
  ])("are not found in %s", async (_, frame) => {
    expect((await analyser.analyse(frame, { hints: true })).hints).toEqual([]);
  });
});

describe("light atoms between others", () => {
  test("are found, with the selection that shows the lattice", async () => {
    const { hints, fractions } = await analyser.analyse(hydride, { hints: true });
    expect(fractions.bcc).toBeLessThan(0.5);
    expect(hints).toHaveLength(1);
    expect(hints[0]).toMatchObject({
      code: "LIGHT_ATOMS",
      phase: "bcc",
      select: ["Nb"],
      remedy: "--select Nb",
    });
    expect(hints[0]!.message).toContain("without the H");
    expect((await analyser.analyse(hydride, { select: hints[0]!.select! })).fractions.bcc).toBeGreaterThan(
      0.9,
    );
  });
});

describe("an analyser", () => {
  test("asks, after denoising, whether the surroundings of a second look are known", async () => {
    // Beta-cristobalite. In a single pass these points look like graphite, whatever the species.
    const silicon: Site[] = [...fcc("M"), ...shifted(fcc(""), 0.25, 0.25, 0.25, "M")];
    const quarters = [
      [1, 1, 1],
      [1, 3, 3],
      [3, 1, 3],
      [3, 3, 1],
    ];
    const oxygen = quarters.flatMap(([x, y, z]) => shifted(fcc(""), x! / 8, y! / 8, z! / 8, "M"));
    const points = block(7.16, [...silicon, ...oxygen], 2, pick({ M: ["Si", "Ge"] }), 0);
    const raw = await analyser.analyse(points, { hints: true });
    expect(raw.hints.map(({ code, phase }) => [code, phase])).toEqual([["MERGE_SPECIES", "graphite"]]);
    const { fractions, hints } = await analyser.analyse(points, { hints: true, denoise: 8 });
    expect(fractions.disordered).toBe(1);
    expect(hints).toEqual([]);
    const found = await analyser.analyse(hydride, { hints: true, denoise: 8 });
    expect(found.hints.map(({ code }) => code)).toEqual(["LIGHT_ATOMS"]);
  });

  test("looks once for each set of species, unless it is told to look always or never", async () => {
    const own = await createAnalyser(await loadModel(), { threads: 1 });
    const codes = async (frame: Frame, hints?: boolean) =>
      (await own.analyse(frame, hints === undefined ? {} : { hints })).hints.map(({ code }) => code);
    expect(await codes(mixed, false)).toEqual([]);
    expect(await codes(mixed)).toEqual(["MERGE_SPECIES"]);
    expect(await codes(mixed)).toEqual([]);
    expect(await codes(hydride)).toEqual(["LIGHT_ATOMS"]);
    expect(await codes(mixed, true)).toEqual(["MERGE_SPECIES"]);
    const [batch] = await own.analyseBatch([mixed], {});
    expect(batch!.hints).toEqual([]);
    await own.dispose();
  });

  test("keeps the result if a look fails, unless the call was aborted", async () => {
    const look = vi.spyOn(PhaseCore.prototype, "groupSpecies");
    const fail = (code: "OVER_BUDGET" | "ABORTED") =>
      look.mockImplementation(() => {
        throw new PhasewireError(code, { message: "so told" });
      });
    try {
      fail("OVER_BUDGET");
      const result = await analyser.analyse(mixed, { hints: true });
      expect(result.hints).toEqual([]);
      expect(result.labels).toEqual((await analyser.analyse(mixed, { hints: false })).labels);
      fail("ABORTED");
      await expect(analyser.analyse(mixed, { hints: true })).rejects.toMatchObject({ code: "ABORTED" });
    } finally {
      look.mockRestore();
    }
  });

  test("gives the same labels whether it looks or not", async () => {
    const { hints: _, seconds: __, ...with_ } = await analyser.analyse(mixed, { hints: true });
    const { hints: ___, seconds: ____, ...without } = await analyser.analyse(mixed, { hints: false });
    expect(with_).toEqual(without);
  });
});

describe("the command line", () => {
  const folder = temporaryFolder();
  const write = (name: string, frames: readonly Frame[]): string => {
    const text = frames.map(({ positions, cell, species }) => {
      const rows = species!.map((own, atom) =>
        [own, ...positions.subarray(3 * atom, 3 * atom + 3)].join(" "),
      );
      const head = `Lattice="${[...cell!].join(" ")}" Properties=species:S:1:pos:R:3`;
      return `${[rows.length, head, ...rows].join("\n")}\n`;
    });
    const path = join(folder, name);
    writeFileSync(path, text.join(""));
    return path;
  };
  const run = async (...args: string[]) => {
    const [stdout, stderr] = [new TextSink(), new TextSink()];
    await runCli(["classify", "--threads", "1", ...args], {
      stdout,
      stderr,
      signal: new AbortController().signal,
    });
    return { stdout: stdout.text, stderr: stderr.text };
  };

  test("writes each hint once", async () => {
    const file = write("run.extxyz", [mixed, mixed, mixed]);
    const { stderr } = await run(file);
    expect(stderr.match(/^hint: .*--species Ni=Co$/gm)).toHaveLength(1);
    const { stdout, stderr: quiet } = await run("--json", file);
    expect(quiet).toBe("");
    const codes = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).hints.map((hint: { code: string }) => hint.code));
    expect(codes).toEqual([["MERGE_SPECIES"], [], []]);
  });
});
