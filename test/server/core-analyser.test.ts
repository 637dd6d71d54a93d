import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Analysis, FrameSource } from "../../bridge/server/analyser.js";
import { CoreAnalyser } from "../../bridge/server/core-analyser.js";
import type { Analyse } from "../../bridge/server/wire/wire.js";
import { loadModel, parseModel } from "../../src/model/index.js";
import { modelFile } from "../library/model-file.js";

/** A periodic cube of atoms of one species. */
function cubic(positions: Float64Array, edge: number): FrameSource {
  return {
    atomCount: positions.length / 3,
    cell: Float64Array.of(edge, 0, 0, 0, edge, 0, 0, 0, edge),
    periodic: [true, true, true],
    lengthScale: undefined,
    hasSpecies: false,
    box: Float64Array.of(edge, 0, 0, 0, edge, 0, 0, 0, edge),
    speciesNames: null,
    read: (target) => target.set(positions),
    readSpecies: () => null,
    readIds: () => null,
  };
}

/** A face-centred cubic crystal of four atoms, whose neighbours are images. */
const places = Float64Array.of(0, 0, 0, 2, 2, 0, 2, 0, 2, 0, 2, 2);
const crystal = cubic(places, 4);

const request: Analyse = {
  type: "analyse",
  sequence: 1,
  mode: "request",
  step: 1,
  time: null,
  periodic: [true, true, true],
  speciesNames: null,
  selection: null,
  ignoreSpecies: false,
  lengthScale: null,
  denoise: null,
  classes: null,
  fields: [],
  variables: [],
  coefficients: [],
  observables: {},
  timeoutMs: null,
  resultSpace: null,
  atomCount: 4,
  positions: { dtype: "f64", shape: [4, 3], copyTo: () => undefined },
  cell: null,
  species: null,
  ids: null,
  seed: null,
};

/** A copy of an analysis, since the next one overwrites its arrays. */
function kept(analysis: Analysis): Analysis {
  const copies = Object.entries(analysis).map(([name, value]) => [
    name,
    ArrayBuffer.isView(value) ? (value as Float32Array).slice() : value,
  ]);
  return Object.fromEntries(copies);
}

let analyser: CoreAnalyser;

beforeAll(async () => {
  analyser = await CoreAnalyser.create(await loadModel(), { threads: 1 });
});

afterAll(() => analyser.close());

describe("the core as the server's analyser", () => {
  it("computes no more than was requested", async () => {
    const analysis = await analyser.analyse(crystal, request, null);
    expect(Object.keys(analysis).sort()).toEqual([
      "confidence",
      "distance",
      "labels",
      "lengthScale",
      "logDensity",
      "logits",
      "margin",
      "probabilities",
    ]);
  });

  it("copies positions once, and returns results in place", async () => {
    let room: Float64Array | null = null;
    const watched: FrameSource = {
      ...crystal,
      read: (target) => {
        room = target;
        target.set(places);
      },
    };
    const { labels, logits } = await analyser.analyse(watched, request, null);
    // Shared memory belongs to the core. The arrays that were filled and those that are read all lie in it.
    expect(room!.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(labels.buffer).toBe(room!.buffer);
    expect(logits.buffer).toBe(room!.buffer);
  });

  it("gives the names of the classes, also those in water", async () => {
    const model = parseModel(
      modelFile({
        description: {
          classes: [
            { name: "disordered" },
            { name: "hexdiamond", aliases: ["ice-Ih", "lonsdaleite"], water: "ice-Ih" },
            { name: "ice-II", water: "ice-II" },
            { name: "bcc" },
          ],
        },
      }),
      "m",
    );
    const small = await CoreAnalyser.create(model, { threads: 1 });
    expect(small.model).toMatchObject({
      classes: ["disordered", "hexdiamond", "ice-II", "bcc"],
      aliases: { "ice-Ih": "hexdiamond", lonsdaleite: "hexdiamond" },
      waterNames: { hexdiamond: "ice-Ih", "ice-II": "ice-II" },
    });
    await small.close();
  });

  it("gives values of variables without forces if no field needs forces", async () => {
    const variables = [{ kind: "fraction" as const, class: "fcc" }];
    const { bias, forces } = await analyser.analyse(
      crystal,
      { ...request, variables, coefficients: [2] },
      null,
    );
    expect(forces).toBeUndefined();
    expect(bias!.energy).toBe(2 * bias!.values[0]!);
    expect(bias!.values[0]).toBeGreaterThan(0.5);
  });

  describe("in any unit of energy", () => {
    const hot = cubic(
      places.map((coordinate, index) => coordinate + 0.1 * Math.sin(index)),
      4,
    );
    const fields = ["forces", "virial"] as const;
    const variables = [{ kind: "logDensity" as const }, { kind: "fraction" as const, class: "fcc" }];
    const biased = (...coefficients: number[]): Promise<Analysis> =>
      analyser.analyse(hot, { ...request, fields: [...fields], variables, coefficients }, null);

    it.each([1e-60, 1e-30, 1e45])(
      "%d times as large, gives forces and virial in proportion",
      async (unit) => {
        const plain = await biased(1, -3);
        const other = await biased(unit, -3 * unit);
        const largest = Math.max(...plain.forces!.map(Math.abs));
        expect(largest).toBeGreaterThan(0.1);
        plain.forces!.forEach((force, index) => {
          const error = Math.abs(other.forces![index]! / unit - force);
          if (!(error <= 1e-5 * largest)) throw new Error(`force ${index} is off by ${error}`);
        });
        const size = Math.max(...plain.virial!.map(Math.abs));
        plain.virial!.forEach((component, index) => {
          const error = Math.abs(other.virial![index]! / unit - component);
          if (!(error <= 1e-5 * size)) throw new Error(`virial ${index} is off by ${error}`);
        });
      },
    );

    it("gives zero forces for coefficients of 0", async () => {
      const { forces } = await biased(0, 0);
      expect(forces!.every((force) => force === 0)).toBe(true);
    });

    it("refuses coefficients whose energy or forces overflow", async () => {
      for (const coefficient of [1e308, 1.7e308, -1e308]) {
        await expect(biased(coefficient, 0)).rejects.toMatchObject({
          code: "BAD_OPTION",
          field: "coefficients",
        });
      }
    });
  });

  it("does not apply the weights of one frame to the next", async () => {
    const plain = kept(await analyser.analyse(crystal, request, null));
    const weights = new Float64Array((await loadModel()).classCount);
    weights[2] = 1;
    const limited = await analyser.analyse(crystal, request, weights);
    expect(limited.labels).toEqual(Uint16Array.of(2, 2, 2, 2));
    expect(await analyser.analyse(crystal, request, null)).toEqual(plain);
  });

  it("starts a new core after a fault, and gives the same results with it", async () => {
    const before = kept(await analyser.analyse(crystal, request, null));
    const broken = { ...request, fields: null } as unknown as Analyse;
    await expect(analyser.analyse(crystal, broken, null)).rejects.toThrow(TypeError);
    expect(await analyser.analyse(crystal, request, null)).toEqual(before);
  });
});
