/**
 * One analysis of a frame. Its steps in order: prior, load, forward pass, variables of the frame as given,
 * derivatives of their energy or of a seed, score, denoising. `Analyser.analyse`, `Analyser.evaluate` and the
 * server each use some of the steps.
 */
import type { BackwardResult, DenoiseResult, ForwardResult, PassOptions, PhaseCore } from "../core/index.js";
import { type CoreEvaluation, evaluateInCore, type KnownInput } from "../variables/in-core.js";
import type { ResolvedVariable } from "../variables/index.js";

/** An energy of variables and its derivatives. */
export interface EnergyOfValues {
  readonly energy: number;
  /** dE/dV, one per variable. */
  readonly derivatives: readonly number[];
}

/** A question about variables. */
export interface VariablesQuestion {
  readonly resolved: readonly ResolvedVariable[];
  /** Called once the frame is in the core. */
  readonly input: () => KnownInput;
  /** E as a function of the values; null if only the values are needed. */
  readonly energy: ((values: readonly number[]) => EnergyOfValues) | null;
  /** Whether gradient and virial of E are needed. */
  readonly wantsDerivatives: boolean;
  /** Whether the length scale is (V/N)^(1/3), which changes the virial. */
  readonly followsCell: boolean;
}

/** A question about a frame. */
export interface Question {
  /** Sets the prior and loads the frame; null if the core has evaluated this frame already. */
  readonly load: (() => void) | null;
  readonly variables: VariablesQuestion | null;
  /** N x C, dE/dl_ac of an energy; null if its derivatives are not needed. */
  readonly seed: Float32Array | Float64Array | null;
  readonly wantsScore: boolean;
  readonly denoise: number | "converged" | null;
  /** Arrays of the result: copies, or views that are valid until the core's next call. */
  readonly arrays: NonNullable<PassOptions["arrays"]>;
}

/** The answer; parts that were not requested are null. */
export interface Answer {
  /** Results for the denoised frame if there is one, else for the frame as given. */
  readonly read: ForwardResult;
  readonly values: readonly number[] | null;
  readonly energy: EnergyOfValues | null;
  /** Gradient and virial for the seed if there is one, else for the energy of the variables. */
  readonly derivatives: BackwardResult | null;
  /** N x 3 */
  readonly score: Float64Array | null;
  readonly denoised: DenoiseResult | null;
}

/**
 * Answers a question about one frame.
 *
 * @throws PhasewireError the errors of `PhaseCore`, `evaluateVariables`, `load`, `input` and `energy`
 */
export async function runPass(core: PhaseCore, question: Question): Promise<Answer> {
  const { load, variables, seed, wantsScore, denoise, arrays } = question;
  load?.();
  // Denoising evaluates the frame itself. With it, only variables need this pass, and they read it in the
  // core.
  const isRead = denoise === null;
  const raw = isRead || variables !== null ? await core.forward({ arrays: isRead ? arrays : "views" }) : null;
  // Denoising comes last because it leaves another frame in the core.
  const found = variables === null ? null : await evaluate(core, variables);
  const ofSeed = seed === null ? null : await core.pull(seed);
  const score = wantsScore ? (await core.score()).score : null;
  const denoised =
    denoise === null
      ? null
      : await core.denoise({
          ...(denoise === "converged" ? { untilConverged: true } : { steps: denoise }),
          arrays,
        });
  return {
    read: denoised ?? raw!,
    values: found?.values ?? null,
    energy: found?.energy ?? null,
    derivatives: ofSeed ?? found?.derivatives ?? null,
    score,
    denoised,
  };
}

async function evaluate(
  core: PhaseCore,
  { resolved, input, energy: energyOf, wantsDerivatives, followsCell }: VariablesQuestion,
): Promise<Pick<Answer, "values" | "energy" | "derivatives">> {
  const evaluation: CoreEvaluation = await evaluateInCore(core, resolved, input());
  const values = [...evaluation.values];
  const energy = energyOf === null ? null : energyOf(values);
  const derivatives =
    energy !== null && wantsDerivatives ? await evaluation.pull(energy.derivatives, followsCell) : null;
  return { values, energy, derivatives };
}
