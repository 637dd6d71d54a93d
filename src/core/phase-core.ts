/** The host of the compiled core: one model, one frame at a time. */
import { limits } from "../contract/limits.js";
import { PhasewireError, refusal, show } from "../errors/index.js";
import { FrameBatch } from "./batch.js";
import { type CoreBuild, chooseBuild } from "./build.js";
import { abortedError, type CallLimits, watch } from "./call-limits.js";
import { CoreContext } from "./context.js";
import type { CoreExports, StageName } from "./exports.js";
import type { CoreHost } from "./host.js";
import { createMemory, instantiateCore } from "./instance.js";
import { lengthScaleOf } from "./length-scale.js";
import { PairRoom } from "./pair-room.js";
import { stagesFrom, WorkerPool } from "./pool.js";
import { readForward } from "./read-forward.js";
import { roomForSeed } from "./seed-room.js";
import type { ModelShape } from "./shape.js";
import { statusError } from "./status.js";
import { Turns } from "./turns.js";
import type {
  BackwardResult,
  BatchOptions,
  CoreFrame,
  CoreModel,
  CoreOptions,
  DenoiseOptions,
  DenoiseResult,
  EvaluatedFrame,
  ForwardResult,
  FrameRoom,
  LoadedFrame,
  LoadOptions,
  PassOptions,
  ScoreResult,
} from "./types.js";
import { checkShapes, frameRoom, writeFrame } from "./write-frame.js";
import { writeModel } from "./write-model.js";

/** Atoms per thread below which another thread does not pay: the frame is done before it wakes. */
const fewestAtomsPerThread = 200;
/** Pairs per atom of a crystal: atoms with more take that much longer. */
const usualPairs = 64;
/** How a core of one thread divides its work. */
interface Pace {
  /** Longest time between turns of the event loop. */
  readonly longestTurnMs: number;
  /** Length of a slice, in units of the usual one, alone and while another core of this thread computes. */
  readonly slice: number;
  readonly sharedSlice: number;
}
const usualPace: Pace = { longestTurnMs: 20, slice: 1, sharedSlice: 1 / 16 };
const shortPace: Pace = { longestTurnMs: 3, slice: 1 / 8, sharedSlice: 1 / 16 };
/** Of all cores that compute on this thread. */
const turns = new Turns();
const { mostDefaultThreads, mostPairs, mostSkin, mostThreads, slice } = limits.core;
const { convergedSteps, convergedTolerance, mostSteps } = limits.denoising;

/** The sizes that the regions of a frame were laid out for. */
interface FrameLayout {
  readonly atomCount: number;
  readonly pairs: number;
  readonly features: number;
}

/** How far the evaluation of the frame is: no frame, atoms sorted, neighbours found, forward pass done. */
type Progress = "empty" | "loaded" | "paired" | "evaluated";

/**
 * Evaluates a model on frames. Load a frame, then call passes; each returns copies of its results. Calls run
 * one at a time: a call during another is refused with `BAD_OPTION`. Results do not depend on the number of
 * threads.
 *
 * `abort`, and the limits of `within`, end calls before they are done. After that, and after every error of
 * the core, no frame is loaded, and the next one gets the results that it gets from a new core.
 */
export class PhaseCore {
  private atomCount = 0;
  private frameEnd = 0;
  /** The sizes of the last layout, which stays while frames need the same; null if there is none. */
  private layout: FrameLayout | null = null;
  private readonly pairRoom = new PairRoom();
  private progress: Progress = "empty";
  /** Whether the loaded frame has room for gradients. */
  private hasGradients = true;
  /** Whether it has room for logits and probabilities. */
  private hasTables = true;
  private atomNumber: ((atom: number) => number) | undefined;
  private busy = false;
  private disposed = false;
  /** Whether `within` runs. */
  private limited = false;
  /** The error with which the running calls end; null while they may go on. */
  private ending: PhasewireError | null = null;
  /** The batch in progress. */
  private batch: FrameBatch | null = null;
  /** When the event loop last turned during a call, milliseconds. */
  private turnedAt = 0;

  private constructor(
    private readonly core: CoreExports,
    private readonly context: CoreContext,
    private readonly pool: WorkerPool | null,
    private readonly modelEnd: number,
    private readonly shape: ModelShape & Pick<CoreModel, "cutoff">,
    private readonly host: CoreHost,
    private readonly skin: number,
    private readonly pace: Pace,
    /** The build of the core in use. */
    readonly build: CoreBuild,
    /** Worker threads that share large frames, and the processor cores available to them. */
    readonly threads: number,
    readonly cores: number,
  ) {}

  /**
   * Compiles and instantiates the core, hands it the model and starts the worker threads.
   *
   * @throws PhasewireError `BAD_OPTION` if `threads` is not a whole number from 1 to 256, `skin` is not from
   *   0 to 2, or the build is not available; `MODEL_SHAPE` if a tensor's length is wrong; `MODEL_NON_FINITE`
   */
  static async create(model: CoreModel, options: CoreOptions = {}): Promise<PhaseCore> {
    // Imported only here, so that this module also loads in hosts without Node.
    const host = options.host ?? (await import("./node-host.js")).nodeHost;
    const cores = host.cores();
    const threads =
      options.threads ?? Math.max(1, Math.min(mostDefaultThreads, cores - (options.spareCores ?? 0)));
    if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads) {
      throw refusal("threads", { found: show(threads), most: mostThreads }, { value: threads });
    }
    const skin = options.skin ?? 0;
    if (!(skin >= 0 && skin <= mostSkin)) {
      throw refusal("skin", { found: skin, most: mostSkin }, { value: skin });
    }
    const build = chooseBuild(options.build ?? "auto", () => host.acceptsRelaxed());
    const module = await host.compile(build);
    const memory = createMemory();
    const core = instantiateCore(module, memory);
    const context = new CoreContext(core, memory);
    const modelEnd = writeModel(model, context);
    context.setValue("SKIN", skin);
    const pace = options.shortTurns === true ? shortPace : usualPace;
    const pool = threads > 1 ? new WorkerPool(host, module, memory, threads) : null;
    return new PhaseCore(core, context, pool, modelEnd, model, host, skin, pace, build, threads, cores);
  }

  /**
   * Runs calls that the limits may end before they are done. A call that is ended throws `ABORTED` or
   * `OVER_BUDGET` within a fraction of a second; so does every later call of the action.
   *
   * @param atoms returns the number of atoms in all frames of the action, for the message
   */
  async within<Result>(
    limits: CallLimits,
    atoms: () => number,
    action: () => Promise<Result>,
  ): Promise<Result> {
    this.refuseIfBusy();
    this.restart();
    this.limited = true;
    const endWatch = watch(limits, atoms, (error) => this.end(error));
    try {
      return await this.unlessEnded(action);
    } finally {
      endWatch();
      this.limited = false;
    }
  }

  /** Ends the running call with `ABORTED`, and the action of `within`. Without either it has no effect. */
  abort(): void {
    if (this.busy || this.limited) this.end(abortedError());
  }

  /**
   * Lets the event loop turn, unless it has in the last few milliseconds and no other core of this thread is
   * next. For longer work between calls.
   *
   * @throws PhasewireError `ABORTED` or `OVER_BUDGET` if the call, or the action of `within`, was ended
   */
  async pause(): Promise<void> {
    if (performance.now() - this.turnedAt > this.pace.longestTurnMs || !turns.isNext(this)) {
      do await this.host.nextTurn();
      while (!turns.isNext(this) && this.ending === null);
      this.turnedAt = performance.now();
    }
    this.throwIfEnding();
  }

  /**
   * Sets the prior over classes for all passes that follow (docs/maths.md, "Prior over classes").
   *
   * @param weights C numbers of at least 0, at least one above 0 after the first; equal weights by default
   * @throws PhasewireError `BAD_OPTION`
   */
  setPrior(weights?: ArrayLike<number>): void {
    this.refuseIfBusy();
    const { context, core } = this;
    const { classCount } = this.shape;
    const region = context.doubles("CLASS_WEIGHTS", classCount);
    if (weights === undefined) region.fill(1);
    else if (weights.length === classCount) region.set(weights);
    else {
      throw new PhasewireError("BAD_OPTION", {
        message: `there are ${weights.length} weights for ${classCount} classes`,
        field: "classes",
      });
    }
    if (core.setPrior(context.address) !== core.STATUS_OK.value) {
      throw refusal("prior", {});
    }
    // Results of the prior before are no longer valid; the neighbours are.
    if (this.progress === "evaluated") this.progress = "paired";
  }

  /**
   * Makes room for the next frame in the core's memory, which the caller fills and hands to `load` without a
   * copy. The frame loaded before is lost.
   *
   * @param atomCount at least 1
   * @returns views that are valid until the next call
   * @throws PhasewireError `TOO_LARGE`
   */
  room(atomCount: number, { gradients = true, perClass = true, atomNumber }: LoadOptions = {}): FrameRoom {
    this.refuseIfBusy();
    this.progress = "empty";
    this.atomCount = atomCount;
    this.hasGradients = gradients;
    this.hasTables = gradients || perClass;
    this.atomNumber = atomNumber;
    this.layOutWhatFits();
    return frameRoom(this.context, atomCount);
  }

  /**
   * Takes a frame: checks it, finds its length scale and sorts its atoms. The first pass that needs
   * neighbours finds them, on the worker threads; that pass fails if atoms coincide. Arrays from `room` are
   * used in place.
   *
   * @throws PhasewireError `EMPTY_FRAME`, `SHAPE_MISMATCH`, `NON_FINITE_POSITIONS`, `MISSING_CELL`,
   *   `NON_FINITE_CELL`, `SINGULAR_CELL`, `BAD_LENGTH_SCALE`, `TOO_LARGE`
   */
  load(frame: CoreFrame, options: LoadOptions = {}): void {
    this.refuseIfBusy();
    if (this.limited) this.throwIfEnding();
    const atomCount = checkShapes(frame);
    const room = this.room(atomCount, options);
    const { context } = this;
    writeFrame(context, frame, room);
    this.check(this.core.binAtoms(context.address));
    this.progress = "loaded";
  }

  /**
   * Returns a0 of a frame of any size without loading it: the value of `lengthScale` for a frame that can be
   * loaded.
   *
   * @throws PhasewireError what `load` throws; `TOO_LARGE` from about 20 million atoms on
   */
  lengthScaleOf(frame: CoreFrame): Promise<number> {
    return lengthScaleOf(frame, this.shape.cutoff, this.host);
  }

  /**
   * Returns how many atoms a frame without gradients may have to fit into the core's memory and half of the
   * memory that the process may still take. It is a tenth less than the layout allows, as a reserve for
   * frames denser than usual. The frame loaded before is lost.
   */
  mostAtoms(): number {
    this.refuseIfBusy();
    const bytes = this.host.freeMemory() / 2;
    this.progress = "empty";
    this.layout = null;
    const { core, context } = this;
    let [fits, beyond]: [number, number] = [1, mostPairs];
    while (beyond - fits > 1) {
      const middle = Math.floor((fits + beyond) / 2);
      const end = core.layoutFrame(context.address, this.modelEnd, middle, 0, this.threads, 0);
      if (end > 0 && end <= bytes) fits = middle;
      else beyond = middle;
    }
    return Math.max(1, Math.floor(0.9 * fits));
  }

  /**
   * Returns views of the evaluated frame's arrays, to be read only; null if no forward pass is valid, as
   * after `room` or a new prior.
   */
  evaluated(): FrameRoom | null {
    return this.progress === "evaluated" ? frameRoom(this.context, this.atomCount) : null;
  }

  /**
   * Returns the memory of the loaded frame, for computations on its positions in place. Memory after its end
   * is free until the next load.
   *
   * @throws PhasewireError `BAD_OPTION` if no frame is loaded or another call is running
   */
  loadedFrame(): LoadedFrame {
    this.refuseIfBusy();
    this.requireFrame();
    return { context: this.context, end: this.frameEnd };
  }

  /**
   * Compares the species of the evaluated frame by their neighbours (docs/hints.md).
   *
   * @returns the group of each species: those of a group occupy the same sites. Null if species are ignored,
   *   or there are more than 16
   * @throws PhasewireError `BAD_OPTION` if no forward pass is valid
   */
  groupSpecies(): ReadonlyMap<number, number> | null {
    const { context } = this.evaluatedFrame();
    const found = this.core.groupSpecies(context.address);
    if (found === 0) return null;
    const pairs = context.integers("SPECIES_GROUPS", 2 * found);
    return new Map(Array.from({ length: found }, (_, index) => [pairs[2 * index]!, pairs[2 * index + 1]!]));
  }

  /**
   * Returns the memory of the evaluated frame, for computations on its logits in place. Memory after its end
   * is free until the next load.
   *
   * @throws PhasewireError `BAD_OPTION` if no forward pass is valid
   */
  evaluatedFrame(): EvaluatedFrame {
    const { context, frameEnd: end, hasGradients } = this;
    if (this.progress === "evaluated") return { context, end, hasGradients };
    throw new PhasewireError("BAD_OPTION", {
      message: "no frame is evaluated",
      field: "frame",
      remedy: "Call forward first.",
    });
  }

  /** Whether the neighbours of the loaded frame came from the lists of an earlier one. */
  get hasReusedLists(): boolean {
    this.requireFrame();
    return this.context.count("LIST_REUSED") === 1;
  }

  /** a0 of the loaded frame, simulation length unit. */
  get lengthScale(): number {
    this.requireFrame();
    return this.context.value("LENGTH_SCALE");
  }

  /**
   * Returns the logits of the loaded frame, with the labels, probabilities and densities that follow from
   * them.
   *
   * @throws PhasewireError `COINCIDENT_ATOMS`; `BAD_LENGTH_SCALE` if an atom has over a thousand neighbours;
   *   `TOO_LARGE`, `INTERNAL`
   */
  forward(options: PassOptions = {}): Promise<ForwardResult> {
    return this.exclusive(async () => {
      await this.evaluate();
      return this.forwardResult(options);
    });
  }

  /**
   * Runs forward passes of many small frames, each on one thread, as many at a time as there are threads. The
   * frame loaded before is lost.
   *
   * @returns results in the order of the frames; their arrays are copies, with `arrays: "atoms"` only those
   *   with one value per atom
   * @throws RefusedFrame around the error of `load` or `forward`, for the first frame that is refused;
   *   PhasewireError `INTERNAL`
   */
  async forwardBatch(frames: readonly CoreFrame[], options: BatchOptions = {}): Promise<ForwardResult[]> {
    this.refuseIfBusy();
    this.progress = "empty";
    this.layout = null;
    this.busy = true;
    if (!this.limited) this.restart();
    const pause = () => this.pause();
    const batch = new FrameBatch(this.context, this.modelEnd, this.pool, this.shape.classCount, pause);
    this.batch = batch;
    try {
      return await this.unlessEnded(() => batch.forward(frames, options));
    } finally {
      this.batch = null;
      this.busy = false;
    }
  }

  /**
   * Returns gradient and virial of any function of the logits, given its derivatives by them.
   *
   * @param seed N x C, dL/dl_ac
   * @throws PhasewireError `SHAPE_MISMATCH` if the seed has another length; the errors of `forward`
   */
  backward(seed: Float32Array): Promise<BackwardResult> {
    return this.exclusive(async () => {
      this.checkSeed(seed);
      this.requireGradients();
      await this.evaluate();
      this.context.singles("SEED", seed.length).set(seed);
      await this.differentiate();
      return this.backwardResult();
    });
  }

  /**
   * Returns gradient and virial of an energy, given its derivatives by the logits in double precision. The
   * backward pass is in single precision, and some seeds exceed its range (joules, or a mean over millions of
   * atoms), so the core takes a power of two out of the seed.
   *
   * @param seed N x C, dE/dl_ac, or the address of such a seed in the core's memory, as f64
   * @param explicit address of a context of variables whose explicit derivatives are added, and whether the
   *   length scale follows the cell
   * @returns only NaN if a number of the seed is not finite
   * @throws PhasewireError `SHAPE_MISMATCH` if the seed has another length; the errors of `forward`
   */
  pull(
    seed: Float32Array | Float64Array | number,
    explicit: { readonly address: number; readonly followsCell: boolean } = {
      address: 0,
      followsCell: false,
    },
  ): Promise<BackwardResult> {
    return this.exclusive(async () => {
      this.requireGradients();
      if (typeof seed !== "number") this.checkSeed(seed);
      await this.evaluate();
      const { core, context, atomCount } = this;
      const numbers = atomCount * this.shape.classCount;
      const address = typeof seed === "number" ? seed : this.placeSeed(seed);
      const unit = core.scaleSeed(context.region("SEED"), address, numbers);
      if (Number.isNaN(unit)) {
        const none = (length: number) => new Float64Array(length).fill(Number.NaN);
        return { gradient: none(3 * atomCount), virial: none(9) };
      }
      await this.differentiate();
      core.combineDerivatives(
        context.region("GRADIENT"),
        context.values("VIRIAL", 9).byteOffset,
        atomCount,
        unit === 0 ? 1 : unit,
        explicit.address,
        explicit.followsCell ? 1 : 0,
      );
      return this.backwardResult();
    });
  }

  /**
   * Returns the log density of the loaded frame and its gradient, the score.
   *
   * @throws PhasewireError the errors of `forward`
   */
  score(): Promise<ScoreResult> {
    return this.exclusive(async () => {
      this.requireGradients();
      await this.evaluate();
      this.core.seedLogDensity(this.context.address);
      await this.differentiate();
      const { gradient, virial } = this.backwardResult();
      return { logDensity: this.context.value("LOG_DENSITY"), score: gradient, virial };
    });
  }

  /**
   * Moves the atoms up the score (docs/maths.md, "Denoising"). Afterwards the denoised frame is the loaded
   * one.
   *
   * @throws PhasewireError `BAD_OPTION` if `steps` is not a whole number of at least 0; the errors of
   *   `forward`
   */
  denoise(options: DenoiseOptions & PassOptions): Promise<DenoiseResult> {
    return this.exclusive(async () => {
      const { core, context } = this;
      const limit = "steps" in options ? options.steps : convergedSteps;
      if (!Number.isInteger(limit) || limit < 0 || limit > mostSteps) {
        throw new PhasewireError("BAD_OPTION", {
          message: `steps is ${limit}; a whole number from 0 to ${mostSteps} is needed`,
          field: "steps",
          value: limit,
        });
      }
      this.requireGradients();
      await this.evaluate();
      const given = context.doubles("POSITIONS", 3 * this.atomCount).slice();
      context.setCount("DENOISE_LIMIT", limit);
      context.setValue("DENOISE_TOLERANCE", "steps" in options ? 0 : convergedTolerance);
      core.startDenoise(context.address);
      for (;;) {
        const wanted = core.advanceDenoise(context.address);
        if (wanted === core.DENOISE_DONE.value) break;
        if (wanted === core.DENOISE_SCORE.value) {
          core.seedDenoise(context.address);
          await this.differentiate();
        } else await this.evaluateTrial();
      }
      this.progress = "evaluated";
      const positions = context.doubles("POSITIONS", given.length).slice();
      return {
        ...this.forwardResult(options),
        positions,
        displacement: positions.map((position, index) => position - given[index]!),
        steps: context.count("DENOISE_STEPS"),
        converged: context.count("DENOISE_CONVERGED") === 1,
        initialLogDensity: context.value("DENOISE_INITIAL"),
        rawLabels: context.shorts("RAW_LABELS", this.atomCount).slice(),
      };
    });
  }

  /** Ends the worker threads. All later calls are refused. */
  async dispose(): Promise<void> {
    this.disposed = true;
    await this.pool?.dispose();
  }

  /** Runs one call. Other calls are refused until it ends. */
  private async exclusive<Result>(action: () => Promise<Result>): Promise<Result> {
    this.refuseIfBusy();
    this.requireFrame();
    this.busy = true;
    if (!this.limited) this.restart();
    try {
      return await this.unlessEnded(action);
    } finally {
      this.busy = false;
    }
  }

  /** Begins a call, or the action of `within`, that nothing has ended. */
  private restart(): void {
    this.ending = null;
    this.turnedAt = performance.now();
  }

  /** Runs an action, and throws the error with which it was ended, however far it was. */
  private async unlessEnded<Result>(action: () => Promise<Result>): Promise<Result> {
    this.throwIfEnding();
    const result = await action();
    this.throwIfEnding();
    return result;
  }

  /** Makes the running calls end soon; the first reason counts. */
  private end(error: PhasewireError): void {
    if (this.ending !== null) return;
    this.ending = error;
    this.context.abort();
    this.batch?.abort();
  }

  private throwIfEnding(): void {
    if (this.ending === null) return;
    this.lose();
    throw this.ending;
  }

  /** Drops the loaded frame, and all that it and earlier ones have left in the core. */
  private lose(): void {
    this.progress = "empty";
    this.pairRoom.forget();
    this.core.forgetFrames(this.context.address);
  }

  private refuseIfBusy(): void {
    if (!this.busy && !this.disposed) return;
    throw new PhasewireError("BAD_OPTION", {
      message: this.disposed ? "the core was disposed of" : "the core is busy with another call",
      field: "core",
      remedy: "Await each call before the next, or create a core for each task.",
    });
  }

  private requireFrame(): void {
    if (this.progress !== "empty") return;
    throw new PhasewireError("BAD_OPTION", {
      message: "no frame is loaded",
      field: "frame",
      remedy: "Call load with a sound frame first.",
    });
  }

  /**
   * Assigns the frame's regions, with room for this many pairs per atom. Another layout with room for more
   * pairs moves only the pairs. The layout stays if its sizes do; the core may then reuse the neighbour lists
   * of the frame before.
   */
  private layOut(pairsPerAtom: number): void {
    const { core, context, atomCount, layout } = this;
    const features = this.features();
    const pairs = Math.min(Math.ceil(atomCount * pairsPerAtom), mostPairs);
    if (layout?.atomCount === atomCount && layout.pairs === pairs && layout.features === features) return;
    this.layout = null;
    const end = core.layoutFrame(context.address, this.modelEnd, atomCount, pairs, this.threads, features);
    context.reserve(end, "frame");
    this.layout = { atomCount, pairs, features };
    this.frameEnd = end;
  }

  /**
   * Lays out a frame of which nothing is known yet. Where the room that another needed does not fit, the
   * usual one may.
   */
  private layOutWhatFits(): void {
    const { pairRoom } = this;
    try {
      this.layOut(pairRoom.perAtom);
    } catch (error) {
      if (pairRoom.perAtom === 0) throw error;
      pairRoom.forget();
      this.layOut(pairRoom.perAtom);
    }
  }

  private features(): number {
    const { core, atomCount, hasGradients, skin } = this;
    const keep = hasGradients && atomCount <= core.KEEP_DENSITY_ATOMS.value;
    // Without a skin, denoising makes its own lists.
    const lists = keep || skin > 0 ? core.FEATURE_LISTS.value : 0;
    const gradient = hasGradients ? core.FEATURE_GRADIENT.value : 0;
    const tables = this.hasTables ? 0 : core.FEATURE_NO_TABLES.value;
    return gradient | lists | tables | (keep ? core.FEATURE_KEEP_DENSITY.value : 0);
  }

  private checkSeed(seed: Float32Array | Float64Array): void {
    const expected = this.atomCount * this.shape.classCount;
    if (seed.length === expected) return;
    throw new PhasewireError("SHAPE_MISMATCH", {
      message: `the seed has ${seed.length} numbers; ${this.atomCount} atoms x ${this.shape.classCount} classes need ${expected}`,
      field: "seed",
      value: seed.length,
    });
  }

  /** Puts a seed into the core's memory as f64; returns its address. */
  private placeSeed(seed: Float32Array | Float64Array): number {
    const { context, frameEnd } = this;
    const address = roomForSeed(this.evaluatedFrame(), seed.length) ?? frameEnd;
    if (address === frameEnd) context.reserve(frameEnd + 8 * seed.length, "seed");
    context.doublesAt(address, seed.length).set(seed);
    return address;
  }

  private requireGradients(): void {
    if (this.hasGradients) return;
    throw new PhasewireError("BAD_OPTION", {
      message: "the frame was loaded without room for gradients",
      field: "gradients",
      value: false,
      remedy: "Load it with gradients: true, which is the default.",
    });
  }

  /** Finds the neighbours of a loaded frame; returns the status. */
  private async findNeighbours(): Promise<number> {
    const { core, context, pairRoom, atomCount } = this;
    if (this.progress !== "loaded") return core.STATUS_OK.value;
    for (;;) {
      await this.share("findPairs", "findPairs");
      const status = core.finishPairs(context.address);
      if (status === core.STATUS_OK.value) {
        pairRoom.used(context.count("PAIRS_NEEDED"), atomCount);
        this.progress = "paired";
      }
      if (status !== core.STATUS_PAIR_OVERFLOW.value) return status;
      this.layOutMore(context.count("PAIRS_NEEDED"));
      this.check(core.binAtoms(context.address));
    }
  }

  private layOutMore(pairs: number): void {
    try {
      this.layOut(this.pairRoom.grow(pairs, this.atomCount));
    } catch (error) {
      this.lose();
      throw error;
    }
  }

  private async evaluate(): Promise<void> {
    this.check(await this.findNeighbours());
    if (this.progress !== "paired") return;
    await this.share("forwardDensity", "forwardLogits");
    this.core.finishForward(this.context.address);
    this.progress = "evaluated";
  }

  /**
   * Evaluates the positions of a denoising step. Positions where atoms coincide get a log density of
   * -Infinity.
   */
  private async evaluateTrial(): Promise<void> {
    const { core, context } = this;
    this.check(core.binAtoms(context.address));
    this.progress = "loaded";
    const status = await this.findNeighbours();
    if (status === core.STATUS_COINCIDENT_ATOMS.value) {
      context.setValue("LOG_DENSITY", Number.NEGATIVE_INFINITY);
      return;
    }
    this.check(status);
    await this.evaluate();
  }

  private async differentiate(): Promise<void> {
    await this.share("backwardLogits", "gatherGradient");
    this.core.finishBackward(this.context.address);
  }

  /**
   * Runs stages on the workers if the frame is large enough. Otherwise it runs them on this thread, in slices
   * between which the event loop turns.
   */
  private async share(first: StageName, last: StageName): Promise<void> {
    const { pool, context, core, atomCount } = this;
    const workers = Math.min(this.threads, Math.floor(atomCount / fewestAtomsPerThread));
    const block = core.BLOCK.value;
    if (pool !== null && workers > 1) {
      try {
        await pool.run({ first, last, context: context.address, atomCount, block, workers });
      } catch (error) {
        this.lose();
        throw error;
      }
      this.throwIfEnding();
      return;
    }
    const perAtom = first === "findPairs" ? 0 : context.count("PAIRS_NEEDED") / atomCount;
    const usual = slice * Math.min(1, usualPairs / perAtom);
    turns.begin(this);
    try {
      for (const stage of stagesFrom(first, last)) {
        for (let begin = 0; begin < atomCount; ) {
          const atOnce = usual * (turns.areShared ? this.pace.sharedSlice : this.pace.slice);
          const end = Math.min(begin + Math.ceil(atOnce / block) * block, atomCount);
          const began = performance.now();
          this.runSlice(stage, begin, end);
          turns.add(this, performance.now() - began);
          await this.pause();
          begin = end;
        }
      }
    } finally {
      turns.end(this);
    }
  }

  private runSlice(stage: StageName, begin: number, end: number): void {
    try {
      this.core[stage](this.context.address, 0, begin, end);
    } catch (cause) {
      this.lose();
      throw new PhasewireError("INTERNAL", { message: `the core failed: ${String(cause)}`, cause });
    }
  }

  private check(status: number): void {
    if (status === this.core.STATUS_OK.value) return;
    const error = statusError(status, this.context, this.atomNumber);
    this.lose();
    throw this.ending ?? error;
  }

  private forwardResult(options: PassOptions): ForwardResult {
    return readForward(this.context, this.atomCount, this.hasTables ? this.shape.classCount : 0, options);
  }

  private backwardResult(): BackwardResult {
    const { context } = this;
    return {
      gradient: context.doubles("GRADIENT", 3 * this.atomCount).slice(),
      virial: context.values("VIRIAL", 9).slice(),
    };
  }
}
