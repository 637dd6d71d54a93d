/**
 * Encodes and decodes messages: a MessagePack header, then one raw little-endian part per array.
 *
 * Only this file uses msgpackr. It sets all options in one place, and decodes only bytes that
 * `scanMessagePack` has accepted.
 */
import { endianness } from "node:os";
import { Packr } from "msgpackr";
import { limits } from "../../../src/contract/limits.js";
import { protocol } from "../../../src/contract/protocol.js";
import { PhasewireError, show } from "../../../src/errors/index.js";
import { scanMessagePack } from "./scan.js";
import { headBytes, type SharedFile } from "./shared-file.js";
import type {
  ArraySource,
  Dtype,
  DtypeArrays,
  ReceivedHeader,
  ReceivedMessage,
  ServerMessage,
  WireArray,
  WireMessage,
} from "./wire.js";

/** Bounds of a message from an unknown sender. */
export interface CodecLimits {
  /** Longest header, in bytes. */
  maxHeaderBytes: number;
  /** Largest number of array parts. */
  maxArrays: number;
}

const { deepest, mostArrays, mostExtents, mostHeaderBytes, mostValues } = limits.message;

/** Fixed by bridge/PROTOCOL.md. */
export const codecLimits: CodecLimits = { maxHeaderBytes: mostHeaderBytes, maxArrays: mostArrays };

const scanLimits = { depth: deepest, values: mostValues };

const packr = new Packr({
  // Records are an extension of msgpackr: other decoders would see an extension type, and maps of other
  // encoders would arrive as Map.
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  // Beyond 2^53 a number is inexact; readers refuse it because it is not a safe integer.
  int64AsType: "number",
  encodeUndefinedAsNil: true,
});

const itemBytes: Readonly<Record<Dtype, number>> = protocol.dtypes;

/** A typed array over its own aligned copy of the bytes. */
const constructors: { readonly [D in Dtype]: (bytes: ArrayBuffer) => DtypeArrays[D] } = {
  f32: (bytes) => new Float32Array(bytes),
  f64: (bytes) => new Float64Array(bytes),
  i32: (bytes) => new Int32Array(bytes),
  u16: (bytes) => new Uint16Array(bytes),
  u8: (bytes) => new Uint8Array(bytes),
};

/**
 * Puts the bytes of an array into a shared file. Returns their offset there, or null if they must go in the
 * message.
 */
export type Placement = (bytes: Uint8Array) => number | null;

/**
 * Encodes a message of the server.
 *
 * @param message the header; keys with the value undefined are omitted
 * @param arrays by name, in the order of their descriptors. Arrays in memory shared between threads, which is
 *   the core's, are copied, because the core will overwrite them. Others are not copied, so they must not
 *   change until they are sent
 * @param place puts an array into the shared file
 */
export function encodeMessage(
  message: ServerMessage,
  arrays: ReadonlyMap<string, WireArray> = new Map(),
  place: Placement = () => null,
): Uint8Array[] {
  const header: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(message)) {
    if (value !== undefined) header[key] = value;
  }
  const parts: Uint8Array[] = [];
  const descriptors = [...arrays].map(([name, { dtype, shape, data }]) => {
    const own = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const bytes = littleEndian(own, itemBytes[dtype]);
    const offset = place(bytes);
    if (offset !== null) return { name, dtype, shape, source: "shared", offset };
    parts.push(bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice());
    return { name, dtype, shape };
  });
  if (descriptors.length > 0) header.arrays = descriptors;
  return [packr.pack(header), ...parts];
}

/**
 * Decodes the parts of one message and copies its arrays, because parts can be unaligned and belong to
 * others. An array is allocated only after its dtype, shape and byte length agree.
 *
 * @throws PhasewireError as `receiveMessage`
 */
export function decodeMessage(parts: readonly Uint8Array[], limits: CodecLimits = codecLimits): WireMessage {
  const { type, header, arrays } = receiveMessage(parts, null, limits);
  return { type, header, arrays: new Map([...arrays].map(([name, source]) => [name, readArray(source)])) };
}

/**
 * Decodes the header of one message.
 *
 * @param bytes null if it is too long to be read
 * @param length its length in bytes
 * @throws PhasewireError `MESSAGE_FORMAT`; a `SequencedError` if the header could be decoded
 */
export function receiveHeader(
  bytes: Uint8Array | null,
  length = bytes?.byteLength ?? 0,
  limits: CodecLimits = codecLimits,
): ReceivedHeader {
  const header = decodeHeader(bytes, length, limits);
  const { type } = header;
  if (typeof type === "string") return { type, header };
  const error = malformed("type", type, `type is ${show(type)}; a string was expected`);
  throw new SequencedError(error, header);
}

/**
 * Checks a message that has arrived as a whole. Its arrays stay in place.
 *
 * @param shared the shared file of the session; null if there is none
 * @throws PhasewireError as `receiveHeader`, `ArrivingArrays` and its `finish`
 */
export function receiveMessage(
  [header, ...parts]: readonly Uint8Array[],
  shared: SharedFile | null,
  limits: CodecLimits = codecLimits,
): ReceivedMessage {
  const head = receiveHeader(header ?? null, header?.byteLength ?? 0, limits);
  try {
    const arrays = new ArrivingArrays(head, shared, limits);
    for (const part of parts) if (arrays.next(part.byteLength) !== null) arrays.take([part]);
    arrays.finish();
    return { ...head, arrays: arrays.sources };
  } catch (error) {
    throw error instanceof PhasewireError ? new SequencedError(error, head.header) : error;
  }
}

/** An error in a message whose header could be decoded, so the reply can name the message. */
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

function decodeHeader(
  bytes: Uint8Array | null,
  length: number,
  limits: CodecLimits,
): Record<string, unknown> {
  const refuse = (phrase: string): PhasewireError => malformed("header", null, `the header ${phrase}`);
  if (length > limits.maxHeaderBytes) {
    throw refuse(`has ${length} bytes; at most ${limits.maxHeaderBytes} are read`);
  }
  if (bytes === null) throw refuse("is missing: the message has no parts");
  const problem = scanMessagePack(bytes, scanLimits);
  if (problem !== null) throw refuse(problem);
  return packr.unpack(bytes) as Record<string, unknown>;
}

/** A copy of an array's values. */
export function readArray(source: ArraySource): WireArray {
  const { dtype, shape } = source;
  const bytes = new Uint8Array(byteLength(dtype, shape));
  source.copyTo(bytes);
  return { dtype, shape, data: constructors[dtype](bytes.buffer) } as WireArray;
}

/**
 * The arrays of a message whose parts are still arriving. Dtypes and shapes are known at once, so a message
 * can be checked, and refused, before there is memory for its parts.
 */
export class ArrivingArrays {
  /** By name, in the order of the descriptors. Those in parts have values once these were taken. */
  readonly sources: ReadonlyMap<string, ArraySource>;
  private readonly inParts: PartSource[] = [];
  private begun = 0;
  private wrongLength: PhasewireError | null = null;

  /** @throws PhasewireError `MESSAGE_FORMAT`, `MESSAGE_SHAPE` */
  constructor({ header }: ReceivedHeader, shared: SharedFile | null, limits: CodecLimits = codecLimits) {
    const described = header.arrays;
    const list = described ?? [];
    if (!Array.isArray(list)) {
      throw malformed("arrays", null, `arrays is ${show(described)}; a list of descriptors was expected`);
    }
    if (list.length > limits.maxArrays) {
      throw malformed("arrays", list.length, `${list.length} arrays; at most ${limits.maxArrays} are read`);
    }
    const sources = new Map<string, ArraySource>();
    for (const item of list as unknown[]) {
      const descriptor = readDescriptor(item, shared !== null);
      const { name, offset } = descriptor;
      if (sources.has(name)) throw malformed("arrays", name, `two arrays are named ${show(name)}`);
      if (offset === null) {
        const part = new PartSource(descriptor);
        this.inParts.push(part);
        sources.set(name, part);
      } else sources.set(name, inFile(descriptor, shared!, offset));
    }
    this.sources = sources;
  }

  /** Bytes of those of the named arrays that come in parts. */
  bytesOf(names: ReadonlySet<string>): number {
    return this.inParts.reduce((sum, { name, bytes }) => sum + (names.has(name) ? bytes : 0), 0);
  }

  /** A part of this many bytes begins. Returns the name of its array; null if it cannot be one. */
  next(bytes: number): string | null {
    const part = this.inParts[this.begun++];
    if (part === undefined) return null;
    if (bytes === part.bytes) return part.name;
    this.wrongLength ??= part.otherLength(bytes);
    return null;
  }

  /** Takes the part that began last, in the pieces in which it arrived. */
  take(pieces: readonly Uint8Array[]): void {
    this.inParts[this.begun - 1]!.pieces = pieces;
  }

  /** @throws PhasewireError `MESSAGE_LENGTH` if the parts were not those that the header describes */
  finish(): void {
    const { length } = this.inParts;
    if (this.begun !== length) {
      throw new PhasewireError("MESSAGE_LENGTH", {
        field: "arrays",
        value: this.begun,
        message: `the header describes ${length} arrays in parts, but ${this.begun} parts follow it`,
      });
    }
    if (this.wrongLength !== null) throw this.wrongLength;
  }
}

/** An array in a part of the message. */
class PartSource implements ArraySource {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Length that the part must have. */
  readonly bytes: number;
  pieces: readonly Uint8Array[] = [];

  constructor({ name, dtype, shape }: Descriptor) {
    this.name = name;
    this.dtype = dtype;
    this.shape = shape;
    this.bytes = byteLength(dtype, shape);
  }

  copyTo(target: Uint8Array): void {
    let at = 0;
    for (const piece of this.pieces) {
      target.set(piece, at);
      at += piece.byteLength;
    }
    toLittleEndian(target, itemBytes[this.dtype]);
  }

  otherLength(found: number): PhasewireError {
    const { name, dtype, shape, bytes } = this;
    return new PhasewireError("MESSAGE_LENGTH", {
      field: name,
      value: found,
      message: `array ${name} of dtype ${dtype} and shape [${shape.join(", ")}] needs ${bytes} bytes; its part has ${found}`,
    });
  }
}

interface Descriptor {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** In the shared file; null: in a part of the message. */
  offset: number | null;
}

function readDescriptor(descriptor: unknown, mayShare: boolean): Descriptor {
  if (typeof descriptor !== "object" || descriptor === null || Array.isArray(descriptor)) {
    throw malformed("arrays", null, `an array is described by ${show(descriptor)}; a map was expected`);
  }
  const { name, dtype, shape, source, offset } = descriptor as Record<string, unknown>;
  if (typeof name !== "string" || name === "") {
    throw malformed("arrays", null, `an array has the name ${show(name)}; text was expected`);
  }
  const isShared = mayShare && source === "shared";
  if (!isShared && source !== undefined && source !== null && source !== "part") {
    const agreed = mayShare ? '"part" and "shared" were' : 'only "part" was';
    throw malformed(name, source, `array ${name} has the source ${show(source)}; ${agreed} agreed on`);
  }
  if (typeof dtype !== "string" || !Object.hasOwn(itemBytes, dtype)) {
    throw new PhasewireError("MESSAGE_SHAPE", {
      field: name,
      value: dtype,
      message: `array ${name} has the dtype ${show(dtype)}; one of ${Object.keys(itemBytes).join(", ")} was expected`,
    });
  }
  if (
    !Array.isArray(shape) ||
    shape.length > mostExtents ||
    !shape.every((n) => Number.isSafeInteger(n) && n >= 0)
  ) {
    throw new PhasewireError("MESSAGE_SHAPE", {
      field: name,
      value: shape,
      message: `array ${name} has the shape ${show(shape)}; a list of at most ${mostExtents} integers >= 0 was expected`,
    });
  }
  if (isShared && !(Number.isSafeInteger(offset) && (offset as number) >= headBytes)) {
    throw malformed(
      name,
      offset,
      `array ${name} has the offset ${show(offset)}; an integer of at least ${headBytes} was expected`,
    );
  }
  return {
    name,
    dtype: dtype as Dtype,
    shape: shape as number[],
    offset: isShared ? (offset as number) : null,
  };
}

/** In double precision a product beyond 2^53 is inexact, but still far above any array's length. */
function byteLength(dtype: Dtype, shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, itemBytes[dtype]);
}

/**
 * An array in the shared file. The file's length is checked when values are read, because it can be cut at
 * any time.
 */
function inFile({ name, dtype, shape }: Descriptor, file: SharedFile, offset: number): ArraySource {
  return {
    dtype,
    shape,
    copyTo: (target) => {
      file.read(target, offset, name);
      toLittleEndian(target, itemBytes[dtype]);
    },
  };
}

/**
 * The bytes in little-endian order: unchanged on every common machine, a swapped copy on a big-endian one.
 */
function littleEndian(bytes: Uint8Array, size: number): Uint8Array {
  if (size === 1 || endianness() === "LE") return bytes;
  const copy = Buffer.from(bytes);
  if (size === 2) return copy.swap16();
  return size === 4 ? copy.swap32() : copy.swap64();
}

/** Changes bytes between little-endian order and this machine's. */
function toLittleEndian(bytes: Uint8Array, size: number): void {
  const swapped = littleEndian(bytes, size);
  if (swapped !== bytes) bytes.set(swapped);
}

function malformed(field: string, value: unknown, message: string): PhasewireError {
  return new PhasewireError("MESSAGE_FORMAT", { field, value, message });
}
