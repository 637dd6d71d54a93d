/** The server's analyser: it evaluates frames with the compiled core. */
import { knownInput } from "../../src/analysis/frame-variables.js";
import { runPass, type VariablesQuestion } from "../../src/analysis/pass.js";
import {
  type BackwardResult,
  type CallLimits,
  type CoreBuild,
  type CoreOptions,
  checkBudget,
  type FrameRoom,
  type LoadOptions,
  PhaseCore,
} from "../../src/core/index.js";
import { PhasewireError } from "../../src/errors/index.js";
import type { Model } from "../../src/model/index.js";
import { type ResolvedVariable, resolveVariables } from "../../src/variables/index.js";
import { type Analysis, type FrameAnalyser, type FrameSource, needsGradient } from "./analyser.js";
import { type FrameArrays, StandingFrame } from "./standing.js";
import { readArray } from "./wire/codec.js";
import type { Analyse, ArraySource, ModelInfo, ResultField } from "./wire/wire.js";

/** Fields that need tables of logits and probabilities. */
const tableFields: ReadonlySet<ResultField> = new Set(["probabilities", "logits"]);

/** Threads and build of the core, the skin of its neighbour lists, and the time that a frame may take. */
export type CoreAnalyserOptions = Pick<CoreOptions, "threads" | "spareCores" | "build" | "skin"> &
  Pick<CallLimits, "budget">;

/**
 * An analyser that uses the core. A fault may leave the core's memory in any state; the next frame then gets
 * a new core.
 */
export class CoreAnalyser implements FrameAnalyser {
  readonly model: ModelInfo;
  /**
   * The frame that the core has evaluated with room for gradients, which a seed may refer to; null if there
   * is none.
   */
  private standing: StandingFrame | null = null;
  private aside = { positions: new Float64Array(0), species: new Int32Array(0) };

  private constructor(
    private readonly phases: Model,
    private readonly options: CoreAnalyserOptions,
    private core: PhaseCore | null,
    readonly threads: number,
    /** Processor cores available to this process. */
    readonly cores: number,
    /** The build of the core in use. */
    readonly build: CoreBuild,
  ) {
    const { name, sha256, classes, logitLength, idealLogits, cutoff } = phases;
    this.model = {
      name,
      sha256,
      classes: classes.map((known) => known.name),
      aliases: Object.fromEntries(
        classes.flatMap((known) => known.aliases.map((alias) => [alias, known.name] as const)),
      ),
      waterNames: Object.fromEntries(
        classes.flatMap(({ name: known, water }) => (water === null ? [] : [[known, water] as const])),
      ),
      logitLength,
      idealLogits: Array.from(idealLogits),
      cutoff,
    };
  }

  /**
   * Starts the core for a model.
   *
   * @throws PhasewireError `BAD_OPTION` if `threads` is not a whole number from 1 to 256, the budget is not
   *   above 0, or the build is not available
   */
  static async create(model: Model, options: CoreAnalyserOptions = {}): Promise<CoreAnalyser> {
    checkBudget(options.budget);
    const core = await startCore(model, options);
    return new CoreAnalyser(model, options, core, core.threads, core.cores, core.build);
  }

  async analyse(
    frame: FrameSource,
    request: Analyse,
    weights: Float64Array | null,
    signal?: AbortSignal,
  ): Promise<Analysis> {
    try {
      this.core ??= await startCore(this.phases, this.options);
      const { core } = this;
      const { budget } = this.options;
      return await core.within(
        { signal, budget },
        () => frame.atomCount,
        () => this.run(core, frame, request, weights),
      );
    } catch (error) {
      if (!(error instanceof PhasewireError) || error.code === "INTERNAL") await this.abandonCore();
      throw error;
    }
  }

  beside(): Promise<CoreAnalyser> {
    return CoreAnalyser.create(this.phases, this.options);
  }

  async close(): Promise<void> {
    await this.core?.dispose();
    this.core = null;
  }

  private async run(
    core: PhaseCore,
    frame: FrameSource,
    request: Analyse,
    weights: Float64Array | null,
  ): Promise<Analysis> {
    const { fields, denoise, coefficients } = request;
    const variables = resolveVariables(request.variables, this.phases.classes);
    const seed = request.seed === null ? null : readSeed(request.seed, this.phases.classCount);
    const { read, values, energy, derivatives, score, denoised } = await runPass(core, {
      load: this.loading(core, frame, request, weights),
      variables: variables.length === 0 ? null : this.question(variables, frame, request, weights),
      seed: wantsForces(fields) ? seed : null,
      wantsScore: fields.includes("score"),
      denoise,
      arrays: "views",
    });
    const { lengthScale, labels, confidence, margin, distance, probabilities, logits } = read;
    const analysis: Analysis = {
      ...{ lengthScale, labels, confidence, margin, distance, probabilities, logits },
      logDensity: denoised === null ? read.logDensity : denoised.initialLogDensity,
    };
    if (values !== null) analysis.bias = { values: [...values], energy: energy!.energy };
    if (derivatives !== null) {
      const field = seed === null ? "coefficients" : "seed";
      Object.assign(analysis, forcesOf(derivatives, field, coefficients));
    }
    if (denoised !== null) {
      const { positions, steps, displacement } = denoised;
      analysis.denoised = { positions, steps, meanDisplacement: meanLength(displacement) };
    }
    if (score !== null) analysis.score = score;
    return analysis;
  }

  /**
   * Returns how to load a frame; null if the core has evaluated it already, with room for gradients. A frame
   * with a seed is usually that of the previous request. Other frames are written straight into the core's
   * memory.
   */
  private loading(
    core: PhaseCore,
    frame: FrameSource,
    request: Analyse,
    weights: Float64Array | null,
  ): (() => void) | null {
    const { fields, denoise, variables, seed } = request;
    const arrays = seed === null ? null : this.readAside(frame);
    const stands = arrays !== null && this.standing?.isSame(core, frame, weights, arrays) === true;
    const gradients = denoise !== null || needsGradient(request);
    // The core holds this frame once the forward pass is done. Denoising leaves another frame there.
    this.standing = gradients && denoise === null ? new StandingFrame(frame, weights) : null;
    if (stands) return null;
    const perClass = variables.length > 0 || fields.some((field) => tableFields.has(field));
    return () => {
      core.setPrior(weights ?? undefined);
      load(core, frame, { gradients, perClass }, arrays);
    };
  }

  private question(
    resolved: readonly ResolvedVariable[],
    frame: FrameSource,
    { coefficients, fields }: Analyse,
    weights: Float64Array | null,
  ): VariablesQuestion {
    return {
      resolved,
      input: () =>
        knownInput(this.phases, weights ?? undefined, {
          cell: frame.box,
          periodic: frame.periodic,
          species: frame.readSpecies(),
          speciesNames: frame.speciesNames,
          ids: frame.readIds(),
        }),
      energy: (values) => {
        const energy = values.reduce((sum, value, index) => sum + coefficients[index]! * value, 0);
        refuseOverflow([energy], "coefficients", coefficients);
        return { energy, derivatives: coefficients };
      },
      wantsDerivatives: wantsForces(fields),
      followsCell: false,
    };
  }

  /** Reads a frame into memory outside the core, which the next frame of the same size reuses. */
  private readAside(frame: FrameSource): FrameArrays {
    const { atomCount, hasSpecies } = frame;
    if (this.aside.species.length !== atomCount) {
      this.aside = { positions: new Float64Array(3 * atomCount), species: new Int32Array(atomCount) };
    }
    const { positions } = this.aside;
    const species = hasSpecies ? this.aside.species : null;
    frame.read(positions, species);
    return { positions, species };
  }

  private async abandonCore(): Promise<void> {
    const { core } = this;
    this.core = null;
    this.standing = null;
    // Its workers may not answer any more, but the error to report is the one that has been thrown.
    await core?.dispose().catch(() => undefined);
  }
}

/** Starts a core that lets messages arrive while it computes. */
function startCore(model: Model, options: CoreAnalyserOptions): Promise<PhaseCore> {
  return PhaseCore.create(model, { ...options, shortTurns: true });
}

/** Loads a frame: from arrays that were read already, else by writing it straight into the core's memory. */
function load(core: PhaseCore, frame: FrameSource, options: LoadOptions, arrays: FrameArrays | null): void {
  const { cell, periodic, lengthScale } = frame;
  const { positions, species } = arrays ?? readInto(core.room(frame.atomCount, options), frame);
  const scale = lengthScale === undefined ? {} : { lengthScale };
  core.load({ positions, cell, periodic, species, ...scale }, options);
}

function readInto(room: FrameRoom, frame: FrameSource): FrameArrays {
  const species = frame.hasSpecies ? room.species : null;
  frame.read(room.positions, species);
  return { positions: room.positions, species };
}

function wantsForces(fields: readonly ResultField[]): boolean {
  return fields.includes("forces") || fields.includes("virial");
}

/** @throws PhasewireError `MESSAGE_SHAPE`, `BAD_OPTION` for a number that is not finite, `SHARED_MEMORY` */
function readSeed(source: ArraySource, classCount: number): Float32Array | Float64Array {
  const { dtype, shape } = source;
  if (shape[1] !== classCount) {
    throw new PhasewireError("MESSAGE_SHAPE", {
      field: "seed",
      value: [dtype, ...shape],
      message: `seed has ${shape[1]} columns; the model has ${classCount} classes`,
    });
  }
  const seed = readArray(source).data as Float32Array | Float64Array;
  const wrong = seed.findIndex((derivative) => !Number.isFinite(derivative));
  if (wrong < 0) return seed;
  throw new PhasewireError("BAD_OPTION", {
    field: "seed",
    value: seed[wrong],
    message: `the seed of atom ${Math.floor(wrong / classCount)}, class ${wrong % classCount} is ${seed[wrong]}`,
    remedy: "Send finite numbers: the energy may not be defined for these logits.",
  });
}

/** Returns forces and virial. It refuses NaN and infinity, which a simulation must never get. */
function forcesOf(
  { gradient, virial }: BackwardResult,
  field: "coefficients" | "seed",
  coefficients: readonly number[] = [],
): { forces: Float64Array; virial: Float64Array } {
  refuseOverflow(gradient, field, coefficients);
  refuseOverflow(virial, field, coefficients);
  return { forces: gradient.map((derivative) => -derivative), virial };
}

function refuseOverflow(
  results: ArrayLike<number>,
  field: "coefficients" | "seed",
  coefficients: readonly number[],
): void {
  if (Array.prototype.every.call(results, Number.isFinite)) return;
  const cause =
    field === "seed" ? "this seed the" : `the coefficients ${coefficients.join(", ")} the energy or the`;
  throw new PhasewireError("BAD_OPTION", {
    field,
    value: [...coefficients],
    message: `with ${cause} forces exceed double precision`,
    remedy: "Send smaller numbers, in the energy unit of the simulation.",
  });
}

/** Returns the mean length of N x 3 vectors. */
function meanLength(vectors: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < vectors.length; at += 3) {
    sum += Math.hypot(vectors[at]!, vectors[at + 1]!, vectors[at + 2]!);
  }
  return sum / (vectors.length / 3);
}
