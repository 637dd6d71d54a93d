import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { usualShape } from "../../src/core/index.js";
import { loadModel, parseModel, readManifest } from "../../src/model/index.js";
import { modelFile, modelFileOf, numbers, pack } from "./model-file.js";
import { expectError, temporaryFolder } from "./support.js";

const parse = (file: Uint8Array) => () => parseModel(file, "m.safetensors");

/** A header as read from a valid file. */
interface Header {
  [name: string]: unknown;
  __metadata__: { phasewire: string; sha256: string };
  "radial.mix": { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** The file with its header replaced by the result of `change`. */
function withHeader(file: Uint8Array, change: (header: Header) => unknown): Uint8Array {
  const length = Number(Buffer.from(file).readBigUInt64LE());
  const header = JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString());
  return pack(change(header), file.subarray(8 + length));
}

describe("reading a model", () => {
  test("a valid file gives every field and tensor", () => {
    const file = modelFile();
    const model = parseModel(file, "m");
    expect(model.name).toBe("random");
    expect(model.classCount).toBe(4);
    expect(model.classes[1]).toEqual({
      name: "fcc",
      aliases: ["ccp"],
      prototype: "fcc",
      spaceGroup: null,
      strukturbericht: null,
      pearson: null,
      aflow: null,
      water: null,
      speciesCount: 1,
    });
    expect(model.cutoff).toBe(2.3);
    expect(model.idealLogits).toEqual([0, 0, 0, 0]);
    expect(model.tensors["radial.mix"]).toEqual(numbers(340, 1, 0.3));
    expect(model.tensors["network2.bias1"]).toEqual(numbers(4, 12, 0.5));
    expect(model.sha256).toBe(createHash("sha256").update(file).digest("hex"));
    expect(model.training).toEqual({ seed: 1 });
  });

  test("a class may need several species", () => {
    const classes = [
      { name: "disordered" },
      { name: "fcc" },
      { name: "B2", species: 2 },
      { name: "E2_1", species: 3 },
    ];
    const model = parseModel(modelFile({ description: { classes } }), "m");
    expect(model.classes.map(({ speciesCount }) => speciesCount)).toEqual([1, 1, 2, 3]);
    expect(model.speciesCounts).toEqual([1, 1, 2, 3]);
  });

  test("a class may have names of several kinds", () => {
    const names = { strukturbericht: "A4", pearson: "cF8", aflow: "A_cF8_227_a", water: "ice-Ic" };
    const diamond = { name: "diamond", aliases: ["ice-Ic"], prototype: "C", spaceGroup: 227, ...names };
    const classes = [{ name: "disordered" }, diamond, { name: "hcp", pearson: null }, { name: "bcc" }];
    const model = parseModel(modelFile({ description: { classes } }), "m");
    expect(model.classes[1]).toEqual({ ...diamond, speciesCount: 1 });
    expect(model.classes[2]).toMatchObject({
      strukturbericht: null,
      pearson: null,
      aflow: null,
      water: null,
    });
  });

  test("1023 classes are read, 1024 are too many", async () => {
    expect(parseModel(modelFileOf(1023), "m").classes.at(-1)!.name).toBe("c1022");
    const error = await expectError("MODEL_FORMAT", parse(modelFileOf(1024)));
    expect(error.field).toBe("classes");
  });

  test("the bytes may start at an odd address", () => {
    const file = modelFile();
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    expect(parseModel(shifted.subarray(1), "m").tensors["radial.mix"]).toEqual(numbers(340, 1, 0.3));
  });

  test.each([0, 4, 8, 20, 2000, 4000, 60000])("a file cut after %i bytes is MODEL_FORMAT", async (length) => {
    await expectError("MODEL_FORMAT", parse(modelFile().subarray(0, length)));
  });

  test("a file with bytes at its end is MODEL_FORMAT", async () => {
    await expectError("MODEL_FORMAT", parse(Buffer.concat([modelFile(), new Uint8Array(4)])));
  });

  test.each([2n ** 63n, 2n ** 32n, 1n << 21n])(
    "a header that claims %i bytes is refused before it is read",
    async (claimed) => {
      const file = Buffer.from(modelFile());
      file.writeBigUInt64LE(claimed);
      const error = await expectError("MODEL_FORMAT", parse(file));
      expect(error.message).toContain(String(claimed));
    },
  );

  test.each<[string, (header: Header) => unknown]>([
    ["is not JSON", () => "{not json"],
    ["is a list", () => []],
    ["has metadata that is a number", (header) => ({ ...header, __metadata__: 3 })],
    ["has a metadata entry that is not text", (header) => ({ ...header, __metadata__: { phasewire: 1 } })],
    ["has a tensor that is a text", (header) => ({ ...header, "radial.mix": "x" })],
    [
      "has an unknown dtype",
      (header) => ({ ...header, "radial.mix": { ...header["radial.mix"], dtype: "F33" } }),
    ],
    [
      "has the dtype constructor",
      (header) => ({ ...header, "radial.mix": { ...header["radial.mix"], dtype: "constructor" } }),
    ],
    [
      "has a negative extent",
      (header) => ({ ...header, "radial.mix": { ...header["radial.mix"], shape: [-2, -17, 10] } }),
    ],
    [
      "has a fractional extent",
      (header) => ({ ...header, "radial.mix": { ...header["radial.mix"], shape: [0.5, 68, 10] } }),
    ],
    [
      "has offsets that do not fit the shape",
      (header) => ({ ...header, "radial.mix": { ...header["radial.mix"], data_offsets: [0, 4] } }),
    ],
    [
      "has offsets beyond the file",
      (header) => ({ ...header, extra: { dtype: "F32", shape: [1], data_offsets: [2 ** 40, 2 ** 40 + 4] } }),
    ],
    [
      "has tensors that overlap",
      (header) => ({ ...header, extra: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }),
    ],
  ])("a header that %s is MODEL_FORMAT", async (_, change) => {
    await expectError("MODEL_FORMAT", parse(withHeader(modelFile(), change)));
  });

  test("one changed bit of the weights is MODEL_HASH", async () => {
    const file = modelFile();
    file[file.length - 1]! ^= 1;
    await expectError("MODEL_HASH", parse(file));
  });

  test("a changed description is MODEL_HASH", async () => {
    const file = withHeader(modelFile(), (header) => ({
      ...header,
      __metadata__: {
        ...header.__metadata__,
        phasewire: header.__metadata__.phasewire.replace("random", "Random"),
      },
    }));
    await expectError("MODEL_HASH", parse(file));
  });

  test("a missing hash is MODEL_HASH", async () => {
    await expectError("MODEL_HASH", parse(modelFile({ sha256: null })));
  });

  test.each([
    ["another format", { format: "other" }],
    ["a later version", { version: 2 }],
    ["the version as text", { version: "1" }],
    ["no version", { version: undefined }],
  ])("%s is MODEL_VERSION", async (_, description) => {
    await expectError("MODEL_VERSION", parse(modelFile({ description })));
  });

  test("a safetensors file of something else is MODEL_VERSION", async () => {
    await expectError("MODEL_VERSION", parse(pack({ __metadata__: {} })));
    await expectError("MODEL_VERSION", parse(pack({})));
  });

  test("a description that is not an object is MODEL_FORMAT", async () => {
    await expectError("MODEL_FORMAT", parse(pack({ __metadata__: { phasewire: "[]", sha256: "" } })));
    await expectError("MODEL_FORMAT", parse(pack({ __metadata__: { phasewire: "{", sha256: "" } })));
  });

  test.each(["radial.mix", "standard.mean", "network2.weight1"])(
    "without tensor %s it is MODEL_SHAPE, by name",
    async (name) => {
      const error = await expectError("MODEL_SHAPE", parse(modelFile({ tensors: { [name]: undefined } })));
      expect(error.field).toBe(name);
    },
  );

  test("a tensor of another shape or dtype is MODEL_SHAPE", async () => {
    const transposed = { shape: [128, 64], data: new Float32Array(64 * 128) };
    await expectError("MODEL_SHAPE", parse(modelFile({ tensors: { "network1.weight0": transposed } })));
    const integers = { dtype: "I32", shape: [64], data: new Float32Array(64) };
    await expectError("MODEL_SHAPE", parse(modelFile({ tensors: { "network1.bias0": integers } })));
  });

  test.each([
    ["channels", 12],
    ["lmax", 7],
    ["innerWidth", 60],
    ["hiddenWidth", 72],
    ["messageWidth", 40],
    ["basisCount", 10.5],
    ["basisCount", undefined],
    ["idealLogits", [0, 0]],
  ])("an unsupported %s is MODEL_SHAPE", async (field, value) => {
    const error = await expectError("MODEL_SHAPE", parse(modelFile({ description: { [field]: value } })));
    expect(error.field).toBe(field);
  });

  test("sizes that a file omits have their defaults", () => {
    const description = { channels: undefined, lmax: undefined };
    expect(parseModel(modelFile({ description }), "m")).toMatchObject({ ...usualShape, basisCount: 10 });
  });

  test("the last hidden layer has 64 units unless the description has another number", () => {
    expect(parseModel(modelFile(), "m").outerWidth).toBe(64);
    const wide = parseModel(modelFileOf(420, 192), "m");
    expect([wide.classCount, wide.outerWidth]).toEqual([420, 192]);
    expect(wide.tensors["network2.weight0"]).toHaveLength(192 * 64);
    expect(wide.tensors["network2.weight1"]).toHaveLength(420 * 192);
  });

  test.each([15, 0, 24, -64, 528, 1024, 64.5, "64", null])(
    "an outerWidth of %j is MODEL_SHAPE",
    async (outerWidth) => {
      const error = await expectError("MODEL_SHAPE", parse(modelFile({ description: { outerWidth } })));
      expect(error.field).toBe("outerWidth");
      expect(error.message).toContain("a multiple of 16 from 16 to 512 is needed");
    },
  );

  test("an outerWidth that the tensors do not have is MODEL_SHAPE, and names the first of them", async () => {
    const error = await expectError("MODEL_SHAPE", parse(modelFile({ description: { outerWidth: 192 } })));
    expect(error.field).toBe("network2.weight0");
    expect(error.message).toContain("F32 [192, 64] is needed");
  });

  test("a constant class 0 is required", async () => {
    const error = await expectError(
      "MODEL_SHAPE",
      parse(modelFile({ tensors: { "network2.weight1": { shape: [4, 64], data: numbers(256, 1) } } })),
    );
    expect(error.message).toContain("row 0");
    const lastItem = numbers(4 * 64, 1).fill(0, 0, 63);
    await expectError(
      "MODEL_SHAPE",
      parse(modelFile({ tensors: { "network2.weight1": { shape: [4, 64], data: lastItem } } })),
    );
  });

  test.each<[string, unknown]>([
    ["name", ""],
    ["cutoff", -1],
    ["cutoff", "2.3"],
    ["logitLength", 0],
    ["basisWidth", null],
    ["classes", []],
    ["classes", [{ name: "fcc" }, { name: "disordered" }]],
    ["classes", [{ name: "disordered" }, { name: "two words" }]],
    ["classes", [{ name: "disordered" }, { name: "fcc,hcp" }]],
    ["classes", [{ name: "disordered" }, { name: "fcc=2" }]],
    ["classes", [{ name: "disordered" }, { name: "fcc", aliases: "ccp" }]],
    ["classes", [{ name: "disordered" }, { name: "fcc" }, { name: "hcp", aliases: ["fcc"] }]],
    ["classes", [{ name: "disordered" }, 3]],
    ["classes", [{ name: "disordered" }, { name: "fcc", pearson: 4 }]],
    ["classes", [{ name: "disordered" }, { name: "fcc", strukturbericht: "" }]],
    ["classes", [{ name: "disordered" }, { name: "bcc", aliases: [], water: "ice-VII" }]],
  ])("a description whose %s is %j is MODEL_FORMAT", async (field, value) => {
    const error = await expectError("MODEL_FORMAT", parse(modelFile({ description: { [field]: value } })));
    expect(error.field).toMatch(new RegExp(`^${field}`));
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])(
    "a weight of %d is MODEL_NON_FINITE, by name and index",
    async (value) => {
      const data = numbers(64, 6);
      data[5] = value;
      const error = await expectError(
        "MODEL_NON_FINITE",
        parse(modelFile({ tensors: { "network1.bias0": { shape: [64], data } } })),
      );
      expect(error.field).toBe("network1.bias0");
      expect(error.message).toContain("item 5");
    },
  );
});

const folder = temporaryFolder();

describe("finding a model", () => {
  afterEach(() => vi.unstubAllEnvs());

  /** Writes a manifest with one model. */
  async function shipModel(): Promise<Record<string, unknown>> {
    const file = modelFile();
    await writeFile(join(folder, "random.safetensors"), file);
    const sha256 = createHash("sha256").update(file).digest("hex");
    const manifest = {
      default: "random",
      models: [
        { name: "random", file: "random.safetensors", sha256, classCount: 4, description: "random weights" },
      ],
    };
    await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
    vi.stubEnv("PHASEWIRE_MODELS", folder);
    return manifest;
  }

  test("by default, by name and by path", async () => {
    await shipModel();
    expect((await loadModel()).name).toBe("random");
    expect((await loadModel("random")).name).toBe("random");
    expect((await loadModel(join(folder, "random.safetensors"))).name).toBe("random");
    expect((await readManifest()).models[0]!.classCount).toBe(4);
  });

  test("an unknown name is MODEL_NOT_FOUND and names those that exist", async () => {
    await shipModel();
    const error = await expectError("MODEL_NOT_FOUND", () => loadModel("other"));
    expect(error.message).toContain("random");
    await expectError("MODEL_NOT_FOUND", () => loadModel("./no-such.safetensors"));
  });

  test("a folder without a manifest is MODEL_NOT_FOUND, a damaged manifest MODEL_FORMAT", async () => {
    await shipModel();
    await mkdir(join(folder, "empty"));
    await expectError("MODEL_NOT_FOUND", () => readManifest(join(folder, "empty")));
    for (const text of ["{", "[]", "{}", '{"default":"a","models":[{"name":"a"}]}']) {
      await writeFile(join(folder, "manifest.json"), text);
      await expectError("MODEL_FORMAT", () => loadModel());
    }
  });

  test("a manifest cannot point out of its folder", async () => {
    const manifest = await shipModel();
    const [entry] = manifest.models as Record<string, unknown>[];
    await writeFile(
      join(folder, "manifest.json"),
      JSON.stringify({ ...manifest, models: [{ ...entry, file: "../m.safetensors" }] }),
    );
    await expectError("MODEL_FORMAT", () => loadModel());
  });

  test("a valid file that is not the one in the manifest is MODEL_HASH", async () => {
    await shipModel();
    await writeFile(
      join(folder, "random.safetensors"),
      modelFile({ description: { name: "random", training: { seed: 2 } } }),
    );
    await expectError("MODEL_HASH", () => loadModel());
  });
});
