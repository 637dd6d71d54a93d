/** Frames analysed by the WASM core. */
import { addDirect, type Derivatives, pullBack } from "../../src/analysis/differentiate.js";
import {
  type CoreBuild,
  type CoreOptions,
  type ForwardResult,
  type FrameRoom,
  type LoadOptions,
  PhaseCore,
} from "../../src/core/index.js";
import { PhasewireError } from "../../src/errors/index.js";
import { logWeights, type Model } from "../../src/model/index.js";
import { evaluateVariables, type ResolvedVariable, resolveVariables } from "../../src/variables/index.js";
import type { Analysis, FrameAnalyser, FrameSource } from "./analyser.js";
import { type FrameArrays, StandingFrame } from "./standing.js";
import { readArray } from "./wire/codec.js";
import type { Analyse, ArraySource, ModelInfo, ResultField } from "./wire/wire.js";

/** What takes a backward pass. Frames that ask for nothing of it, as most in mode monitor, take less memory and time. */
const gradientFields: ReadonlySet<ResultField> = new Set(["score", "forces", "virial"]);
/** What takes logits and probabilities of every class. */
const tableFields: ReadonlySet<ResultField> = new Set(["probabilities", "logits"]);

/** Threads and build of the core, and the skin of its neighbour lists. */
export type CoreAnalyserOptions = Pick<CoreOptions, "threads" | "spareCores" | "build" | "skin">;

/**
 * An analyser around the core. After a fault, which may leave the core's memory in any state, the next frame gets a new core.
 */
export class CoreAnalyser implements FrameAnalyser {
  readonly model: ModelInfo;
  /** The frame that the core has evaluated, with room for gradients; null if there is none to be asked about again. */
  private standing: StandingFrame | null = null;
  private aside = { positions: new Float64Array(0), species: new Int32Array(0) };

  private constructor(
    private readonly phases: Model,
    private readonly options: CoreAnalyserOptions,
    private core: PhaseCore | null,
    readonly threads: number,
    /** Cores that this process was given. */
    readonly cores: number,
    /** The build of the core that was chosen. */
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

  /** @throws PhasewireError `BAD_OPTION` if `threads` is no positive whole number, or the build is not to be had */
  static async create(model: Model, options: CoreAnalyserOptions = {}): Promise<CoreAnalyser> {
    const core = await PhaseCore.create(model, options);
    return new CoreAnalyser(model, options, core, core.threads, core.cores, core.build);
  }

  async analyse(frame: FrameSource, request: Analyse, weights: Float64Array | null): Promise<Analysis> {
    try {
      return await this.run(frame, request, weights);
    } catch (error) {
      if (!(error instanceof PhasewireError) || error.code === "INTERNAL") await this.abandonCore();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.core?.dispose();
    this.core = null;
  }

  private async run(frame: FrameSource, request: Analyse, weights: Float64Array | null): Promise<Analysis> {
    const { fields, denoise } = request;
    const variables = resolveVariables(request.variables, this.phases.classes);
    const seed = request.seed === null ? null : readSeed(request.seed, this.phases.classCount);
    this.core ??= await PhaseCore.create(this.phases, this.options);
    const { core } = this;
    const hasGradients = this.prepare(core, frame, request, weights);
    const needsForward = variables.length > 0 || denoise === null;
    const raw = needsForward ? await core.forward({ arrays: "views" }) : null;
    if (raw !== null && hasGradients) this.standing = new StandingFrame(frame, weights);
    // Everything about the frame as it was sent comes before denoising, which leaves the core with another frame.
    const energy =
      variables.length === 0 ? {} : await this.bias(core, raw!, frame, variables, request, weights);
    const forces = seed === null || !wantsForces(fields) ? {} : forcesOf(await pullBack(core, seed), "seed");
    const score = fields.includes("score") ? (await core.score()).score : null;
    if (denoise !== null) this.standing = null;
    const labelled =
      denoise === null
        ? null
        : await core.denoise({
            ...(denoise === "converged" ? { untilConverged: true } : { steps: denoise }),
            arrays: "views",
          });
    const read = labelled ?? raw!;
    const analysis: Analysis = {
      lengthScale: read.lengthScale,
      labels: read.labels,
      confidence: read.confidence,
      margin: read.margin,
      distance: read.distance,
      probabilities: read.probabilities,
      logits: read.logits,
      logDensity: labelled === null ? read.logDensity : labelled.initialLogDensity,
      ...energy,
      ...forces,
    };
    if (labelled !== null) {
      analysis.denoised = {
        positions: labelled.positions,
        steps: labelled.steps,
        meanDisplacement: meanLength(labelled.displacement),
      };
    }
    if (score !== null) analysis.score = score;
    return analysis;
  }

  /**
   * Has a frame in the core, and tells whether with room for gradients. One with a seed is as a rule the one that was asked about just before: then it stays as it
   * is, evaluated. All others are written straight into the core's memory.
   */
  private prepare(
    core: PhaseCore,
    frame: FrameSource,
    { fields, denoise, mode, variables, seed }: Analyse,
    weights: Float64Array | null,
  ): boolean {
    const { standing } = this;
    const arrays = seed === null ? null : this.readAside(frame);
    if (arrays !== null && standing?.isSame(core, frame, weights, arrays)) return true;
    this.standing = null;
    core.setPrior(weights ?? undefined);
    const gradients =
      // A frame in mode bias may be asked about again, for the forces of a seed.
      mode === "bias" ||
      seed !== null ||
      denoise !== null ||
      fields.some((field) => gradientFields.has(field));
    const perClass = variables.length > 0 || fields.some((field) => tableFields.has(field));
    load(core, frame, { gradients, perClass }, arrays);
    return gradients;
  }

  /** Reads a frame beside the core, into memory that the next frame of its size uses again. */
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

  private async bias(
    core: PhaseCore,
    raw: ForwardResult,
    frame: FrameSource,
    variables: readonly ResolvedVariable[],
    { coefficients, fields }: Analyse,
    weights: Float64Array | null,
  ): Promise<Pick<Analysis, "bias" | "forces" | "virial">> {
    const { classCount, idealLogits, logitLength } = this.phases;
    const evaluation = evaluateVariables(variables, {
      classCount,
      idealLogits,
      logitLength,
      logits: raw.logits,
      logWeights: weights && logWeights(weights),
      lengthScale: raw.lengthScale,
      positions: core.evaluated()!.positions,
      cell: frame.box,
      periodic: frame.periodic,
      species: frame.readSpecies(),
      speciesNames: frame.speciesNames,
      ids: frame.readIds(),
    });
    const { values } = evaluation;
    const energy = values.reduce((sum, value, index) => sum + coefficients[index]! * value, 0);
    refuseOverflow([energy], "coefficients", coefficients);
    const bias = { values: [...values], energy };
    if (!wantsForces(fields)) return { bias };
    const derivatives = evaluation.derivatives(coefficients);
    const pulled = addDirect(await pullBack(core, derivatives.seed), derivatives, false);
    return { bias, ...forcesOf(pulled, "coefficients", coefficients) };
  }

  private async abandonCore(): Promise<void> {
    const { core } = this;
    this.core = null;
    this.standing = null;
    // Its workers may be beyond answering; the error that matters is the one under way.
    await core?.dispose().catch(() => undefined);
  }
}

/** Hands a frame to the core: arrays that were read already, or else written straight into the core's memory. */
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
    remedy: "Send finite numbers: an energy whose derivative is none has left the range where it is defined.",
  });
}

/** Forces and virial, which a simulation must never get as NaN or infinity. */
function forcesOf(
  { gradient, virial }: Derivatives,
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
    field === "seed" ? "this seed the" : `the coefficients ${coefficients.join(", ")} the energy or its`;
  throw new PhasewireError("BAD_OPTION", {
    field,
    value: [...coefficients],
    message: `with ${cause} forces are beyond double precision`,
    remedy: "Send smaller numbers, in the energy unit of the simulation.",
  });
}

/** Mean length of N x 3 vectors. */
function meanLength(vectors: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < vectors.length; at += 3) {
    sum += Math.hypot(vectors[at]!, vectors[at + 1]!, vectors[at + 2]!);
  }
  return sum / (vectors.length / 3);
}
