/**
 * Compares the compiled core with the comments of assembly/abi.ts: fields of the context, regions of the
 * memory.
 */
import { describe, expect, it } from "vitest";
import { CoreContext } from "../../src/core/context.js";
import { createMemory, instantiateCore } from "../../src/core/instance.js";
import { coreModule } from "../../src/core/node-host.js";
import { read } from "../tidy/repository.js";
import { layoutModel } from "./support.js";

const module = await coreModule("baseline");
const memory = createMemory();
const core = instantiateCore(module, memory);
const context = new CoreContext(core, memory);

const bytesOf: Readonly<Record<string, number>> = { VALUE: 8, COUNT: 4, ADDRESS: 4 };

/** Returns the fields of a context that a source declares, each with its comment. */
const fieldsOf = (source: string) =>
  [
    ...read(source).matchAll(
      /(?:\/\*\* ([^*]*(?:\*(?!\/)[^*]*)*) \*\/\n)?export const ((VALUE|COUNT|ADDRESS)_(\w+)): i32 = [^;]*;(?: \/\/ (.*))?/g,
    ),
  ].map(([, above, name, kind, field, beside]) => ({
    name: name!,
    kind: kind!,
    field: field!,
    comment: beside ?? above ?? "",
  }));

const fields = fieldsOf("assembly/abi.ts");
const contexts = [
  ["a frame", fields, "CONTEXT_BYTES"],
  ["variables", fieldsOf("assembly/variables/abi.ts"), "VARIABLES_CONTEXT_BYTES"],
] as const;

const ceil64 = (bytes: number) => Math.ceil(bytes / 64) * 64;

describe("contexts", () => {
  it("have the fields that the sources declare, and no others", () => {
    const exported = Object.keys(core).filter((name) => /^(VALUE|COUNT|ADDRESS)_/.test(name));
    const declared = contexts.flatMap(([, own]) => own.map(({ name }) => name));
    expect(exported.sort()).toEqual(declared.sort());
  });

  it.each(contexts)("keep the fields of %s apart, with no holes except for alignment", (_, own, bytes) => {
    const intervals = own.map(({ name, kind, comment }) => {
      const size = bytesOf[kind]!;
      const start = core[name as "COUNT_ATOMS"].value;
      const numbers = kind === "ADDRESS" ? 1 : Number(/^(\d+) numbers: /.exec(comment)?.[1] ?? 1);
      return { name, size, start, end: start + numbers * size };
    });
    intervals.sort((a, b) => a.start - b.start);
    let end = 0;
    for (const interval of intervals) {
      const aligned = Math.ceil(end / interval.size) * interval.size;
      expect(interval.start, `${interval.name}, after fields that end at ${end}`).toBe(aligned);
      end = interval.end;
    }
    expect(core[bytes].value).toBe(ceil64(end));
  });
});

/** The values of the letters in the shapes of regions. */
type Sizes = Readonly<Record<string, number>>;

/** Evaluates a shape such as `2 x (K + 1) x F` or `3N`. */
function evaluate(shape: string, sizes: Sizes): number {
  const tokens = shape.match(/\d+(?=[A-Z])|\w+|[()+]/g) ?? [];
  const sum = (): number => {
    let total = product();
    while (tokens[0] === "+") {
      tokens.shift();
      total += product();
    }
    return total;
  };
  const product = (): number => {
    let total = factor();
    while (tokens.length > 0 && tokens[0] !== ")" && tokens[0] !== "+") {
      if (tokens[0] === "x") tokens.shift();
      total *= factor();
    }
    return total;
  };
  const factor = (): number => {
    const token = tokens.shift()!;
    if (token === "(") {
      const inside = sum();
      tokens.shift();
      return inside;
    }
    const size = /^\d/.test(token) ? Number(token) : sizes[token];
    if (size === undefined) throw new Error(`${token} in the shape ${shape} is an unknown size`);
    return size;
  };
  return sum();
}

const typeBytes: Readonly<Record<string, number>> = { u8: 1, u16: 2, i32: 4, f32: 4, i64: 8, f64: 8 };

/** Regions that only frames with gradients have. */
const gradientRegions =
  /^(SEED|GRADIENT|RAW_LABELS|TAKES_PART|KNOWN|KNOWN_ROUND|HIDDEN_ADJOINT|MESSAGES_ADJOINT|BLOCK_VIRIAL|CURSOR|DENOISE_\w+|PAIR_REVERSE|PAIR_GRADIENT)$/;

const features = {
  gradient: core.FEATURE_GRADIENT.value,
  keep: core.FEATURE_KEEP_DENSITY.value,
  lists: core.FEATURE_LISTS.value,
  noTables: core.FEATURE_NO_TABLES.value,
};

function isLaidOut(field: string, set: number): boolean {
  if (gradientRegions.test(field)) return (set & features.gradient) !== 0;
  if (field.startsWith("LIST_")) return (set & features.lists) !== 0;
  if (field === "LOGITS" || field === "PROBABILITIES") {
    return (set & features.noTables) === 0 || (set & features.gradient) !== 0;
  }
  return field !== "KEPT" || (set & features.keep) !== 0;
}

type Shape = NonNullable<Parameters<typeof layoutModel>[1]>;

/** Returns all sizes of the present layout. */
function sizesNow(scratchBytes: number): Sizes {
  const [C, F, K, L] = ["CLASSES", "BASIS", "CHANNELS", "LMAX"].map((name) => context.count(name));
  const [V, H, M, U, T] = ["INNER", "HIDDEN", "MESSAGE", "OUTER", "KNOWN"].map((name) => context.count(name));
  const skipped = context.count("SKIPPED_DEGREE");
  const D = skipped > 0 ? L! : L! + 1;
  const Y = (L! + 1) ** 2 - (skipped > 0 ? 2 * skipped + 1 : 0);
  const N = context.count("ATOMS");
  const groups = Math.ceil(N / 4);
  return {
    ...{ C: C!, F: F!, K: K!, L: L!, V: V!, H: H!, M: M!, U: U!, T: T!, D, Y, N, groups },
    I: K! * (D + 1),
    Cp: 8 * Math.ceil(C! / 8),
    N4: 4 * groups,
    P: context.count("PAIR_CAPACITY"),
    slots: Math.max(64, 2 ** Math.ceil(Math.log2(2 * N))),
    blocks: Math.ceil(N / core.BLOCK.value),
    workers: context.count("WORKERS"),
    groupBytes: 16 * ((Y + 1) * K! + V! + H!),
    TABLE_ROWS: 515,
    HARMONIC_CONSTANTS: 128,
    REFERENCE_ADJOINTS: 2869,
    SCRATCH_BYTES: scratchBytes,
    MOST_GROUPED: 16,
    COUNT_LIST_CAPACITY: context.count("LIST_CAPACITY"),
    COUNT_REFERENCE_CAPACITY: context.count("REFERENCE_CAPACITY"),
  };
}

describe("statuses", () => {
  it("have a number each, those of variables too", () => {
    const names = Object.keys(core).filter((name) => name.startsWith("STATUS_"));
    expect(names.length).toBeGreaterThan(18);
    const numbers = names.map((name) => core[name as "STATUS_OK"].value);
    expect(numbers.filter((number, index) => numbers.indexOf(number) < index)).toEqual([]);
  });
});

describe("the memory", () => {
  const shapes: readonly Shape[] = [
    {},
    { CLASSES: 33, CHANNELS: 8, LMAX: 4, INNER: 32, HIDDEN: 16, MESSAGE: 8, OUTER: 16, KNOWN: 8 },
    {
      CLASSES: 1023,
      BASIS: 64,
      SKIPPED_DEGREE: 5,
      INNER: 128,
      HIDDEN: 64,
      MESSAGE: 64,
      OUTER: 512,
      KNOWN: 128,
    },
    { CLASSES: 2, BASIS: 2, CHANNELS: 8, LMAX: 2, INNER: 8, HIDDEN: 8, MESSAGE: 8 },
  ];
  const sets = [0, 1, 2, 3, 4, 5, 7, 8, 12, 15];
  const frames = [
    { atoms: 1, pairs: 0, workers: 1 },
    { atoms: 65, pairs: 1001, workers: 3 },
    { atoms: 1000, pairs: 0, workers: 2 },
  ];
  const cases = shapes.flatMap((shape) =>
    frames.flatMap((frame) => sets.map((set) => ({ shape, ...frame, set }))),
  );

  it.each(cases)("of $shape, $atoms atoms and features $set has each region once", ({ shape, ...frame }) => {
    const { atoms, pairs, workers, set } = frame;
    const model = layoutModel(context, shape);
    const layOut = (count: number) =>
      core.layoutFrame(context.address, model, atoms, pairs, count, set & ~features.gradient);
    const scratchBytes = layOut(2) - layOut(1);
    const frameEnd = core.layoutFrame(context.address, model, atoms, pairs, workers, set);
    const end = core.layoutReference(context.address, frameEnd, 0);
    const sizes = sizesNow(scratchBytes);
    const regions = fields
      .filter(({ kind, field }) => kind === "ADDRESS" && (field !== "KEPT" || isLaidOut(field, set)))
      .map(({ field, comment }) => {
        const [, type, region] = /^(\w+) ([^,]+)/.exec(comment)!;
        const bytes = isLaidOut(field, set) ? typeBytes[type!]! * evaluate(region!, sizes) : 0;
        return { field, start: context.region(field), bytes };
      })
      .sort((a, b) => a.start - b.start || a.bytes - b.bytes);
    let free = ceil64(context.end);
    for (const { field, start, bytes } of regions) {
      expect(start, `${field}, of ${bytes} bytes`).toBe(free);
      free = ceil64(start + bytes);
    }
    expect(end).toBe(free);
  });

  it("has sizes that follow from the shapes", () => {
    const sizes = { N: 5, K: 3, H: 2, M: 7 };
    expect(evaluate("3N", sizes)).toBe(15);
    expect(evaluate("2 x (K + 1) x N", sizes)).toBe(40);
    expect(evaluate("8192 + N x (H + M)", sizes)).toBe(8237);
    expect(() => evaluate("Q", sizes)).toThrow(/unknown size/);
  });
});
