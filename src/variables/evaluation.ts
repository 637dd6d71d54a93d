/** One evaluation of variables by the core: first the values, then the derivatives of their energy. */
import { limits } from "../contract/limits.js";
import type { CoreContext, CoreExports } from "../core/index.js";
import type { Atoms, AtomsOf } from "./atoms.js";
import { type CustomResult, evaluateCustom } from "./custom.js";
import type { VariableFrame, VariableInput } from "./frame.js";
import { Program } from "./program.js";
import { refusal, type Subject } from "./refusals.js";
import type { ResolvedVariable } from "./resolve.js";
import { type FrameSpecies, frameSpecies } from "./species.js";
import { LogitTables } from "./tables.js";

/** Most atoms of a slice: a fraction of a second for any variables. */
const slice = 4 * limits.core.slice;

/** Work that stops after each slice, so that its caller can end it. */
export type Slices<Result> = Generator<void, Result>;

/** Does work on so many atoms a slice at a time. */
function* inSlices(atoms: number, work: (first: number, last: number) => void): Slices<void> {
  for (let first = 0; first < atoms; first += slice) {
    work(first, Math.min(first + slice, atoms));
    yield;
  }
}

/** Does all slices at once. */
export function atOnce<Result>(work: Slices<Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
  }
}

/** The result of a custom variable, and its record. */
interface Custom {
  readonly record: number;
  readonly result: CustomResult;
}

/** A custom variable that an energy depends on. */
interface ActiveCustom {
  readonly result: CustomResult;
  /** dE/dV */
  readonly weight: number;
}

export class Evaluation {
  private readonly program: Program;
  private readonly subject: Subject;
  private readonly customs: readonly Custom[];
  private readonly atoms: Atoms;
  /**
   * A copy of context, records and lists, made after the values are known: another evaluation may use the
   * memory before `pull`.
   */
  private state: Uint8Array = new Uint8Array(0);

  /** @throws PhasewireError `BAD_OPTION` for a custom variable of the wrong shape */
  constructor(
    core: CoreExports,
    variables: readonly ResolvedVariable[],
    input: VariableInput,
    atomsOf: AtomsOf,
  ) {
    const { logits, classCount } = input;
    const atomCount = logits.length / classCount;
    const frame: VariableFrame = { ...input, atomCount, tables: new LogitTables(logits, classCount) };
    let known: FrameSpecies | null = null;
    const species = (): FrameSpecies => {
      known ??= frameSpecies(frame.species, frame.speciesNames ?? null);
      return known;
    };
    this.program = new Program(core, variables, species);
    this.subject = { program: this.program, frame, species };
    this.customs = this.program.customs.map(({ record, variable }) => ({
      record,
      result: evaluateCustom(variable, frame),
    }));
    this.atoms = atomsOf(frame, this.program.needs, this.program.needs.species ? species().numbers : null);
  }

  /**
   * Computes the values, one per variable, a slice of atoms at a time.
   *
   * @throws PhasewireError `EMPTY_SELECTION`, `MISSING_CELL`, `SINGULAR_CELL`; `BAD_OPTION` for a region that
   *   meets its own image
   */
  *evaluate(): Slices<number[]> {
    const { program, customs, context } = this;
    const { core } = context;
    this.layOut(0);
    this.describe();
    program.write(context);
    for (const { record, result } of customs) program.setField(context, record, "VALUE", result.value);
    this.atoms.attach();
    this.check(core.startVariables(context.address));
    for (const [begin, end] of this.parts()) {
      yield* inSlices(end - begin, (first, last) => core.sumVariables(context.address, first, last));
    }
    this.check(core.finishVariables(context.address));
    this.state = this.save();
    return program.tops.map((record) => program.field(context, record, "VALUE"));
  }

  /** The context of variables, with the results of `pull`. */
  get context(): CoreContext {
    return this.atoms.context;
  }

  /** Whether there is an explicit gradient, after `pull`. */
  get hasGradient(): boolean {
    return this.context.count("VARIABLES_HAS_GRADIENT") === 1;
  }

  /**
   * Computes the derivatives of E in the core's memory, a slice of atoms at a time: seed, explicit gradient
   * and virial, dE/dlog a0.
   *
   * @param coefficients dE/dV, one per variable
   * @param onPart called with the seed and gradient of atoms [begin, end) in place, before the next part
   * @throws PhasewireError `BAD_OPTION` if a region that counts has a sharp edge
   */
  *pull(
    coefficients: readonly number[],
    onPart: (begin: number, end: number) => void = () => undefined,
  ): Slices<void> {
    const { program, customs, context } = this;
    const { core } = context;
    this.restore();
    program.tops.forEach((record, index) => {
      program.setField(context, record, "SLOPE", coefficients[index]!);
    });
    this.check(core.startPull(context.address));
    const active = customs
      .map(({ record, result }) => ({ result, weight: program.field(context, record, "ADJOINT") }))
      .filter(({ weight }) => weight !== 0);
    if (active.some(({ result }) => result.gradient !== undefined)) {
      context.setCount("VARIABLES_HAS_GRADIENT", 1);
    }
    for (const [begin, end] of this.parts()) {
      yield* inSlices(end - begin, (first, last) => core.pullAtoms(context.address, first, last));
      for (const custom of active) this.addToAtoms(custom, begin, end);
      onPart(begin, end);
    }
    for (const { result, weight } of active) {
      const { virial, logLengthScale = 0 } = result;
      if (virial !== undefined) add(context.values("VARIABLES_VIRIAL", 9), virial, weight, 0);
      const growth = context.value("VARIABLES_LOG_LENGTH_SCALE") + weight * logLengthScale;
      context.setValue("VARIABLES_LOG_LENGTH_SCALE", growth);
    }
  }

  /** Assigns the regions. Those of derivatives come last, so the others keep their addresses. */
  private layOut(derivatives: number): void {
    const { atoms, program, context } = this;
    const { classCount } = this.subject.frame;
    const end = context.core.layoutVariables(
      context.address,
      context.end,
      atoms.atOnce,
      classCount,
      program.recordCount,
      program.listLength,
      atoms.places | derivatives,
    );
    context.reserve(end, "variables");
  }

  /** Writes the scalars of the frame into the context. */
  private describe(): void {
    const { context } = this;
    const { cell, periodic, lengthScale, logitLength } = this.subject.frame;
    context.setCount("VARIABLES_HAS_CELL", cell === null ? 0 : 1);
    context.values("VARIABLES_CELL", 9).set(cell ?? new Float64Array(9));
    context.values("VARIABLES_ORIGIN", 3).fill(0);
    context.setCount(
      "VARIABLES_PERIODIC",
      periodic.reduce((bits, wraps, axis) => bits | (wraps ? 1 << axis : 0), 0),
    );
    context.setValue("VARIABLES_LENGTH_SCALE", lengthScale);
    context.setValue("VARIABLES_LOGIT_LENGTH", logitLength);
  }

  /** Hands the atoms to the core part by part. */
  private *parts(): Generator<readonly [begin: number, end: number], void> {
    const { atoms, context } = this;
    const { atomCount } = this.subject.frame;
    for (let begin = 0; begin < atomCount; begin += atoms.atOnce) {
      const end = Math.min(begin + atoms.atOnce, atomCount);
      atoms.take(begin, end);
      context.setCount("VARIABLES_ATOMS", end - begin);
      context.setCount("VARIABLES_FIRST_ATOM", begin);
      yield [begin, end];
    }
  }

  private save(): Uint8Array {
    const { context, program } = this;
    // The lists follow the records directly.
    return context.bytes(context.region("VARIABLES_LISTS") + 8 * program.listLength).slice();
  }

  private restore(): void {
    const { context, atoms, customs, program } = this;
    const { core } = context;
    const moves = program.needs.positions || customs.some(({ result }) => result.gradient !== undefined);
    this.layOut((atoms.seed === null ? core.PLACE_SEED.value : 0) | (moves ? core.PLACE_GRADIENT.value : 0));
    const laidOut = context.bytes().slice();
    context.bytes(context.address + this.state.length).set(this.state);
    // Everything except the addresses, which the new layout has changed.
    context
      .bytes()
      .set(laidOut.subarray(core.ADDRESS_VARIABLES_RECORDS.value), core.ADDRESS_VARIABLES_RECORDS.value);
    if (atoms.seed !== null) context.setRegion("VARIABLES_SEED", atoms.seed);
    atoms.attach();
  }

  private addToAtoms({ result, weight }: ActiveCustom, begin: number, end: number): void {
    const { context } = this;
    const { classCount } = this.subject.frame;
    const seed = context.doubles("VARIABLES_SEED", (end - begin) * classCount);
    add(seed, result.seed, weight, begin * classCount);
    if (result.gradient === undefined) return;
    add(context.doubles("VARIABLES_GRADIENT", 3 * (end - begin)), result.gradient, weight, 3 * begin);
  }

  private check(status: number): void {
    const { context, subject } = this;
    if (status !== context.core.STATUS_OK.value) throw refusal(status, context, subject);
  }
}

/** target += weight x source, where the source begins at index `begin`. */
function add(target: Float64Array, source: ArrayLike<number>, weight: number, begin: number): void {
  for (let index = 0; index < target.length; index++) target[index]! += weight * source[begin + index]!;
}
