/**
 * Turns a received message into one of the client messages of protocol version 3. This checks required keys,
 * types, ranges, and that arrays agree with each other. It reads no values of arrays, which may still be
 * arriving. Class names and the values of the atoms are checked where they are used.
 */
import { protocol } from "../../../src/contract/protocol.js";
import { PhasewireError, refusal, show } from "../../../src/errors/index.js";
import { wrongCount } from "../../../src/frame/index.js";
import { readVariables } from "../../../src/variables/index.js";
import { longestName, Reader } from "./reader.js";
import { headBytes, isSharedOffer } from "./shared-file.js";
import { UnsupportedError } from "./unsupported.js";
import type {
  Analyse,
  ArraySource,
  ClientMessage,
  Hello,
  Limits,
  Mode,
  ReceivedMessage,
  ResultField,
  SeriesRequest,
  SharedOffer,
  SharedSpace,
  Subscribe,
} from "./wire.js";

const { modes, observedFields } = protocol;
const messageTypes: readonly ClientMessage["type"][] = protocol.messages;
const sessionMessages: readonly string[] = messageTypes.filter(
  (type) => type !== "hello" && type !== "ping" && type !== "goodbye",
);
const nonceText = new RegExp(`^${protocol.access.nonce}$`);
const resultFields = Object.keys(protocol.fields) as ResultField[];

/** Arrays that a frame may have. */
export const frameArrays: ReadonlySet<string> = new Set(["positions", "cell", "species", "ids", "seed"]);

/** Whether a message means something only within a session. */
export function needsSession(type: string): boolean {
  return sessionMessages.includes(type);
}

/**
 * Checks one message of a client.
 *
 * @throws PhasewireError `MESSAGE_TYPE`, `MESSAGE_FORMAT`, `MESSAGE_SHAPE`, `SHAPE_MISMATCH`, `BAD_OPTION`,
 *   `BAD_LENGTH_SCALE`, `EMPTY_FRAME`, `TOO_LARGE`, `SHARED_MEMORY`
 */
export function readClientMessage(message: ReceivedMessage, limits: Limits): ClientMessage {
  const reader = new Reader(message.header);
  const type = messageTypes.find((known) => known === message.type);
  if (type === undefined) {
    const known = messageTypes.join(", ");
    throw new UnsupportedError(
      "MESSAGE_TYPE",
      {
        field: "type",
        value: message.type.slice(0, 80),
        message: `message type ${show(message.type)} is unknown; known are ${known}`,
      },
      messageTypes,
    );
  }
  const sequence = reader.integer("sequence", { min: 0, code: "MESSAGE_FORMAT" });
  switch (type) {
    case "hello":
      return readHello(reader, sequence);
    case "analyse":
      return readAnalyse(reader, sequence, message.arrays, limits);
    case "series":
      return readSeries(reader, sequence);
    case "subscribe":
      return readSubscribe(reader, sequence);
    default:
      return { type, sequence };
  }
}

function readHello(reader: Reader, sequence: number): Hello {
  const client = reader.submap("client");
  return {
    type: "hello",
    sequence,
    versions: reader.list("versions", isSafeInteger, "a list of integers"),
    client: { name: client.name("name"), version: client.name("version") },
    process: client.has("process") ? client.name("process") : null,
    requires: reader.has("requires") ? reader.list("requires", isString, "a list of strings") : [],
    run: reader.has("run") ? reader.name("run") : null,
    engine: reader.has("engine") ? reader.name("engine") : null,
    title: reader.has("title") ? reader.name("title") : null,
    classes: readClasses(reader),
    shared: readOffer(reader),
    nonce: readNonce(reader),
    proof: reader.has("proof") ? reader.name("proof") : null,
  };
}

function readNonce(reader: Reader): string | null {
  if (!reader.has("nonce")) return null;
  const text = reader.name("nonce");
  if (nonceText.test(text)) return text;
  throw reader.bad("nonce", text, `the nonce is ${show(text)}; 64 hexadecimal digits were expected`);
}

function readOffer(reader: Reader): SharedOffer | null {
  if (!reader.has("shared")) return null;
  const map = reader.submap("shared");
  const offer = { file: map.name("file"), token: map.name("token") };
  if (isSharedOffer(offer)) return offer;
  throw reader.bad(
    "shared",
    offer.file,
    `the shared file is ${show(offer.file)}; phasewire-PID-HEX with 32 hexadecimal digits, without a folder, and a token of 32 hexadecimal digits were expected`,
  );
}

function readSeries(reader: Reader, sequence: number): SeriesRequest {
  return {
    type: "series",
    sequence,
    run: reader.has("run") ? reader.name("run") : null,
    after: reader.has("after") ? reader.integer("after") : null,
  };
}

function readSubscribe(reader: Reader, sequence: number): Subscribe {
  return {
    type: "subscribe",
    sequence,
    run: reader.has("run") ? reader.name("run") : null,
    fields: reader.has("fields") ? reader.choices("fields", observedFields) : [],
  };
}

type Sources = ReadonlyMap<string, ArraySource>;

function readAnalyse(reader: Reader, sequence: number, arrays: Sources, limits: Limits): Analyse {
  const mode = reader.choice("mode", modes);
  const step = reader.integer("step");
  const periodic = reader.list("periodic", isBoolean, "a list of 3 booleans");
  if (periodic.length !== 3) {
    throw new PhasewireError("MESSAGE_FORMAT", {
      field: "periodic",
      value: periodic,
      message: `periodic has ${periodic.length} entries; 3 were expected`,
    });
  }
  const speciesNames = reader.has("speciesNames")
    ? reader.list("speciesNames", isString, "a list of strings")
    : null;
  const variables = reader.has("variables")
    ? readVariables(reader.value("variables"), "variables", limits.maxVariables)
    : [];
  const fields = readFields(reader, mode, arrays);
  const denoise = readDenoise(reader, limits);
  const seed = readSeed(reader, arrays, mode, variables.length > 0);
  const hasEnergy = variables.length > 0 || seed !== null;
  if (mode === "bias" && !hasEnergy && fields.length === 0) {
    throw reader.bad("variables", null, "mode bias needs at least one variable, a seed, or fields");
  }
  if (!hasEnergy && (fields.includes("forces") || fields.includes("virial"))) {
    throw reader.bad("fields", fields, "the fields forces and virial need variables or a seed");
  }
  if (denoise === null && fields.includes("denoised")) {
    throw reader.bad("fields", fields, "the field denoised needs the key denoise");
  }
  const positions = readPositions(arrays, limits);
  const atomCount = positions.shape[0]!;
  return {
    type: "analyse",
    sequence,
    mode,
    step,
    time: reader.has("time") ? reader.number("time") : null,
    periodic: periodic as [boolean, boolean, boolean],
    speciesNames,
    selection: reader.has("selection") ? reader.name("selection") : null,
    ignoreSpecies: reader.has("ignoreSpecies") ? reader.boolean("ignoreSpecies") : false,
    lengthScale: readLengthScale(reader, mode),
    denoise,
    classes: readClasses(reader),
    fields,
    variables,
    coefficients: readCoefficients(reader, variables.length),
    observables: readObservables(reader, limits),
    timeoutMs: reader.has("timeoutMs") ? reader.number("timeoutMs", { min: 0, aboveMin: true }) : null,
    resultSpace: readSpace(reader),
    atomCount,
    positions,
    cell: readCell(arrays),
    species: readIntegers("species", arrays, atomCount),
    ids: readIntegers("ids", arrays, atomCount),
    seed: checkSeed(seed, atomCount),
  };
}

function readFields(reader: Reader, mode: Mode, arrays: Sources): ResultField[] {
  if (reader.has("fields")) return reader.choices("fields", resultFields);
  const hasEnergy = reader.has("variables") || arrays.has("seed");
  return mode === "bias" && hasEnergy ? ["forces", "virial"] : [];
}

function readDenoise(reader: Reader, limits: Limits): number | "converged" | null {
  if (!reader.has("denoise")) return null;
  if (reader.is("denoise", "converged")) return "converged";
  return reader.integer("denoise", { min: 1, max: limits.maxDenoiseSteps });
}

function readLengthScale(reader: Reader, mode: Mode): number | null {
  if (reader.has("lengthScale")) {
    return reader.number("lengthScale", { min: 0, aboveMin: true, code: "BAD_LENGTH_SCALE" });
  }
  if (mode !== "bias") return null;
  throw new PhasewireError("BAD_LENGTH_SCALE", {
    field: "lengthScale",
    message:
      "lengthScale is missing; mode bias needs a fixed one, because forces at a changing length scale do not conserve energy",
    remedy:
      "Analyse the run's first frame in mode request, and send the lengthScale of its result with every bias frame.",
  });
}

function readCoefficients(reader: Reader, count: number): number[] {
  if (!reader.has("coefficients")) return new Array<number>(count).fill(1);
  const list = reader.list("coefficients", isNumber, "a list of numbers");
  if (list.length !== count) {
    throw reader.bad("coefficients", list.length, `${list.length} coefficients for ${count} variables`);
  }
  return list;
}

function readClasses(reader: Reader): Record<string, number> | null {
  if (!reader.has("classes")) return null;
  const map = reader.submap("classes");
  return Object.fromEntries(map.names().map((name) => [name, map.number(name, { min: 0 })]));
}

function readObservables(reader: Reader, limits: Limits): Record<string, number> {
  if (!reader.has("observables")) return {};
  const map = reader.submap("observables");
  const names = map.names();
  if (names.length > limits.maxObservables) {
    throw reader.bad(
      "observables",
      names.length,
      `${names.length} observables; at most ${limits.maxObservables} are allowed`,
    );
  }
  const long = names.find((name) => Buffer.byteLength(name) > longestName);
  if (long !== undefined) {
    throw reader.bad("observables", long, `an observable's name is longer than ${longestName} bytes`);
  }
  return Object.fromEntries(names.map((name) => [name, map.number(name)]));
}

function readSpace(reader: Reader): SharedSpace | null {
  if (!reader.has("resultSpace")) return null;
  const map = reader.submap("resultSpace");
  return { offset: map.integer("offset", { min: headBytes }), bytes: map.integer("bytes", { min: 0 }) };
}

function readPositions(arrays: Sources, limits: Limits): ArraySource {
  const array = arrays.get("positions");
  if (array === undefined) {
    throw new PhasewireError("MESSAGE_SHAPE", {
      field: "positions",
      message: "the array positions is missing",
      remedy: "Send positions as f64 or f32 of shape N x 3 with every frame.",
    });
  }
  const { dtype, shape } = array;
  if ((dtype !== "f64" && dtype !== "f32") || shape.length !== 2 || shape[1] !== 3) {
    throw wrongArray("positions", array, "f64 or f32 of shape N x 3");
  }
  const atomCount = shape[0]!;
  if (atomCount === 0) throw refusal("emptyFrame", {});
  if (atomCount > limits.maxAtoms) {
    const details = { atoms: atomCount, most: limits.maxAtoms };
    const remedy = "Start the server with a larger --max-atoms, or send part of the system.";
    throw refusal("tooManyAtoms", details, { value: atomCount, remedy });
  }
  return array;
}

function readCell(arrays: Sources): ArraySource | null {
  const array = arrays.get("cell");
  if (array === undefined) return null;
  if (array.dtype !== "f64" || array.shape.length !== 2 || array.shape[0] !== 3 || array.shape[1] !== 3) {
    throw wrongArray("cell", array, "f64 of shape 3 x 3");
  }
  return array;
}

function readIntegers(name: "species" | "ids", arrays: Sources, atomCount: number): ArraySource | null {
  const array = arrays.get(name);
  if (array === undefined) return null;
  const { dtype, shape } = array;
  if (dtype !== "i32" || shape.length !== 1) throw wrongArray(name, array, "i32 of shape N");
  if (shape[0] === atomCount) return array;
  throw wrongCount(name, array.shape[0]!, atomCount);
}

function readSeed(reader: Reader, arrays: Sources, mode: Mode, hasVariables: boolean): ArraySource | null {
  const array = arrays.get("seed");
  if (array === undefined) return null;
  const { dtype, shape } = array;
  if ((dtype !== "f32" && dtype !== "f64") || shape.length !== 2) {
    throw wrongArray("seed", array, "f32 or f64 of shape N x C");
  }
  if (mode === "monitor") throw reader.bad("seed", mode, "a seed needs mode request or bias");
  if (!hasVariables) return array;
  throw reader.bad("seed", null, "a seed and variables exclude each other");
}

/** The analyser checks the number of classes. */
function checkSeed(seed: ArraySource | null, atomCount: number): ArraySource | null {
  if (seed === null || seed.shape[0] === atomCount) return seed;
  throw wrongCount("seed", seed.shape[0]!, atomCount);
}

function wrongArray(name: string, { dtype, shape }: ArraySource, expected: string): PhasewireError {
  return new PhasewireError("MESSAGE_SHAPE", {
    field: name,
    value: [dtype, ...shape],
    message: `array ${name} is ${dtype} of shape [${shape.join(", ")}]; ${expected} was expected`,
  });
}

const isString = (item: unknown): item is string => typeof item === "string";
const isBoolean = (item: unknown): item is boolean => typeof item === "boolean";
const isNumber = (item: unknown): item is number => typeof item === "number";
const isSafeInteger = (item: unknown): item is number => Number.isSafeInteger(item);
