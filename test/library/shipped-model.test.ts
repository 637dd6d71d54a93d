import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/index.js";
import {
  type Analyser,
  createAnalyser,
  createFrame,
  type Frame,
  loadModel,
  readManifest,
} from "../../src/index.js";
import { bccSites, crystal, fccSites, shaken, TextSink } from "./support.js";

type Site = readonly [number, number, number];
const moved = (sites: readonly Site[], by: Site): Site[] =>
  sites.map(([x, y, z]) => [x + by[0], y + by[1], z + by[2]] as const);

/**
 * Two close-packed or two tetrahedral layers of an ideal hexagonal crystal in an orthogonal cell of 1 x
 * sqrt(3) x sqrt(8/3).
 */
function hexagonal(tetrahedral: boolean, species: readonly [string, string]): Frame {
  const height = Math.sqrt(8 / 3);
  const width = Math.sqrt(3);
  const layers: Site[] = [
    [0, 0, 0],
    [0.5, 0.5, 0],
    [0, 1 / 3, 0.5],
    [0.5, 5 / 6, 0.5],
  ];
  const sites = tetrahedral ? [...layers, ...moved(layers, [0, 0, 3 / 8])] : layers;
  const [n, m, l] = [6, 4, 4] as const;
  const positions: number[] = [];
  const names: string[] = [];
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j < m; j += 1) {
      for (let k = 0; k < l; k += 1) {
        sites.forEach(([x, y, z], site) => {
          positions.push(i + x, (j + y) * width, (k + z) * height);
          names.push(species[site < 4 ? 0 : 1]);
        });
      }
    }
  }
  return createFrame({ positions, cell: [n, 0, 0, 0, m * width, 0, 0, 0, l * height], species: names });
}

const interleaved = (first: readonly Site[], by: Site): Site[] => [...first, ...moved(first, by)];
const binary = (count: number): string[] =>
  Array.from({ length: 2 * count }, (_, site) => (site < count ? "A" : "B"));

/**
 * An ideal crystal of each phase. Edges are arbitrary, since the model does not depend on the unit of length.
 */
const crystals: Record<string, Frame> = {
  fcc: crystal(fccSites, 1, 4),
  hcp: hexagonal(false, ["A", "A"]),
  bcc: crystal(bccSites, 1, 5),
  sc: crystal([[0, 0, 0]], 1, 6),
  diamond: crystal(interleaved(fccSites, [0.25, 0.25, 0.25]), 1, 3),
  hexdiamond: hexagonal(true, ["A", "A"]),
  B1: crystal(interleaved(fccSites, [0.5, 0, 0]), 1, 3, binary(4)),
  B2: crystal(bccSites, 1, 5, ["A", "B"]),
  B3: crystal(interleaved(fccSites, [0.25, 0.25, 0.25]), 1, 3, binary(4)),
  B4: hexagonal(true, ["A", "B"]),
  L1_2: crystal(fccSites, 1, 4, ["A", "B", "B", "B"]),
};

/** The frame in another unit of length. */
function scaled(frame: Frame, factor: number): Frame {
  return {
    ...frame,
    positions: frame.positions.map((coordinate) => factor * coordinate),
    cell: frame.cell!.map((component) => factor * component),
  };
}

let analyser: Analyser;
beforeAll(async () => {
  analyser = await createAnalyser(await loadModel(), { threads: 1 });
});
afterAll(() => analyser.dispose());

describe("the shipped models", () => {
  test("all load, with the number of classes in the manifest", async () => {
    const { models } = await readManifest();
    expect(models.length).toBeGreaterThan(0);
    for (const { name, classCount } of models) expect((await loadModel(name)).classCount).toBe(classCount);
  });

  test("the default one knows the phases by their names", async () => {
    const names = analyser.model.classes.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["disordered", ...Object.keys(crystals)]));
    const byAlias = (alias: string): string | undefined =>
      analyser.model.classes.find(({ aliases }) => aliases.includes(alias))?.name;
    expect([byAlias("ice-Ih"), byAlias("ice-Ic")]).toEqual(["hexdiamond", "diamond"]);
  });

  test("are listed with all names of their classes", async () => {
    for (const { name: tier, classCount } of (await readManifest()).models) {
      const [stdout, stderr] = [new TextSink(), new TextSink()];
      const { signal } = new AbortController();
      const args = ["models", "--classes", "--tier", tier, "--json"];
      expect(await runCli(args, { stdout, stderr, signal })).toBe(0);
      const classes = JSON.parse(stdout.text) as Record<string, unknown>[];
      expect(classes).toHaveLength(classCount);
      expect(classes[0]).toMatchObject({ name: "disordered", spaceGroup: null, water: null, model: tier });
      const fcc = classes.find(({ name }) => name === "fcc");
      expect(fcc).toMatchObject({ prototype: expect.stringContaining("Cu"), spaceGroup: 225 });
      expect(classes.find(({ name }) => name === "hexdiamond")!.aliases).toContain("ice-Ih");
    }
  });
});

describe.each(Object.entries(crystals))("%s", (name, frame) => {
  const spacing = Math.cbrt(
    frame.cell![0]! * frame.cell![4]! * frame.cell![8]! * (3 / frame.positions.length),
  );

  test.each([0.01, 1, 3.6, 5000])(
    "is found at every atom of an ideal crystal, in units of %d",
    async (factor) => {
      const { fractions, lengthScale } = await analyser.analyse(scaled(frame, factor));
      expect(fractions[name]).toBe(1);
      expect(lengthScale / (factor * spacing)).toBeCloseTo(1, 9);
    },
  );

  test("is found after thermal displacements, and denoising brings the atoms back", async () => {
    const hot = shaken(frame, 0.08 * spacing);
    const { fractions, denoised } = await analyser.analyse(hot, { denoise: "converged" });
    expect(fractions[name]).toBeGreaterThan(0.99);
    expect(distanceFrom(frame, denoised!)).toBeLessThan(0.5 * distanceFrom(frame, hot.positions));
  });
});

test("a crystal of two species has another label if they are ignored", async () => {
  for (const [name, plain] of [
    ["B2", "bcc"],
    ["B3", "diamond"],
    ["B4", "hexdiamond"],
    ["L1_2", "fcc"],
    ["B1", "sc"],
  ] as const) {
    const { fractions } = await analyser.analyse(crystals[name]!, { ignoreSpecies: true });
    expect(fractions[plain], name).toBe(1);
  }
});

test("a left-handed cell gives the same labels and numbers", async () => {
  const frame = shaken(hexagonal(false, ["A", "A"]), 0.08);
  const [a, b, c] = [0, 3, 6].map((start) => frame.cell!.subarray(start, start + 3)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const right = await analyser.analyse(frame);
  const left = await analyser.analyse({ ...frame, cell: Float64Array.of(...a, ...c, ...b) });
  expect(left.labels).toEqual(right.labels);
  expect(left.lengthScale).toBe(right.lengthScale);
  const differences = left.logits.map((logit, index) => Math.abs(logit - right.logits[index]!));
  expect(Math.max(...differences)).toBeLessThan(1e-3);
});

/** Root mean square distance of atoms from the sites of a frame, without the common shift. */
function distanceFrom(frame: Frame, positions: Float64Array): number {
  const difference = positions.map((coordinate, index) => coordinate - frame.positions[index]!);
  const count = difference.length / 3;
  const mean = [0, 1, 2].map(
    (axis) => difference.reduce((sum, part, index) => sum + (index % 3 === axis ? part : 0), 0) / count,
  );
  return Math.sqrt(difference.reduce((sum, part, index) => sum + (part - mean[index % 3]!) ** 2, 0) / count);
}
