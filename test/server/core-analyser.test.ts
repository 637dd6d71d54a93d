import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CoreAnalyser } from "../../bridge/server/core-analyser.js";
import type { Analyse } from "../../bridge/server/wire.js";
import type { CoreFrame } from "../../src/core/types.js";
import { loadModel } from "../../src/model/index.js";

/** A face-centred cubic crystal of four atoms; the neighbours are images. */
const crystal: CoreFrame = {
  positions: Float64Array.of(0, 0, 0, 2, 2, 0, 2, 0, 2, 0, 2, 2),
  cell: Float64Array.of(4, 0, 0, 0, 4, 0, 0, 0, 4),
  periodic: [true, true, true],
  species: null,
};

const request: Analyse = {
  type: "analyse",
  sequence: 1,
  mode: "request",
  step: 1,
  time: null,
  periodic: [true, true, true],
  speciesNames: null,
  ignoreSpecies: false,
  lengthScale: null,
  denoise: null,
  fields: [],
  variables: [],
  coefficients: [],
  observables: {},
  timeoutMs: null,
  positions: crystal.positions,
  cell: crystal.cell,
  species: null,
};

let analyser: CoreAnalyser;

beforeAll(async () => {
  analyser = await CoreAnalyser.create(await loadModel(), { threads: 1 });
});

afterAll(() => analyser.close());

describe("the core as the server's analyser", () => {
  it("computes no more than was asked for", async () => {
    const analysis = await analyser.analyse(crystal, request);
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

  it("gives values of variables without forces if no field wants forces", async () => {
    const variables = [{ kind: "fraction" as const, class: "fcc" }];
    const { bias } = await analyser.analyse(crystal, { ...request, variables, coefficients: [2] });
    expect(bias!.forces).toBeUndefined();
    expect(bias!.energy).toBe(2 * bias!.values[0]!);
    expect(bias!.values[0]).toBeGreaterThan(0.5);
  });

  it("takes a new core after a fault, and gives the same results with it", async () => {
    const before = await analyser.analyse(crystal, request);
    const broken = { ...request, fields: null } as unknown as Analyse;
    await expect(analyser.analyse(crystal, broken)).rejects.toThrow(TypeError);
    expect(await analyser.analyse(crystal, request)).toEqual(before);
  });
});
