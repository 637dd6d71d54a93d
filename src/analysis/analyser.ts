/**
 * The analysis of frames: labels, probabilities, distances and denoised positions, from one model.
 */
import { limits } from "../contract/limits.js";
import {
  abortedError,
  type CallLimits,
  type CoreBuild,
  type CoreFrame,
  type CoreOptions,
  checkBudget,
  type ForwardResult,
  PhaseCore,
} from "../core/index.js";
import { inBatch, RefusedFrame } from "../core/refused-frame.js";
import { PhasewireError, refusal } from "../errors/index.js";
import { atomCount, type Frame } from "../frame/index.js";
import { type ClassWeights, classWeights, type Model } from "../model/index.js";
import type { Variable } from "../variables/index.js";
import { type EnergyAnalysis, type EvaluateOptions, evaluateEnergy, lengthScaleOfCell } from "./energy.js";
import { FrameVariables } from "./frame-variables.js";
import { findHints, type Hint } from "./hints.js";
import { runPass } from "./pass.js";
import { type FrameOptions, type PreparedFrame, prepareFrame } from "./prepare.js";
import { forwardBySlabs } from "./slabs.js";

const { mostSteps } = limits.denoising;

export interface AnalyseOptions extends FrameOptions, CallLimits {
  /** Denoise for this many steps, or until converged, and label the denoised frame; raw labels by default. */
  readonly denoise?: number | "converged";
  /**
   * The classes allowed, with weights unless they are equal (docs/maths.md, "Prior over classes"); all by
   * default.
   */
  readonly classes?: ClassWeights;
  /** Order parameters (docs/variables.md) of the frame as given, to be returned in `values`. */
  readonly variables?: readonly Variable[];
  /** Whether logits and probabilities, M x C numbers each, are returned; true by default. */
  readonly perClass?: boolean;
  /**
   * Most atoms that are analysed at once. Larger frames are labelled in slabs with the same result; denoising
   * takes frames whole. The default is the number that fits into the core's memory and half of the free
   * memory.
   */
  readonly atomsAtOnce?: number;
  /** Called after each slab with the share of the frame that is done. */
  readonly onProgress?: (share: number) => void;
  /**
   * Whether to look for hints (docs/hints.md), which can take another pass or two. By default the analyser
   * does so for the first frame of each set of species; not in batches, and not for frames cut into slabs.
   */
  readonly hints?: boolean;
}

/** Frames of up to this many atoms are cut only on request. */
const neverCut = 200_000;

/** Threads and build of the core, and the skin of its neighbour lists. */
export type AnalyserOptions = Pick<CoreOptions, "threads" | "spareCores" | "build" | "skin">;

/** The model of an analyser, and the resources that it computes with. */
export interface AnalyserInfo {
  /** Name of the model. */
  readonly model: string;
  /** Worker threads that share large frames. */
  readonly threads: number;
  /** Cores that this process was given. */
  readonly cores: number;
  /** The build of the core in use. */
  readonly build: CoreBuild;
}

/** The course of denoising. */
export interface Denoising {
  /** Gradient evaluations used. */
  readonly steps: number;
  /** Whether the last step was shorter than 0.01 length scales for every atom. */
  readonly converged: boolean;
  /** M x 3, denoised minus given positions. */
  readonly displacement: Float64Array;
}

/**
 * The analysis of one frame. M atoms were analysed (all N, or the selected ones, or the oxygens of water),
 * and the model has C classes. Arrays per atom follow the order of the frame. With denoising, values per atom
 * are those of the denoised frame, except that an atom which the raw pass labels disordered keeps that label.
 */
export interface FrameAnalysis {
  /** M. */
  readonly atomCount: number;
  /** Indices of the analysed atoms in the frame, ascending; null if all were analysed. */
  readonly selection: Uint32Array | null;
  /**
   * Those atoms in words: the selected names, or `oxygen of water` if water was recognised; null if all were
   * analysed.
   */
  readonly selected: string | null;
  /** Whether they are the oxygens of water, recognised or selected. */
  readonly water: boolean;
  /** The C class names by class number; 0 is `disordered`. */
  readonly phases: readonly string[];
  /**
   * Titles of the C classes in text for people: their names, followed by the name of the ice if `water` is
   * true: `hexdiamond (ice-Ih)`.
   */
  readonly titles: readonly string[];
  /** M class numbers. */
  readonly labels: Uint16Array;
  /** M, probability of the label. */
  readonly confidence: Float32Array;
  /** M, best minus second-best logit: small if the phase is ambiguous. */
  readonly margin: Float32Array;
  /** M, distance to the ideal phase in the length unit of the positions. */
  readonly distance: Float32Array;
  /** M x C, log-weights of the prior included; empty unless requested. */
  readonly logits: Float32Array;
  /** M x C, rows sum to 1; empty unless requested. */
  readonly probabilities: Float32Array;
  /** Share of the M atoms by class name, for `disordered` and each allowed class, in order. */
  readonly fractions: Readonly<Record<string, number>>;
  /** Values of the variables by name, for the frame as given; absent unless requested. */
  readonly values?: Readonly<Record<string, number>>;
  /** logP of the frame as given. */
  readonly logDensity: number;
  /** `logDensity` / M. */
  readonly meanLogDensityPerAtom: number;
  /** Mean of `margin`. */
  readonly meanMargin: number;
  /** a0 in use, in the length unit of the positions. */
  readonly lengthScale: number;
  /** M x 3, positions after denoising, not wrapped into the cell; absent without denoising. */
  readonly denoised?: Float64Array;
  /** The course of denoising; absent without it. */
  readonly denoising?: Denoising;
  /** Slabs that the frame was cut into; 1 for a frame that was analysed whole. */
  readonly slabs: number;
  /** Advice, if the frame is probably not what its labels show (docs/hints.md); mostly empty. */
  readonly hints: readonly Hint[];
  /** Wall-clock time of the analysis. */
  readonly seconds: number;
}

/** A second look that fails leaves the result as it is; an abort ends the whole call. */
function noHintsAfter(error: unknown): [] {
  if (error instanceof PhasewireError && error.code !== "ABORTED") return [];
  throw error;
}

/** In a batch, each frame of up to this many atoms is computed on one thread; threads share larger frames. */
const mostAtomsOfASmallFrame = 2000;

type LabelResult = ForwardResult & Pick<FrameAnalysis, "slabs">;

/**
 * Analyses frames with one model on a set of worker threads. Calls may overlap: they run in order. Call
 * `dispose` at the end, or the workers keep the process alive.
 */
export class Analyser {
  private last: Promise<unknown> = Promise.resolve();
  private readonly phases: readonly string[];
  private readonly waterTitles: readonly string[];
  /** The sets of species that were looked at for hints. */
  private readonly hinted = new Set<string>();

  /** Use `createAnalyser`. */
  constructor(
    readonly model: Model,
    private readonly core: PhaseCore,
  ) {
    this.phases = model.classes.map(({ name }) => name);
    this.waterTitles = model.classes.map(({ name, water }) =>
      water === null || water === name ? name : `${name} (${water})`,
    );
  }

  /** Returns the model and the resources that it computes with. */
  info(): AnalyserInfo {
    const { threads, cores, build } = this.core;
    return { model: this.model.name, threads, cores, build };
  }

  /**
   * Analyses one frame. Its arrays are not changed. They are copied when its turn comes, so leave them as
   * they are until the result arrives.
   *
   * @throws PhasewireError the errors of `prepareFrame`; `COINCIDENT_ATOMS`, `TOO_LARGE`; `BAD_OPTION` for a
   *   number of steps that is not a whole number from 1 to 10000, for a budget that is not above 0, and for
   *   classes that `classWeights` refuses; `ABORTED`, `OVER_BUDGET`
   */
  analyse(frame: Frame, options: AnalyseOptions = {}): Promise<FrameAnalysis> {
    return this.inTurn(
      options,
      () => [frame],
      () => this.run(frame, options),
    );
  }

  /**
   * Analyses many frames. Each small frame is computed on one thread, as many at a time as there are threads,
   * so small frames cost hardly more per atom than large ones. The exception is the estimate of their length
   * scale, which reads all atoms of frames with fewer than a thousand: give the length scale if you know it.
   *
   * @returns the analyses in the order of the frames; `seconds` of a small frame is its share of the time of
   *   all frames computed with it
   * @throws PhasewireError the error of `analyse` for the first frame that is refused, with its number in the
   *   batch; `ABORTED`, `OVER_BUDGET` for the batch as a whole
   */
  analyseBatch(frames: Iterable<Frame>, options: AnalyseOptions = {}): Promise<FrameAnalysis[]> {
    let all: readonly Frame[] = [];
    return this.inTurn(
      options,
      () => all,
      () => {
        all = [...frames];
        return this.runBatch(all, options);
      },
    );
  }

  /**
   * Returns the estimate of a0 for the frame, in the length unit of the positions. `options.lengthScale` is
   * ignored.
   *
   * @throws PhasewireError the errors of `prepareFrame`; `BAD_LENGTH_SCALE` if none can be estimated;
   *   `TOO_LARGE`
   */
  estimateLengthScale(frame: Frame, options: FrameOptions = {}): Promise<number> {
    return this.inTurn(
      {},
      () => [frame],
      async () => {
        const { lengthScale: _given, ...core } = prepareFrame(frame, options).core;
        return this.core.lengthScaleOf(core);
      },
    );
  }

  /**
   * Returns order parameters of one frame, and an energy of them with its forces and virial:
   *
   * ```ts
   * const fcc = { kind: "fraction", class: "fcc" } as const;
   * const { byName, forces, virial } = await analyser.evaluate(frame, [fcc], { coefficients: [-2.5] });
   * ```
   *
   * @param variables as docs/variables.md declares them, or custom functions
   * @throws PhasewireError the errors of `analyse`; `BAD_OPTION` that names the faulty key of a variable;
   *   `EMPTY_SELECTION`; `BAD_LENGTH_SCALE` for `"cell"` and a frame that is not periodic along all axes
   */
  evaluate(
    frame: Frame,
    variables: readonly Variable[],
    options: EvaluateOptions = {},
  ): Promise<EnergyAnalysis> {
    return this.inTurn(
      options,
      () => [frame],
      async () => {
        const { lengthScale, classes, ...atoms } = options;
        const weights = classes === undefined ? undefined : classWeights(classes, this.model.classes);
        const known = new FrameVariables(this.model, variables);
        const isNumber = typeof lengthScale === "number";
        const prepared = prepareFrame(frame, { ...atoms, ...(isNumber ? { lengthScale } : {}) });
        const scaled: PreparedFrame =
          lengthScale === "cell"
            ? { ...prepared, core: { ...prepared.core, lengthScale: lengthScaleOfCell(prepared) } }
            : prepared;
        return evaluateEnergy(this.core, known, frame, scaled, weights, options);
      },
    );
  }

  /** Ends the worker threads after the analyses that have begun. */
  async dispose(): Promise<void> {
    await this.last;
    await this.core.dispose();
  }

  /** Runs a call after those before it, within its limits. */
  private inTurn<Result>(
    { signal, budget }: CallLimits,
    frames: () => readonly Frame[],
    action: () => Promise<Result>,
  ): Promise<Result> {
    const before = this.last;
    const atoms = () => frames().reduce((sum, frame) => sum + atomCount(frame), 0);
    const run = async (): Promise<Result> => {
      checkBudget(budget);
      await unlessAborted(signal, before);
      return this.core.within({ signal, budget }, atoms, action);
    };
    const result = run();
    // A call that ends while it waits leaves the turn of the others as it is.
    this.last = Promise.allSettled([before, result]);
    return result;
  }

  private async runBatch(frames: readonly Frame[], options: AnalyseOptions): Promise<FrameAnalysis[]> {
    const { denoise, atomsAtOnce = mostAtomsOfASmallFrame } = options;
    const isSmall = (frame: Frame): boolean =>
      denoise === undefined && frame.positions.length / 3 <= Math.min(atomsAtOnce, mostAtomsOfASmallFrame);
    const analyses: FrameAnalysis[] = [];
    while (analyses.length < frames.length) {
      const first = analyses.length;
      let end = first;
      while (end < frames.length && isSmall(frames[end]!)) end += 1;
      try {
        if (end === first) analyses.push(await this.run(frames[first]!, options));
        else analyses.push(...(await this.runSmall(frames.slice(first, end), options)));
      } catch (thrown) {
        throw inBatch(thrown, first);
      }
    }
    return analyses;
  }

  private async runSmall(frames: readonly Frame[], options: AnalyseOptions): Promise<FrameAnalysis[]> {
    const begin = performance.now();
    const { classes, perClass = true } = options;
    const weights = classes === undefined ? undefined : classWeights(classes, this.model.classes);
    const variables = this.variablesOf(options);
    const prepared = frames.map((frame, index) => {
      try {
        return prepareFrame(frame, options);
      } catch (thrown) {
        throw new RefusedFrame(index, thrown);
      }
    });
    this.core.setPrior(weights);
    const results = await this.core.forwardBatch(
      prepared.map(({ core }) => core),
      { arrays: perClass || variables !== null ? "copies" : "atoms" },
    );
    const analyses = results.map((result, index) => {
      const one = prepared[index]!;
      const { core: _core, species: _species, ...atoms } = one;
      try {
        const values = this.valuesOf(variables, frames[index]!, one, result, weights);
        const read = perClass ? result : withoutTables(result);
        return { ...this.collect({ ...read, slabs: 1 }, read.logDensity, atoms, weights, begin), ...values };
      } catch (thrown) {
        throw new RefusedFrame(index, thrown);
      }
    });
    const elapsed = (performance.now() - begin) / 1000;
    return analyses.map((analysis) => ({ ...analysis, seconds: elapsed / frames.length }));
  }

  private async run(frame: Frame, options: AnalyseOptions): Promise<FrameAnalysis> {
    const begin = performance.now();
    const { denoise = null, classes, perClass = true } = options;
    if (denoise !== null) validateSteps(denoise);
    const weights = classes === undefined ? undefined : classWeights(classes, this.model.classes);
    const variables = this.variablesOf(options);
    const prepared = prepareFrame(frame, options);
    const { core: coreFrame, species, ...atoms } = prepared;
    const most = denoise === null ? this.atOnce(coreFrame, options) : Number.POSITIVE_INFINITY;
    if (coreFrame.positions.length / 3 > most) {
      this.core.setPrior(weights);
      const result = await this.labelSlabs(coreFrame, most, options, perClass || variables !== null);
      const values = this.valuesOf(variables, frame, prepared, result, weights);
      const read = perClass ? result : withoutTables(result);
      return { ...this.collect(read, result.logDensity, atoms, weights, begin), ...values };
    }
    const { read, values, denoised } = await runPass(this.core, {
      load: () => {
        this.core.setPrior(weights);
        if (denoise !== null) this.loadWhole(coreFrame);
        else this.core.load(coreFrame, { gradients: false, perClass: perClass || variables !== null });
      },
      variables:
        variables === null
          ? null
          : {
              resolved: variables.resolved,
              input: () => variables.known(frame, prepared, weights),
              ...{ energy: null, wantsDerivatives: false, followsCell: false },
            },
      ...{ seed: null, wantsScore: false, denoise },
      arrays: perClass || denoise !== null ? "copies" : "atoms",
    });
    const logDensity = denoised === null ? read.logDensity : denoised.initialLogDensity;
    const analysis = {
      ...this.collect({ ...read, slabs: 1 }, logDensity, atoms, weights, begin),
      ...(variables === null ? {} : { values: variables.named(values!) }),
    };
    const positions = denoised === null ? {} : { denoised: denoised.positions };
    const given = options.lengthScale !== undefined;
    const hints = this.wantsHints(species, options)
      ? await findHints(this.core, this.model, prepared, { ...analysis, ...positions }, given).catch(
          noHintsAfter,
        )
      : [];
    if (denoised === null) return { ...analysis, hints };
    const { steps, converged, displacement } = denoised;
    return { ...analysis, ...positions, denoising: { steps, converged, displacement }, hints };
  }

  /** Returns whether to look for hints: by default, once for each set of species. */
  private wantsHints(species: readonly string[] | null, { hints }: AnalyseOptions): boolean {
    if (species === null || hints === false) return false;
    const key = JSON.stringify([...new Set(species)].sort());
    const isNew = !this.hinted.has(key);
    this.hinted.add(key);
    return hints ?? isNew;
  }

  private variablesOf({ variables }: AnalyseOptions): FrameVariables | null {
    return variables === undefined ? null : new FrameVariables(this.model, variables);
  }

  private valuesOf(
    variables: FrameVariables | null,
    frame: Frame,
    prepared: PreparedFrame,
    result: ForwardResult,
    weights: Float64Array | undefined,
  ): Pick<FrameAnalysis, "values"> {
    if (variables === null) return {};
    return { values: variables.named(variables.evaluate(frame, prepared, result, weights).values) };
  }

  /** Returns how many atoms of a frame are labelled at once, at most. */
  private atOnce({ positions }: CoreFrame, { atomsAtOnce }: AnalyseOptions): number {
    if (atomsAtOnce !== undefined) validateAtomsAtOnce(atomsAtOnce);
    return atomsAtOnce ?? (positions.length / 3 <= neverCut ? neverCut : this.core.mostAtoms());
  }

  private async labelSlabs(
    frame: CoreFrame,
    atomsAtOnce: number,
    { onProgress }: AnalyseOptions,
    perClass: boolean,
  ): Promise<LabelResult> {
    const { cutoff, classCount } = this.model;
    return forwardBySlabs(this.core, frame, {
      lengthScale: frame.lengthScale ?? (await this.core.lengthScaleOf(frame)),
      ...{ cutoff, classCount, atomsAtOnce, perClass },
      ...(onProgress === undefined ? {} : { onProgress }),
    });
  }

  private loadWhole(frame: CoreFrame): void {
    try {
      this.core.load(frame);
    } catch (thrown) {
      if (!(thrown instanceof PhasewireError) || thrown.code !== "TOO_LARGE") throw thrown;
      throw new PhasewireError("TOO_LARGE", {
        message: `${thrown.message}; ${frame.positions.length / 3} atoms cannot be denoised at once`,
        field: "positions",
        value: frame.positions.length / 3,
        remedy:
          "Label the frame without denoising, which works for any size, or denoise a part of the system at a time.",
        cause: thrown,
      });
    }
  }

  private collect(
    result: LabelResult,
    logDensity: number,
    atoms: Omit<PreparedFrame, "core" | "species">,
    weights: Float64Array | undefined,
    begin: number,
  ): FrameAnalysis {
    const { labels, confidence, margin, distance, logits, probabilities, lengthScale, slabs } = result;
    const atomCount = labels.length;
    return {
      atomCount,
      ...atoms,
      phases: this.phases,
      titles: atoms.water ? this.waterTitles : this.phases,
      labels,
      confidence,
      margin,
      distance,
      logits,
      probabilities,
      fractions: this.fractions(labels, weights),
      logDensity,
      meanLogDensityPerAtom: logDensity / atomCount,
      meanMargin: margin.reduce((sum, value) => sum + value, 0) / atomCount,
      lengthScale,
      slabs,
      hints: [],
      seconds: (performance.now() - begin) / 1000,
    };
  }

  private fractions(labels: Uint16Array, weights: Float64Array | undefined): Record<string, number> {
    const counts = new Array<number>(this.phases.length).fill(0);
    for (const label of labels) counts[label]! += 1;
    const shares = this.phases.map((name, label) => [name, counts[label]! / labels.length] as const);
    return Object.fromEntries(shares.filter((_, label) => label === 0 || weights?.[label] !== 0));
  }
}

/**
 * Starts the core for a model.
 *
 * @throws PhasewireError `BAD_OPTION` if `threads` is not a positive whole number, or the build is not
 *   available
 */
export async function createAnalyser(model: Model, options: AnalyserOptions = {}): Promise<Analyser> {
  return new Analyser(model, await PhaseCore.create(model, options));
}

/** Waits for a promise; throws `ABORTED` as soon as the signal aborts. */
async function unlessAborted(signal: AbortSignal | undefined, promise: Promise<unknown>): Promise<void> {
  if (signal === undefined) return void (await promise);
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => reject(abortedError(signal.reason));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    void promise.then(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}

/** Returns the result without logits and probabilities, which were needed only for variables. */
function withoutTables<Result extends ForwardResult>(result: Result): Result {
  return { ...result, logits: new Float32Array(0), probabilities: new Float32Array(0) };
}

function validateAtomsAtOnce(atoms: number): void {
  if (Number.isInteger(atoms) && atoms >= 1) return;
  throw new PhasewireError("BAD_OPTION", {
    message: `atomsAtOnce is ${atoms}; a whole number of at least 1 is needed`,
    field: "atomsAtOnce",
    value: atoms,
    remedy: "Omit it, and the core takes as many atoms as fit.",
  });
}

function validateSteps(denoise: number | "converged"): void {
  if (denoise === "converged") return;
  if (Number.isInteger(denoise) && denoise >= 1 && denoise <= mostSteps) return;
  throw refusal("denoiseSteps", { found: denoise, least: 1, most: mostSteps }, { value: denoise });
}
