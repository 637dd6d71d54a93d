/**
 * A reader for the safetensors container: an 8-byte little-endian header length, a JSON header that names
 * each tensor with dtype, shape and byte range, then the tensor bytes. The format is described at
 * https://github.com/huggingface/safetensors.
 *
 * The header is compared with the length of the file before it is used, so a damaged or hostile file ends in
 * `MODEL_FORMAT` and not in a huge allocation.
 */
import { model } from "../contract/model.js";
import { type PhasewireError, refusal } from "../errors/index.js";

/** One tensor of a container: its bytes are a view of the file. */
export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** The parts of a container. */
export interface Safetensors {
  /** The strings under `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, RawTensor>;
  /** All tensor bytes, as in the file. */
  readonly data: Uint8Array;
}

/** Bytes. */
const longestHeader = model.mostHeaderBytes;

const itemBytes: Readonly<Record<string, number>> = model.itemBytes;

/**
 * Splits a safetensors file into its parts.
 *
 * @param file all bytes of the file
 * @param source its name, for messages
 * @throws PhasewireError `MODEL_FORMAT` if the file is truncated or its header contradicts itself
 */
export function readSafetensors(file: Uint8Array, source: string): Safetensors {
  const fail = (message: string, value?: unknown): PhasewireError =>
    refusal("modelFile", { source, problem: message }, { value: value ?? source });

  if (file.byteLength < 8) {
    throw fail(
      `the file has ${file.byteLength} bytes; a safetensors file starts with an 8-byte header length`,
    );
  }
  const declared = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(longestHeader)) {
    throw fail(`the header claims ${declared} bytes; at most ${longestHeader} are read`, String(declared));
  }
  const headerLength = Number(declared);
  if (8 + headerLength > file.byteLength) {
    throw fail(
      `the header claims ${headerLength} bytes, but the file ends after ${file.byteLength}; it is truncated`,
      headerLength,
    );
  }

  const header = parseHeader(file.subarray(8, 8 + headerLength), fail);
  const data = file.subarray(8 + headerLength);
  const metadata: Record<string, string> = {};
  const tensors = new Map<string, RawTensor>();
  const ranges: { name: string; begin: number; end: number }[] = [];

  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isRecord(entry)) throw fail("__metadata__ is not an object");
      for (const [key, text] of Object.entries(entry)) {
        if (typeof text !== "string") throw fail(`__metadata__.${key} is not a string`);
        metadata[key] = text;
      }
      continue;
    }
    const { dtype, shape, begin, end } = parseEntry(name, entry, fail);
    if (end > data.byteLength) {
      throw fail(
        `tensor ${name} ends at byte ${end} of the data section, which has ${data.byteLength} bytes; the file is truncated`,
        end,
      );
    }
    ranges.push({ name, begin, end });
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
  }

  // The format allows neither gaps nor overlaps, so that every byte of the file has exactly one meaning.
  ranges.sort((first, second) => first.begin - second.begin || first.end - second.end);
  let covered = 0;
  for (const { name, begin, end } of ranges) {
    if (begin !== covered)
      throw fail(`tensor ${name} starts at byte ${begin}; ${covered} was expected`, begin);
    covered = end;
  }
  if (covered !== data.byteLength) {
    throw fail(`${data.byteLength - covered} bytes after the last tensor belong to no tensor`);
  }
  return { metadata, tensors, data };
}

type Fail = (message: string, value?: unknown) => PhasewireError;

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw fail("the header is not JSON in UTF-8");
  }
  if (!isRecord(header)) throw fail("the header is not a JSON object");
  return header;
}

function parseEntry(
  name: string,
  entry: unknown,
  fail: Fail,
): { dtype: string; shape: number[]; begin: number; end: number } {
  if (!isRecord(entry)) throw fail(`the entry of tensor ${name} is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(itemBytes, dtype)) {
    throw fail(`tensor ${name} has the unknown dtype ${JSON.stringify(dtype)}`);
  }
  if (!isCountList(shape)) throw fail(`tensor ${name} has no valid shape`);
  if (!isCountList(offsets) || offsets.length !== 2) throw fail(`tensor ${name} has no valid data_offsets`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, extent) => product * extent, itemBytes[dtype]!);
  if (end - begin !== bytes) {
    throw fail(
      `tensor ${name} of shape [${shape.join(", ")}] needs ${bytes} bytes; its offsets span ${end - begin}`,
    );
  }
  return { dtype, shape, begin, end };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
