/** Species that get other names before they are analysed. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/index.js";
import { renameSpecies } from "../../src/frame/index.js";
import { createAnalyser, createFrame, type Frame, loadModel } from "../../src/index.js";
import { randomNumbers } from "../core/support.js";
import { TextSink, temporaryFolder } from "./support.js";

const analyser = await createAnalyser(await loadModel(), { threads: 1 });
afterAll(() => analyser.dispose());

/** (Ni,Co)3Al: nickel and cobalt at random on the face centres, aluminium on the corners. */
function mixedCrystal(repeats: number): Frame {
  const random = randomNumbers(3);
  const positions: number[] = [];
  const species: string[] = [];
  for (let cell = 0; cell < repeats ** 3; cell++) {
    [
      [0, 0, 0],
      [0.5, 0.5, 0],
      [0.5, 0, 0.5],
      [0, 0.5, 0.5],
    ].forEach((site, place) => {
      site.forEach((part, axis) => {
        const index = Math.floor(cell / repeats ** axis) % repeats;
        positions.push(3.57 * (index + part) + 0.1 * (random() - 0.5));
      });
      species.push(place === 0 ? "Al" : random() < 0.5 ? "Ni" : "Co");
    });
  }
  const edge = 3.57 * repeats;
  return createFrame({ positions, cell: [edge, 0, 0, 0, edge, 0, 0, 0, edge], species });
}

const mixed = mixedCrystal(5);
const speciesMap = { Ni: "A", Co: "A" };

describe("species with new names", () => {
  test("become one if they get the same name", async () => {
    expect((await analyser.analyse(mixed)).fractions.L1_2).toBeLessThan(0.5);
    expect((await analyser.analyse(mixed, { speciesMap })).fractions.L1_2).toBe(1);
    const [batch] = await analyser.analyseBatch([mixed], { speciesMap });
    expect(batch!.fractions.L1_2).toBe(1);
  });

  test("give the bits of a frame that has these names", async () => {
    const renamed = { ...mixed, species: mixed.species!.map((name) => (name === "Al" ? "Al" : "A")) };
    const { seconds: _, ...expected } = await analyser.analyse(renamed);
    const { seconds: __, ...found } = await analyser.analyse(mixed, { speciesMap });
    expect(found).toEqual(expected);
  });

  test("are what selections and variables name", async () => {
    const { atomCount, selected } = await analyser.analyse(mixed, { speciesMap, select: "A" });
    expect([atomCount, selected]).toEqual([375, "A"]);
    const variable = { kind: "fraction", class: "L1_2", select: { species: ["A"] } } as const;
    const { values } = await analyser.analyse(mixed, { speciesMap, variables: [variable] });
    expect(Object.values(values!)[0]).toBeGreaterThan(0.9);
    const { byName } = await analyser.evaluate(mixed, [variable], { speciesMap });
    expect(Object.values(byName)[0]).toBeCloseTo(Object.values(values!)[0]!, 12);
    await expect(analyser.evaluate(mixed, [variable])).rejects.toThrow(/A/);
  });

  test("can name what is not known, and name water", async () => {
    const unnamed = { ...mixed, species: mixed.species!.map((name) => (name === "Al" ? "X" : "1")) };
    await expect(analyser.analyse(unnamed)).rejects.toThrow(/UNKNOWN|cannot be distinguished/);
    const { fractions } = await analyser.analyse(unnamed, { speciesMap: { X: "Al" } });
    expect(fractions.L1_2).toBe(1);
    const ice = createFrame({
      positions: [0, 0, 0, 1, 0, 0, 0, 1, 0],
      cell: [3, 0, 0, 0, 3, 0, 0, 0, 3],
      species: ["1", "2", "2"],
    });
    const options = { speciesMap: { 1: "O", 2: "H" }, lengthScale: 3 };
    expect(await analyser.analyse(ice, options)).toMatchObject({ atomCount: 1, selected: "oxygen of water" });
  });

  test("do not change the frame", () => {
    const before = [...mixed.species!];
    const renamed = renameSpecies(mixed, speciesMap);
    expect(mixed.species).toEqual(before);
    expect(renamed.positions).toBe(mixed.positions);
    expect(new Set(renamed.species)).toEqual(new Set(["Al", "A"]));
    expect(renameSpecies(mixed, undefined)).toBe(mixed);
    // Names are exchanged at once, not one after the other.
    expect(renameSpecies({ species: ["a", "b"] }, { a: "b", b: "a" }).species).toEqual(["b", "a"]);
  });
});

async function run(args: string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const [stdout, stderr] = [new TextSink(), new TextSink()];
  const exitCode = await runCli(args, { stdout, stderr, signal: new AbortController().signal });
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

describe("--species", () => {
  const folder = temporaryFolder();
  const write = (name: string, { positions, cell, species }: Frame): string => {
    const path = join(folder, name);
    const rows = species!.map((name, atom) =>
      [name, ...positions.subarray(3 * atom, 3 * atom + 3)].join(" "),
    );
    const head = `Lattice="${[...cell!].join(" ")}" Properties=species:S:1:pos:R:3`;
    writeFileSync(path, `${[rows.length, head, ...rows].join("\n")}\n`);
    return path;
  };
  const input = write("mixed.extxyz", mixed);

  test("merges species, also over several options, and leaves them in the output", async () => {
    const out = join(folder, "out.extxyz");
    const args = ["classify", input, "--species", "Ni=A", "--species", "Co=A", "--out", out, "--json"];
    const { exitCode, stdout } = await run(args);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout).fractions.L1_2).toBe(1);
    const names = readFileSync(out, "utf8")
      .trim()
      .split("\n")
      .slice(2)
      .map((line) => line.split(" ")[0]);
    expect(names).toEqual(mixed.species);
  });

  test("is known to the gradient check", async () => {
    const small = write("small.extxyz", mixedCrystal(2));
    const map = ["--species", "Ni=A,Co=A"];
    const { exitCode, stdout } = await run([
      "check-gradients",
      "core",
      small,
      ...map,
      "--samples",
      "1",
      "--json",
    ]);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, natoms: 32 });
    expect(stdout).toContain("L1_2");
  });

  test.each([
    ["Ni", /names of species and the names that they get/],
    ["Ni=", /names of species and the names that they get/],
    ["Ni=A=B", /names of species and the names that they get/],
    ["Ni=A,Ni=B", /names Ni twice/],
    ["Cr=A", /Cr, but no atom has this species[\s\S]*Al, (Ni|Co), (Ni|Co)/],
    ["Ni=X", /gives Ni the name "X"/],
  ])("is refused: %s", async (text, message) => {
    const { exitCode, stderr } = await run(["classify", input, "--species", text]);
    expect(exitCode).toBeGreaterThan(0);
    expect(stderr).toMatch(message);
  });
});
