/**
 * Variables on the core: the chain from positions through logits to values and back. Derivatives of the
 * reference, in double precision, are compared with its central differences. The kernels, in single
 * precision, are compared with the reference.
 */
import { afterAll, describe, expect, it } from "vitest";
import { everyKind } from "../../src/cli/every-kind.js";
import {
  type BackwardResult,
  backwardReference,
  type CoreFrame,
  type CoreModel,
  forwardReference,
  PhaseCore,
} from "../../src/core/index.js";
import { cellGeometry } from "../../src/frame/geometry.js";
import { logWeights } from "../../src/model/index.js";
import { evaluateInCore } from "../../src/variables/in-core.js";
import {
  evaluateVariables,
  readVariables,
  resolveVariables,
  type Variable,
  type VariableDerivatives,
  type VariableEvaluation,
  variableNames,
} from "../../src/variables/index.js";
import {
  builds,
  expectClose,
  multiply,
  randomFrame,
  randomModel,
  randomNumbers,
  shakenCrystal,
} from "../core/support.js";

const classCount = 7;
const model: CoreModel = randomModel(5, classCount);
const classes = Array.from({ length: classCount }, (_, c) => ({ name: `c${c}`, aliases: [] }));
const weights = Float64Array.of(1, 2, 0.5, 1, 0.25, 1, 0);
const cores = await Promise.all(builds.map((build) => PhaseCore.create(model, { threads: 1, build })));
afterAll(() => Promise.all(cores.map((core) => core.dispose())));
for (const core of cores) core.setPrior(weights);
const [reference] = cores as [PhaseCore];

/**
 * Returns whether the forces of a variable may have a sum other than zero, because a region is fixed in
 * space.
 */
function hasRegion(variable: Variable): boolean {
  return JSON.stringify(variable).includes('"region"');
}

/** Returns a frame with ids and species, and variables for it. */
function subject(frame: CoreFrame) {
  const atomCount = frame.positions.length / 3;
  const ids = Float64Array.from({ length: atomCount }, (_, atom) => 7 * atom + 100);
  const { cell, periodic } = frame;
  const region = cell === null ? null : nearFirst(frame.positions, cell, periodic);
  const species = frame.species ?? new Int32Array(atomCount);
  const selected = { ids: Array.from(ids.filter((_, atom) => atom % 3 === 0)), species: [species[0]!] };
  const declared = readVariables(everyKind({ first: "c2", second: "c4", region, ...selected }));
  return { frame, ids, species, declared, names: variableNames(declared) };
}

/** Returns a place near the first atom, and the largest extent of a ball around it. */
function nearFirst(positions: Float64Array, cell: Float64Array, periodic: CoreFrame["periodic"]) {
  const { reciprocal, heights } = cellGeometry(cell, "cell");
  const [x, y, z] = positions as unknown as [number, number, number];
  const along = (axis: number): number =>
    x * reciprocal[3 * axis]! + y * reciprocal[3 * axis + 1]! + z * reciprocal[3 * axis + 2]! + 0.04;
  // The ball must also fit into strained cells.
  const reach = 0.47 * Math.min(12, ...heights.filter((_, axis) => periodic[axis]));
  return { centre: [along(0), along(1), along(2)] as const, reach };
}

type Subject = ReturnType<typeof subject>;

function evaluate(
  { frame, ids, species, declared }: Subject,
  logits: Float32Array | Float64Array,
  lengthScale: number,
): VariableEvaluation {
  const { positions } = frame;
  const known = knownInput({ frame, ids, species });
  return evaluateVariables(resolveVariables(declared, classes), { ...known, logits, lengthScale, positions });
}

/** Returns the input of variables that the core does not hold. */
function knownInput({ frame: { cell, periodic }, ids, species }: Pick<Subject, "frame" | "ids" | "species">) {
  const { idealLogits, logitLength } = model;
  return {
    classCount,
    logWeights: logWeights(weights),
    idealLogits,
    logitLength,
    cell,
    periodic,
    species,
    ids,
  };
}

/** Returns all derivatives of an energy as in docs/variables.md. */
function addExplicit(
  { gradient, virial }: BackwardResult,
  explicit: VariableDerivatives,
  followsCell: boolean,
): BackwardResult {
  const trace = virial[0]! + virial[4]! + virial[8]!;
  const pressure = followsCell ? (trace + explicit.logLengthScale) / 3 : 0;
  return {
    gradient: gradient.map((g, at) => g + (explicit.gradient?.[at] ?? 0)),
    virial: virial.map((w, at) => w + explicit.virial[at]! - (at % 4 === 0 ? pressure : 0)),
  };
}

/** Returns the values of the reference, in double precision. */
function referenceValues(one: Subject, changed: Partial<CoreFrame> = {}): readonly number[] {
  const frame = { ...one.frame, ...changed };
  reference.load(frame);
  const { logits, lengthScale } = forwardReference(reference.loadedFrame());
  return evaluate({ ...one, frame }, logits, lengthScale).values;
}

function referenceDerivatives(one: Subject, followsCell = false): BackwardResult[] {
  reference.load(one.frame);
  const { logits, lengthScale } = forwardReference(reference.loadedFrame());
  const evaluation = evaluate(one, logits, lengthScale);
  return one.declared.map((_, index) => {
    const known = evaluation.derivatives(one.declared.map((_other, place) => Number(place === index)));
    return addExplicit(backwardReference(reference.loadedFrame(), known.seed), known, followsCell);
  });
}

/** Returns the derivatives of several functions at 0 by the central five-point rule. */
function slopes(f: (x: number) => readonly number[], step: number): number[] {
  const [a, b, c, d] = [-2, -1, 1, 2].map((times) => f(times * step)) as [
    readonly number[],
    readonly number[],
    readonly number[],
    readonly number[],
  ];
  return a.map((value, index) => (value - 8 * b[index]! + 8 * c[index]! - d[index]!) / (12 * step));
}

/** Returns the slopes of the values under r (1 + eps), H (1 + eps), where eps has one component. */
function strainSlopes(
  one: Subject,
  component: number,
  scaleOf: (cell: ArrayLike<number>) => number,
): number[] {
  return slopes((x) => {
    const strain = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    strain[component]! += x;
    const { positions, cell } = one.frame;
    const strained = cell === null ? null : Float64Array.from(multiply(cell, strain));
    return referenceValues(one, {
      positions: Float64Array.from(multiply(positions, strain)),
      cell: strained,
      lengthScale: scaleOf(strained ?? []),
    });
  }, 1e-4);
}

/** Returns the scale of a gradient: its largest component, but at least a value small compared with one. */
function sizeOf(numbers: ArrayLike<number>): number {
  return Array.from(numbers).reduce((most, g) => Math.max(most, Math.abs(g)), 1e-3);
}

const structures = [
  ["random, triclinic, periodic", randomFrame(11)],
  ["random, mixed periodicity, atoms outside the cell", randomFrame(15)],
  ["random, few atoms", randomFrame(23)],
  ["crystal", { ...shakenCrystal(2, 0.15, 4), lengthScale: 2.27 }],
  ["cluster without a cell", { ...randomFrame(17), cell: null, periodic: [false, false, false] as const }],
] as const;

describe.each(structures)("variables on the core, %s", (_, frame) => {
  const one = subject(frame);
  const atomCount = frame.positions.length / 3;
  const known = referenceDerivatives(one);

  it("have the gradients of central differences", () => {
    const random = randomNumbers(atomCount);
    const coordinates = Array.from({ length: 5 }, () => Math.floor(random() * 3 * atomCount));
    const differences = coordinates.map((coordinate) =>
      slopes((x) => {
        const positions = frame.positions.slice();
        positions[coordinate]! += x;
        return referenceValues(one, { positions });
      }, 3e-4),
    );
    known.forEach(({ gradient }, index) => {
      const found = coordinates.map((coordinate) => gradient[coordinate]!);
      const expected = differences.map((all) => all[index]!);
      expectClose(one.names[index]!, found, expected, 1e-6, sizeOf(gradient));
    });
    expect(known.some(({ gradient }) => sizeOf(gradient) > 0.01)).toBe(true);
  });

  it("have the virials of strain differences", () => {
    const differences = Array.from({ length: 9 }, (_none, component) =>
      strainSlopes(one, component, () => frame.lengthScale!),
    );
    known.forEach(({ virial }, index) => {
      // dV/d eps_ab = -virial_ba
      const expected = Array.from(
        { length: 9 },
        (_none, at) => -differences[3 * (at % 3) + Math.floor(at / 3)]![index]!,
      );
      expectClose(one.names[index]!, virial, expected, 1e-6, 1e-2 * sizeOf(one.frame.positions));
    });
  });

  it("have forces that sum to zero, except with regions", () => {
    known.forEach(({ gradient }, index) => {
      const sum = [0, 1, 2].map((axis) => gradient.reduce((s, g, at) => (at % 3 === axis ? s + g : s), 0));
      const isBalanced = Math.hypot(...sum) <= 1e-11 * (1 + atomCount * sizeOf(gradient));
      const declared = one.declared[index]!;
      if (!hasRegion(declared)) expect(isBalanced, `${one.names[index]} has the sum ${sum}`).toBe(true);
    });
  });

  it.each(cores)("are the same in single precision, build $build", async (core) => {
    core.load(frame);
    await core.forward();
    const evaluation = await evaluateInCore(core, resolveVariables(one.declared, classes), knownInput(one));
    expectClose("values", evaluation.values, referenceValues(one), 1e-4, 1);
    for (const [index, expected] of known.entries()) {
      const { gradient, virial } = await evaluation.pull(
        one.declared.map((_other, place) => Number(place === index)),
        false,
      );
      expectClose(`gradient of ${one.names[index]}`, gradient, expected.gradient, 1e-3, 1e-3);
      expectClose(`virial of ${one.names[index]}`, virial, expected.virial, 1e-3, sizeOf(expected.gradient));
    }
  });
});

describe("variables do not depend on how a frame is written", () => {
  const one = subject(randomFrame(11));
  const { frame, ids, species } = one;
  const values = referenceValues(one);
  const known = referenceDerivatives(one);
  const random = randomNumbers(3);

  it("with atoms moved by lattice vectors", () => {
    const positions = frame.positions.slice();
    for (let atom = 0; atom < ids.length; atom++) {
      const whole = frame.periodic.map((wraps) => (wraps ? Math.floor(5 * random()) - 2 : 0));
      multiply(whole, frame.cell!).forEach((shift, axis) => {
        positions[3 * atom + axis]! += shift;
      });
    }
    const moved = { ...one, frame: { ...frame, positions } };
    expectClose("values", referenceValues(moved), values, 1e-10);
    referenceDerivatives(moved).forEach(({ gradient, virial }, index) => {
      expectClose("gradient", gradient, known[index]!.gradient, 1e-9, 1e-3);
      expectClose("virial", virial, known[index]!.virial, 1e-9, 1e-2);
    });
  });

  it("with atoms in another order", () => {
    const order = Array.from(ids.keys()).reverse();
    const positions = Float64Array.from(
      order.flatMap((atom) => [0, 1, 2].map((i) => frame.positions[3 * atom + i]!)),
    );
    const take = (numbers: ArrayLike<number>): number[] => order.map((atom) => numbers[atom]!);
    const other = {
      ...one,
      ids: Float64Array.from(take(ids)),
      species: Int32Array.from(take(species)),
      frame: { ...frame, positions, species: frame.species && Int32Array.from(take(frame.species)) },
    };
    expectClose("values", referenceValues(other), values, 1e-10);
    referenceDerivatives(other).forEach(({ gradient }, index) => {
      const expected = order.flatMap((atom) => [0, 1, 2].map((i) => known[index]!.gradient[3 * atom + i]!));
      expectClose("gradient", gradient, expected, 1e-9, 1e-3);
    });
  });
});

describe("a length scale that follows the cell", () => {
  const frame = { ...shakenCrystal(2, 0.15, 9) };
  const atomCount = frame.positions.length / 3;
  const scaleOf = (cell: ArrayLike<number>): number =>
    Math.cbrt(cellGeometry(cell, "cell").volume / atomCount);
  // The cell is made triclinic, and the atoms get species.
  const shear = [1, 0.1, 0, -0.05, 1.02, 0.03, 0.02, 0, 0.97];
  const cell = Float64Array.from(multiply(frame.cell!, shear));
  const one = subject({
    ...frame,
    positions: Float64Array.from(multiply(frame.positions, shear)),
    cell,
    lengthScale: scaleOf(cell),
  });

  it("has the virial of strain differences that recompute a0", () => {
    const known = referenceDerivatives(one, true);
    const fixed = referenceDerivatives(one);
    const differences = Array.from({ length: 9 }, (_none, component) =>
      strainSlopes(one, component, scaleOf),
    );
    known.forEach(({ virial }, index) => {
      const expected = Array.from(
        { length: 9 },
        (_none, at) => -differences[3 * (at % 3) + Math.floor(at / 3)]![index]!,
      );
      expectClose(one.names[index]!, virial, expected, 1e-6, 1);
    });
    const changed = known.filter(
      ({ virial }, index) => Math.abs(virial[0]! - fixed[index]!.virial[0]!) > 0.1,
    );
    expect(changed.length).toBeGreaterThan(5);
  });

  it.each(cores)("has that virial in single precision too, build $build", async (core) => {
    core.load(one.frame);
    await core.forward();
    const evaluation = await evaluateInCore(core, resolveVariables(one.declared, classes), knownInput(one));
    for (const [index, expected] of referenceDerivatives(one, true).entries()) {
      const unit = one.declared.map((_other, place) => Number(place === index));
      const { virial } = await evaluation.pull(unit, true);
      expectClose(`virial of ${one.names[index]}`, virial, expected.virial, 1e-3, sizeOf(expected.gradient));
    }
  });
});
