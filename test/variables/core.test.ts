/** The core's variables through its interface for hosts: tails, guards, parts, statuses, custom functions. */
import { describe, expect, it } from "vitest";
import { builds, expectClose, randomNumbers } from "../core/support.js";
import { lengthScale, loadCore, logitLength, type RawInput, type RawRecord, RawVariables } from "./raw.js";

const cell = [9, 0.5, 0, -1, 8, 0.3, 0.2, 0, 10];

/** Records of every kind, their lists, and the slopes of an energy. */
const lists = [
  ...[0, 1], // 0: classes
  ...[0, 1, 2], // 2: records
  ...[0.5, -2, 3], // 5: weights
  ...[0, 2, 3, 30, 0, 0, 0, 0], // 8: ids and marks
  ...[1, 2, 0, 1, 0, 0], // 16: species, groups, marks
  ...[7], // 22: a record
];
const slab = { REGION: "SLAB", AXIS: 1, FROM: 0.1, TO: 0.4, EDGE: 0.25 };
const ball = { REGION: "BALL", CENTRE: [0.4, 0.5, 0.6], RADIUS: 1, EDGE: 2.5 };
const records: readonly RawRecord[] = [
  { KIND: "FRACTION", LIST: 0, LENGTH: 2, REDUCE: "SUM", ...slab },
  { KIND: "LOGIT", CLASS: 1, MINUS: 0, SWITCH_CENTRE: 0.2, SWITCH_WIDTH: 0.5, REDUCE: "SUM", ...ball },
  { KIND: "DISTANCE", CLASS: 1, REDUCE: "SUM" },
  { KIND: "LOG_DENSITY", REDUCE: "MEAN", SWITCH_CENTRE: 1, SWITCH_WIDTH: 0.7 },
  { KIND: "SUM", LIST: 2, LENGTH: 3, WEIGHTS: 5, CONSTANT: 0.25 },
  { KIND: "EXTREMUM", LIST: 2, LENGTH: 3, CONSTANT: -0.5 },
  { KIND: "LOGIT", CLASS: 0, MINUS: -1, REDUCE: "SUM" },
  { KIND: "LOG_DENSITY", REDUCE: "MEAN", ...slab, FROM: -0.5, TO: 1.5, EDGE: 2 },
  { KIND: "SWITCH", LIST: 22, LENGTH: 1, SWITCH_CENTRE: 1, SWITCH_WIDTH: 0.5 },
];
const slopes = [1.5, -2, 0.5, 3, 0.25, -1.25, 2, 0.5, 4];

function system(atomCount: number, classCount: number, isSingle = false): RawInput {
  const random = randomNumbers(100 * atomCount + classCount);
  const numbers = Array.from({ length: atomCount * classCount }, () => Math.fround(8 * random() - 4));
  return {
    classCount,
    logits: isSingle ? Float32Array.from(numbers) : Float64Array.from(numbers),
    records,
    lists,
    positions: Array.from({ length: 3 * atomCount }, (_, at) =>
      at % 3 === 1 ? 8 * random() : 30 * random() - 10,
    ),
    species: Array.from({ length: atomCount }, (_, atom) => atom % 3),
    ids: Array.from({ length: atomCount }, (_, atom) => atom),
    cell,
    periodic: 5,
    idealLogits: Array.from({ length: classCount }, (_, c) => c + 1),
    logWeights: Array.from({ length: classCount }, (_, c) => 0.1 * c),
  };
}

const cores = new Map(
  await Promise.all(builds.map(async (build) => [build, await loadCore(build)] as const)),
);

describe.each(builds)("variables of the build %s", (build) => {
  const core = cores.get(build)!;
  const evaluated = (input: RawInput): RawVariables => {
    const variables = new RawVariables(core, input);
    expect(variables.evaluate()).toBe("STATUS_OK");
    return variables;
  };
  const energyOf = (input: RawInput): number => {
    const variables = evaluated(input);
    return slopes.reduce((sum, slope, record) => sum + slope * variables.field(record, "VALUE"), 0);
  };

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 64, 65])("write only results, %i atoms", (atomCount) => {
    for (const classCount of [2, 3, 4, 5, 8, 9]) {
      const variables = new RawVariables(core, system(atomCount, classCount, classCount % 2 === 0));
      const before = variables.bytes();
      const status = variables.evaluate();
      expect(status).toBe(atomCount === 0 ? "STATUS_NOTHING_SELECTED" : "STATUS_OK");
      if (atomCount > 0) expect(variables.pull(slopes)).toBe("STATUS_OK");
      const wrong = variables
        .bytes()
        .findIndex((byte, at) => byte !== before[at] && !variables.isWritable(at));
      expect(wrong, `${atomCount} atoms, ${classCount} classes`).toBe(-1);
    }
  });

  it.each([1, 2, 7, 33])("have the derivatives of central differences, %i atoms", (atomCount) => {
    const input = system(atomCount, 5);
    const variables = evaluated(input);
    expect(variables.pull(slopes)).toBe("STATUS_OK");
    const { seed, gradient, virial } = variables;
    const step = 1e-4;
    const slopeOf = (value: (x: number) => number): number =>
      (value(-2 * step) - 8 * value(-step) + 8 * value(step) - value(2 * step)) / (12 * step);
    const moved = (numbers: ArrayLike<number>, at: number, x: number): Float64Array =>
      Float64Array.from(numbers, (number, index) => number + (index === at ? x : 0));
    const byLogit = Array.from(seed, (_, at) =>
      slopeOf((x) => energyOf({ ...input, logits: moved(input.logits, at, x) })),
    );
    expectClose("seed", seed, byLogit, 1e-9, 1);
    const byPosition = Array.from(gradient, (_, at) =>
      slopeOf((x) => energyOf({ ...input, positions: Array.from(moved(input.positions!, at, x)) })),
    );
    expectClose("gradient", gradient, byPosition, 1e-8, 1);
    if (atomCount > 2) expect(gradient.some((g) => Math.abs(g) > 0.01)).toBe(true);
    const strained = (rows: readonly number[], a: number, b: number, x: number): number[] =>
      rows.map((part, at) => part + (at % 3 === b ? x * rows[at - b + a]! : 0));
    const byStrain = Array.from(virial, (_, at) => {
      const [b, a] = [Math.floor(at / 3), at % 3];
      return -slopeOf((x) =>
        energyOf({
          ...input,
          positions: strained(input.positions!, a, b, x),
          cell: strained(cell, a, b, x),
        }),
      );
    });
    expectClose("virial", virial, byStrain, 1e-8, 10);
  });

  it("keep no state: a second evaluation gives the same bits", () => {
    const variables = evaluated(system(33, 7));
    variables.pull(slopes);
    const first = [variables.seed, variables.gradient, variables.virial];
    const values = records.map((_, record) => variables.field(record, "VALUE"));
    expect(variables.evaluate()).toBe("STATUS_OK");
    expect(records.map((_, record) => variables.field(record, "VALUE"))).toEqual(values);
    variables.pull([0, 0, 0, 1, 0, 0, 0, 0, 0]);
    expect(variables.seed).not.toEqual(first[0]);
    variables.pull(slopes);
    expect([variables.seed, variables.gradient, variables.virial]).toEqual(first);
  });

  it.each([1, 3, 32, 40])("have the same bits in parts of %i atoms", (length) => {
    const input = { ...system(70, 6), ids: undefined };
    const whole = evaluated(input);
    whole.pull(slopes);
    const [seed, gradient, virial] = [whole.seed, whole.gradient, whole.virial];
    const values = records.map((_, record) => whole.field(record, "VALUE"));
    const parts = new RawVariables(core, input);
    const { context } = parts;
    const inParts = (work: (atoms: number) => void): void => {
      const regions = [
        ["VARIABLES_LOGITS", 8 * 6],
        ["VARIABLES_POSITIONS", 24],
        ["VARIABLES_SPECIES", 4],
        ["VARIABLES_SEED", 8 * 6],
        ["VARIABLES_GRADIENT", 24],
      ] as const;
      const first = regions.map(([name]) => context.region(name));
      for (let begin = 0; begin < 70; begin += length) {
        regions.forEach(([name, bytes], index) => {
          context.setRegion(name, first[index]! + begin * bytes);
        });
        context.setCount("VARIABLES_ATOMS", Math.min(length, 70 - begin));
        context.setCount("VARIABLES_FIRST_ATOM", begin);
        work(Math.min(length, 70 - begin));
      }
      regions.forEach(([name], index) => {
        context.setRegion(name, first[index]!);
      });
    };
    const { core: exports } = context;
    expect(parts.named(exports.startVariables(context.address))).toBe("STATUS_OK");
    inParts((atoms) => {
      const half = Math.floor(atoms / 2);
      exports.sumVariables(context.address, 0, half);
      exports.sumVariables(context.address, half, atoms);
    });
    expect(parts.named(exports.finishVariables(context.address))).toBe("STATUS_OK");
    expect(records.map((_, record) => parts.field(record, "VALUE"))).toEqual(values);
    slopes.forEach((slope, record) => {
      parts.setField(record, "SLOPE", slope);
    });
    expect(parts.named(exports.startPull(context.address))).toBe("STATUS_OK");
    inParts((atoms) => exports.pullAtoms(context.address, 0, atoms));
    expect(parts.seed).toEqual(seed);
    expect(parts.gradient).toEqual(gradient);
    expect(parts.virial).toEqual(virial);
  });

  it("take single and double logits alike", () => {
    const [double, single] = [false, true].map((isSingle) => {
      const variables = evaluated(system(33, 7, isSingle));
      variables.pull(slopes);
      return [records.map((_, record) => variables.field(record, "VALUE")), variables.seed];
    });
    expect(single).toEqual(double);
  });

  it("select by ids in any order and by groups of species", () => {
    const logits = Float64Array.of(1, 0, 2, 0, 4, 0, 8, 0, 16, 0);
    const sum = { KIND: "LOGIT", CLASS: 0, MINUS: -1, REDUCE: "SUM" };
    const sumsOf = (ids: readonly number[] | undefined, species: readonly number[] | undefined) => {
      const variables = new RawVariables(core, {
        ...{ classCount: 2, logits, lists },
        ...(ids === undefined ? {} : { ids }),
        ...(species === undefined ? {} : { species }),
        records: [
          { ...sum, IDS: 8, ID_COUNT: 4 },
          { ...sum, SPECIES: 16, SPECIES_COUNT: 2 },
        ],
      });
      const status = variables.evaluate();
      const marks = variables.context.doubles("VARIABLES_LISTS", lists.length);
      return {
        status,
        record: variables.context.count("VARIABLES_ERROR_RECORD"),
        sums: [variables.field(0, "SUM"), variables.field(1, "SUM")],
        marks: [Array.from(marks.slice(12, 16)), Array.from(marks.slice(20, 22))],
      };
    };
    expect(sumsOf([30, 0, 3, 2, 9], [2, 0, 1, 1, 0])).toEqual({
      ...{ status: "STATUS_OK", record: -1, sums: [15, 13] },
      marks: [
        [1, 1, 1, 1],
        [1, 1],
      ],
    });
    expect(sumsOf([3, 2, 30, 2, 0], [1, 2, 0, 0, 0]).sums).toEqual([31, 3]);
    expect(sumsOf(undefined, [1, 2, 0, 0, 0])).toMatchObject({
      ...{ status: "STATUS_MISSING_IDS", record: 0 },
      marks: [[1, 1, 1, 0], expect.anything()],
    });
    expect(sumsOf([30, 0, 3, 2, 9], [1, 1, 0, 0, 0])).toMatchObject({
      ...{ status: "STATUS_MISSING_SPECIES", record: 1 },
      marks: [expect.anything(), [1, 0]],
    });
    expect(sumsOf([30, 0, 3, 2, 9], undefined)).toMatchObject({ status: "STATUS_MISSING_SPECIES" });
  });

  it("need only one species of a group, and find none for NaN", () => {
    const one = { KIND: "LOGIT", CLASS: 0, MINUS: -1, REDUCE: "SUM", SPECIES: 0 };
    const base = { classCount: 2, logits: Float64Array.of(1, 0, 2, 0), species: [1, 4] };
    const grouped = { ...base, lists: [1, 7, 4, 0, 0, 1, 0, 0, 0], records: [{ ...one, SPECIES_COUNT: 3 }] };
    expect(evaluated(grouped).field(0, "VALUE")).toBe(3);
    const none = { ...base, lists: [Number.NaN, 0, 0], records: [{ ...one, SPECIES_COUNT: 1 }] };
    expect(new RawVariables(core, none).evaluate()).toBe("STATUS_MISSING_SPECIES");
  });

  it("ignore atoms without weight, even if their logits are NaN", () => {
    const logits = Float64Array.of(1, 0, Number.NaN, Number.NaN, 3, 1);
    const variables = evaluated({
      ...{ classCount: 2, logits, lists: [0, 1, 0, 2, 0, 0] },
      records: ["FRACTION", "LOG_DENSITY"].map((KIND) => ({ KIND, LIST: 0, LENGTH: 1, IDS: 2, ID_COUNT: 2 })),
    });
    const p = (x: number): number => 1 / (1 + Math.exp(-x));
    expectClose("fraction", [variables.field(0, "VALUE")], [(p(1) + p(2)) / 2], 1e-15);
    expect(variables.pull([1, 1])).toBe("STATUS_OK");
    expect(Array.from(variables.seed.slice(2, 4))).toEqual([0, 0]);
  });

  it("take values and numbers per atom from custom functions, and return derivatives", () => {
    const input = system(9, 3);
    const step = { SWITCH_CENTRE: 0.2, SWITCH_WIDTH: 0.5, ...slab };
    const made = new RawVariables(core, {
      ...input,
      lists: [0, 1, 2, -3],
      records: [
        { KIND: "PER_ATOM", ...step },
        { KIND: "GIVEN", VALUE: 1.25 },
        { KIND: "SUM", LIST: 0, LENGTH: 2, WEIGHTS: 2 },
        { KIND: "LOGIT", CLASS: 1, MINUS: -1, ...step },
      ],
    });
    const { context, end } = made;
    context.reserve(end + 256, "test");
    const [given, byAtom] = [context.doublesAt(end, 9), context.doublesAt(end + 128, 9)];
    given.set(input.logits.filter((_, at) => at % 3 === 1));
    made.setField(0, "PER_ATOM", end);
    made.setField(0, "BY_ATOM", end + 128);
    expect(made.evaluate()).toBe("STATUS_OK");
    const [perAtom, value, sum, logit] = [0, 1, 2, 3].map((record) => made.field(record, "VALUE"));
    expect(perAtom).toBe(logit);
    expect(value).toBe(1.25);
    expect(sum).toBe(2 * perAtom! - 3 * 1.25);
    expect(made.pull([0.5, 2, 4, 0])).toBe("STATUS_OK");
    expect([0, 1, 2].map((record) => made.field(record, "ADJOINT"))).toEqual([8.5, -10, 4]);
    const [found, gradient] = [byAtom.slice(), made.gradient];
    expect(made.seed.every((number) => number === 0)).toBe(true);
    expect(made.pull([0, 0, 0, 8.5])).toBe("STATUS_OK");
    expect(made.seed.filter((_, at) => at % 3 === 1)).toEqual(found);
    expect(made.gradient).toEqual(gradient);
    expect(found.some((number) => number !== 0)).toBe(true);
  });

  it("measure regions from the origin of the cell", () => {
    const input = system(20, 4);
    const origin = [3.1, -2.2, 40];
    const positions = input.positions!.map((x, at) => x + origin[at % 3]!);
    const values = (changed: Partial<RawInput>): number[] => {
      const variables = evaluated({ ...input, ...changed });
      return records.map((_, record) => variables.field(record, "VALUE"));
    };
    const expected = values({});
    expectClose("values", values({ positions, origin }), expected, 1e-12);
    expect(values({ positions })[0]).not.toBeCloseTo(expected[0]!, 3);
  });

  it("compute no exponentials unless a record needs them", () => {
    const input = { classCount: 3, logits: Float64Array.of(1, 2, Number.NaN, 4, 5, Number.NaN) };
    const variables = evaluated({
      ...input,
      records: [{ KIND: "LOGIT", CLASS: 1, MINUS: 0 }],
    });
    expect(variables.field(0, "VALUE")).toBe(1);
    expect(variables.pull([2])).toBe("STATUS_OK");
    expect(Array.from(variables.seed)).toEqual([-1, 1, 0, -1, 1, 0]);
    expect(variables.context.count("VARIABLES_HAS_GRADIENT")).toBe(0);
  });

  describe("have statuses", () => {
    const one = (record: RawRecord, more: Partial<RawInput> = {}): RawVariables =>
      new RawVariables(core, { ...system(4, 3), records: [{ KIND: "GIVEN" }, record], ...more });

    it.each<[string, RawRecord, Partial<RawInput>, number | null]>([
      ["STATUS_NO_CELL", { KIND: "LOG_DENSITY", ...slab }, { cell: undefined }, null],
      ["STATUS_FLAT_CELL", { KIND: "LOG_DENSITY", ...slab }, { cell: [1, 0, 0, 0, 1, 0, 1, 1, 0] }, null],
      ["STATUS_FLAT_CELL", { KIND: "LOG_DENSITY", ...ball }, { cell: [1, 0, 0, 0, 0, 0, 0, 0, 1] }, null],
      ["STATUS_WIDE_REGION", { KIND: "LOG_DENSITY", ...slab, AXIS: 0, EDGE: 0.36 }, {}, 0.51],
      ["STATUS_WIDE_REGION", { KIND: "LOG_DENSITY", ...ball, RADIUS: 3 }, {}, 5.5],
      ["STATUS_NOTHING_SELECTED", { KIND: "LOG_DENSITY", ...slab, FROM: 7, TO: 8 }, {}, 0],
    ])("%s of %o", (status, record, more, number) => {
      const variables = one(record, more);
      expect(variables.evaluate()).toBe(status);
      expect(variables.context.count("VARIABLES_ERROR_RECORD")).toBe(1);
      if (number !== null) expect(variables.context.value("VARIABLES_ERROR")).toBeCloseTo(number, 12);
    });

    it.each<[RawRecord, Partial<RawInput>?]>([
      [{ KIND: "LOG_DENSITY", ...slab, AXIS: 1, FROM: -3, TO: 3 }],
      [{ KIND: "LOG_DENSITY", ...slab, AXIS: 0, EDGE: 0.35 }],
      [{ KIND: "LOG_DENSITY", ...ball, RADIUS: 30, REDUCE: "SUM" }, { periodic: 0 }],
    ])("except for a wide region that is allowed: %o", (record, more = {}) => {
      expect(one(record, more).evaluate()).toBe("STATUS_OK");
    });

    it("STATUS_SHARP_EDGE of a pull, if the energy depends on the region", () => {
      const variables = one({ KIND: "LOG_DENSITY", ...slab, FROM: -0.5, TO: 1.5, EDGE: 0 });
      expect(variables.evaluate()).toBe("STATUS_OK");
      expect(variables.pull([1, 0])).toBe("STATUS_OK");
      expect(variables.pull([1, 1])).toBe("STATUS_SHARP_EDGE");
      expect(variables.context.count("VARIABLES_ERROR_RECORD")).toBe(1);
    });

    it.each<RawRecord>([
      { KIND: 0 },
      { KIND: 1000 },
      { KIND: Number.NaN },
      { KIND: "FRACTION", LIST: 0, LENGTH: 0 },
      { KIND: "FRACTION", LIST: 2, LENGTH: 4 },
      { KIND: "FRACTION", LIST: -1, LENGTH: 1 },
      { KIND: "FRACTION", LIST: 22, LENGTH: 2 },
      { KIND: "LOGIT", CLASS: 3, MINUS: -1 },
      { KIND: "LOGIT", CLASS: 0, MINUS: -2 },
      { KIND: "LOGIT", CLASS: 0.5, MINUS: -1 },
      { KIND: "DISTANCE", CLASS: -1 },
      { KIND: "LOG_DENSITY", REDUCE: 2 },
      { KIND: "LOG_DENSITY", SWITCH_WIDTH: -1 },
      { KIND: "LOG_DENSITY", IDS: 20, ID_COUNT: 2 },
      { KIND: "LOG_DENSITY", SPECIES: 18, SPECIES_COUNT: 2 },
      { KIND: "LOG_DENSITY", REGION: 3 },
      { KIND: "LOG_DENSITY", ...slab, AXIS: 3 },
      { KIND: "LOG_DENSITY", ...slab, EDGE: -0.1 },
      { KIND: "SUM", LIST: 0, LENGTH: 2, WEIGHTS: 5 },
      { KIND: "SUM", LIST: 0, LENGTH: 1, WEIGHTS: 23 },
      { KIND: "EXTREMUM", LIST: 0, LENGTH: 0, CONSTANT: 1 },
      { KIND: "SWITCH", LIST: 0, LENGTH: 1, SWITCH_WIDTH: 0 },
      { KIND: "SWITCH", LIST: 0, LENGTH: 2, SWITCH_WIDTH: 1 },
    ])("STATUS_BAD_RECORD of %o", (record) => {
      const variables = one(record);
      expect(variables.evaluate()).toBe("STATUS_BAD_RECORD");
      expect(variables.context.count("VARIABLES_ERROR_RECORD")).toBe(1);
    });
  });

  describe("around a backward pass", () => {
    const { core: exports, memory } = core;
    const base = exports.heapBase() + exports.VARIABLES_CONTEXT_BYTES.value;
    memory.grow(1);
    const doubles = (at: number, length: number) => new Float64Array(memory.buffer, base + at, length);
    const singles = (at: number, length: number) => new Float32Array(memory.buffer, base + at, length);

    it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])(
      "a seed of %i numbers keeps its digits, also in place",
      (length) => {
        const random = randomNumbers(length + 1);
        for (const size of [1, 1e-300, 1e300, 4.7e-19]) {
          const seed = Float64Array.from({ length }, () => size * (random() - 0.5));
          const largest = seed.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
          const unit =
            length === 0 ? 0 : 2 ** Math.max(-1000, Math.min(1000, Math.floor(Math.log2(largest))));
          const expected = Float32Array.from(seed, (number) => number / unit);
          for (const to of [256, 0]) {
            doubles(0, length + 1).set([...seed, 7]);
            singles(256, length + 1).fill(7);
            expect(exports.scaleSeed(base + to, base, length)).toBe(unit);
            expect(singles(to, length)).toEqual(expected);
            if (to === 256) expect(singles(256, length + 1)[length]).toBe(7);
          }
        }
      },
    );

    it("a seed of zeros is cleared, and one that is not finite is refused", () => {
      doubles(0, 5).set([0, -0, 0, 0, 0]);
      singles(256, 5).fill(7);
      expect(exports.scaleSeed(base + 256, base, 5)).toBe(0);
      expect(Array.from(singles(256, 5), Math.abs)).toEqual([0, 0, 0, 0, 0]);
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        for (let place = 0; place < 5; place++) {
          doubles(0, 5).fill(1)[place] = wrong;
          singles(256, 5).fill(7);
          expect(exports.scaleSeed(base + 256, base, 5)).toBeNaN();
          expect(Array.from(singles(256, 5))).toEqual([7, 7, 7, 7, 7]);
        }
      }
    });

    it.each([1, 2, 3, 4, 5])("gradient and virial of %i atoms are scaled and added up", (atomCount) => {
      const variables = evaluated(system(atomCount, 4));
      const { context } = variables;
      const gradientAt = variables.end + 64;
      const virialAt = gradientAt + 256;
      context.reserve(virialAt + 128, "test");
      const gradient = Float64Array.from({ length: 3 * atomCount }, (_, at) => at - 2.5);
      const virial = Float64Array.from({ length: 9 }, (_, at) => 0.5 * at - 1);
      const combined = (address: number, followsCell: number): number[][] => {
        context.doublesAt(gradientAt, 3 * atomCount + 1).set([...gradient, 7]);
        context.doublesAt(virialAt, 9).set(virial);
        exports.combineDerivatives(gradientAt, virialAt, atomCount, 4, address, followsCell);
        const after = context.doublesAt(gradientAt, 3 * atomCount + 1);
        expect(after[3 * atomCount]).toBe(7);
        return [Array.from(after.slice(0, -1)), Array.from(context.doublesAt(virialAt, 9))];
      };
      const scaled = [Array.from(gradient, (g) => 4 * g), Array.from(virial, (w) => 4 * w)];
      expect(combined(0, 0)).toEqual(scaled);
      const pressure = (4 * (virial[0]! + virial[4]! + virial[8]!)) / 3;
      expect(combined(0, 1)[1]).toEqual(scaled[1]!.map((w, at) => w + (at % 4 === 0 ? -pressure : 0)));
      variables.pull(slopes);
      const growth = context.value("VARIABLES_LOG_LENGTH_SCALE") / 3;
      const [withGradient, withVirial] = combined(context.address, 1) as [number[], number[]];
      const explicit = [variables.gradient, variables.virial] as const;
      expectClose(
        "gradient",
        withGradient,
        scaled[0]!.map((g, at) => g + explicit[0][at]!),
        1e-15,
      );
      const diagonal = pressure + growth;
      expectClose(
        "virial",
        withVirial,
        scaled[1]!.map((w, at) => w + explicit[1][at]! - (at % 4 === 0 ? diagonal : 0)),
        1e-14,
      );
      // Without a region the explicit gradient is neither changed nor added.
      variables.pull([0, 0, 1, 0, 0, 0, 0, 0, 0]);
      expect(combined(context.address, 0)[0]).toEqual(scaled[0]);
    });
  });

  it("are laid out only if they fit", () => {
    const { core: exports } = core;
    const context = exports.heapBase();
    const laidOut = (atoms: number, classes: number, records: number, numbers: number) =>
      exports.layoutVariables(context, 1024, atoms, classes, records, numbers, exports.PLACE_SEED.value);
    expect(laidOut(1, 2, 0, 0)).toBeGreaterThan(1024);
    expect(laidOut(2 ** 24, 31, 1, 0)).toBeGreaterThan(2 ** 24 * 31 * 8);
    expect(laidOut(2 ** 25, 31, 1, 0)).toBe(0);
    expect([laidOut(0, 2, 1, 0), laidOut(1, 0, 1, 0), laidOut(1, 2, -1, 0), laidOut(1, 2, 1, -1)]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it("agree with the definition of a distance", () => {
    const u = [-1, 0, 1e-9, 0.1, 3];
    const variables = evaluated({
      ...{ classCount: 2, idealLogits: [0, 5], logWeights: [0, -2] },
      logits: Float64Array.from(u.flatMap((x) => [0, 3 - x])),
      records: [{ KIND: "DISTANCE", CLASS: 1, REDUCE: "SUM" }],
    });
    const distances = u.map((x) =>
      x > 0 ? lengthScale * logitLength * Math.sqrt((2 * x ** 3) / (x ** 2 + 1 / 16)) : 0,
    );
    const sum = distances.reduce((total, distance) => total + distance, 0);
    expectClose("sum", [variables.field(0, "VALUE")], [sum], 1e-14);
    expect(variables.pull([1])).toBe("STATUS_OK");
    expectClose("growth", [variables.context.value("VARIABLES_LOG_LENGTH_SCALE")], [sum], 1e-14);
    expect(Array.from(variables.seed.slice(0, 4))).toEqual([0, 0, 0, 0]);
  });
});
