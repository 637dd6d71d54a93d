/** Frames analysed by the WASM core. */
import {
  type CoreBuild,
  type CoreOptions,
  type ForwardResult,
  type LoadOptions,
  PhaseCore,
} from "../../src/core/index.js";
import { PhasewireError } from "../../src/errors/index.js";
import type { Model } from "../../src/model/index.js";
import { resolveVariables, variableSeed, variableValues } from "../../src/variables/index.js";
import type { Analysis, BiasAnalysis, FrameAnalyser, FrameSource } from "./analyser.js";
import type { Analyse, ModelInfo, ResultField } from "./wire.js";

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
    const { name, sha256, classes, logitLength, cutoff } = phases;
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
    this.core ??= await PhaseCore.create(this.phases, this.options);
    const { core } = this;
    core.setPrior(weights ?? undefined);
    const gradients = denoise !== null || fields.some((field) => gradientFields.has(field));
    const perClass = variables.length > 0 || fields.some((field) => tableFields.has(field));
    load(core, frame, { gradients, perClass });
    const needsForward = variables.length > 0 || denoise === null;
    const raw = needsForward ? await core.forward({ arrays: "views" }) : null;
    // Everything about the frame as it was sent comes before denoising, which leaves the core with another frame.
    const bias =
      raw === null || variables.length === 0 ? null : await this.bias(core, raw, variables, request);
    const score = fields.includes("score") ? (await core.score()).score : null;
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
    };
    if (labelled !== null) {
      analysis.denoised = {
        positions: labelled.positions,
        steps: labelled.steps,
        meanDisplacement: meanLength(labelled.displacement),
      };
    }
    if (score !== null) analysis.score = score;
    if (bias !== null) analysis.bias = bias;
    return analysis;
  }

  private async bias(
    core: PhaseCore,
    raw: ForwardResult,
    variables: ReturnType<typeof resolveVariables>,
    { coefficients, fields }: Analyse,
  ): Promise<BiasAnalysis> {
    const input = { ...raw, classCount: this.phases.classCount };
    const values = variableValues(variables, input);
    const energy = values.reduce((sum, value, index) => sum + coefficients[index]! * value, 0);
    refuseOverflow([energy], coefficients);
    const bias: BiasAnalysis = { values, energy };
    if (fields.includes("forces") || fields.includes("virial")) {
      // The pass is linear and in single precision, which joules would leave; a power of two is taken out of it without rounding.
      const largest = Math.max(...coefficients.map(Math.abs));
      const unit = largest > 0 ? 2 ** Math.floor(Math.log2(largest)) : 1;
      const scaled = coefficients.map((coefficient) => coefficient / unit);
      const { gradient, virial } = await core.backward(variableSeed(variables, scaled, input));
      bias.forces = gradient.map((derivative) => -unit * derivative);
      bias.virial = virial.map((component) => unit * component);
      refuseOverflow(bias.forces, coefficients);
      refuseOverflow(bias.virial, coefficients);
    }
    return bias;
  }

  private async abandonCore(): Promise<void> {
    const { core } = this;
    this.core = null;
    // Its workers may be beyond answering; the error that matters is the one under way.
    await core?.dispose().catch(() => undefined);
  }
}

/** Has the frame written straight into the core's memory. */
function load(core: PhaseCore, frame: FrameSource, options: LoadOptions): void {
  const { atomCount, cell, periodic, lengthScale, hasSpecies } = frame;
  const room = core.room(atomCount, options);
  const species = hasSpecies ? room.species : null;
  frame.read(room.positions, species);
  const { positions } = room;
  const scale = lengthScale === undefined ? {} : { lengthScale };
  core.load({ positions, cell, periodic, species, ...scale }, options);
}

/** A simulation must never get NaN or infinity for a force. */
function refuseOverflow(results: ArrayLike<number>, coefficients: readonly number[]): void {
  if (Array.prototype.every.call(results, Number.isFinite)) return;
  throw new PhasewireError("BAD_OPTION", {
    field: "coefficients",
    value: [...coefficients],
    message: `with the coefficients ${coefficients.join(", ")} the energy or its forces are beyond double precision`,
    remedy: "Send smaller coefficients, in the energy unit of the simulation.",
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
