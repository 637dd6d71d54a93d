/**
 * Messages to parts and back: a MessagePack header, then one raw little-endian part for each array.
 *
 * The only file that knows msgpackr. Its options are all written out in one place, and it only sees bytes that `scanMessagePack` let pass.
 */
import { endianness } from "node:os";
import { Packr } from "msgpackr";
import { PhasewireError } from "../../src/errors/index.js";
import { scanMessagePack } from "./scan.js";
import type { Dtype, DtypeArrays, ServerMessage, WireArray, WireMessage } from "./wire.js";

/** Bounds of a message that hold before anything about its sender is known. */
export interface CodecLimits {
  /** Longest header, in bytes. */
  maxHeaderBytes: number;
  /** Most array parts. */
  maxArrays: number;
}

/** The bounds that bridge/PROTOCOL.md fixes. */
export const codecLimits: CodecLimits = { maxHeaderBytes: 262_144, maxArrays: 16 };

const scanLimits = { depth: 8, values: 32_768 };

const packr = new Packr({
  // Records are msgpackr's own extension: other decoders would see an extension type, and other encoders' maps would arrive as Map.
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  // Beyond 2^53 a number is inexact; readers refuse it because it is no safe integer.
  int64AsType: "number",
  encodeUndefinedAsNil: true,
});

const itemBytes: Readonly<Record<Dtype, number>> = { f32: 4, f64: 8, i32: 4, u16: 2, u8: 1 };

/** A fresh typed array over its own aligned copy of the bytes. */
const constructors: { readonly [D in Dtype]: (bytes: ArrayBuffer) => DtypeArrays[D] } = {
  f32: (bytes) => new Float32Array(bytes),
  f64: (bytes) => new Float64Array(bytes),
  i32: (bytes) => new Int32Array(bytes),
  u16: (bytes) => new Uint16Array(bytes),
  u8: (bytes) => new Uint8Array(bytes),
};

/**
 * Encodes a message of the server.
 *
 * @param message the header; keys whose value is undefined are left out
 * @param arrays by name, in the order of their parts; the data are not copied, so they must not change until ZeroMQ has sent them
 */
export function encodeMessage(
  message: ServerMessage,
  arrays: ReadonlyMap<string, WireArray> = new Map(),
): Uint8Array[] {
  const header: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(message)) {
    if (value !== undefined) header[key] = value;
  }
  if (arrays.size > 0) {
    header.arrays = [...arrays].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  }
  const parts: Uint8Array[] = [packr.pack(header)];
  for (const { dtype, data } of arrays.values()) {
    parts.push(littleEndian(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), itemBytes[dtype]));
  }
  return parts;
}

/**
 * Decodes the parts of one message. Nothing is allocated for an array before its dtype, shape and byte length agree. Arrays are copies:
 * the parts may be unaligned, and ZeroMQ owns their memory.
 *
 * @throws PhasewireError `MESSAGE_FORMAT`, `MESSAGE_SHAPE` or `MESSAGE_LENGTH`; a `SequencedError` if the header could be read that far
 */
export function decodeMessage(parts: readonly Uint8Array[], limits: CodecLimits = codecLimits): WireMessage {
  const header = decodeHeader(parts[0], limits);
  try {
    const { type } = header;
    if (typeof type !== "string")
      throw malformed("type", type, `type is ${show(type)}; a string was expected`);
    return { type, header, arrays: decodeArrays(header.arrays, parts.slice(1), limits) };
  } catch (error) {
    throw error instanceof PhasewireError ? new SequencedError(error, header) : error;
  }
}

/** An error in a message whose header could be decoded: the reply can say which message it was. */
export class SequencedError extends PhasewireError {
  constructor(
    error: PhasewireError,
    /** The header of the message at fault. */
    readonly header: Readonly<Record<string, unknown>>,
  ) {
    super(error.code, {
      message: error.message,
      remedy: error.remedy,
      value: error.value,
      cause: error,
      ...(error.field === null ? {} : { field: error.field }),
    });
  }
}

function decodeHeader(bytes: Uint8Array | undefined, limits: CodecLimits): Record<string, unknown> {
  const refuse = (phrase: string): PhasewireError => malformed("header", null, `the header ${phrase}`);
  if (bytes === undefined) throw refuse("is missing: the message has no parts");
  if (bytes.byteLength > limits.maxHeaderBytes) {
    throw refuse(`has ${bytes.byteLength} bytes; at most ${limits.maxHeaderBytes} are read`);
  }
  const problem = scanMessagePack(bytes, scanLimits);
  if (problem !== null) throw refuse(problem);
  return packr.unpack(bytes) as Record<string, unknown>;
}

function decodeArrays(
  described: unknown,
  parts: readonly Uint8Array[],
  limits: CodecLimits,
): Map<string, WireArray> {
  const descriptors = described ?? [];
  if (!Array.isArray(descriptors)) {
    throw malformed("arrays", null, `arrays is ${show(described)}; a list of descriptors was expected`);
  }
  if (descriptors.length > limits.maxArrays) {
    throw malformed(
      "arrays",
      descriptors.length,
      `${descriptors.length} arrays; at most ${limits.maxArrays} are read`,
    );
  }
  if (descriptors.length !== parts.length) {
    throw new PhasewireError("MESSAGE_LENGTH", {
      field: "arrays",
      value: parts.length,
      message: `the header describes ${descriptors.length} arrays, but ${parts.length} parts follow it`,
    });
  }
  const arrays = new Map<string, WireArray>();
  descriptors.forEach((descriptor: unknown, index) => {
    const { name, dtype, shape } = readDescriptor(descriptor);
    if (arrays.has(name)) throw malformed("arrays", name, `two arrays are named ${show(name)}`);
    arrays.set(name, decodeArray(name, dtype, shape, parts[index]!));
  });
  return arrays;
}

function readDescriptor(descriptor: unknown): { name: string; dtype: Dtype; shape: number[] } {
  if (typeof descriptor !== "object" || descriptor === null || Array.isArray(descriptor)) {
    throw malformed("arrays", null, `an array is described by ${show(descriptor)}; a map was expected`);
  }
  const { name, dtype, shape, source } = descriptor as Record<string, unknown>;
  if (typeof name !== "string") throw malformed("arrays", null, `an array has the name ${show(name)}`);
  if (source !== undefined && source !== null && source !== "part") {
    throw malformed(name, source, `array ${name} has the source ${show(source)}; only "part" was agreed on`);
  }
  if (typeof dtype !== "string" || !Object.hasOwn(itemBytes, dtype)) {
    throw new PhasewireError("MESSAGE_SHAPE", {
      field: name,
      value: dtype,
      message: `array ${name} has the dtype ${show(dtype)}; one of ${Object.keys(itemBytes).join(", ")} was expected`,
    });
  }
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new PhasewireError("MESSAGE_SHAPE", {
      field: name,
      value: shape,
      message: `array ${name} has the shape ${show(shape)}; a list of at most 8 integers >= 0 was expected`,
    });
  }
  return { name, dtype: dtype as Dtype, shape: shape as number[] };
}

function decodeArray(name: string, dtype: Dtype, shape: number[], bytes: Uint8Array): WireArray {
  // In double precision a product beyond 2^53 is inexact, but still far above any part's length.
  const expected = shape.reduce((product, extent) => product * extent, itemBytes[dtype]);
  if (bytes.byteLength !== expected) {
    throw new PhasewireError("MESSAGE_LENGTH", {
      field: name,
      value: bytes.byteLength,
      message: `array ${name} of dtype ${dtype} and shape [${shape.join(", ")}] needs ${expected} bytes; its part has ${bytes.byteLength}`,
    });
  }
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  const data = constructors[dtype](littleEndian(copy, itemBytes[dtype]).buffer as ArrayBuffer);
  return { dtype, shape, data } as WireArray;
}

/** The bytes in little-endian order: themselves on every common machine, a swapped copy on a big-endian one. */
function littleEndian(bytes: Uint8Array, size: number): Uint8Array {
  if (size === 1 || endianness() === "LE") return bytes;
  const copy = Buffer.from(bytes);
  if (size === 2) return copy.swap16();
  return size === 4 ? copy.swap32() : copy.swap64();
}

function malformed(field: string, value: unknown, message: string): PhasewireError {
  return new PhasewireError("MESSAGE_FORMAT", { field, value, message });
}

/** A value as it stands in a message to people: short, whatever was sent. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return "missing";
  const text = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? typeof value);
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
