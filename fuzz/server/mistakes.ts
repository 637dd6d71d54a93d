/** Mistakes in messages: in the header, in the arrays, or in the bytes of the whole. */
import { mutateBytes } from "../lib/bytes.js";
import { mutate } from "../lib/mutate.js";
import { pack, type Tree } from "../lib/packer.js";
import type { Random } from "../lib/random.js";
import type { Message, WireArray } from "./messages.js";
import type { Part } from "./parts.js";

/** A message as parts. */
export interface Encoded {
  readonly kind: string;
  readonly parts: readonly Part[];
}

const asPart = (bytes: Uint8Array): Part => ({ base64: Buffer.from(bytes).toString("base64") });

/** The parts of a message, with mistakes of one sort. */
export function mistaken(
  message: Message,
  sequence: number,
  random: Random,
  golden: readonly Buffer[][],
): Encoded {
  return random.choose<Encoded>([
    [1, () => encoded(message, sequence, "valid")],
    [5, () => mistakenHeader(message, sequence, random)],
    [message.arrays.length > 0 ? 4 : 0, () => mistakenArrays(message, sequence, random)],
    [message.arrays.length > 0 ? 2 : 0, () => mistakenNumbers(message, sequence, random)],
    [2, () => mistakenBytes(encode(message, sequence), random, golden)],
    [1, () => mistakenBytes(random.pick(golden), random, golden)],
  ]);
}

function encode({ header, arrays }: Message, sequence: number): Buffer[] {
  const descriptors = arrays.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] }));
  const whole = { sequence, ...header, ...(descriptors.length > 0 ? { arrays: descriptors } : {}) };
  return [pack(whole), ...arrays.map(({ bytes }) => bytes)];
}

function encoded(message: Message, sequence: number, what: string): Encoded {
  return { kind: `${message.kind}, ${what}`, parts: encode(message, sequence).map(asPart) };
}

function mistakenHeader({ kind, header, arrays }: Message, sequence: number, random: Random): Encoded {
  const descriptors = arrays.map(({ name, dtype, shape }): Tree => ({ name, dtype, shape: [...shape] }));
  const tree: Tree = { sequence, ...header, ...(descriptors.length > 0 ? { arrays: descriptors } : {}) };
  const parts = [pack(mutate(tree, random, { binary: true })), ...arrays.map(({ bytes }) => bytes)];
  return { kind: `${kind}, header`, parts: parts.map(asPart) };
}

const dtypes = ["f32", "f64", "i32", "u16", "u8", "f16", ""];
const extents = [0, 1, 2, 3, 4, 9, 33, 2 ** 20, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 1];

/** Arrays that are missing, surplus, of another shape, dtype or length. */
function mistakenArrays(message: Message, sequence: number, random: Random): Encoded {
  const at = random.below(message.arrays.length);
  const chosen = message.arrays[at]!;
  const put = (...arrays: WireArray[]): Message => ({
    ...message,
    arrays: message.arrays.toSpliced(at, 1, ...arrays),
  });
  const changed = random.choose<Message>([
    [2, () => put()],
    [1, () => put(chosen, chosen)],
    [1, () => put(chosen, { ...chosen, name: "unknown" })],
    [
      1,
      () =>
        put({ ...chosen, name: random.pick(["positions", "cell", "species", "ids", "seed", "__proto__"]) }),
    ],
    [2, () => put({ ...chosen, dtype: random.pick(dtypes) })],
    [
      3,
      () =>
        put({
          ...chosen,
          shape: chosen.shape.map((extent) => (random.chance(0.6) ? random.pick(extents) : extent)),
        }),
    ],
    [
      1,
      () =>
        put({ ...chosen, shape: random.pick([[], [1], [...chosen.shape, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1]]) }),
    ],
    [1, () => put({ ...chosen, bytes: chosen.bytes.subarray(random.pick([0, 1, 8])) })],
    [
      1,
      () => put({ ...chosen, bytes: Buffer.concat([chosen.bytes, random.bytes(random.pick([1, 8, 24]))]) }),
    ],
    // A consistent array of another number of rows.
    [
      1,
      () => {
        const rows = random.pick([0, 1, 2, chosen.shape[0]! - 1]);
        const row = chosen.bytes.length / chosen.shape[0]!;
        return put({
          ...chosen,
          shape: [rows, ...chosen.shape.slice(1)],
          bytes: chosen.bytes.subarray(0, rows * row),
        });
      },
    ],
  ]);
  const result = encoded(changed, sequence, "arrays");
  if (!random.chance(0.15)) return result;
  const extra = Array.from({ length: random.pick([1, 2, 20]) }, () => asPart(random.bytes(random.below(40))));
  // A message has at least one part.
  const isMore = random.chance(0.5) || result.parts.length === 1;
  return { ...result, parts: isMore ? [...result.parts, ...extra] : result.parts.slice(0, -1) };
}

const values = [
  ...[0, -0, 1e-320, 1e-30, 0.01, 1e6, 1e30, 1e300, -1e300, Number.MAX_VALUE],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
];
const integers = [-1, 0, 1, 7, 255, 65_536, 2 ** 31 - 1, -(2 ** 31)];

/** Numbers of arrays that make no sense. */
function mistakenNumbers(message: Message, sequence: number, random: Random): Encoded {
  const at = random.below(message.arrays.length);
  const chosen = message.arrays[at]!;
  const bytes = Buffer.from(chosen.bytes);
  const isFloat = chosen.dtype === "f64";
  const size = isFloat ? 8 : 4;
  const count = bytes.length / size;
  const put = (index: number, value: number): void => {
    if (isFloat) bytes.writeDoubleLE(value, size * index);
    else bytes.writeInt32LE(value, size * index);
  };
  const special = (): number => random.pick(isFloat ? values : integers);
  const factor = random.pick([0, 1e-6, 0.001, 0.01, 0.1, 0.3, 3, 10, 1000, 1e6, 1e200]);
  random.choose<void>([
    [3, () => put(random.below(count), special())],
    [
      1,
      () => {
        const value = special();
        for (let index = 0; index < count; index++) put(index, value);
      },
    ],
    [
      isFloat ? 3 : 0,
      () => {
        for (let index = 0; index < count; index++) put(index, bytes.readDoubleLE(size * index) * factor);
      },
    ],
    // Two rows alike: atoms in one place, or a flat cell.
    [1, () => void bytes.copyWithin(0, bytes.length - bytes.length / chosen.shape[0]!)],
  ]);
  const arrays = message.arrays.with(at, { ...chosen, bytes });
  return encoded({ ...message, arrays }, sequence, "numbers");
}

function mistakenBytes(parts: readonly Buffer[], random: Random, golden: readonly Buffer[][]): Encoded {
  const at = random.chance(0.8) ? 0 : random.below(parts.length);
  const others = random.pick(golden);
  const changed = parts.map((part, index) => (index === at ? mutateBytes(part, random, others) : part));
  return { kind: "bytes", parts: changed.map(asPart) };
}
