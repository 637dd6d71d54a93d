/**
 * Writes the golden messages of bridge/PROTOCOL.md, `NAME.bin` and `NAME.json`, into the folder of this file.
 *
 *     node bridge/golden/generate.mjs [FOLDER]
 *
 * FOLDER is another folder to write to. A test compares a fresh set with the committed one.
 *
 * The bytes are made with MessagePack alone, not with the server's codec, so that the codec is tested against
 * messages that it did not write itself.
 */
import { createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Packr } from "msgpackr";

const folder = process.argv[2] ?? dirname(fileURLToPath(import.meta.url));

const packr = new Packr({ useRecords: false, variableMapSize: true });

const writers = {
  f32: [4, (view, at, value) => view.setFloat32(at, value ?? Number.NaN, true)],
  f64: [8, (view, at, value) => view.setFloat64(at, value ?? Number.NaN, true)],
  i32: [4, (view, at, value) => view.setInt32(at, value, true)],
  u16: [2, (view, at, value) => view.setUint16(at, value, true)],
  u8: [1, (view, at, value) => view.setUint8(at, value)],
};

function arrayBytes(dtype, values) {
  const [size, write] = writers[dtype];
  const bytes = Buffer.alloc(values.length * size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  values.forEach((value, index) => {
    write(view, index * size, value);
  });
  return bytes;
}

function save(name, parts, description) {
  const words = [parts.length, ...parts.flatMap((part) => [part.byteLength, part])];
  const chunks = words.map((word) => {
    if (typeof word !== "number") return word;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(word);
    return bytes;
  });
  writeFileSync(join(folder, `${name}.bin`), Buffer.concat(chunks));
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ name, ...description }, null, 1)}\n`);
}

/** A message that decodes. `arrays` lists [name, dtype, shape, flat values]; null stands for NaN. */
function good(name, from, header, arrays = []) {
  const full = { ...header };
  if (arrays.length > 0) full.arrays = arrays.map(([array, dtype, shape]) => ({ name: array, dtype, shape }));
  save(name, [packr.pack(full), ...arrays.map(([, dtype, , values]) => arrayBytes(dtype, values))], {
    from,
    header: full,
    arrays: Object.fromEntries(arrays.map(([array, , , values]) => [array, values])),
  });
}

/** A message that every decoder refuses with this code, and with this field if given. */
function bad(name, parts, code, field) {
  save(name, parts, { from: "client", error: field === undefined ? { code } : { code, field } });
}

const classes = "disordered fcc hcp bcc sc diamond hexdiamond B1 B2 B3 B4 L1_2".split(" ");
const fractions = { disordered: 0.5, fcc: 0.5 };
const periodic = [true, true, true];
const cell = [4, 0, 0, 0, 4, 0, 1, 0, 3.5];
const positions = [0.25, 0.5, 0.75, 2, 2.125, -1.5];
const cellArray = ["cell", "f64", [3, 3], cell];

/** Proofs for this token and nonce (bridge/PROTOCOL.md, section 10). */
const token = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const nonce = "fedcba98".repeat(8);
const proofOf = (role) => createHmac("sha256", token).update(`${role}:${nonce}`).digest("hex");

good("hello", "client", {
  type: "hello",
  sequence: 0,
  versions: [3],
  client: { name: "phasewire-python", version: "0.1.0", process: "node7:4711" },
  requires: ["monitor"],
  run: "melt-17",
  engine: "LAMMPS 22 Jul 2025",
  title: "Kupfer, geschmolzen \u00b7 \u94dc",
  classes: { fcc: 2, "ice-Ic": 0.5, disordered: 0 },
  shared: {
    file: "phasewire-4711-0123456789abcdef0123456789abcdef",
    token: "fedcba9876543210fedcba9876543210",
  },
  nonce,
  proof: proofOf("phasewire-client"),
});
good("welcome", "server", {
  type: "welcome",
  sequence: 0,
  version: 3,
  session: "5d0c3b0e-7a51-4a7e-9f5e-0a4bb5a1f0c2",
  run: "melt-17",
  server: { name: "phasewire", version: "0.1.0" },
  capabilities: ["monitor", "request", "bias", "denoise", "seed", "subscribe", "series", "shared"],
  model: {
    name: "elements-and-binaries",
    sha256: "00ff".repeat(16),
    classes,
    aliases: { "ice-Ih": "hexdiamond", "ice-Ic": "diamond" },
    waterNames: { hexdiamond: "ice-Ih", diamond: "ice-Ic" },
    logitLength: 0.0625,
    idealLogits: classes.map((_, c) => 0.5 * c + 1.25),
    cutoff: 2.3,
  },
  classes: { disordered: 0, fcc: 2, diamond: 0.5 },
  shared: true,
  proof: proofOf("phasewire-server"),
  limits: {
    maxAtoms: 1000000,
    maxHeaderBytes: 262144,
    maxFrameBytes: 67108864,
    maxArrays: 16,
    monitorQueue: 2,
    requestQueue: 8,
    maxVariables: 64,
    maxDenoiseSteps: 64,
    maxObservables: 32,
  },
});
good(
  "analyse-monitor",
  "client",
  {
    type: "analyse",
    sequence: 1,
    mode: "monitor",
    step: 100,
    time: 0.5,
    periodic,
    speciesNames: ["Cu", "Zn"],
    fields: ["labels"],
    observables: { temperature: 1200.5 },
  },
  [["positions", "f32", [2, 3], positions], cellArray, ["species", "i32", [2], [0, 1]]],
);
good(
  "analyse-request",
  "client",
  {
    type: "analyse",
    sequence: 2,
    mode: "request",
    step: 200,
    periodic: [true, false, true],
    selection: "oxygen of water",
    ignoreSpecies: true,
    lengthScale: 2.28,
    resultSpace: { offset: 4096, bytes: 65536 },
    denoise: "converged",
    classes: { fcc: 1, B2: 0 },
    fields: ["labels", "denoised"],
  },
  [["positions", "f64", [2, 3], positions], cellArray, ["species", "i32", [2], [29, -1]]],
);
good(
  "analyse-bias",
  "client",
  {
    type: "analyse",
    sequence: 3,
    mode: "bias",
    step: 9007199254740991,
    periodic: [false, false, false],
    lengthScale: 2,
    fields: ["forces", "virial"],
    variables: [
      { kind: "fraction", class: "fcc" },
      { kind: "logDensity" },
      { kind: "meanLogit", class: "ice-Ic" },
      { kind: "logitDifference", class: "bcc", minus: "hcp" },
    ],
    coefficients: [1.5, -0.25, 0, 1e-3],
    timeoutMs: 5000,
  },
  [["positions", "f64", [2, 3], positions]],
);
good(
  "analyse-variables",
  "client",
  {
    type: "analyse",
    sequence: 12,
    mode: "bias",
    step: 5,
    periodic,
    lengthScale: 2,
    speciesNames: ["Cu", "Zn"],
    variables: [
      {
        kind: "fraction",
        classes: ["fcc", "hcp"],
        name: "solid",
        reduce: "sum",
        switch: { centre: 0.5, width: 0.125 },
        select: { species: ["Cu"], region: { axis: 2, from: 0.25, to: 0.75, width: 0.125 } },
      },
      {
        kind: "sum",
        constant: -1,
        terms: [
          {
            weight: 0.5,
            variable: {
              kind: "smoothMin",
              sharpness: 4,
              variables: [
                { kind: "distance", class: "bcc", select: { ids: [7, 2147483647] } },
                {
                  kind: "switch",
                  centre: -2,
                  width: 0.5,
                  variable: {
                    kind: "logDensity",
                    reduce: "mean",
                    select: { region: { centre: [0.5, 0.25, 0], radius: 1, width: 0.5 } },
                  },
                },
              ],
            },
          },
        ],
      },
    ],
    coefficients: [2, -0.5],
  },
  [
    ["positions", "f64", [2, 3], positions],
    cellArray,
    ["species", "i32", [2], [0, 1]],
    ["ids", "i32", [2], [7, 2147483647]],
  ],
);
good(
  "analyse-logits",
  "client",
  {
    type: "analyse",
    sequence: 13,
    mode: "bias",
    step: 6,
    periodic,
    lengthScale: 2,
    fields: ["logits"],
  },
  [["positions", "f64", [2, 3], positions], cellArray],
);
good(
  "analyse-seed",
  "client",
  {
    type: "analyse",
    sequence: 14,
    mode: "bias",
    step: 6,
    periodic,
    lengthScale: 2,
    fields: ["forces", "virial"],
  },
  [
    ["positions", "f64", [2, 3], positions],
    cellArray,
    ["seed", "f64", [2, 12], [...classes.map((_, c) => 0.25 * c - 1), ...classes.map((_, c) => 1e-9 * c)]],
  ],
);
good(
  "result-seed",
  "server",
  {
    type: "result",
    sequence: 14,
    run: "melt-17",
    mode: "bias",
    step: 6,
    observables: {},
    atomCount: 2,
    lengthScale: 2,
    fractions,
    logDensity: -12.5,
    meanLogDensityPerAtom: -6.25,
    meanMargin: 3.75,
    dropped: 0,
    queued: 0,
    seconds: 0.0078125,
    waitedSeconds: 0,
  },
  [
    ["forces", "f64", [2, 3], [0.125, 0, -1, -0.125, 0, 1]],
    ["virial", "f64", [3, 3], [1, 2, 3, 2, 4, 5, 3, 5, 6]],
  ],
);
good(
  "unknown-keys",
  "client",
  {
    type: "analyse",
    sequence: 4,
    mode: "monitor",
    step: 300,
    periodic,
    lengthScale: null,
    colour: { deep: [1, { deeper: true }] },
  },
  [["positions", "f64", [1, 3], [0, 0, 0]], ["charges", "f32", [1], [0.5]], cellArray],
);
const resultScalars = {
  run: "melt-17",
  step: 100,
  time: 0.5,
  observables: { temperature: 1200.5 },
  atomCount: 2,
  lengthScale: 2.28125,
  fractions,
  logDensity: -12.5,
  meanLogDensityPerAtom: -6.25,
  meanMargin: 3.75,
  dropped: 7,
};
good(
  "result",
  "server",
  {
    type: "result",
    sequence: 1,
    ...resultScalars,
    mode: "monitor",
    denoising: { steps: 8, meanDisplacement: 0.125 },
    queued: 1,
    seconds: 0.03125,
    waitedSeconds: 0.5,
  },
  [
    ["labels", "u16", [2], [0, 1]],
    ["confidence", "f32", [2], [0.5, 0.75]],
    ["logits", "f32", [2, 2], [-1, -2, -3.5, -0.5]],
  ],
);
good(
  "result-bias",
  "server",
  {
    type: "result",
    sequence: 3,
    ...resultScalars,
    mode: "bias",
    values: [0.5, -12.5],
    energy: 3.875,
    queued: 0,
    seconds: 0.03125,
    waitedSeconds: 0,
  },
  [
    ["forces", "f64", [2, 3], [0.125, 0, -1, -0.125, 0, 1]],
    ["virial", "f64", [3, 3], [1, 2, 3, 2, 4, 5, 3, 5, 6]],
  ],
);
good("error", "server", {
  type: "error",
  sequence: 5,
  mode: "monitor",
  step: 400,
  dropped: 7,
  code: "NON_FINITE_POSITIONS",
  field: "positions",
  value: "NaN",
  message: "atom 3 has a coordinate that is NaN",
  remedy: "Check the run that wrote the frame.",
});
good("error-version", "server", {
  type: "error",
  sequence: 0,
  code: "PROTOCOL_VERSION",
  field: "versions",
  value: [7, 8],
  supported: [3],
  message: "the client speaks protocol versions 7, 8; this server speaks 3",
  remedy: "Install the same release of phasewire on both sides.",
});
good("error-unreadable", "server", {
  type: "error",
  sequence: null,
  code: "MESSAGE_FORMAT",
  field: "header",
  value: null,
  message: "the header is not MessagePack",
  remedy: "Encode messages as bridge/PROTOCOL.md says.",
});
good("ping", "client", { type: "ping", sequence: 6 });
good("pong", "server", { type: "pong", sequence: 6 });
good("status-request", "client", { type: "status", sequence: 7 });
good("status", "server", {
  type: "status",
  sequence: 7,
  server: { name: "phasewire", version: "0.1.0" },
  model: "elements-and-binaries",
  threads: 2,
  uptimeSeconds: 12.5,
  analysed: 42,
  sessions: [
    {
      session: "5d0c3b0e-7a51-4a7e-9f5e-0a4bb5a1f0c2",
      run: "melt-17",
      client: "phasewire-python 0.1.0",
      engine: "LAMMPS 22 Jul 2025",
      title: null,
      lastStep: 4200,
      analysed: 42,
      dropped: 7,
      queued: 0,
    },
  ],
});
good("series-request", "client", { type: "series", sequence: 8, run: "melt-17", after: 100 });
good(
  "series",
  "server",
  { type: "series", sequence: 8, run: "melt-17", columns: ["temperature"], classes: classes.slice(0, 2) },
  [
    ["step", "f64", [2], [200, 300]],
    ["time", "f64", [2], [1, null]],
    ["atomCount", "f64", [2], [4000, 4000]],
    ["dropped", "f64", [2], [0, 1]],
    ["lengthScale", "f64", [2], [2.25, 2.5]],
    ["meanLogDensityPerAtom", "f64", [2], [-1, -2]],
    ["meanMargin", "f64", [2], [3, 4]],
    ["fractions", "f64", [2, 2], [0, 1, 0.25, 0.75]],
    ["observables", "f64", [2, 1], [1200, null]],
  ],
);
good("subscribe", "client", {
  type: "subscribe",
  sequence: 9,
  run: "melt-17",
  fields: ["labels", "positions"],
});
good("subscribed", "server", { type: "subscribed", sequence: 9, runs: ["melt-17"] });
good(
  "observed",
  "server",
  {
    type: "observed",
    session: "5d0c3b0e-7a51-4a7e-9f5e-0a4bb5a1f0c2",
    mode: "monitor",
    ...resultScalars,
    seconds: 0.03125,
    waitedSeconds: 0,
    missed: 2,
  },
  [
    ["labels", "u16", [2], [0, 511]],
    ["positions", "f32", [2, 3], positions],
  ],
);
good("unsubscribe", "client", { type: "unsubscribe", sequence: 10 });
good("unsubscribed", "server", { type: "unsubscribed", sequence: 10 });
good("goodbye", "client", { type: "goodbye", sequence: 11 });
good("goodbye-reply", "server", { type: "goodbye", sequence: 11, reason: "asked" });
good("goodbye-shutdown", "server", { type: "goodbye", reason: "shutdown" });

const plain = { type: "analyse", sequence: 1, mode: "monitor", step: 1, periodic: [false, false, false] };
const describe = (dtype, shape, more = {}) => ({ name: "positions", dtype, shape, ...more });
const withArrays = (...arrays) => packr.pack({ ...plain, arrays });
const repeat = (byte, count) => Buffer.alloc(count, byte);

bad("bad-empty-header", [Buffer.alloc(0)], "MESSAGE_FORMAT", "header");
bad("bad-no-parts", [], "MESSAGE_FORMAT", "header");
bad("bad-not-msgpack", [Buffer.from("GET / HTTP/1.1\r\n\r\n")], "MESSAGE_FORMAT", "header");
bad("bad-reserved-byte", [Buffer.from([0x81, 0xa1, 0x61, 0xc1])], "MESSAGE_FORMAT", "header");
bad("bad-truncated", [packr.pack(plain).subarray(0, -3)], "MESSAGE_FORMAT", "header");
bad("bad-trailing", [Buffer.concat([packr.pack(plain), Buffer.from([0xc0])])], "MESSAGE_FORMAT", "header");
bad("bad-not-a-map", [packr.pack([1, 2, 3])], "MESSAGE_FORMAT", "header");
bad("bad-integer-key", [Buffer.from([0x81, 0x01, 0x02])], "MESSAGE_FORMAT", "header");
bad(
  "bad-extension",
  [Buffer.concat([Buffer.from([0x81, 0xa1, 0x61]), Buffer.from([0xd6, 0xff, 0, 0, 0, 0])])],
  "MESSAGE_FORMAT",
  "header",
);
bad(
  "bad-deep",
  [Buffer.concat([Buffer.from([0x81, 0xa1, 0x61]), repeat(0x91, 5000), Buffer.from([0xc0])])],
  "MESSAGE_FORMAT",
  "header",
);
bad(
  "bad-declared-count",
  [Buffer.concat([Buffer.from([0x81, 0xa1, 0x61, 0xdd, 0xff, 0xff, 0xff, 0xff]), repeat(0xc0, 16)])],
  "MESSAGE_FORMAT",
  "header",
);
bad(
  "bad-many-values",
  [Buffer.concat([Buffer.from([0x81, 0xa1, 0x61, 0xdc, 0x9c, 0x40]), repeat(0xc0, 40000)])],
  "MESSAGE_FORMAT",
  "header",
);
bad("bad-nan", [packr.pack({ ...plain, lengthScale: Number.NaN })], "MESSAGE_FORMAT", "header");
bad("bad-text", [Buffer.from([0x81, 0xa1, 0x61, 0xa2, 0xff, 0xfe])], "MESSAGE_FORMAT", "header");
bad("bad-large-header", [packr.pack({ ...plain, padding: "x".repeat(270000) })], "MESSAGE_FORMAT", "header");
bad("bad-no-type", [packr.pack({ sequence: 1 })], "MESSAGE_FORMAT", "type");
bad("bad-length", [withArrays(describe("f64", [2, 3])), Buffer.alloc(47)], "MESSAGE_LENGTH", "positions");
bad(
  "bad-huge-shape",
  [withArrays(describe("f64", [4294967296, 4294967296])), Buffer.alloc(8)],
  "MESSAGE_LENGTH",
  "positions",
);
bad("bad-missing-part", [withArrays(describe("f64", [2, 3]))], "MESSAGE_LENGTH", "arrays");
bad("bad-extra-part", [packr.pack(plain), Buffer.alloc(8)], "MESSAGE_LENGTH", "arrays");
bad("bad-dtype", [withArrays(describe("f16", [2, 3])), Buffer.alloc(12)], "MESSAGE_SHAPE", "positions");
bad(
  "bad-negative-shape",
  [withArrays(describe("f64", [-2, 3])), Buffer.alloc(48)],
  "MESSAGE_SHAPE",
  "positions",
);
bad(
  "bad-fractional-shape",
  [withArrays(describe("f64", [1.5, 2])), Buffer.alloc(24)],
  "MESSAGE_SHAPE",
  "positions",
);
bad(
  "bad-source",
  [withArrays(describe("f64", [2, 3], { source: "shm" })), Buffer.alloc(48)],
  "MESSAGE_FORMAT",
  "positions",
);
bad(
  "bad-shared",
  [withArrays(describe("f64", [2, 3], { source: "shared", offset: 64 }))],
  "MESSAGE_FORMAT",
  "positions",
);
bad(
  "bad-twice",
  [withArrays(describe("f64", [1, 3]), describe("f64", [1, 3])), Buffer.alloc(24), Buffer.alloc(24)],
  "MESSAGE_FORMAT",
  "arrays",
);
bad(
  "bad-array-name",
  [packr.pack({ ...plain, arrays: [{ dtype: "f64", shape: [1] }] }), Buffer.alloc(8)],
  "MESSAGE_FORMAT",
  "arrays",
);
